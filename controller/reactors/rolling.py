"""From resolved revisions and reports to rollouts: starts them, admits clusters, settles them, completes them."""

from collections.abc import Iterable

import structlog

from controller import errors, runtime, transact
from controller.domain import (
    assignments,
    catalogs,
    clusters,
    debts,
    fleet,
    judging,
    losses,
    placements,
    rollout_state,
    rollouts,
    sources,
    stages,
)
from controller.domain.world import World
from controller.reactors import publishing
from protocol import canonical, ids, sealing
from protocol.events import log
from protocol.events import rollouts as events

logger = structlog.get_logger(__name__)

BY = "hub"

STEPS_MAX = 64
"""Steps of one rollout in one pass; the next pass goes on. A rollout settles after a handful."""


class Rolling:
    """Drives every source's rollouts."""

    def __init__(self, shared: runtime.Runtime, deriver: publishing.Publishing) -> None:
        self._shared = shared
        self._deriver = deriver

    async def run(self) -> None:
        """Drive, for ever."""
        signal = self._shared.subscribe()
        while True:
            try:
                await self.drive_all()
            except (errors.Transient, sealing.BlobError) as error:
                logger.warning("rollouts are held up", reason=str(error))
            await signal.wait(self._shared.timing.look_again_s)

    async def drive_all(self) -> None:
        """One look at every source."""
        shared = self._shared
        if shared.world.fleet.recovering or not shared.presence_known():
            return
        await shared.library.need_catalogs(assignments.catalog_digests(shared.world))
        for source in list(shared.world.sources.values()):
            if source.suspended or source.removed or not source.catalog:
                continue
            await self._start(source)
            for _ in range(STEPS_MAX):
                if not await self._step(source.name):
                    break

    async def _start(self, source: sources.Source) -> None:
        state = self._shared.world.rollout(source.name)
        if state.current is not None and state.current.catalog == source.catalog:
            return
        catalog = self._shared.library.catalogs[source.catalog]
        members = [cluster for cluster in self._shared.world.clusters.values() if clusters.active(cluster)]
        what_if = await self._deriver.derive(members, lambda view: assignments.with_given(view, source.name, catalog))
        at = self._shared.clock()

        def decide(world: World) -> tuple[log.Event, ...]:
            current = world.sources[source.name]
            if current.catalog != source.catalog or current.suspended or current.removed:
                return ()
            if not self._has_catalogs(world):
                return ()
            started = rollouts.start(world.rollout(source.name), self._command(world, current, catalog))
            if not started:
                return ()
            begun = started[0]
            assert isinstance(begun, events.RolloutStarted)
            cause = debts.Cause(topic=begun.rollout, source=source.name, revision=begun.revision)
            return (*started, *losses.foreseen(world, cause, list(what_if.values()), at))

        await self._run(source.name, decide, cause=str(source.revision))

    def _command(self, world: World, source: sources.Source, catalog: catalogs.Catalog) -> rollouts.Start:
        state = world.rollout(source.name)
        online = self._shared.online()
        inherited = rollout_state.inherited(state, online)
        active = [cluster for cluster in world.clusters.values() if clusters.active(cluster)]
        touched = self._affected(world, source, catalog, active) | inherited
        affected = tuple(sorted((one for one in active if one.id in touched), key=lambda one: one.name))
        policy = fleet.policy(world.fleet, source.spec.rollout_policy)
        situation = stages.Situation(affected=affected, online=online, groups=world.fleet.groups, inherited=inherited)
        return rollouts.Start(
            # The number of the event keeps ids apart when a commit is rolled out twice.
            rollout=ids.RolloutId(f"{source.name}-{world.log_head.sequence + 1}"),
            revision=str(source.revision),
            catalog=source.catalog,
            policy=policy,
            plan=stages.plan(policy, situation),
        )

    def _affected(
        self,
        world: World,
        source: sources.Source,
        catalog: catalogs.Catalog,
        members: Iterable[clusters.Cluster],
    ) -> frozenset[ids.ClusterId]:
        assigned, groups = world.rollout(source.name).assigned, world.fleet.groups
        shelf = self._shared.library.catalogs
        looked_at = {
            one.id: (shelf[given] if (given := assigned.get(one.id)) else None, placements.facts(one, groups))
            for one in members
        }
        return judging.affected(catalog, source.spec, looked_at)

    async def _step(self, source: ids.SourceName) -> bool:
        def decide(world: World) -> tuple[log.Event, ...]:
            present = world.sources[source]
            if present.suspended or present.removed or not self._has_catalogs(world):
                return ()
            return rollouts.advance(world.rollout(source), self._facts(world, present))

        written = await self._run(source, decide, cause="observed")
        for record in written:
            if isinstance(record.event, events.RolloutHalted):
                logger.error("rollout halted", rollout=record.event.rollout, reason=record.event.reason)
        return bool(written)

    def _has_catalogs(self, world: World) -> bool:
        """Not what another hub gave just now, as seen after a lost race: then the next look fetches it."""
        return assignments.catalog_digests(world) <= self._shared.library.catalogs.keys()

    async def _run(self, source: ids.SourceName, decide: transact.Decide, *, cause: str) -> tuple[log.Record, ...]:
        # Another hub may remove the source while this one decides about its rollout.
        reads = assignments.read_for_rollout(source)
        return await self._shared.transactor.run(decide, by=BY, cause=cause, reads=lambda _world: reads)

    def _facts(self, world: World, source: sources.Source) -> rollouts.Facts:
        state = world.rollout(source.name)
        online = self._shared.online()
        absent = frozenset(cluster.id for cluster in world.clusters.values() if not clusters.active(cluster))
        joining = tuple(
            cluster.id
            for cluster in sorted(world.clusters.values(), key=lambda one: one.name)
            if cluster.id in online
            and cluster.id not in absent
            and cluster.id not in state.assigned
            and placements.source_targets(source.spec, placements.facts(cluster, world.fleet.groups))
        )
        return rollouts.Facts(
            at=self._shared.clock(),
            online=online,
            reports_sequence=self._shared.reports_sequence,
            verdicts=self._verdicts(world, source),
            absent=absent,
            removed=frozenset(cluster.id for cluster in world.clusters.values() if cluster.removed),
            outside=self._outside(world, source),
            joining=joining,
        )

    def _outside(self, world: World, source: sources.Source) -> tuple[ids.ClusterId, ...]:
        """Whom the completion must not take for untouched; looked for only when it is next."""
        state = world.rollout(source.name)
        current = state.current
        if current is None or not all(stage.completed for stage in current.stages):
            return ()
        catalog = self._shared.library.catalogs[current.catalog]
        others = [
            world.clusters[cluster]
            for cluster, given in state.assigned.items()
            if given != current.catalog and cluster not in current.planned
        ]
        return tuple(sorted(self._affected(world, source, catalog, others)))

    def _verdicts(self, world: World, source: sources.Source) -> dict[ids.ClusterId, rollouts.Verdict]:
        current = world.rollout(source.name).current
        if current is None:
            return {}
        shelf = self._shared.library.catalogs
        new, base = shelf[current.catalog], shelf.get(current.base)
        found = {}
        for cluster in current.in_flight:
            publication = self._shared.publication(cluster)
            if publication.given.get(source.name) != current.catalog:
                continue
            of = placements.facts(world.clusters[cluster], world.fleet.groups)
            expected = judging.change(base, new, source.spec, of)
            had = shelf.get(current.replaced.get(cluster, canonical.NO_DIGEST))
            if had is not None:
                change = judging.change(had, new, source.spec, of)
                expected = judging.either(expected, change)
            verdict = judging.verdict(
                expected,
                self._shared.seen(cluster),
                judging.Standing(published_root=publication.root, conflicts=publication.conflicts),
            )
            if verdict is not None:
                found[cluster] = verdict
        return found
