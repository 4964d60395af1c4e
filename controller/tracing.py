"""Trace context of the hub: one trace per commit, carried on in the headers of whatever it leads to.

W3C trace context (https://www.w3.org/TR/trace-context/); span attributes are those of OpenTelemetry's semantic
conventions for version control (`vcs.*`).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.sdk import resources
from opentelemetry.sdk import trace as sdk
from opentelemetry.trace.propagation import tracecontext

_PROPAGATOR = tracecontext.TraceContextTextMapPropagator()


class Tracing:
    """Opens spans and tells their context. Without an exporter spans cost an id, and go nowhere."""

    def __init__(self) -> None:
        provider = sdk.TracerProvider(resource=resources.Resource.create({"service.name": "flotilla-hub"}))
        self._tracer = provider.get_tracer("flotilla.hub")

    @contextmanager
    def span(self, name: str, attributes: Mapping[str, str | int] | None = None, *, parent: str = "") -> Iterator[None]:
        """A span for the time of the block; `parent` is a traceparent, empty: the span around it, if any."""
        context = _PROPAGATOR.extract({"traceparent": parent}) if parent else None
        with self._tracer.start_as_current_span(name, context=context, attributes=dict(attributes or {})):
            yield


def current() -> str:
    """The traceparent of the span that is open here; empty: none is."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent", "") if trace.get_current_span().get_span_context().is_valid else ""
