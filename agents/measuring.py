"""What one agent measures, for a collector: attributes name the cluster, since one process may serve many.

Names and units as OpenTelemetry's conventions for metrics ask (https://opentelemetry.io/docs/specs/semconv/general/metrics/).
"""

from collections.abc import Mapping

from opentelemetry import metrics

CLUSTER = "flotilla.cluster"


class Measures:
    """The instruments, as one cluster uses them."""

    def __init__(self, meter: metrics.Meter, cluster: str) -> None:
        self._cluster = {CLUSTER: cluster}
        self._passes = meter.create_histogram(
            "flotilla.agent.pass.duration", unit="s", description="Passes over all objects of a cluster."
        )
        self._objects = meter.create_gauge(
            "flotilla.agent.objects", unit="{object}", description="Objects by what became of them in the last pass."
        )
        self._failed = meter.create_gauge(
            "flotilla.agent.objects.failed", unit="{object}", description="Objects that could not be applied."
        )
        self._waiting = meter.create_gauge(
            "flotilla.agent.reports.waiting", unit="{report}", description="Reports that are not delivered yet."
        )
        self._connected = meter.create_gauge(
            "flotilla.agent.hub.connected", unit="1", description="1 while the hub is connected, else 0."
        )

    def passed(self, seconds: float, *, whole: bool, failed: int, actions: Mapping[str, int]) -> None:
        """A pass is over; `whole`: no newer state ended it. `actions`: objects by what became of them."""
        self._passes.record(seconds, {**self._cluster, "flotilla.whole": whole})
        self._failed.set(failed, self._cluster)
        for action, count in actions.items():
            self._objects.set(count, {**self._cluster, "flotilla.action": action})

    def stands(self, *, connected: bool, waiting: int) -> None:
        """How the agent stands towards the hub now."""
        self._connected.set(int(connected), self._cluster)
        self._waiting.set(waiting, self._cluster)
