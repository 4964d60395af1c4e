"""From a Git remote to a resolved revision in the log: one loop per source.

Whatever goes wrong leaves the last good catalog in force and puts the reason into the log, once per reason. A ref that
moved elsewhere than forward is believed when a second poll sees the same, or when an operator accepts it.
"""

import asyncio
import datetime
import random
from collections.abc import Callable
from typing import Protocol

import msgspec
import structlog

from controller import errors, library, runtime, transact
from controller.domain import catalogs, clusters, inputs, placements, retries, sources, sweeping
from controller.reactors import coverage
from protocol import bundles, ids, sealing, specs
from protocol.canonical import Digest
from protocol.events import sources as events

logger = structlog.get_logger(__name__)

BY = "hub"

JITTER = 0.1
"""Share by which an interval varies, so that a hundred sources do not ask one server at once."""

BACKOFF_S_MAX = 600.0
"""Longest pause between polls of a source that fails: a repaired server is noticed within ten minutes."""

DOUBLINGS_MAX = 16
"""Doublings of the pause: from a second to more than BACKOFF_S_MAX."""


class SourceFailure(errors.Terminal):
    """The source says nothing; `kind` and the message go into the log."""

    def __init__(self, kind: events.FailureKind, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


class OvertakenError(errors.Transient):
    """The world is not what a resolution rests on any more: the next poll begins anew."""


class Request(msgspec.Struct, frozen=True):
    """What to resolve, and for whom."""

    revision: events.Revision
    paths: tuple[str, ...]
    previous: catalogs.Catalog | None
    fleet: tuple[inputs.Facts, ...]
    """The clusters that the source is for, in the order of their names."""
    covered: bool
    """The catalog before has all that these clusters should have."""
    resting: frozenset[str] = frozenset()
    """Paths of bundles that are tried again later."""


class Resolved(msgspec.Struct, frozen=True):
    """What a commit says, with the blobs that are new."""

    catalog: catalogs.Catalog
    blobs: tuple[sealing.Sealed, ...]


class Repository(Protocol):
    """One source's repository."""

    async def poll(self, ref: str) -> events.Revision:
        """What the ref resolves to now; raise SourceFailure."""

    async def moved(self, old: str, new: str) -> catalogs.Move:
        """How one commit follows another."""

    async def resolve(self, request: Request) -> Resolved:
        """Read and render a commit; raise SourceFailure if nothing can be said of it as a whole."""


Open = Callable[[ids.SourceName, specs.SourceSpec], Repository]


class Polling:
    """Polls every source that is neither suspended nor removed."""

    def __init__(self, shared: runtime.Runtime, open_repository: Open, *, chance: random.Random) -> None:
        self._shared = shared
        self._open = open_repository
        self._chance = chance
        self._wakes: dict[ids.SourceName, transact.Signal] = {}
        self._resolved: dict[ids.SourceName, tuple[str, specs.SourceSpec]] = {}
        """Commit and spec that were resolved since this hub started: the first poll after a start always resolves."""
        self._coverage = coverage.Coverage()
        self._looked: dict[ids.ClusterId, tuple[clusters.Cluster, placements.Groups, inputs.Facts]] = {}
        """What each cluster's facts were made from: states are frozen, so that the same object is the same state."""

    def wake(self, source: ids.SourceName) -> None:
        """Poll this source now rather than at its next turn."""
        if source in self._wakes:
            self._wakes[source].set()

    async def run(self) -> None:
        """Keep one loop per source, for ever."""
        signal = self._shared.transactor.subscribe()
        loops: dict[ids.SourceName, tuple[specs.SourceSpec, asyncio.Task[None]]] = {}
        async with asyncio.TaskGroup() as group:
            while True:
                wanted = {
                    source.name: source.spec
                    for source in self._shared.world.sources.values()
                    if not source.suspended and not source.removed
                }
                for name, (spec, task) in list(loops.items()):
                    if wanted.get(name) != spec:
                        task.cancel()
                        del loops[name]
                for name, spec in wanted.items():
                    if name not in loops:
                        self._wakes[name] = transact.Signal()
                        loops[name] = (spec, group.create_task(self._loop(name, spec)))
                for name in loops:
                    if not await self._is_covered(name):
                        self.wake(name)
                await signal.wait()

    async def _loop(self, name: ids.SourceName, spec: specs.SourceSpec) -> None:
        failures = 0
        repository: Repository | None = None
        while True:
            began = self._shared.clock()
            try:
                repository = repository or self._open(name, spec)
                await self.poll(name, spec, repository)
                failures = 0
                self._shared.counts["polls", "ok"] += 1
                self._shared.polled[name] = self._shared.clock()
            except SourceFailure as failure:
                failures += 1
                self._shared.counts["polls", failure.kind.value] += 1
                await self._failed(name, failure)
                self._shared.polled[name] = self._shared.clock()
            except (errors.Transient, sealing.BlobError) as error:
                failures += 1
                self._shared.counts["polls", "held-up"] += 1
                logger.warning("poll is held up", source=name, reason=str(error))
            pause = pause_s(spec.interval_s, failures, chance=self._chance)
            if not failures:
                pause = min(pause, retries.next_s(self._retries(name), began, self._shared.clock()))
            await self._wakes[name].wait(pause)

    def _retries(self, name: ids.SourceName) -> retries.Retries:
        return self._shared.tried_again.get(name, retries.NONE)

    async def poll(self, name: ids.SourceName, spec: specs.SourceSpec, repository: Repository) -> None:
        """One poll: fetch, and resolve what is new; raise SourceFailure."""
        began = self._shared.clock()
        revision = await repository.poll(spec.ref)
        fetched = self._shared.clock()
        source = self._shared.world.sources[name]
        if source.spec != spec:
            raise OvertakenError(f"source {name}: was declared anew while its remote was asked")
        # A source that was removed and added again has nothing of what it was resolved to before.
        is_known = bool(source.catalog) and self._resolved.get(name) == (revision.commit, spec)
        if is_known and await self._is_settled(name):
            await self._run(name, sources.unchanged)
            return
        rollback = False
        if source.revision is not None and source.revision.commit != revision.commit:
            move = await repository.moved(source.revision.commit, revision.commit)
            accepted = bool(source.accepted) and await _follows(repository, source.accepted, revision.commit)
            if not sources.counts(source, revision.commit, move, accepted=accepted):
                await self._moved_away(name, revision.commit, move)
                return
            rollback = move is not catalogs.Move.FORWARD
        attributes = {
            "flotilla.source": name,
            "vcs.repository.url.full": spec.url,
            "vcs.ref.head.name": revision.ref,
            "vcs.ref.head.revision": revision.commit,
        }
        traces = self._shared.traces
        with traces.span("commit", attributes, began=began):
            traces.past("git fetch", attributes, began=began, ended=fetched)
            with traces.span("resolve", attributes):
                await self._resolve(source, revision, repository, rollback=rollback)
        self._resolved[name] = (revision.commit, spec)
        self._wake_siblings(spec, revision.commit)

    def _wake_siblings(self, spec: specs.SourceSpec, commit: str) -> None:
        """Until every source on this ref is at one commit, nothing counts as gone from any of them."""
        for source in self._shared.world.sources.values():
            at = source.revision.commit if source.revision is not None else ""
            if (source.spec.url, source.spec.ref) == (spec.url, spec.ref) and at != commit:
                self.wake(source.name)

    async def preview(self, source: sources.Source) -> catalogs.Catalog:
        """What a source that nobody polls would say now: read and rendered, its blobs stored, and nothing decided.
        Raise SourceFailure, which is no fact about the source."""
        repository = self._open(source.name, source.spec)
        revision = await repository.poll(source.spec.ref)
        resolved = await repository.resolve(await self._request(source, revision, self._fleet(source.spec)))
        await self._shared.library.store_sealed(resolved.blobs)
        return resolved.catalog

    async def _resolve(
        self, source: sources.Source, revision: events.Revision, repository: Repository, *, rollback: bool
    ) -> None:
        fleet = self._fleet(source.spec)
        known, began = self._retries(source.name), self._shared.clock()
        request = await self._request(source, revision, fleet)
        request = msgspec.structs.replace(request, resting=retries.resting(known, began))
        resolved = await repository.resolve(request)
        look = retries.Look(began, self._shared.clock(), request.resting)
        # A catalog of thousands of bundles has megabytes.
        sealed = await asyncio.to_thread(_sealed, resolved.catalog)
        digest = sealed.id
        putting = self._shared.clock()
        await self._shared.library.store_sealed((*resolved.blobs, sealed))
        self._coverage.rendered(source.name, digest, fleet)
        self._shared.tried_again[source.name] = retries.after(known, resolved.catalog, look)
        event = _event(resolved.catalog, digest, source.catalog)
        event = msgspec.structs.replace(event, rollback=rollback)

        def decide(state: sources.Source) -> tuple[events.Event, ...]:
            check_in_time(state, source, event, waited=self._shared.clock() - putting)
            return sources.resolved(state, event)

        written = await self._run(source.name, decide)
        if written:
            logger.info(
                "revision resolved", source=source.name, revision=str(revision), bundles=event.bundles,
                problems=event.problem_count,
            )  # fmt: skip

    async def _request(self, source: sources.Source, revision: events.Revision, fleet: coverage.Fleet) -> Request:
        previous = await self._catalog(source.catalog)
        return Request(
            revision=revision,
            paths=source.spec.paths,
            previous=previous,
            fleet=tuple(sorted(fleet.values(), key=lambda facts: facts.name)),
            covered=previous is not None and await self._coverage.covers(source, previous, fleet),
        )

    def _fleet(self, spec: specs.SourceSpec) -> coverage.Fleet:
        """The clusters that the source is for, as selectors and renderings see them."""
        world = self._shared.world
        found = {cluster.id: self._facts(cluster) for cluster in world.clusters.values() if not cluster.removed}
        return {cluster: facts for cluster, facts in found.items() if placements.source_targets(spec, facts)}

    def _facts(self, cluster: clusters.Cluster) -> inputs.Facts:
        groups = self._shared.world.fleet.groups
        known = self._looked.get(cluster.id)
        if known is None or known[0] is not cluster or known[1] is not groups:
            known = self._looked[cluster.id] = (cluster, groups, placements.facts(cluster, groups))
        return known[2]

    async def _is_settled(self, name: ids.SourceName) -> bool:
        """Would resolving the same commit again give nothing else?"""
        catalog = self._shared.library.catalogs.get(self._shared.world.sources[name].catalog)
        if catalog is not None and retries.is_due(catalog, self._retries(name), self._shared.clock()):
            return False
        return await self._is_covered(name)

    async def _is_covered(self, name: ids.SourceName) -> bool:
        """Does what the source was resolved to hold all that its clusters should have, and is it there?"""
        source = self._shared.world.sources[name]
        if not source.catalog:
            return True
        try:
            catalog = await self._catalog(source.catalog)
        except (errors.Transient, sealing.BlobError):
            return True  # the poll will say so
        return catalog is not None and await self._coverage.covers(source, catalog, self._fleet(source.spec))

    async def _moved_away(self, name: ids.SourceName, commit: str, move: catalogs.Move) -> None:
        if await self._run(name, lambda state: sources.moved_away(state, commit, move)):
            logger.warning("source moved elsewhere than forward", source=name, commit=commit, move=move.value)

    async def _catalog(self, digest: Digest) -> catalogs.Catalog | None:
        if not digest:
            return None
        try:
            await self._shared.library.need_catalogs([digest])
        except library.MissingBlobError as error:
            # Git has it all: what is rendered anew is stored anew, the same commit under the same digests.
            logger.warning("last catalog is lost, resolving from nothing", catalog=digest[:16], reason=str(error))
            return None
        return self._shared.library.catalogs[digest]

    async def _failed(self, name: ids.SourceName, failure: SourceFailure) -> None:
        if await self._run(name, lambda state: sources.failed(state, failure.kind, str(failure))):
            logger.warning("source cannot be resolved", source=name, kind=failure.kind.value, reason=str(failure))

    async def _run(self, name: ids.SourceName, decide: Callable[[sources.Source], tuple[events.Event, ...]]) -> bool:
        written = await self._shared.transactor.run(
            lambda world: decide(world.sources[name]) if not world.sources[name].removed else (), by=BY, cause="poll"
        )
        return bool(written)


def pause_s(interval_s: float, failures: int, *, chance: random.Random) -> float:
    """Until the next poll, after so many failures in a row."""
    # A power without a bound is no float any more after a week of failures.
    pause = min(interval_s * 2.0 ** min(failures, DOUBLINGS_MAX), max(BACKOFF_S_MAX, interval_s))
    return pause * chance.uniform(1 - JITTER, 1 + JITTER)


async def _follows(repository: Repository, old: str, new: str) -> bool:
    """Is it the same commit, or one that came later?"""
    return await repository.moved(old, new) in (catalogs.Move.SAME, catalogs.Move.FORWARD)


def check_in_time(
    state: sources.Source, source: sources.Source, event: events.RevisionResolved, *, waited: datetime.timedelta
) -> None:
    """Raise OvertakenError where a catalog may not be named any more: its bundles without a change are those of the
    catalog before, and its blobs are kept by their age until then."""
    if state.catalog not in (source.catalog, event.catalog) or state.spec != source.spec:
        raise OvertakenError(f"source {state.name}: was resolved or declared by somebody else meanwhile")
    if waited > sweeping.GRACE / 2:
        raise OvertakenError(f"source {state.name}: what was rendered was stored {waited} ago (did the machine sleep?)")


def _sealed(catalog: catalogs.Catalog) -> sealing.Sealed:
    return sealing.seal(bundles.CATALOG_TAG, catalogs.CATALOG.encode(catalog))


def _event(catalog: catalogs.Catalog, digest: Digest, previous: Digest) -> events.RevisionResolved:
    problems = catalogs.errors(catalog)
    warnings = tuple(warning for entry in catalog.entries for warning in catalogs.warnings(entry))
    return events.RevisionResolved(
        name=catalog.source,
        revision=catalog.revision,
        catalog=digest,
        previous=previous,
        renderer=catalog.renderer,
        bundles=len(catalog.entries),
        objects=sum(catalogs.objects(entry) for entry in catalog.entries),
        problems=problems[: events.PROBLEMS_MAX],
        problem_count=len(problems),
        warnings=warnings[: events.PROBLEMS_MAX],
    )
