"""The objects of a bundle on one cluster: does each hold what Git says, does it work, and if not, why.

The cluster names those that are not well, in a bounded space; which others there are stands in the bundle's content.
"""

import datetime
from collections.abc import Iterator

import msgspec

from controller.domain import clusters, observed, rejections
from controller.domain.views import freshness, sight
from protocol import bundles, ids, reports, status
from protocol.canonical import Digest

UNTOLD = "NotTold"
"""Reason of an object that nothing was said of: more of the bundle are not well than one report names."""


class Row(msgspec.Struct, frozen=True, rename="camel"):
    """One object of one bundle on one cluster."""

    object: str
    """As a whole, for people."""
    group: str
    kind: str
    namespace: str
    name: str
    file: str
    """Where it stands in the repository."""
    sync: status.Sync
    health: status.Health
    reason: str
    """One word; empty: it is Synced and Healthy."""
    message: str
    was: status.Health | None
    """Its health as of `asOf`, where nobody hears from the cluster now."""
    as_of: datetime.datetime | None


class Place(msgspec.Struct, frozen=True):
    """A bundle on a cluster."""

    cluster: clusters.Cluster
    bundle: ids.BundleId
    index: Digest
    """The content that was published."""


def place(looking: sight.Sight, cluster: clusters.Cluster, bundle: str) -> Place:
    """Where to look; NotFound if the cluster should not have the bundle."""
    index = looking.content(cluster.id).get(ids.BundleId(bundle))
    if index is None:
        raise rejections.NotFound(f"cluster {cluster.name!r}: bundle {bundle!r} was not published for it")
    return Place(cluster=cluster, bundle=ids.BundleId(bundle), index=index)


def every(
    looking: sight.Sight, where: Place, content: bundles.BundleIndex, health: status.Health | None = None
) -> list[Row]:
    """Its objects in the order of their names, those of one health where that is asked for. `content`: of its index."""
    found = [row for row in _rows(looking, where, content) if health is None or row.health is health]
    return sorted(found, key=lambda row: row.object)


def _rows(looking: sight.Sight, where: Place, content: bundles.BundleIndex) -> Iterator[Row]:
    told = observed.bundle_status(looking.seen(where.cluster.id), where.bundle, where.index)
    named = _named(told)
    rest = _rest(told)
    online, as_of = looking.online(where.cluster.id), freshness.as_of(looking, where.cluster.id)
    for entry in content.objects:
        state = named.get(entry.object, rest)
        yield Row(
            object=str(entry.object),
            group=entry.object.group,
            kind=entry.object.kind,
            namespace=entry.object.namespace,
            name=entry.object.name,
            file=entry.file,
            sync=state.sync if online else status.Sync.UNKNOWN,
            health=state.health if online else status.Health.UNKNOWN,
            reason=state.reason,
            message=state.message,
            was=state.health if told is not None and not online else None,
            as_of=as_of if told is not None else None,
        )


def _named(told: reports.BundleStatus | None) -> dict[ids.ObjectId, reports.ObjectState]:
    """What was said of single objects."""
    if told is None:
        return {}
    named = {
        one.object: _state(status.Sync.UNKNOWN, status.Health.UNKNOWN, one.reason, one.message) for one in told.failures
    }
    return {**named, **{one.object: one for one in told.states}}


def _rest(told: reports.BundleStatus | None) -> reports.ObjectState:
    """How those are that were not named."""
    if told is None:
        return _state(status.Sync.UNKNOWN, status.Health.UNKNOWN, "NotReported", "")
    is_well = (told.sync, told.health) == (status.Sync.SYNCED, status.Health.HEALTHY)
    if is_well or (told.healths and told.ailing == len(told.states)):
        return _state(status.Sync.SYNCED, status.Health.HEALTHY, "", "")
    return _state(status.Sync.UNKNOWN, status.Health.UNKNOWN, UNTOLD, "")


def _state(sync: status.Sync, health: status.Health, reason: str, message: str) -> reports.ObjectState:
    # The object is known by where it stands.
    return reports.ObjectState(_NOBODY, sync, health, reason, message)


_NOBODY = ids.ObjectId("", "", "", "")
