"""From a held desired state to a cluster that has it: apply in stages, prune, watch, report; then again, for ever.

Level, not edge: each pass starts from the whole desired state and the inventory, so a pass that was cut short, failed
or repeated needs no memory of that. A newer state ends a pass between two objects.
"""

import collections
from collections.abc import Mapping

import msgspec
import structlog

from agents import acceptor, announcing, clock, errors, measuring, passes, pruning, scheduling
from agents.domain import choosing, statuses
from agents.kube import errors as kube_errors
from protocol import ids, reports, tracing
from protocol.canonical import NO_DIGEST, Digest
from protocol.status import Health

STUMBLES_REPORTED_AFTER = 2
"""A pass that fails as a whole is reported from the second time on: one broken connection is no news."""


class Watchers(msgspec.Struct, frozen=True):
    """Who is told: the hub, the trace, the log."""

    announcer: announcing.Announcer
    traces: tracing.Tracing
    measures: measuring.Measures
    log: structlog.stdlib.BoundLogger
    cluster_uid: str


class Reconciler:
    """One worker per cluster."""

    def __init__(
        self,
        accepting: acceptor.Acceptor,
        cluster: passes.Cluster,
        *,
        schedule: scheduling.Schedule,
        watchers: Watchers,
        clocks: clock.Clock,
    ) -> None:
        self._acceptor = accepting
        self._cluster = cluster
        self._schedule = schedule
        self._watchers = watchers
        self._clock = clocks
        self._held: acceptor.Held | None = None
        self._begun = clocks.now()
        self._traceparent = ""
        """Of the last apply, so that the reports of it continue its span."""
        self._worked_through = False
        self._healthy = False
        self._asked = False
        """To say everything that is not said yet."""
        self._resting_until = 0.0
        """After a failure that concerns all objects, what the watches saw waits as long as everything else."""
        self._pruned: pruning.Outcome | None = None
        self._health: Mapping[ids.BundleId, object] = {}
        cluster.noticed = lambda: watchers.announcer.noticed(cluster.keeper.open)
        self.root: Digest = NO_DIGEST
        """Of the newest generation that was worked through."""

    def look(self) -> None:
        """Look again, though nothing new is held: for instance because everything has to be said anew."""
        self._asked = True
        self._acceptor.changed.raise_()

    def served_anew(self) -> None:
        """The API server serves something else than before: what failed for want of a kind may go well."""
        self._cluster.forget_kinds()
        self._schedule.hurry(self._clock.monotonic())
        self._acceptor.changed.raise_()

    def wake(self) -> None:
        """Look at what the watches saw change."""
        self._acceptor.changed.raise_()

    async def run(self) -> None:
        """Reconcile, for ever."""
        while True:
            next_at = min(self._schedule.next(), max(self._cluster.keeper.next_at, self._resting_until))
            wait_s = max(0.0, next_at - self._clock.monotonic())
            await self._acceptor.changed.wait(wait_s if self._held else None)
            if self._acceptor.held is not self._held:
                self._take_up(self._acceptor.held)
            if self._held is not None:
                await self._step(self._held)

    def _take_up(self, held: acceptor.Held | None) -> None:
        self._held = held
        self._begun = self._clock.now()
        self._worked_through = False
        self._healthy = False
        self._schedule.fresh()

    async def _step(self, held: acceptor.Held) -> None:
        now = self._clock.monotonic()
        try:
            news, self._asked = self._asked, False
            if self._due(now) or not (self._worked_through or self._schedule.is_paused(now)):
                await self._pass(held, now)
                news = True
            elif self._schedule.health_at <= now:
                await self._cluster.watch(held, stop=lambda: self._acceptor.held is not held)
                self._reckon()
                news = True
            if self._worked_through:
                news = await self._attend(held) or news
            if self._worked_through and self._cluster.is_released(held):
                await self._pass(held, now)
            if self._worked_through and news:
                self._announce(held)
        except errors.AnotherCluster:
            raise  # nothing that is in memory is true any more
        except (kube_errors.KubeError, errors.AgentError) as error:
            self._stumble(held, error)

    async def _attend(self, held: acceptor.Held) -> bool:
        """Look at what the watches saw; what has drifted is told first, and then put right."""

        def stop() -> bool:
            return self._acceptor.held is not held

        news = await self._cluster.attend(held, stop=stop)
        if drifted := self._cluster.is_drifted:
            self._announce_drift()
            await self._cluster.revert(held, stop=stop)
        if news or drifted:
            self._reckon()
        return news or drifted

    def _reckon(self) -> None:
        """When what failed is to be tried again."""
        failing = self._cluster.failing()
        self._schedule.failing(self._clock.monotonic(), failing, failing)

    def _announce_drift(self) -> None:
        kept = self._cluster.keeper
        self._watchers.announcer.drifted(kept.open, kept.take_closed())

    def _due(self, now: float) -> bool:
        return min(self._schedule.resync_at, self._schedule.again_at) <= now or bool(self._schedule.retried(now))

    async def _pass(self, held: acceptor.Held, now: float) -> None:
        everything = self._schedule.resync_at <= now
        retried = self._schedule.retried(now)
        if not self._worked_through:
            retried = frozenset(index.bundle for index in held.indexes)
        whole = await self._apply(held, choosing.Scope(everything, retried))
        if not whole:
            return  # the newer state has raised its signal
        outcome = await self._prune(held)
        self._worked_through = True
        self.root = held.mark.root
        changed, self._pruned = outcome != self._pruned, outcome
        done = self._clock.monotonic()
        if everything:
            self._schedule.resynced(done)
        failing = self._cluster.failing()
        self._schedule.failing(done, failing, failing)
        self._schedule.finished(done, pending=bool(outcome and outcome.undeleted), changed=changed)

    async def _apply(self, held: acceptor.Held, scope: choosing.Scope) -> bool:
        name, origin = ("resync", self._again(held)) if self._worked_through else ("apply", self._following(held))
        with self._watchers.traces.span(name, self._attributes(held), origin=origin) as span:
            self._traceparent = tracing.traceparent_of(span) or held.traceparent
            started = self._clock.monotonic()
            whole = await self._cluster.apply(held, scope, stop=lambda: self._acceptor.held is not held)
            self._tell_pass(held, whole=whole, seconds=self._clock.monotonic() - started)
            return whole

    async def _prune(self, held: acceptor.Held) -> pruning.Outcome | None:
        if not held.deletions.items:
            return await self._cluster.settle(held, newest=lambda: False)
        origin = self._again(held) if self._worked_through else self._following(held)
        with self._watchers.traces.span("prune", self._attributes(held), origin=origin):
            return await self._cluster.settle(held, newest=lambda: self._acceptor.newest == held.mark)

    def _announce(self, held: acceptor.Held) -> None:
        """Tell the hub what changed, and look at health again soon if it may change by itself."""
        announcer, found, traceparent = self._watchers.announcer, self._cluster.statuses(held), self._traceparent
        announcer.applied(held, found, self._cluster.size, traceparent=traceparent)
        announcer.failed(held, found, traceparent=traceparent)
        announcer.ready(held, found, traceparent=traceparent)
        announcer.adopted(self._cluster.adopted)
        announcer.orphaned(self._cluster.orphans(held))
        if self._pruned is not None:
            announcer.pruned(held, self._pruned, traceparent=traceparent)
        self._announce_drift()
        health = {bundle: (item.health, item.failures) for bundle, item in found.items()}
        # A hook that runs is looked at as often as something that changes: nobody wants to wait longer than it takes.
        changed, self._health = health != self._health or self._cluster.is_hooking, health
        self._schedule.watch(self._clock.monotonic(), unhealthy=self._cluster.is_restless, changed=changed)
        self._trace_healthy(held, found)

    def _trace_healthy(self, held: acceptor.Held, found: dict[ids.BundleId, reports.BundleStatus]) -> None:
        """The last span of the trace: from the moment the state was taken up until everything works."""
        if self._healthy or any(item.health is not Health.HEALTHY or item.failed for item in found.values()):
            return
        self._healthy = True
        self._watchers.traces.past(
            "healthy", self._attributes(held), began=self._begun, ended=self._clock.now(), origin=self._following(held)
        )

    def _following(self, held: acceptor.Held) -> tracing.Origin:
        return tracing.Origin(held.traceparent)

    def _again(self, held: acceptor.Held) -> tracing.Origin:
        """What is done again each five minutes does not belong to the commit's trace, which is over; it links to it."""
        return tracing.Origin(links=(held.traceparent,))

    def _stumble(self, held: acceptor.Held, error: Exception) -> None:
        """Something that concerns all objects went wrong: the API server, the inventory, the disk."""
        times = self._schedule.stumbled(self._clock.monotonic())
        self._resting_until = self._schedule.again_at
        reason = error.reason if isinstance(error, kube_errors.KubeError) else type(error).__name__
        self._watchers.log.warning(
            "pass failed", generation=str(held.mark), reason=reason, error=str(error), times=times
        )
        if times < STUMBLES_REPORTED_AFTER:
            return
        found = {
            entry.bundle: statuses.blocked(index, entry.index, reason, str(error))
            for index, entry in zip(held.indexes, held.root.bundles, strict=True)
        }
        self._watchers.announcer.failed(held, found, traceparent=self._traceparent)

    def _tell_pass(self, held: acceptor.Held, *, whole: bool, seconds: float) -> None:
        actions = collections.Counter(seen.action.value for seen in self._cluster.observed.values())
        self._watchers.measures.passed(seconds, whole=whole, failed=len(self._cluster.failures), actions=actions)
        self._watchers.log.info(
            "reconciled" if whole else "superseded",
            generation=str(held.mark),
            revision=held.revision,
            trace=tracing.trace_id(self._traceparent),
            failed=len(self._cluster.failures),
            seconds=round(seconds, 3),
            **actions,
        )

    def _attributes(self, held: acceptor.Held) -> dict[str, str | int | bool]:
        return {
            "k8s.cluster.uid": self._watchers.cluster_uid,
            "vcs.ref.head.revision": held.revision,
            "flotilla.generation": held.state.generation,
        }
