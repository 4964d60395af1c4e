"""The hub's metrics, in the text format that Prometheus reads."""

from collections.abc import Callable, Iterator, Sequence

import prometheus_client
from prometheus_client import metrics_core, registry

from controller.domain import sweeping
from controller.domain.views import gauges

CONTENT_TYPE = prometheus_client.CONTENT_TYPE_LATEST

RENDER_BUCKETS_S = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
"""Plain manifests take milliseconds, a chart some tens for each variant; a program is ended after a minute."""

NATS_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5)
"""A request on the loopback takes half a millisecond, an fsync some, another continent a tenth of a second."""


class Metrics:
    """What one hub counts and measures, in a registry of its own. May be used in any thread."""

    def __init__(self, *, lag_s: Callable[[], float]) -> None:
        """`lag_s`: the event loop's lag."""
        self._registry = prometheus_client.CollectorRegistry()
        lag = prometheus_client.Gauge(
            "flotilla_hub_loop_lag_seconds",
            "How late the event loop came at most in the last minute.",
            registry=self._registry,
        )
        lag.set_function(lag_s)
        self._renders = prometheus_client.Counter(
            "flotilla_renders_total",
            "Bundles that were rendered, with all their variants.",
            ["result"],
            registry=self._registry,
        )
        for result in ("whole", "in_error"):
            self._renders.labels(result)
        self._render_s = prometheus_client.Histogram(
            "flotilla_render_seconds",
            "How long a bundle took to render, with all its variants.",
            buckets=RENDER_BUCKETS_S,
            registry=self._registry,
        )
        self._nats_s = prometheus_client.Histogram(
            "flotilla_nats_request_seconds",
            "From a request to NATS to its answer: for what is stored, with the server's fsync.",
            buckets=NATS_BUCKETS_S,
            registry=self._registry,
        )

        self._swept = prometheus_client.Counter(
            "flotilla_blobs_swept_total", "Blobs deleted because nothing named them any more.", registry=self._registry
        )
        self._blobs = prometheus_client.Gauge(
            "flotilla_blobs", "Blobs that were stored after the last sweep.", registry=self._registry
        )
        self._blob_bytes = prometheus_client.Gauge(
            "flotilla_blobs_bytes", "What these took, in bytes.", registry=self._registry
        )

    def rendered(self, seconds: float, *, whole: bool) -> None:
        """A bundle was rendered; `whole`: nothing of it is in error."""
        self._renders.labels("whole" if whole else "in_error").inc()
        self._render_s.observe(seconds)

    def asked(self, seconds: float) -> None:
        """A request to NATS was answered."""
        self._nats_s.observe(seconds)

    def swept(self, done: sweeping.Swept, holding: sweeping.Holding) -> None:
        """Blobs that nothing names were deleted; `holding`: what is left."""
        self._swept.inc(done.blobs)
        self._blobs.set(holding.blobs)
        self._blob_bytes.set(holding.size)

    def families(self, more: Sequence[gauges.Gauge] = ()) -> list[metrics_core.Metric]:
        """All of it, and what is known besides, as data."""
        return [*self._registry.collect(), *_Read(more).collect()]

    def exposition(self, more: Sequence[gauges.Gauge] = ()) -> bytes:
        """All of it, and what is known besides, as CONTENT_TYPE says."""
        beside = prometheus_client.CollectorRegistry(auto_describe=False)
        beside.register(_Read(more))
        return prometheus_client.generate_latest(self._registry) + prometheus_client.generate_latest(beside)


class _Read(registry.Collector):
    """What was read for this one answer."""

    def __init__(self, found: Sequence[gauges.Gauge]) -> None:
        self._found = found

    def collect(self) -> Iterator[metrics_core.Metric]:
        for one in self._found:
            kind = metrics_core.CounterMetricFamily if one.is_counter else metrics_core.GaugeMetricFamily
            family = kind(one.name, one.help, labels=one.labels)
            for values, number in one.samples:
                family.add_metric(values, number)
            yield family
