"""Spans of one trace per commit, begun by the hub and continued by every agent, over the headers of messages.

W3C trace context (https://www.w3.org/TR/trace-context/). A span that handles a message is the child of the span that
made the message, and links to it: a child, so that a commit is one trace; a link, since OpenTelemetry's conventions for
messaging say so (https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/).
"""

import contextlib
import datetime
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import Any

import msgspec
from opentelemetry import context, trace
from opentelemetry.trace.propagation import tracecontext

Attributes = Mapping[str, str | int | bool]

SYSTEM = {"messaging.system": "nats"}

PRODUCER = trace.SpanKind.PRODUCER
CONSUMER = trace.SpanKind.CONSUMER

_propagator = tracecontext.TraceContextTextMapPropagator()


class Origin(msgspec.Struct, frozen=True):
    """What a span continues."""

    parent: str = ""
    """A traceparent; empty: the span that is open here, if any."""
    links: tuple[str, ...] = ()
    """Traceparents of what else led to it."""
    kind: trace.SpanKind = trace.SpanKind.INTERNAL


HERE = Origin()


def sent_by(traceparent: str) -> Origin:
    """Of a span that handles a message which carries this traceparent; empty or senseless: a trace of its own."""
    return Origin(traceparent, (traceparent,) if traceparent else (), CONSUMER)


class Tracing:
    """Opens spans. Without an exporter a span costs an id, and goes nowhere."""

    def __init__(self, tracer: trace.Tracer) -> None:
        self._tracer = tracer

    @contextlib.contextmanager
    def span(
        self,
        name: str,
        attributes: Attributes | None = None,
        *,
        origin: Origin = HERE,
        began: datetime.datetime | None = None,
    ) -> Iterator[trace.Span]:
        """A span for the time of the block, or since `began`; what fails in it is told in it."""
        with self._tracer.start_as_current_span(
            name,
            context=_parent(origin),
            kind=origin.kind,
            links=_links(origin.links),
            attributes=dict(attributes or {}),
            start_time=_ns(began) if began is not None else None,
        ) as span:
            yield span

    def past(
        self,
        name: str,
        attributes: Attributes | None = None,
        *,
        began: datetime.datetime,
        ended: datetime.datetime,
        origin: Origin = HERE,
    ) -> None:
        """A span for something that is over."""
        span = self._tracer.start_span(
            name,
            context=_parent(origin),
            kind=origin.kind,
            links=_links(origin.links),
            attributes=dict(attributes or {}),
            start_time=_ns(began),
        )
        span.end(_ns(ended))


SILENT = Tracing(trace.NoOpTracer())
"""Opens spans that nobody sees, and that have no context."""


def current() -> str:
    """The traceparent of the span that is open here; empty: none is."""
    return traceparent_of(trace.get_current_span())


def traceparent_of(span: trace.Span) -> str:
    """What to hand on so that others continue this span; empty if nobody records."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier, context=trace.set_span_in_context(span, context.Context()))
    return carrier.get("traceparent", "")


def trace_id(traceparent: str) -> str:
    """For log lines; empty if there is none."""
    parts = traceparent.split("-")
    return parts[1] if len(parts) == 4 else ""


def add_ids(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A processor of structlog: each line that is written while a span is open names it, as OpenTelemetry's log format
    for non-OTLP files does (`trace_id`, `span_id`)."""
    found = trace.get_current_span().get_span_context()
    if found.is_valid:
        event.setdefault("trace_id", trace.format_trace_id(found.trace_id))
        event.setdefault("span_id", trace.format_span_id(found.span_id))
    return event


def _parent(origin: Origin) -> context.Context | None:
    """None: the context that is open here."""
    if origin.parent:
        return _propagator.extract({"traceparent": origin.parent}, context=context.Context())
    return context.Context() if origin.kind is CONSUMER else None


def _links(traceparents: Sequence[str]) -> list[trace.Link]:
    found = [
        trace.get_current_span(_propagator.extract({"traceparent": one}, context=context.Context())).get_span_context()
        for one in traceparents
    ]
    return [trace.Link(one) for one in found if one.is_valid]


def _ns(at: datetime.datetime) -> int:
    """Nanoseconds since 1970, without a float's rounding."""
    since = at - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000
