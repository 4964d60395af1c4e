"""How a cluster in flight is doing with a revision: judged only by the bundles that the revision changed."""

from collections.abc import Iterable

import msgspec

from controller.domain import assignments, audiences, catalogs, inputs, observed, placements, rollouts
from protocol import ids, reports, specs, status
from protocol.canonical import Digest

WELL = frozenset({status.Health.HEALTHY, status.Health.SUSPENDED})
"""A suspended workload does what it was told."""


class Change(msgspec.Struct, frozen=True):
    """What a revision means for one cluster."""

    changed: dict[ids.BundleId, Digest]
    """By content, or by what must stand in the cluster first: that can be as wrong, and goes the same way."""
    removed: frozenset[ids.BundleId]


class Standing(msgspec.Struct, frozen=True):
    """What is known of the cluster beside its reports."""

    published_root: Digest
    """Of the newest desired state that holds the revision."""
    conflicts: dict[ids.BundleId, str] = {}
    published: tuple[int, int] = (0, 0)
    """Its (epoch, generation)."""


def change(
    base: catalogs.Catalog | None,
    new: catalogs.Catalog,
    spec: specs.SourceSpec,
    of: inputs.Facts,
) -> Change:
    """The bundles of this cluster in which two catalogs differ."""
    before = assignments.placed_contents(base, spec, of)
    after = assignments.placed_contents(new, spec, of)
    return Change(
        changed={bundle: found.index for bundle, found in after.items() if before.get(bundle) != found},
        removed=frozenset(before) - frozenset(after),
    )


class Changes:
    """What a catalog changes for clusters: who was given the same and is alike is looked at once."""

    def __init__(self, new: catalogs.Catalog, spec: specs.SourceSpec, bases: Iterable[catalogs.Catalog]) -> None:
        """`bases`: the catalogs that clusters were given; who was given another is looked at alone."""
        self._new = new
        self._spec = spec
        self._bases = {id(base): base for base in bases}
        self._answer = audiences.answers(placements.asked_in((new, *self._bases.values()), (spec,)))
        self._known: dict[tuple[object, ...], Change] = {}

    def of(self, base: catalogs.Catalog | None, facts: inputs.Facts) -> Change:
        """What it changes for a cluster that was given `base`; None: nothing yet."""
        if base is not None and id(base) not in self._bases:
            return change(base, self._new, self._spec, facts)
        key = (id(base), self._answer(facts))
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = change(base, self._new, self._spec, facts)
        return found


def either(one: Change, other: Change) -> Change:
    """What one or the other changes, for a cluster that comes to one catalog from two: its last, and the base."""
    return Change(changed={**one.changed, **other.changed}, removed=one.removed | other.removed)


def verdict(expected: Change, seen: observed.Observed, standing: Standing) -> rollouts.Verdict | None:
    """Healthy with the revision, failed with a reason, or None: still under way."""
    for bundle in expected.changed:
        if bundle in standing.conflicts:
            return rollouts.Verdict(failure=f"{bundle}: {standing.conflicts[bundle]}")
    # What it said before it worked this through says nothing of how it is now, good or bad: it may have been given
    # another content in between, or what it lacked.
    if seen.through < standing.published:
        return None
    statuses = {b: observed.bundle_status(seen, b, index) for b, index in expected.changed.items()}
    for bundle, found in statuses.items():
        if found is not None and found.health is status.Health.DEGRADED:
            return rollouts.Verdict(failure=f"{bundle}: {_why(found)}")
    if any(found is None or not _well(found) for found in statuses.values()):
        return None
    # That a bundle is gone can only be seen in the root that was worked through.
    if expected.removed and seen.root != standing.published_root:
        return None
    return rollouts.Verdict()


def is_applied(found: reports.BundleStatus) -> bool:
    """Does the cluster have the content? What drifted since then, and stays so, because the bundle says it, is not the
    revision's doing."""
    drifted = found.sync is status.Sync.OUT_OF_SYNC and found.drifted > 0 and not found.failed
    return found.sync is status.Sync.SYNCED or drifted


def is_affected(expected: Change) -> bool:
    """Does the revision change anything for the cluster?"""
    return bool(expected.changed or expected.removed)


def _well(found: reports.BundleStatus) -> bool:
    return is_applied(found) and found.health in WELL


def _why(found: reports.BundleStatus) -> str:
    if not found.failures:
        return "degraded"
    first = found.failures[0]
    return f"{first.object}: {first.reason}" + (f" ({first.message})" if first.message else "")
