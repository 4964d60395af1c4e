"""When spans and measurements are exported, and what is refused."""

import sys

import pytest
from opentelemetry import metrics

from protocol import telemetry

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


@pytest.mark.parametrize(
    ("environ", "traces", "measurements"),
    [
        ({}, False, False),
        (ENDPOINT, True, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1/x"}, True, False),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://127.0.0.1/x"}, False, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True, False),
        ({"OTEL_METRICS_EXPORTER": "otlp"}, False, True),
        (ENDPOINT | {"OTEL_METRICS_EXPORTER": "none"}, True, False),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "TRUE"}, False, False),
        (ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, True, True),
    ],
)
def test_the_standard_variables_decide(environ: dict[str, str], traces: bool, measurements: bool) -> None:
    assert telemetry.asked(environ) == telemetry.Asked(traces=traces, metrics=measurements)


@pytest.mark.parametrize(
    ("environ", "complaint"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER: 'zipkin' is not supported"),
        (ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "'grpc' is not supported"),
        (ENDPOINT | {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"}, "'http/json' is not supported"),
    ],
)
def test_what_there_is_no_exporter_for_is_refused(environ: dict[str, str], complaint: str) -> None:
    with pytest.raises(telemetry.TelemetryError, match=complaint):
        telemetry.asked(environ)


def test_without_a_wish_nothing_is_loaded_and_nothing_measured() -> None:
    found = telemetry.opened("flotilla-test", "1", {}, told=print)

    with found.tracer("test").start_as_current_span("apply") as span:
        assert span.get_span_context().is_valid
    assert isinstance(found.meter("test"), metrics.NoOpMeter)
    assert found.resource.attributes["service.name"] == "flotilla-test"
    found.close()


def test_a_missing_exporter_is_named_with_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)

    with pytest.raises(telemetry.TelemetryError, match=r"flotilla-gitops\[otlp\]"):
        telemetry.opened("flotilla-test", "1", {"OTEL_TRACES_EXPORTER": "otlp"}, told=print)


def test_a_collector_that_is_away_is_complained_of_and_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", nowhere["OTEL_EXPORTER_OTLP_ENDPOINT"])
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    complaints: list[str] = []
    found = telemetry.opened("flotilla-test", "1", nowhere, told=complaints.append)

    with found.tracer("test").start_as_current_span("apply"):
        pass
    found.meter("test").create_counter("passes").add(1)
    found.close()

    assert complaints


def test_headers_that_cannot_be_read_are_complained_of_and_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "Authorization: Bearer hunter2")
    complaints: list[str] = []
    found = telemetry.opened("flotilla-test", "1", {"OTEL_TRACES_EXPORTER": "otlp"}, told=complaints.append)
    telemetry.metric_exporter()
    found.close()

    assert any("Header format invalid" in one for one in complaints)
    assert "hunter2" not in "".join(complaints)
