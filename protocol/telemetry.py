"""Traces and metrics for a collector, by OTLP over HTTP and OpenTelemetry's standard environment variables.

Off unless the environment asks for it: with OTEL_EXPORTER_OTLP_ENDPOINT (or the variable of one signal), or with
OTEL_TRACES_EXPORTER or OTEL_METRICS_EXPORTER = otlp. What this module does not read itself (headers, certificates,
sampler, batch sizes, intervals, resource attributes) OpenTelemetry's SDK reads.
https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/

The exporters cost 23 MB of memory, so they are loaded only then, and are the extra `otlp` of the distribution.
"""

import importlib
import logging
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from opentelemetry import metrics, trace
from opentelemetry.sdk import resources
from opentelemetry.sdk import trace as sdk_trace

FLUSH_MS = 2_000
"""What a process that ends waits for its last spans to be taken: a collector that is away must not hold it up."""

PROTOCOL = "http/protobuf"

_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_HEADERS_READER = "opentelemetry.util.re"
_EXPORTERS = "opentelemetry.exporter.otlp.proto.http"


class TelemetryError(Exception):
    """The environment asks for something that is not there."""


class Asked(msgspec.Struct, frozen=True):
    """What the environment asks for."""

    traces: bool
    metrics: bool


class Telemetry:
    """Where the spans and measurements of one process go."""

    def __init__(self, wanted: Asked, resource: resources.Resource) -> None:
        self.asked = wanted
        self.resource = resource
        self._tracers = sdk_trace.TracerProvider(resource=resource, shutdown_on_exit=False)
        self._meters: metrics.MeterProvider | None = None
        self._closers: list[Callable[[], object]] = []
        if wanted.traces:
            self._export_spans()

    def tracer(self, name: str) -> trace.Tracer:
        """The tracer of one component; without an exporter its spans cost an id, and go nowhere."""
        return self._tracers.get_tracer(name)

    def meter(self, name: str) -> metrics.Meter:
        """The meter of one component; without an exporter it measures nothing."""
        if self._meters is None:
            self._meters = self._exported() if self.asked.metrics else metrics.NoOpMeterProvider()
        return self._meters.get_meter(name)

    def close(self) -> None:
        """Send what is left, for some FLUSH_MS at most, and end. Blocks: call it in a thread."""
        for closer in self._closers:
            closer()

    def _export_spans(self) -> None:
        exporter = _load(f"{_EXPORTERS}.trace_exporter").OTLPSpanExporter()
        batches = _load("opentelemetry.sdk.trace.export").BatchSpanProcessor(exporter, export_timeout_millis=FLUSH_MS)
        self._tracers.add_span_processor(batches)
        self._closers += [lambda: self._tracers.force_flush(FLUSH_MS), self._tracers.shutdown]

    def _exported(self) -> metrics.MeterProvider:
        reading = _load("opentelemetry.sdk.metrics.export").PeriodicExportingMetricReader(
            metric_exporter(), export_timeout_millis=FLUSH_MS
        )
        provider = _load("opentelemetry.sdk.metrics").MeterProvider([reading], self.resource, shutdown_on_exit=False)
        self._closers.append(lambda: provider.shutdown(FLUSH_MS))
        found: metrics.MeterProvider = provider
        return found


def asked(environ: Mapping[str, str]) -> Asked:
    """Read the environment; raise TelemetryError if it asks for an exporter or a protocol that there is none for."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return Asked(traces=False, metrics=False)
    return Asked(traces=_is_asked(environ, "TRACES"), metrics=_is_asked(environ, "METRICS"))


def opened(service: str, version: str, environ: Mapping[str, str], *, told: Callable[[str], None]) -> Telemetry:
    """Set up what the environment asks for; raise TelemetryError. `told` gets what the exporters complain of, a line
    each, in any thread."""
    wanted = asked(environ)
    if wanted.traces or wanted.metrics:
        _listen(told)
    return Telemetry(wanted, _resource(service, version, environ))


def metric_exporter() -> Any:
    """An exporter for whoever has measurements of its own (`opentelemetry.sdk.metrics.export.MetricExporter`)."""
    return _load(f"{_EXPORTERS}.metric_exporter").OTLPMetricExporter()


def _is_asked(environ: Mapping[str, str], signal: str) -> bool:
    exporter = environ.get(f"OTEL_{signal}_EXPORTER", "").strip()
    if exporter not in ("", "otlp", "none"):
        raise TelemetryError(f"OTEL_{signal}_EXPORTER: {exporter!r} is not supported (otlp or none)")
    endpoints = (environ.get(name, "") for name in (_ENDPOINT, f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT"))
    wanted = exporter == "otlp" or (not exporter and any(endpoints))
    protocol = environ.get(f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL") or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    if wanted and protocol not in (None, "", PROTOCOL):
        raise TelemetryError(f"OTEL_EXPORTER_OTLP_PROTOCOL: {protocol!r} is not supported ({PROTOCOL} is)")
    return wanted


def _resource(service: str, version: str, environ: Mapping[str, str]) -> resources.Resource:
    """What the process is; the environment may call it otherwise."""
    named = "OTEL_SERVICE_NAME" in environ or "service.name=" in environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return resources.Resource.create({"service.version": version} | ({} if named else {"service.name": service}))


def _load(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise TelemetryError(f"OTLP: {error.name} is not installed (flotilla-gitops[otlp] brings it)") from error


class _Complaints(logging.Handler):
    """The SDK reports failed exports by the standard library's logging. Where it cannot read the headers that the
    environment gives, it quotes them, and they are a secret."""

    def __init__(self, told: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._told = told

    def emit(self, record: logging.LogRecord) -> None:
        quotes_headers = record.name == _HEADERS_READER
        self._told(str(record.msg).replace("%s", "…") if quotes_headers else record.getMessage())


def _listen(told: Callable[[str], None]) -> None:
    logger = logging.getLogger("opentelemetry")
    logger.handlers = [_Complaints(told)]
    logger.propagate = False
