"""Spans that continue the hub's trace: commit, desired state, verify, apply, prune, healthy are one trace."""

import contextlib
from collections.abc import Iterator, Mapping

from opentelemetry import context, trace
from opentelemetry.trace.propagation import tracecontext

Attributes = Mapping[str, str | int | bool]

_propagator = tracecontext.TraceContextTextMapPropagator()

SOURCE = "flotilla.agent"


def parent(traceparent: str) -> context.Context:
    """The context that a W3C `traceparent` names; an empty or senseless one begins a trace of its own."""
    return _propagator.extract({"traceparent": traceparent}, context=context.Context())


@contextlib.contextmanager
def span(tracer: trace.Tracer, name: str, traceparent: str, attributes: Attributes) -> Iterator[trace.Span]:
    """A span below the one that `traceparent` names."""
    with tracer.start_as_current_span(name, context=parent(traceparent), attributes=dict(attributes)) as current:
        yield current


def traceparent_of(current: trace.Span) -> str:
    """What to hand on so that others continue this span; empty if nobody records."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier, context=trace.set_span_in_context(current, context.Context()))
    return carrier.get("traceparent", "")


def trace_id(traceparent: str) -> str:
    """For log lines; empty if there is none."""
    parts = traceparent.split("-")
    return parts[1] if len(parts) == 4 else ""
