"""When a cluster has to be looked at again: resync, failed bundles, unhealthy objects, whichever is first.

Times are those of a monotonic clock and come in as arguments.
"""

import random
from collections.abc import Iterable, Mapping

from agents.domain import retry
from protocol import ids

NEVER = float("inf")

GROWTH = 1.3
"""A look every five seconds becomes one every minute after two minutes, and one every five after ten."""

TIMES_MAX = 64
"""Keeps the power from overflowing; every ceiling is reached long before."""


class Schedule:
    """The timers of one cluster."""

    def __init__(
        self, *, resync_s: float, health_s: float, base_s: float, ceiling_s: float, chance: random.Random
    ) -> None:
        self._resync_s = resync_s
        self._health_s = health_s
        self._base_s = base_s
        self._ceiling_s = ceiling_s
        self._chance = chance
        self._bundles: dict[ids.BundleId, tuple[int, float]] = {}
        """Attempts so far, and the time of the next."""
        self._stumbles = 0
        self._waits = 0
        """Looks at pending deletions that found nothing new."""
        self._looks = 0
        """Looks at unhealthy objects that found nothing new."""
        self.resync_at = 0.0
        self.health_at = NEVER
        self.again_at = NEVER

    def next(self) -> float:
        """The earliest time at which there is something to do."""
        return min(self.resync_at, self.health_at, self.again_at, *(at for _, at in self._bundles.values()))

    def retried(self, now: float) -> frozenset[ids.BundleId]:
        """Failed bundles whose time has come."""
        return frozenset(bundle for bundle, (_, at) in self._bundles.items() if at <= now)

    def fresh(self) -> None:
        """Another desired state: what failed is tried at once."""
        self._bundles = {}
        self._stumbles = self._waits = self._looks = 0
        self.again_at = NEVER

    def resynced(self, now: float) -> None:
        self.resync_at = now + retry.jittered(self._resync_s, self._chance.random())

    def watch(self, now: float, *, unhealthy: bool, changed: bool) -> None:
        """Look at health again soon, less soon the longer nothing changes; or not before the resync."""
        self._looks = 0 if changed else self._looks + 1
        self.health_at = now + self._growing(self._looks) if unhealthy else NEVER

    def failing(self, now: float, bundles: Iterable[ids.BundleId], patience: Mapping[ids.BundleId, float]) -> None:
        """These bundles failed, the others did not; `patience` is what servers asked for, in seconds."""
        failed = set(bundles)
        self._bundles = {bundle: self._later(now, bundle, patience.get(bundle, 0.0)) for bundle in sorted(failed)}

    def hurry(self, now: float) -> None:
        """What failed may go well now: its turn comes at once."""
        self._bundles = {bundle: (count, min(at, now)) for bundle, (count, at) in self._bundles.items()}

    def stumbled(self, now: float) -> int:
        """The whole pass failed: look again later. The number of times in a row."""
        delay = retry.backoff(
            self._stumbles, base_s=self._base_s, ceiling_s=self._ceiling_s, chance=self._chance.random()
        )
        self._stumbles += 1
        self.again_at = now + delay
        self.resync_at = max(self.resync_at, self.again_at)
        self._bundles = {bundle: (count, max(at, self.again_at)) for bundle, (count, at) in self._bundles.items()}
        return self._stumbles

    def is_paused(self, now: float) -> bool:
        """Did the last pass fail as a whole, so lately that none is due? Whatever wakes meanwhile has to wait."""
        return self._stumbles > 0 and now < self.again_at

    def finished(self, now: float, *, pending: bool, changed: bool) -> None:
        """A pass came to its end; `pending` says that deletions wait for something to happen in the cluster."""
        self._stumbles = 0
        self._waits = 0 if changed else self._waits + 1
        self.again_at = now + self._growing(self._waits) if pending else NEVER

    def _growing(self, times: int) -> float:
        """An interval for what may change at any moment, or never: soon at first, then as seldom as a retry."""
        interval = min(max(self._ceiling_s, self._health_s), self._health_s * GROWTH ** min(times, TIMES_MAX))
        return retry.jittered(interval, self._chance.random())

    def _later(self, now: float, bundle: ids.BundleId, patience_s: float) -> tuple[int, float]:
        attempts, at = self._bundles.get(bundle, (0, now))
        if at > now:
            return attempts, at  # it was not its turn
        delay = retry.backoff(attempts, base_s=self._base_s, ceiling_s=self._ceiling_s, chance=self._chance.random())
        return attempts + 1, now + max(delay, patience_s)
