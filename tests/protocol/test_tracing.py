"""Spans that continue each other over the headers of messages."""

import datetime

import pytest
from opentelemetry import trace
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.trace import export
from opentelemetry.sdk.trace.export import in_memory_span_exporter

from protocol import tracing

AT = datetime.datetime(2026, 11, 25, 12, 0, 0, 123457, tzinfo=datetime.UTC)
SENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def spans() -> in_memory_span_exporter.InMemorySpanExporter:
    return in_memory_span_exporter.InMemorySpanExporter()


@pytest.fixture
def traces(spans: in_memory_span_exporter.InMemorySpanExporter) -> tracing.Tracing:
    provider = sdk.TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(spans))
    return tracing.Tracing(provider.get_tracer("test"))


def test_a_span_that_handles_a_message_is_its_child_and_links_to_it(
    traces: tracing.Tracing, spans: in_memory_span_exporter.InMemorySpanExporter
) -> None:
    with traces.span("verify", {"a": 1}, origin=tracing.sent_by(SENT)):
        pass

    span = spans.get_finished_spans()[0]
    assert span.parent is not None
    assert trace.format_span_id(span.parent.span_id) == "b7ad6b7169203331"
    assert [trace.format_span_id(link.context.span_id) for link in span.links] == ["b7ad6b7169203331"]
    assert span.kind is trace.SpanKind.CONSUMER


@pytest.mark.parametrize("senseless", ["", "00-xyz", "no trace at all"])
def test_a_message_without_a_trace_begins_one(
    senseless: str, traces: tracing.Tracing, spans: in_memory_span_exporter.InMemorySpanExporter
) -> None:
    with traces.span("other"), traces.span("verify", origin=tracing.sent_by(senseless)):
        pass

    span = spans.get_finished_spans()[0]
    assert (span.name, span.parent, list(span.links)) == ("verify", None, [])


def test_a_span_lies_in_the_one_that_is_open(
    traces: tracing.Tracing, spans: in_memory_span_exporter.InMemorySpanExporter
) -> None:
    with traces.span("commit", began=AT), traces.span("resolve"):
        inner = tracing.current()
        traces.past("fetch", began=AT, ended=AT + datetime.timedelta(microseconds=1))

    fetched, resolved, commit = spans.get_finished_spans()
    assert fetched.parent is not None
    assert inner.split("-")[2] == trace.format_span_id(fetched.parent.span_id)
    assert resolved.parent is not None
    assert commit.start_time == 1_795_608_000_123_457_000
    assert (fetched.end_time or 0) - (fetched.start_time or 0) == 1_000


def test_what_fails_in_a_span_is_told_in_it(
    traces: tracing.Tracing, spans: in_memory_span_exporter.InMemorySpanExporter
) -> None:
    with pytest.raises(ValueError, match="boom"), traces.span("apply"):
        raise ValueError("boom")

    assert spans.get_finished_spans()[0].status.status_code is trace.StatusCode.ERROR


def test_log_lines_name_the_open_span(traces: tracing.Tracing) -> None:
    with traces.span("apply"):
        line = tracing.add_ids(None, "info", {"event": "applied"})
        inside = tracing.current()

    assert [line["trace_id"], line["span_id"]] == inside.split("-")[1:3]
    assert tracing.add_ids(None, "info", {"event": "idle"}) == {"event": "idle"}


def test_nobody_sees_silent_spans() -> None:
    with tracing.SILENT.span("apply"):
        assert tracing.current() == ""
    assert tracing.trace_id("") == ""
