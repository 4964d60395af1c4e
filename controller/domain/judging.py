"""How a cluster in flight is doing with a revision: judged only by the bundles that the revision changed."""

from collections.abc import Mapping

import msgspec

from controller.domain import assignments, audiences, catalogs, inputs, observed, placements, rollouts
from protocol import ids, reports, specs, status
from protocol.canonical import Digest

WELL = frozenset({status.Health.HEALTHY, status.Health.SUSPENDED})
"""A suspended workload does what it was told."""


class Change(msgspec.Struct, frozen=True):
    """What a revision means for one cluster."""

    changed: dict[ids.BundleId, Digest]
    removed: frozenset[ids.BundleId]


class Standing(msgspec.Struct, frozen=True):
    """What is known of the cluster beside its reports."""

    published_root: Digest
    """Of the newest desired state that holds the revision."""
    conflicts: dict[ids.BundleId, str] = {}


def change(
    base: catalogs.Catalog | None,
    new: catalogs.Catalog,
    spec: specs.SourceSpec,
    of: inputs.Facts,
) -> Change:
    """The bundles of this cluster in which two catalogs differ."""
    before = assignments.placed_indexes(base, spec, of)
    after = assignments.placed_indexes(new, spec, of)
    return Change(
        changed={bundle: index for bundle, index in after.items() if before.get(bundle) != index},
        removed=frozenset(before) - frozenset(after),
    )


def affected(
    new: catalogs.Catalog,
    spec: specs.SourceSpec,
    members: Mapping[ids.ClusterId, tuple[catalogs.Catalog | None, inputs.Facts]],
) -> frozenset[ids.ClusterId]:
    """Those clusters for which a catalog differs from the one that each was given. Who was given the same and is alike
    is looked at once."""
    given = {id(base): base for base, _ in members.values()}
    answer = audiences.answers(placements.asked_in((new, *given.values()), (spec,)))
    known: dict[tuple[object, ...], bool] = {}
    for base, of in members.values():
        key = (id(base), answer(of))
        if key not in known:
            known[key] = is_affected(change(base, new, spec, of))
    return frozenset(cluster for cluster, (base, of) in members.items() if known[(id(base), answer(of))])


def either(one: Change, other: Change) -> Change:
    """What one or the other changes, for a cluster that comes to one catalog from two: its last, and the base."""
    return Change(changed={**one.changed, **other.changed}, removed=one.removed | other.removed)


def verdict(expected: Change, seen: observed.Observed, standing: Standing) -> rollouts.Verdict | None:
    """Healthy with the revision, failed with a reason, or None: still under way."""
    for bundle in expected.changed:
        if bundle in standing.conflicts:
            return rollouts.Verdict(failure=f"{bundle}: {standing.conflicts[bundle]}")
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


def is_affected(expected: Change) -> bool:
    """Does the revision change anything for the cluster?"""
    return bool(expected.changed or expected.removed)


def _well(found: reports.BundleStatus) -> bool:
    return found.sync is status.Sync.SYNCED and found.health in WELL


def _why(found: reports.BundleStatus) -> str:
    if not found.failures:
        return "degraded"
    first = found.failures[0]
    return f"{first.object}: {first.reason}" + (f" ({first.message})" if first.message else "")
