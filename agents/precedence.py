"""What has to come before a bundle: other bundles, and its own hooks.

Both are levels, asked anew whenever somebody looks. A bundle's hooks wait for the bundles that it depends on, its
objects for the hooks before them, and the hooks after them until all objects work.
"""

from collections.abc import Callable, Iterable

import msgspec

from agents import acceptor, hooking
from agents.domain import dependencies, hooks, inventory, plan, statuses
from protocol import ids, ordering
from protocol.hooks import Moment

Names = frozenset[ids.BundleId]


class Around(msgspec.Struct, frozen=True):
    """What a turn of hooks has to know beside them."""

    planned: plan.Plan
    entries: inventory.Inventory
    stop: Callable[[], bool]
    """A newer desired state is here."""


class Precedence:
    """Who goes ahead in one cluster."""

    def __init__(
        self,
        running: hooking.Hooks,
        standings: Callable[[Iterable[ids.BundleId]], dict[ids.BundleId, dependencies.Standing]],
    ) -> None:
        """`standings`: how far the objects of bundles are."""
        self._running = running
        self._standings = standings
        self.hooked: Names = frozenset()
        """Bundles that wait for nothing but their own hooks, as of the last turn of these."""

    def free(self, held: acceptor.Held) -> Names:
        """Bundles that need not wait for another one; their own hooks may still come first."""
        return frozenset(entry.bundle for entry in held.root.bundles) - self._waiting(held).keys()

    def is_released(self, held: acceptor.Held, held_back: Names) -> bool:
        """May a bundle go ahead that was held back?"""
        return bool(held_back & (self.free(held) - self.hooked))

    def unfinished(self, held: acceptor.Held) -> Names:
        """Bundles of which nothing may be pruned, because something has to come first."""
        return frozenset(self._unmets(held)) | self._unprepared(held)

    def holdups(self, held: acceptor.Held) -> dict[ids.BundleId, tuple[statuses.Holdup, ...]]:
        """Bundles whose objects have to wait, each with what for."""
        found: dict[ids.BundleId, tuple[statuses.Holdup, ...]] = {}
        for known in self.known(held):
            note = hooks.holdup(known)
            if note is not None and hooks.stand(known) is hooks.Stand.BEFORE:
                found[known.index.bundle] = (note,)
        return found | self._waiting(held)

    def known(self, held: acceptor.Held) -> list[hooks.Known]:
        """What is known of hooks, of each bundle that has any, or had."""
        found = (
            self._running.known(index, entry.index)
            for index, entry in zip(held.indexes, held.root.bundles, strict=True)
        )
        return [known for known in found if known.record is not None or known.index.hooks]

    async def hook(self, held: acceptor.Held, moment: Moment, names: Names, around: Around) -> None:
        """Let hooks of these bundles go on: those before the objects, or those after, where all objects work."""
        hooked = [known for known in self.known(held) if known.index.bundle in names]
        standings = self._standings(names) if hooked else {}
        due = [
            (known.index, known.content)
            for known in hooked
            if hooks.is_due(known, moment, standings[known.index.bundle])
        ]
        if due:
            items = hooking.items(due, around.entries)
            contained = frozenset(item.object.name for item in around.planned.stage(ordering.Stage.NAMESPACES))
            await self._running.advance(hooking.Turn(items, moment, contained, around.stop))
        if moment is Moment.PRE:
            self.hooked = (self.hooked - names) | (names & self._unprepared(held))

    async def forget(self, held: acceptor.Held, entries: inventory.Inventory) -> None:
        """A bundle that is neither desired nor has objects in the cluster is installed anew if it returns."""
        desired = frozenset(entry.bundle for entry in held.root.bundles)
        self.hooked &= desired
        await self._running.forget(desired | {entry.bundle for entry in inventory.owned(entries)})

    def _unprepared(self, held: acceptor.Held) -> Names:
        """Bundles whose hooks come before their objects."""
        known = self.known(held)
        return frozenset(one.index.bundle for one in known if hooks.stand(one) is hooks.Stand.BEFORE)

    def _waiting(self, held: acceptor.Held) -> dict[ids.BundleId, tuple[dependencies.Unmet, ...]]:
        """Bundles that have to wait for others, each with what for."""
        unmets = self._unmets(held)
        if not unmets:
            return {}
        return {bundle: unmets[bundle] for bundle in dependencies.held_back(unmets, self._whole(held))}

    def _unmets(self, held: acceptor.Held) -> dependencies.Unmets:
        if not any(entry.depends_on for entry in held.root.bundles):
            return dependencies.NONE
        return dependencies.judge(held.root.bundles, self._whole(held))

    def _whole(self, held: acceptor.Held) -> dict[ids.BundleId, dependencies.Standing]:
        """How far the bundles are, their hooks included."""
        found = self._standings(entry.bundle for entry in held.root.bundles)
        hooked = {known.index.bundle: known for known in self.known(held)}
        return found | {bundle: hooks.standing(known, found[bundle]) for bundle, known in hooked.items()}
