"""One pass over one cluster, and what is remembered between passes: what each object looked like, and what failed.

The memory is only of this boot. Without it everything is applied once more, which changes nothing that is already so.
"""

import asyncio
from collections.abc import Callable, Iterable

import msgspec
import structlog

from agents import acceptor, applying, drafting, drifting, errors, keeper, parts, precedence, pruning
from agents.domain import choosing, dependencies, drift, hooks, ownership, plan, prune, statuses
from agents.kube import errors as kube_errors
from protocol import ids, ordering, reports
from protocol.hooks import Moment
from protocol.status import Action

ESTABLISHED_POLL_S = 0.2
"""The API server needs about that long to serve a new kind."""


class Cluster:
    """One cluster as this boot knows it."""

    def __init__(self, work: parts.Parts, *, established_timeout_s: float) -> None:
        self._parts = work
        self._established_timeout_s = established_timeout_s
        self._drafts = drafting.Drafts(work.kinds, work.store)
        self._planned = self._drafts.plan
        self._log = structlog.get_logger()
        self._held: acceptor.Held | None = None
        """What the last pass was about."""
        self._renewed: frozenset[ids.BundleId] = frozenset()
        """Bundles whose new content was not worked through yet."""
        self._restated: frozenset[ids.BundleId] = frozenset()
        """Bundles that say something new of drift, by which their objects were not looked at yet."""
        self._untold: frozenset[ids.ObjectId] = frozenset()
        """Objects at which the last look failed: whether they have drifted is not told yet."""
        self.observed: dict[ids.ObjectId, statuses.Observed] = {}
        self.failures: dict[ids.ObjectId, statuses.Failure] = {}
        self._held_back: frozenset[ids.BundleId] = frozenset()
        """Bundles that the last pass left alone, because others, or hooks, have to come first."""
        self._precedence = precedence.Precedence(work.hooks, self._standings)
        self._reverts: tuple[plan.Wanted, ...] = ()
        """Found to have drifted, and not put right yet."""
        self.keeper = keeper.Keeper(work.clocks, work.bounds)
        self.noticed: Callable[[], None] = lambda: None
        """Called when drift may have been found that this pass is about to put right."""
        work.sight.known = self._known

    async def apply(self, held: acceptor.Held, scope: choosing.Scope, *, stop: Callable[[], bool]) -> bool:
        """Apply what is due: the bundles that wait for none, then those that waited for them, and so on. False: a newer
        state ended the pass. Errors that concern all objects raise."""
        await self._parts.check()
        await self._parts.store.ensure_read()
        await self._parts.hooks.ensure_read()
        self._parts.hooks.again(self._parts.hooks.problems if scope.everything else scope.retried)
        self._planned = await self._plan(held)
        self._parts.sight.follow(self._planned.wanted)
        if held is not self._held:
            names = {entry.bundle for entry in held.root.bundles}
            self._renewed = (self._renewed | drift.renewed(self._planned)) & names
            if self._held is not None:
                self._restated = (self._restated | drift.restated(self._held.indexes, held.indexes)) & names
            self._held = held
        tried: frozenset[ids.BundleId] = frozenset()
        reached: frozenset[ids.BundleId] = frozenset()
        while layer := self._precedence.free(held) - tried:
            await self._precedence.hook(held, Moment.PRE, layer, self._around(stop))
            ready = layer - self._precedence.hooked
            if stop() or not await self._layer(held, scope, ready, stop=stop):
                return False
            await self._precedence.hook(held, Moment.POST, ready, self._around(stop))
            tried |= layer
            reached |= ready
            self._renewed, self._restated = self._renewed - ready, self._restated - ready
        self._forget_unwanted(self._planned)
        await self._precedence.forget(held, self._parts.store.entries)
        self._hold_back(frozenset(entry.bundle for entry in held.root.bundles) - reached)
        return True

    async def _layer(
        self, held: acceptor.Held, scope: choosing.Scope, layer: frozenset[ids.BundleId], *, stop: Callable[[], bool]
    ) -> bool:
        """Apply what is due of these bundles, stage by stage. False: a newer state ended the pass."""
        for stage in ordering.Stage:
            if stage is ordering.Stage.REST:
                self._planned = await self._served(held, self._planned, layer)
            items = [item for item in self._planned.stage(stage) if item.bundle in layer]
            await self._look_at([item for item in items if self._chosen(scope).is_looked_at(item)], stop)
            due = [item for item in items if self._chosen(scope).is_due(item)]
            due = await self._seen_first(due, self._chosen(scope), stop)
            await self._stage(await self._with_namespaces(due), str(held.mark), stop)
            if stop():
                return False
        return True

    async def _seen_first(
        self, due: list[plan.Wanted], choice: choosing.Choice, stop: Callable[[], bool]
    ) -> list[plan.Wanted]:
        """Look at what only this pass sees. Without those at which that failed: they are applied the next time, told or
        not."""
        unseen = [item for item in due if choice.is_unseen(item)]
        if not unseen:
            return due
        fresh = {of: seen for of, seen in self.observed.items() if seen.bundle not in self._restated}
        await self._look_at(unseen, stop, fresh)
        self.noticed()
        for item in unseen:
            if self._is_reverted(item):
                self.keeper.reverting(item)
        return [item for item in due if item.object not in self._untold or item.object in choice.untold]

    def is_released(self, held: acceptor.Held) -> bool:
        """May a bundle go ahead that the last pass held back?"""
        return self._precedence.is_released(held, self._held_back)

    def _standings(self, names: Iterable[ids.BundleId]) -> dict[ids.BundleId, dependencies.Standing]:
        return statuses.standings(self._planned, names, self.observed, self.failures)

    def _around(self, stop: Callable[[], bool]) -> precedence.Around:
        return precedence.Around(self._planned, self._parts.store.entries, stop)

    def _hold_back(self, names: frozenset[ids.BundleId]) -> None:
        """These were not touched. What of them failed before is tried again when their turn comes, not earlier."""
        self._held_back = names
        stale = {key for key, problem in self.failures.items() if problem.bundle in names}
        self.failures = {key: value for key, value in self.failures.items() if key not in stale}
        self.observed = {key: value for key, value in self.observed.items() if key not in stale}

    async def settle(self, held: acceptor.Held, *, newest: Callable[[], bool]) -> pruning.Outcome | None:
        """Carry out the named deletions; None: none is named."""
        store = self._parts.store
        await self._parts.check()
        await store.ensure_read()
        await self._parts.pruner.complete_strays(self._world(held))
        if not held.deletions.items and all(entry.settled is None for entry in store.entries.values()):
            return None
        if (await self._parts.marks.read()).mark != held.mark:
            raise errors.Superseded("high-water mark: another agent accepted a newer state")
        return await self._parts.pruner.settle(held.deletions, self._world(held), observed=self.observed, newest=newest)

    async def watch(self, held: acceptor.Held, *, stop: Callable[[], bool]) -> None:
        """Read again what is not healthy yet, and let hooks go on."""
        restless = [item for item in self._planned.wanted if self._is_restless(item)]
        for item, seen in (await self._parts.observer.read(restless, self.observed)).items():
            self.observed[item.object] = seen

        if any(map(hooks.is_restless, self._precedence.known(held))):
            await self._parts.check()
            await self._parts.store.ensure_read()
            await self._parts.hooks.ensure_read()
            reached = frozenset(entry.bundle for entry in held.root.bundles) - self._held_back
            await self._precedence.hook(held, Moment.PRE, self._precedence.hooked, self._around(stop))
            await self._precedence.hook(held, Moment.POST, reached, self._around(stop))

    async def attend(self, held: acceptor.Held, *, stop: Callable[[], bool]) -> bool:
        """Look at what the watches saw change. True: something is other than it was, and perhaps has to be reverted."""
        vanished = self._parts.sight.take_vanished()
        if vanished:
            self._parts.kinds.forget(vanished)
            self._planned = await self._plan(held)
            self._parts.sight.follow(self._planned.wanted)
        self.keeper.see(self._parts.sight.take())
        turn = self.keeper.turn(self.observed)
        for of in self.observed.keys() & set(turn.faded):
            self.observed[of] = msgspec.structs.replace(self.observed[of], drift=self.keeper.open.get(of))
        try:
            await self._look_again(turn)
            if turn.drifted:
                await self._look_into(held, turn, stop)
        except (kube_errors.KubeError, errors.AgentError):
            self.keeper.again(turn)
            raise
        return bool(turn or vanished)

    async def _look_again(self, turn: keeper.Turn) -> None:
        """At the health of what changed, but not in our fields."""
        changed = [item for item in self._among(turn.changed) if self._is_applied(item)]
        for item, seen in (await self._parts.observer.read(changed, self.observed)).items():
            self.observed[item.object] = msgspec.structs.replace(seen, sighting=turn.sightings[item.object])

    async def _look_into(self, held: acceptor.Held, turn: keeper.Turn, stop: Callable[[], bool]) -> None:
        """What became of our fields, and what of that is to be reverted, beside what still is."""
        await self._parts.check()
        await self._parts.store.ensure_read()
        self._planned = await self._plan(held)
        drifted = [item for item in self._among(turn.drifted) if self._is_ours(item)]
        await self._look_at(drifted, stop, self.observed)
        waiting = {item.object for item in (*self._reverts, *drifted)}
        self._reverts = tuple(item for item in self._among(waiting) if self._is_reverted(item))

    def forget_kinds(self) -> None:
        """The API server serves something else than before."""
        self._parts.kinds.forget()

    async def revert(self, held: acceptor.Held, *, stop: Callable[[], bool]) -> None:
        """Put right what `attend` found; what could not be tried stays to be done."""
        items = [item for item in self._among(item.object for item in self._reverts) if self._is_ours(item)]
        before = {item.object: self._known(item.object) for item in items}
        for item in items:
            self.keeper.reverting(item)
        await self._stage(await self._with_namespaces(items), str(held.mark), stop)
        self._reverts = tuple(
            item
            for item in items
            if self._known(item.object) is before[item.object] and item.object not in self.failures
        )

    @property
    def is_drifted(self) -> bool:
        """Has something to be reverted?"""
        return bool(self._reverts)

    @property
    def is_restless(self) -> bool:
        """Does anything change by itself?"""
        if self._held is not None and any(map(hooks.is_restless, self._precedence.known(self._held))):
            return True
        return any(seen.assessment.health not in statuses.RESTING for seen in self.observed.values())

    @property
    def is_hooking(self) -> bool:
        """Does a hook run, of which somebody waits for the end?"""
        return self._held is not None and any(map(hooks.is_running, self._precedence.known(self._held)))

    @property
    def size(self) -> int:
        """Objects that are ours."""
        return len(self._parts.store)

    def statuses(self, held: acceptor.Held) -> dict[ids.BundleId, reports.BundleStatus]:
        """How every bundle of the held state stands."""
        found = self._drafts.statuses(self.observed, self.failures, self._precedence.holdups(held))
        for known in self._precedence.known(held):
            found[known.index.bundle] = statuses.hooked(found[known.index.bundle], known)
        return found

    def orphans(self, held: acceptor.Held) -> tuple[reports.Orphan, ...]:
        return self._drafts.orphans(lambda: self._world(held))

    def failing(self) -> dict[ids.BundleId, float]:
        """Bundles that have to be tried again, each with the patience that a server asked for, in seconds."""
        retryable = {item.bundle for item in self._planned.rejections if item.retryable}
        # The turn of what is held back comes with what it waits for.
        found: dict[ids.BundleId, float] = dict.fromkeys(sorted(retryable - self._held_back), 0.0)
        for problem in self.failures.values():
            found[problem.bundle] = max(found.get(problem.bundle, 0.0), problem.retry_after_s)
        return found | self._parts.hooks.problems

    @property
    def adopted(self) -> frozenset[ids.ObjectId]:
        """What existed before us and is ours, as written."""
        return self._drafts.adopted

    def _world(self, held: acceptor.Held) -> prune.World:
        applied = frozenset(item.object for item in self._planned.wanted if self._is_applied(item))
        return prune.survey(
            planned=self._planned,
            entries=self._parts.store.entries,
            kept=held.root.kept,
            deletions=held.deletions,
            applied=applied,
            order=str(held.mark),
            waiting=self._precedence.unfinished(held),
        )

    async def _plan(self, held: acceptor.Held) -> plan.Plan:
        return await self._drafts.make(held)

    def _among(self, objects: Iterable[ids.ObjectId]) -> list[plan.Wanted]:
        """What is planned of these, in the order of stages."""
        found = [self._drafts.items[of] for of in set(objects) if of in self._drafts.items]
        return sorted(found, key=lambda item: (ordering.stage_of(item.object), item.object))

    async def _served(self, held: acceptor.Held, planned: plan.Plan, layer: frozenset[ids.BundleId]) -> plan.Plan:
        """The plan again, once the definitions that were applied are served: their objects had no resource before."""
        definitions = [item for item in planned.stage(ordering.Stage.DEFINITIONS) if item.bundle in layer]
        if not definitions:
            return planned
        until = self._parts.clocks.monotonic() + self._established_timeout_s
        waiting = [item for item in definitions if self._is_restless(item)]
        if not waiting and not any(item.retryable for item in planned.rejections):
            return planned
        while waiting and self._parts.clocks.monotonic() < until:
            await asyncio.sleep(ESTABLISHED_POLL_S)
            for item, seen in (await self._parts.observer.read(waiting, self.observed)).items():
                self.observed[item.object] = seen
            waiting = [item for item in waiting if self._is_restless(item)]
        self._parts.kinds.forget()
        again = await self._plan(held)
        self._parts.sight.follow(again.wanted)
        return again

    async def _with_namespaces(self, items: list[plan.Wanted]) -> list[plan.Wanted]:
        """Create the missing namespaces of the items; without those whose namespace cannot be had."""
        refused: dict[str, kube_errors.KubeError] = {}
        used = {item.object.namespace for item in items} & set(self._planned.namespaces)
        for name in sorted(used):
            try:
                await self._parts.namespaces.ensure(name)
            except kube_errors.KubeError as error:
                refused[name] = error
        for item in items:
            problem = refused.get(item.object.namespace)
            if problem is not None:
                self.failures[item.object] = statuses.failure(
                    item, problem.reason, f"namespace {item.object.namespace}: not there, and not created ({problem})"
                )
        return [item for item in items if item.object.namespace not in refused]

    async def _stage(self, items: list[plan.Wanted], order: str, stop: Callable[[], bool]) -> None:
        if not items:
            return
        results = await self._parts.applier.apply(items, self.observed, order=order, stop=stop)
        self._learn(items, results, stop, applied=True)

    async def _look_at(
        self, items: list[plan.Wanted], stop: Callable[[], bool], known: drifting.Known = drifting.NOTHING_KNOWN
    ) -> None:
        """See how what is not applied now is, but for what still is as it is known to be."""
        if items:
            self._learn(items, await self._parts.looker.look(items, stop=stop, known=known), stop, applied=False)

    def _learn(
        self, items: list[plan.Wanted], results: applying.Results, stop: Callable[[], bool], *, applied: bool
    ) -> None:
        for item in items:
            object_id = item.object
            if object_id not in results.applied:
                continue
            seen = self.keeper.learn(item, results.applied[object_id], applied=applied)
            before = self.observed.get(object_id)
            repeated = before is not None and (before.digest, before.bundle) == (seen.digest, seen.bundle)
            if before is not None and repeated and seen.action is Action.UNCHANGED:
                seen = msgspec.structs.replace(seen, action=before.action)
            self.observed[object_id] = seen
            self.failures.pop(object_id, None)
        self.failures.update(results.failures)
        self._untold -= results.applied.keys()
        if not applied:
            self._untold |= results.failures.keys()
        for problem in results.failures.values():
            if problem.reason == kube_errors.NamespaceMissing.reason:
                self._parts.namespaces.missed(problem.object)
            elif problem.reason == kube_errors.NotServed.reason:
                self._parts.kinds.forget({problem.object.group})  # its definition was deleted, or has other versions
        if not stop() and len(results.applied) + len(results.failures) < len(items):
            raise kube_errors.Unreachable("API server: too many requests in a row got no answer")

    def _known(self, of: ids.ObjectId) -> ownership.Sighting | None:
        seen = self.observed.get(of)
        return seen.sighting if seen is not None else None

    def _is_ours(self, item: plan.Wanted) -> bool:
        """Is it as Git wants it as far as we know, so that whatever becomes of it is drift?"""
        return item.entry is not None and bool(item.entry.uid) and self._is_applied(item)

    def _is_applied(self, item: plan.Wanted) -> bool:
        return statuses.is_applied(item, self.observed, self.failures)

    def _is_reverted(self, item: plan.Wanted) -> bool:
        seen = self.observed.get(item.object)
        return seen is not None and item.object not in self.failures and keeper.is_reverted(item, seen)

    def _chosen(self, scope: choosing.Scope) -> choosing.Choice:
        return choosing.Choice(
            scope,
            self.observed,
            self.failures,
            self._renewed,
            self._restated,
            self._untold,
            self._parts.sight.covers,
        )

    def _is_restless(self, item: plan.Wanted) -> bool:
        seen = self.observed.get(item.object)
        return seen is not None and seen.assessment.health not in statuses.RESTING

    def _forget_unwanted(self, planned: plan.Plan) -> None:
        wanted = {item.object: item for item in planned.wanted}
        self.keeper.forget(wanted)
        self.observed = {key: value for key, value in self.observed.items() if key in wanted}
        self.failures = {key: value for key, value in self.failures.items() if key in wanted}
        self._untold &= wanted.keys()
