"""What the hub tells a collector: its spans, and its metrics as Prometheus reads them, so that both tell the same.

How the two formats correspond: https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/
"""

import asyncio
import collections
import contextlib
import datetime
import importlib.metadata
import itertools
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any

import structlog
from opentelemetry.sdk import resources
from opentelemetry.sdk.metrics import export
from opentelemetry.sdk.util import instrumentation
from prometheus_client import metrics_core, samples

from controller import errors, metrics, runtime
from controller.domain.views import gauges
from controller.render import pool
from protocol import telemetry, tracing

logger = structlog.get_logger(__name__)

SERVICE = "flotilla-hub"

INTERVAL_VARIABLE = "OTEL_METRIC_EXPORT_INTERVAL"
INTERVAL_MS = 60_000.0
"""The standard's default."""

TIMEOUT_MS = 5_000.0
"""For one attempt; the next one tells everything anew."""

SCOPE = instrumentation.InstrumentationScope("flotilla.hub")

_UNITS = {"_seconds": "s", "_bytes": "By"}
_CUMULATIVE = export.AggregationTemporality.CUMULATIVE

Families = Callable[[], Iterable[metrics_core.Metric]]


@contextlib.asynccontextmanager
async def opened(environ: Mapping[str, str]) -> AsyncIterator[telemetry.Telemetry]:
    """What the environment asks for; raise Terminal if it asks for what is not there."""
    version = importlib.metadata.version("flotilla-gitops")
    try:
        found = telemetry.opened(SERVICE, version, environ, told=lambda text: logger.warning("telemetry", reason=text))
    except telemetry.TelemetryError as error:
        raise errors.Terminal(str(error)) from error
    try:
        yield found
    finally:
        await asyncio.to_thread(found.close)


def watch(measured: metrics.Metrics, traces: tracing.Tracing, clock: Callable[[], datetime.datetime]) -> pool.Watch:
    """Counts every bundle that was rendered, and gives it a span in the trace of its commit."""

    def tell(done: pool.Rendered) -> None:
        measured.rendered(done.seconds, whole=done.whole)
        if done.trace:
            ended = clock()
            began = ended - datetime.timedelta(seconds=done.seconds)
            attributes: tracing.Attributes = {"flotilla.bundle": done.bundle, "flotilla.whole": done.whole}
            traces.past("render", attributes, began=began, ended=ended, origin=tracing.Origin(done.trace))

    return tell


def families(measured: metrics.Metrics, shared: runtime.Runtime, *, named_max: int) -> Families:
    """What `/metrics` shows, but for the clients of the stream of events."""

    def found() -> Iterable[metrics_core.Metric]:
        fleet = gauges.fleet(shared.looking(), named_max=named_max)
        return measured.families([*fleet, *gauges.counted(shared.counts)])

    return found


def interval_s(environ: Mapping[str, str]) -> float:
    """Seconds between two exports; what is no positive number of milliseconds counts as the default."""
    try:
        found = float(environ.get(INTERVAL_VARIABLE, INTERVAL_MS))
    except ValueError:
        found = INTERVAL_MS
    return (found if 0 < found < float("inf") else INTERVAL_MS) / 1000


class Exporting:
    """Sends everything, again and again."""

    def __init__(
        self,
        families: Families,
        exporter: Any,
        *,
        resource: resources.Resource,
        clock: Callable[[], datetime.datetime],
        interval_s: float,
    ) -> None:
        """`families`: asked in the event loop. `exporter`: an `opentelemetry.sdk.metrics.export.MetricExporter`."""
        self._families = families
        self._exporter = exporter
        self._resource = resource
        self._clock = clock
        self._interval_s = interval_s
        self._began = clock()

    async def run(self) -> None:
        """Send, for ever, and once more when it is cancelled."""
        try:
            while True:
                await asyncio.sleep(self._interval_s)
                await asyncio.to_thread(self._send, list(self._families()))
        finally:
            await asyncio.shield(asyncio.to_thread(self._end, list(self._families())))

    def _send(self, families: Sequence[metrics_core.Metric]) -> None:
        found = translated(families, began=self._began, at=self._clock())
        scope = export.ScopeMetrics(SCOPE, found, "")
        data = export.MetricsData([export.ResourceMetrics(self._resource, [scope], "")])
        if self._exporter.export(data, timeout_millis=TIMEOUT_MS) is not export.MetricExportResult.SUCCESS:
            logger.warning("metrics were not taken", interval_s=self._interval_s)

    def _end(self, families: Sequence[metrics_core.Metric]) -> None:
        self._send(families)
        self._exporter.shutdown(timeout_millis=TIMEOUT_MS)


def translated(
    families: Sequence[metrics_core.Metric], *, began: datetime.datetime, at: datetime.datetime
) -> list[export.Metric]:
    """Counters, gauges and histograms as OpenTelemetry has them; everything has been counted since `began`."""
    found = []
    for family in families:
        translate = _KINDS.get(family.type)
        if translate is not None:
            data = translate(family, _ns(began), _ns(at))
            unit = next((unit for suffix, unit in _UNITS.items() if family.name.endswith(suffix)), "1")
            found.append(export.Metric(family.name, family.documentation, unit, data))
    return found


def _sum(family: metrics_core.Metric, began_ns: int, at_ns: int) -> export.Sum:
    totals = [one for one in family.samples if one.name.endswith("_total")]
    return export.Sum(_numbers(totals, began_ns, at_ns), _CUMULATIVE, True)


def _gauge(family: metrics_core.Metric, began_ns: int, at_ns: int) -> export.Gauge:
    return export.Gauge(_numbers(family.samples, began_ns, at_ns))


def _numbers(found: Iterable[samples.Sample], began_ns: int, at_ns: int) -> list[export.NumberDataPoint]:
    return [export.NumberDataPoint(dict(one.labels), began_ns, at_ns, float(one.value)) for one in found]


def _histogram(family: metrics_core.Metric, began_ns: int, at_ns: int) -> export.Histogram:
    series: dict[tuple[tuple[str, str], ...], list[samples.Sample]] = collections.defaultdict(list)
    for one in family.samples:
        labels = {name: value for name, value in one.labels.items() if name != "le"}
        series[tuple(sorted(labels.items()))].append(one)
    return export.Histogram(
        [_distribution(dict(labels), found, began_ns, at_ns) for labels, found in series.items()], _CUMULATIVE
    )


def _distribution(
    labels: dict[str, str], found: Sequence[samples.Sample], began_ns: int, at_ns: int
) -> export.HistogramDataPoint:
    """Prometheus counts what is at most a bound, OpenTelemetry what lies between two."""
    buckets = [(float(one.labels["le"]), one.value) for one in found if one.name.endswith("_bucket")]
    below = [0.0, *(count for _, count in buckets)]
    counts = [int(upper - lower) for lower, upper in itertools.pairwise(below)]
    total = next(one.value for one in found if one.name.endswith("_sum"))
    unknown: Any = None  # Prometheus does not keep the smallest and the largest
    return export.HistogramDataPoint(
        attributes=labels,
        start_time_unix_nano=began_ns,
        time_unix_nano=at_ns,
        count=sum(counts),
        sum=total,
        bucket_counts=counts,
        explicit_bounds=[bound for bound, _ in buckets[:-1]],
        min=unknown,
        max=unknown,
    )


_KINDS: dict[str, Callable[[metrics_core.Metric, int, int], export.Sum | export.Gauge | export.Histogram]] = {
    "counter": _sum,
    "gauge": _gauge,
    "histogram": _histogram,
}


def _ns(at: datetime.datetime) -> int:
    return int(at.timestamp() * 1e9)
