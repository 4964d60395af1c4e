"""Drift: what differs from Git in the clusters, since when, by whom, and how it ended."""

import datetime
from collections.abc import Iterator

import msgspec

from controller.domain import clusters
from controller.domain.views import freshness, sight
from protocol import bundles, drifts, ids


class Row(msgspec.Struct, frozen=True, rename="camel"):
    """One object that differs, or differed lately."""

    cluster: str
    bundle: ids.BundleId
    object: str
    kind: drifts.Kind
    policy: bundles.Drift
    """What is done about it."""
    since: datetime.datetime
    """By the agent's clock."""
    fields: list[drifts.Field]
    """Each with who holds it now, and since when. Values of Secrets are told by an HMAC."""
    fields_left_out: int
    fighting: drifts.Fight | None
    """Somebody undoes again and again what the agent puts right."""
    ended: drifts.Means | None
    """None: it differs still."""
    ended_at: datetime.datetime | None
    connection: freshness.Connection
    """Of a cluster that is not heard: so it was."""
    as_of: datetime.datetime | None


class OfCluster(msgspec.Struct, frozen=True, rename="camel"):
    """The drift of one cluster."""

    cluster: str
    open: list[Row]
    """What differs now, in the order of objects."""
    left_out: int
    """Open beyond what the agent tells."""
    ended: list[Row]
    """What is over, the newest first; a bounded number of them."""
    connection: freshness.Connection
    as_of: datetime.datetime | None
    event: int


class Wish(msgspec.Struct, frozen=True):
    """Which drifts; what is empty or None asks for nothing."""

    cluster: str = ""
    bundle: str = ""
    source: str = ""
    manager: str = ""
    """That holds one of the fields."""
    policy: bundles.Drift | None = None
    ended: bool = False
    """Those that are over, too."""


def every(looking: sight.Sight, wish: Wish) -> list[Row]:
    """What differs in the fleet, in the order of `key`."""
    found = [
        row
        for cluster in looking.clusters
        if wish.cluster in ("", cluster.name)
        for row in (*_open(looking, cluster), *(_ended(looking, cluster) if wish.ended else ()))
        if _is_wanted(row, wish)
    ]
    return sorted(found, key=key)


def key(row: Row) -> str:
    """Tells a row from every other: an object of a cluster has one drift at a time."""
    return "\0".join((row.cluster, row.object, row.since.isoformat(), row.ended or ""))


def of_cluster(looking: sight.Sight, cluster: clusters.Cluster) -> OfCluster:
    """The drift of one cluster."""
    return OfCluster(
        cluster=cluster.name,
        open=sorted(_open(looking, cluster), key=key),
        left_out=looking.seen(cluster.id).drifts.left_out,
        ended=list(_ended(looking, cluster))[::-1],
        connection=freshness.connection(looking, cluster.id),
        as_of=freshness.as_of(looking, cluster.id),
        event=looking.head("cluster", cluster.id),
    )


def _open(looking: sight.Sight, cluster: clusters.Cluster) -> Iterator[Row]:
    for one in looking.seen(cluster.id).drifts.open.values():
        yield _row(looking, cluster, one.drift)


def _ended(looking: sight.Sight, cluster: clusters.Cluster) -> Iterator[Row]:
    for one in looking.seen(cluster.id).drifts.closed:
        yield msgspec.structs.replace(_row(looking, cluster, one.drift), ended=one.means, ended_at=one.at)


def _row(looking: sight.Sight, cluster: clusters.Cluster, drift: drifts.Drift) -> Row:
    return Row(
        cluster=cluster.name,
        bundle=drift.bundle,
        object=str(drift.object),
        kind=drift.kind,
        policy=drift.policy,
        since=drift.since,
        fields=list(drift.fields),
        fields_left_out=drift.left_out,
        fighting=drift.fighting,
        ended=None,
        ended_at=None,
        connection=freshness.connection(looking, cluster.id),
        as_of=freshness.as_of(looking, cluster.id),
    )


def _is_wanted(row: Row, wish: Wish) -> bool:
    return (
        wish.bundle in ("", row.bundle)
        and wish.source in ("", ids.source_of(row.bundle))
        and wish.policy in (None, row.policy)
        and (not wish.manager or any(one.manager == wish.manager for one in row.fields))
    )
