"""The time machine: what a cluster was given at a place in the log, told by the log alone, with who led to it.

The log says which commit of each source a cluster was given, what its labels were, and which catalogs that meant; so
the bundles and their contents are exact. What an earlier desired state decided is not in the log: which of two bundles
that claimed one object had it, and what was kept in doubt. A bundle that had no content then is left out.
"""

import datetime
from collections.abc import Mapping

import msgspec

from controller.domain import assignments, clusters, derivation
from controller.domain.views import states, trail
from controller.domain.world import World
from protocol import bundles, ids
from protocol.canonical import Digest


class Given(msgspec.Struct, frozen=True, rename="camel"):
    """What a source gave the cluster, by which rollout."""

    source: ids.SourceName
    revision: str
    rollout: str
    """The source's rollout at that time; empty: there was none."""
    origin: trail.Origin
    """The event that gave it."""


class Past(msgspec.Struct, frozen=True, rename="camel"):
    """What a cluster was given at that time."""

    cluster: str
    labels: dict[str, str]
    epoch: int
    given: list[Given]
    bundles: list[states.Bundle]
    decisions: list[trail.Decided]
    """What persons said until then of deletions on this cluster, the newest first."""
    conflicts: dict[ids.BundleId, str]
    """Bundles that claim an object of another one: which of them had it, the log does not say."""
    event: int
    """The last event of the log that counts."""
    at: datetime.datetime
    """When that was written."""
    head: int
    """The log's present end."""


class Then(msgspec.Struct, frozen=True):
    """A place in the log, the world there, and what led to it."""

    world: World
    trail: trail.Trail
    at: datetime.datetime
    head: int


def catalogs_of(then: Then, cluster: clusters.Cluster) -> frozenset[Digest]:
    """The catalogs that `derived` needs to have read."""
    given = {state.assigned.get(cluster.id, "") for state in then.world.rollouts.values()}
    said = {one.catalog for one in then.world.sources.values() if not one.removed}
    return frozenset(Digest(one) for one in given | said if one)


def view(then: Then, cluster: clusters.Cluster, known: assignments.Catalogs) -> derivation.View:
    """All that what it was given depends on."""
    return assignments.view(then.world, cluster, bundles.EMPTY_ROOT, known)


def past(then: Then, looked_at: derivation.View, indexes: Mapping[Digest, bundles.BundleIndex]) -> Past:
    """What the cluster was given."""
    derived = derivation.derive(looked_at, indexes)
    world, cluster = then.world, looked_at.cluster
    return Past(
        cluster=cluster.name,
        labels=cluster.labels,
        epoch=world.fleet.epoch,
        given=[
            Given(
                source=name,
                revision=str(one.given.revision),
                rollout=_rollout(world, name),
                origin=then.trail.given[name],
            )
            for name, one in sorted(looked_at.sources.items())
            if one.given is not None
        ],
        bundles=[states.bundle(one, indexes[one.index]) for one in derived.root.bundles],
        decisions=then.trail.decisions[::-1],
        conflicts=derived.conflicts,
        event=world.log_head.sequence,
        at=then.at,
        head=then.head,
    )


def _rollout(world: World, source: ids.SourceName) -> str:
    current = world.rollout(source).current
    return current.id if current is not None else ""
