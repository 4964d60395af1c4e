"""From resolved revisions and reports to rollouts: starts them, admits clusters, settles them, completes them."""

import asyncio
from collections.abc import Sequence

import structlog

from controller import errors, runtime, transact
from controller.domain import (
    assignments,
    catalogs,
    clusters,
    debts,
    fleet,
    inputs,
    judging,
    losses,
    placements,
    rollout_state,
    rollouts,
    sources,
    stages,
    strategies,
)
from controller.domain.world import World
from controller.reactors import publishing
from protocol import canonical, ids, sealing, specs
from protocol.canonical import Digest
from protocol.events import log
from protocol.events import rollouts as events

logger = structlog.get_logger(__name__)

BY = "hub"

Asked = tuple[Digest, specs.SourceSpec, inputs.Facts]
"""What a change by a catalog follows from: what the cluster has, of which source, and what it is itself."""

Ahead = dict[ids.ClusterId, tuple[Asked, judging.Change]]
"""Changes that were looked up before a decision; each holds as long as what it follows from is the same."""

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
        if rollouts.is_held(state, str(source.revision)):
            return
        catalog = self._shared.library.catalogs[source.catalog]
        members = [cluster for cluster in self._shared.world.clusters.values() if clusters.active(cluster)]
        what_if = await self._deriver.derive(members, lambda view: assignments.with_given(view, source.name, catalog))
        ahead = await self._look_ahead(source, catalog, members)
        at = self._shared.clock()

        def decide(world: World) -> tuple[log.Event, ...]:
            current = world.sources[source.name]
            if current.catalog != source.catalog or current.suspended or current.removed:
                return ()
            if not self._has_catalogs(world):
                return ()
            started = rollouts.start(world.rollout(source.name), self._command(world, current, catalog, ahead))
            if not started:
                return ()
            begun = started[0]
            assert isinstance(begun, events.RolloutStarted)
            cause = debts.Cause(topic=begun.rollout, source=source.name, revision=begun.revision)
            return (*started, *losses.foreseen(world, cause, list(what_if.values()), at))

        await self._run(source.name, decide, cause=str(source.revision))

    async def _look_ahead(
        self, source: sources.Source, catalog: catalogs.Catalog, members: Sequence[clusters.Cluster]
    ) -> Ahead:
        """What the catalog changes on each cluster, for the decision, which lets nobody go on between two clusters."""
        found: Ahead = {}
        changes = self._changes(source, catalog)
        for cluster in members:
            asked = given, _, of = _asked(self._shared.world, source, cluster)
            if not given or given in self._shared.library.catalogs:
                found[cluster.id] = (asked, changes.of(self._given(given), of))
            await asyncio.sleep(0)
        return found

    def _changes(self, source: sources.Source, catalog: catalogs.Catalog) -> judging.Changes:
        """What the catalog changes for clusters with what they were given by now."""
        assigned = set(self._shared.world.rollout(source.name).assigned.values())
        shelf = self._shared.library.catalogs
        return judging.Changes(catalog, source.spec, [shelf[digest] for digest in assigned if digest in shelf])

    def _given(self, digest: Digest) -> catalogs.Catalog | None:
        return self._shared.library.catalogs[digest] if digest else None

    def _command(self, world: World, source: sources.Source, catalog: catalogs.Catalog, ahead: Ahead) -> rollouts.Start:
        state = world.rollout(source.name)
        online = self._shared.online()
        inherited = rollout_state.inherited(state, online)
        members = sorted(filter(clusters.active, world.clusters.values()), key=lambda one: one.name)
        counted = rollout_state.counted(state, str(source.revision), inherited)
        members = [one for one in members if one.id not in counted]
        changes = {one.id: self._change(world, source, catalog, one, ahead=ahead) for one in members}
        touched = {cluster: change.changed.keys() | change.removed for cluster, change in changes.items()}
        policy = fleet.policy(world.fleet, source.spec.rollout_policy)
        situation = stages.Situation(
            affected=tuple(one for one in members if judging.is_affected(changes[one.id]) or one.id in inherited),
            online=online,
            groups=world.fleet.groups,
            inherited=inherited,
            wishes=strategies.of(catalog, touched),
            declared=fleet.is_policy_declared(world.fleet, source.spec.rollout_policy),
        )
        return rollouts.Start(
            # The number of the event keeps ids apart when a commit is rolled out twice.
            rollout=ids.RolloutId(f"{source.name}-{world.log_head.sequence + 1}"),
            revision=str(source.revision),
            catalog=source.catalog,
            policy=policy,
            plan=stages.plan(policy, situation),
        )

    def _change(
        self,
        world: World,
        source: sources.Source,
        catalog: catalogs.Catalog,
        cluster: clusters.Cluster,
        *,
        ahead: Ahead | None = None,
    ) -> judging.Change:
        given, spec, of = asked = _asked(world, source, cluster)
        if ahead is not None and cluster.id in ahead and ahead[cluster.id][0] == asked:
            return ahead[cluster.id][1]
        return judging.change(self._given(given), catalog, spec, of)

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
        trace = self._shared.trace_of(source)
        return await self._shared.transactor.run(decide, by=BY, cause=cause, reads=lambda _world: reads, trace=trace)

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
        changes, groups = self._changes(source, catalog), world.fleet.groups
        return tuple(
            cluster
            for cluster, given in sorted(state.assigned.items())
            if given != current.catalog
            and cluster not in current.planned
            and judging.is_affected(changes.of(self._given(given), placements.facts(world.clusters[cluster], groups)))
        )

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
            had = current.replaced.get(cluster, current.base)
            if had != current.base and (not had or had in shelf):
                change = judging.change(self._given(had), new, source.spec, of)
                expected = judging.either(expected, change)
            verdict = judging.verdict(
                expected,
                self._shared.seen(cluster),
                judging.Standing(
                    published_root=publication.root,
                    conflicts=publication.conflicts,
                    published=(publication.epoch, publication.generation),
                ),
            )
            if verdict is not None:
                found[cluster] = verdict
        return found


def _asked(world: World, source: sources.Source, cluster: clusters.Cluster) -> Asked:
    given = world.rollout(source.name).assigned.get(cluster.id, canonical.NO_DIGEST)
    return given, source.spec, placements.facts(cluster, world.fleet.groups)
