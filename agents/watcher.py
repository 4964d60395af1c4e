"""Everything that is managed, kept in sight: one reflector for each scope, and what they saw, until somebody looks.

What is remembered of an object that changed is its last sighting; the rest is the reconciler's. Changes that come
together are told together: a rollout of a Deployment writes its status many times a second.
"""

import asyncio
import random
from collections.abc import Callable, Collection, Sequence

import msgspec
import structlog

from agents import clock, signals
from agents.domain import ownership, plan, resources, scopes
from agents.kube import reflector
from protocol import ids, reports

GATHER_S = 0.1
"""Between the first change and the look at all that came until then."""

NOBODY: frozenset[ids.ObjectId] = frozenset()

Known = Callable[[ids.ObjectId], ownership.Sighting | None]
"""How an object was when we applied it or looked at it last; None: neither yet."""


class Surroundings(msgspec.Struct, frozen=True):
    """What the watches are given."""

    pace: reflector.Pace
    clocks: clock.Clock
    chance: random.Random


class Watcher:
    """The watches of one cluster."""

    def __init__(self, api: reflector.Source, *, around: Surroundings) -> None:
        self._api = api
        self._around = around
        self._wanted = scopes.Scopes({})
        self._scopes: dict[resources.GroupKind, list[scopes.Scope]] = {}
        self._narrow: frozenset[resources.GroupKind] = frozenset()
        self._items: Sequence[plan.Wanted] = ()
        self._seen: dict[ids.ObjectId, ownership.Sighting] = {}
        self._vanished = frozenset[str]()
        self._refused: set[scopes.Scope] = set()
        self._told: tuple[str, ...] = ()
        self._running: dict[scopes.Scope, tuple[reflector.Reflector, asyncio.Task[None]]] = {}
        self._changed = signals.Signal()
        self._gathering: asyncio.TimerHandle | None = None
        self._log = structlog.get_logger()
        self.known: Known = lambda _: None
        self.wake: Callable[[], None] = lambda: None
        """Called when there is something to take."""
        self.blinded: Callable[[], None] = lambda: None
        """Called when something else cannot be watched than before."""

    def follow(self, items: Sequence[plan.Wanted]) -> None:
        """Watch these objects from now on, and no others."""
        self._items = items
        before, self._wanted = self._wanted, scopes.choose(items, self._narrow)
        if self._wanted.left_out and self._wanted.left_out != before.left_out:
            names = [str(scope) for scope in self._wanted.left_out[:10]]
            self._log.warning("too many kinds to watch; the resync looks at the rest", left_out=names)
        self._scopes = {}
        for scope in self._wanted.members:
            self._scopes.setdefault(resources.GroupKind(scope.group, scope.kind), []).append(scope)
        if self._wanted.members.keys() != before.members.keys():
            self._changed.raise_()
        self._tell()

    def take(self) -> dict[ids.ObjectId, ownership.Sighting]:
        """What was seen to change since it was last taken."""
        found, self._seen = self._seen, {}
        return found

    def take_vanished(self) -> frozenset[str]:
        """The API groups of which something that is watched was found not to be served, since they were last taken."""
        found, self._vanished = self._vanished, frozenset()
        return found

    def covers(self, item: plan.Wanted) -> bool:
        """Would a change of it be seen?"""
        kind = resources.kind_of(item.object)
        return any(self._is_synced(scope) for scope in self._scopes.get(kind, ()) if item.object in self.members(scope))

    def members(self, scope: scopes.Scope) -> Collection[ids.ObjectId]:
        return self._wanted.members.get(scope, NOBODY)

    def see(self, of: ids.ObjectId, sighting: ownership.Sighting) -> None:
        """Keep what is news, or may be: our own apply may not have been answered yet."""
        known = self.known(of)
        if known is not None and not ownership.has_changed(known, sighting):
            return
        self._seen[of] = sighting
        self._gather()

    def refused(self, scope: scopes.Scope) -> None:
        """A kind that may not be watched in the whole cluster may be in single namespaces."""
        self._refused.add(scope)
        if not scope.namespace:
            self._narrow |= {resources.GroupKind(scope.group, scope.kind)}
        self.follow(self._items)

    @property
    def unwatched(self) -> tuple[str, ...]:
        """What cannot be watched, and why."""
        self._refused = {scope for scope in self._refused & self._wanted.members.keys() if not self._is_synced(scope)}
        found = [f"{scope} (Forbidden)" for scope in sorted(self._refused)]
        found += [f"{scope} (TooManyKinds)" for scope in self._wanted.left_out]
        return tuple(found[: reports.UNWATCHED_MAX])

    def vanished(self, scope: scopes.Scope) -> None:
        """What is known of its group is not true any more."""
        self._vanished |= {scope.group}
        self._gather()

    async def run(self) -> None:
        """Keep the watches that are wanted running, for ever."""
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    for scope in self._running.keys() - self._wanted.members.keys():
                        self._running.pop(scope)[1].cancel()
                    for scope in self._wanted.members.keys() - self._running.keys():
                        self._running[scope] = self._started(tasks, scope)
                    await self._changed.wait()
        finally:
            self._running.clear()
            if self._gathering is not None:
                self._gathering.cancel()

    def _started(self, tasks: asyncio.TaskGroup, scope: scopes.Scope) -> tuple[reflector.Reflector, asyncio.Task[None]]:
        around = self._around
        made = reflector.Reflector(
            self._api, scope, receiver=self, pace=around.pace, clocks=around.clocks, chance=around.chance
        )
        return made, tasks.create_task(made.run(), name=f"watch {scope}")

    def _is_synced(self, scope: scopes.Scope) -> bool:
        running = self._running.get(scope)
        return running is not None and running[0].synced

    def _tell(self) -> None:
        now = self.unwatched
        if now != self._told:
            self._told = now
            self.blinded()

    def _gather(self) -> None:
        if self._gathering is None:
            self._gathering = asyncio.get_running_loop().call_later(GATHER_S, self._gathered)

    def _gathered(self) -> None:
        self._gathering = None
        self.wake()
