"""The hub's metrics, in the text format that Prometheus reads."""

from collections.abc import Callable

import prometheus_client
from prometheus_client import metrics_core

CONTENT_TYPE = prometheus_client.CONTENT_TYPE_LATEST

RENDER_BUCKETS_S = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
"""Plain manifests take milliseconds, a chart some tens for each variant; a program is ended after a minute."""


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

    def rendered(self, seconds: float, *, whole: bool) -> None:
        """A bundle was rendered; `whole`: nothing of it is in error."""
        self._renders.labels("whole" if whole else "in_error").inc()
        self._render_s.observe(seconds)

    def families(self) -> list[metrics_core.Metric]:
        """All of it, as data."""
        return list(self._registry.collect())

    def exposition(self) -> bytes:
        """All of it, as CONTENT_TYPE says."""
        return prometheus_client.generate_latest(self._registry)
