"""The plan of a cluster and what is told of it, worked out anew only where something that they rest on is new.

Every change in a cluster asks for both, and a cluster may have thousands of objects: what a change costs has to follow
the change. So the same inputs give what they gave the last time, and are told by being the very same values.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import msgspec

from agents import acceptor
from agents.domain import inventory, object_states, plan, prune, resources, statuses
from protocol import bundles, ids, reports
from protocol.canonical import Digest


class Kinds(Protocol):
    """Who knows what the API server serves."""

    async def resolve(self, kinds: Iterable[resources.GroupKind]) -> resources.Resources:
        """The resource of each kind, or why it is not known; raise KubeError if that cannot be asked."""


class Store(Protocol):
    """The inventory."""

    revision: int
    """Another one whenever there is something else in it."""

    @property
    def entries(self) -> inventory.Inventory:
        """All of them."""


class _Basis(msgspec.Struct, frozen=True):
    """What a plan rests on."""

    held: acceptor.Held
    revision: int
    """Of the inventory."""
    known: resources.Resources


class _Told(msgspec.Struct, frozen=True):
    """The status of a bundle, and what it rests on."""

    part: statuses.Part
    seen: list[statuses.Observed | None]
    problems: list[statuses.Failure | None]
    unmet: tuple[statuses.Holdup, ...] | None
    status: reports.BundleStatus


class Drafts:
    """Of one cluster."""

    def __init__(self, kinds: Kinds, store: Store) -> None:
        self._served = kinds
        self._store = store
        self._basis: _Basis | None = None
        self._kinds: frozenset[resources.GroupKind] = frozenset()
        self._parts: list[statuses.Part] = []
        self._told: dict[ids.BundleId, _Told] = {}
        self._orphans: tuple[reports.Orphan, ...] | None = None
        self._counted = -1
        """The revision of the inventory at which `_adopted` was told."""
        self._adopted: frozenset[ids.ObjectId] = frozenset()
        self.plan = plan.Plan((), (), ())
        self.items: Mapping[ids.ObjectId, plan.Wanted] = {}
        """What the plan wants, by its objects."""

    async def make(self, held: acceptor.Held) -> plan.Plan:
        """The plan as of now; raise KubeError if the API server does not say what it serves."""
        if self._basis is None or self._basis.held is not held:
            self._kinds = plan.kinds(held.indexes)
        known = await self._served.resolve(self._kinds)
        basis = _Basis(held, self._store.revision, known)
        if not _is_same(self._basis, basis):
            self.plan = plan.make(held.indexes, self._store.entries, known)
            self.items = {item.object: item for item in self.plan.wanted}
            self._parts = statuses.parts(self.plan, _indexes(held))
            self._basis, self._orphans = basis, None
        return self.plan

    def statuses(
        self, observed: statuses.Observations, failures: statuses.Failures, waiting: statuses.Holdups
    ) -> dict[ids.BundleId, reports.BundleStatus]:
        """How every bundle of the plan stands."""
        told: dict[ids.BundleId, _Told] = {}
        for part in self._parts:
            name, objects = part.index.bundle, [item.object for item in part.wanted]
            seen, problems = [*map(observed.get, objects)], [*map(failures.get, objects)]
            before, unmet = self._told.get(name), waiting.get(name)
            if before is None or (before.part, before.seen, before.problems, before.unmet) != (
                part,
                seen,
                problems,
                unmet,
            ):
                before = _Told(part, seen, problems, unmet, statuses.of_part(part, observed, failures, unmet))
            told[name] = before
        self._told = told
        return object_states.bounded({name: one.status for name, one in told.items()})

    def orphans(self, world: Callable[[], prune.World]) -> tuple[reports.Orphan, ...]:
        """What is ours, and neither wanted, kept nor named; `world` is asked where that may be something else now."""
        if self._orphans is None:
            self._orphans = prune.orphans(world(), self._store.entries)
        return self._orphans

    @property
    def adopted(self) -> frozenset[ids.ObjectId]:
        """What existed before us and is ours, as written."""
        if self._counted != self._store.revision:
            owned = inventory.owned(self._store.entries)
            self._adopted = frozenset(entry.written for entry in owned if entry.adopted)
            self._counted = self._store.revision
        return self._adopted


def _is_same(before: _Basis | None, now: _Basis) -> bool:
    return (
        before is not None and before.held is now.held and (before.revision, before.known) == (now.revision, now.known)
    )


def _indexes(held: acceptor.Held) -> list[tuple[bundles.BundleIndex, Digest]]:
    digests = {entry.bundle: entry.index for entry in held.root.bundles}
    return [(index, digests[index.bundle]) for index in held.indexes]
