"""Clusters: does each hold what Git says, does it work, how far behind is it, and when was it heard."""

import datetime
import enum
from collections.abc import Iterator, Sequence

import msgspec

from controller.domain import clusters, observed
from controller.domain.views import sight
from protocol import ids, reports, specs, status

WELL = frozenset({status.Health.HEALTHY, status.Health.SUSPENDED})
"""A suspended workload does what it was told."""


class Connection(enum.StrEnum):
    """Whether the cluster is there."""

    ONLINE = "Online"
    OFFLINE = "Offline"
    NEVER = "Never"
    """Not heard since this hub started."""


class Row(msgspec.Struct, frozen=True, rename="camel"):
    """One cluster in a list."""

    name: str
    id: ids.ClusterId
    labels: dict[str, str]
    annotations: dict[str, str]
    values: dict[str, str]
    """Registered, with those of its groups: what `${vars.KEY}` gives."""
    groups: list[str]
    kubernetes_version: str
    """As its agent said last; empty: it was never heard. Charts are rendered for it."""
    managed_by: specs.ManagedBy
    connection: Connection
    sync: status.Sync
    health: status.Health
    reason: str
    """Why it is not Synced and Healthy; empty: it is."""
    epoch: int
    generation: int
    """The newest that its agent verified."""
    desired_epoch: int
    desired_generation: int
    """The newest that was published for it."""
    revisions: list[str]
    """`<source> main@sha1:…`, as published."""
    objects: int
    """In its inventory."""
    pending_deletions: int
    held_deletions: int
    orphans: int
    refused: int
    """Desired states that its agent did not accept."""
    suspended: str
    heard_ago_s: float | None
    """None: not since this hub started."""
    as_of: datetime.datetime | None
    """When it was heard last: that is how it was then."""
    event: int
    """The last event about the cluster itself."""


class BundleRow(msgspec.Struct, frozen=True, rename="camel"):
    """One bundle of one cluster."""

    bundle: ids.BundleId
    sync: status.Sync
    health: status.Health
    objects: int
    failed: int
    reason: str


class Detail(msgspec.Struct, frozen=True, rename="camel"):
    """One cluster with all that is known of it."""

    cluster: Row
    uid: str
    agent_version: str
    kubernetes_version: str
    bundles: list[BundleRow]
    kept: list[str]
    """Objects that left Git and cannot be judged yet, with the reason."""
    undeleted: list[str]
    """Deletions that its agent refused or could not do."""
    orphans: list[str]
    """In the inventory, neither desired nor named for deletion."""
    refusals: dict[str, int]
    lost_reports: int
    """That its agent ever dropped, for want of room while the hub was away; all was said again."""
    published_at: datetime.datetime | None


class Standing(msgspec.Struct, frozen=True):
    """The words for a cluster, and why."""

    sync: status.Sync
    health: status.Health
    reason: str = ""


def rows(looking: sight.Sight, members: Sequence[clusters.Cluster]) -> list[Row]:
    """These clusters."""
    return [row(looking, cluster) for cluster in members]


def row(looking: sight.Sight, cluster: clusters.Cluster) -> Row:
    """One cluster."""
    seen, published = looking.seen(cluster.id), looking.publication(cluster.id)
    standing, owed = judge(looking, cluster), looking.owed(cluster.id)
    ago = (looking.at - seen.heard_at).total_seconds() if seen.heard_at is not None else None
    return Row(
        name=cluster.name,
        id=cluster.id,
        labels=cluster.labels,
        annotations=cluster.annotations,
        values=looking.facts_of[cluster.id].values,
        groups=list(looking.facts_of[cluster.id].groups),
        kubernetes_version=looking.facts_of[cluster.id].kubernetes_version,
        managed_by=cluster.managed_by,
        connection=connection(looking, cluster.id),
        sync=standing.sync,
        health=standing.health,
        reason=standing.reason,
        epoch=seen.epoch,
        generation=seen.generation,
        desired_epoch=published.epoch,
        desired_generation=published.generation,
        revisions=[f"{one.source} {one.revision}" for one in published.revisions],
        objects=seen.inventory,
        pending_deletions=owed.pending,
        held_deletions=owed.held,
        orphans=seen.orphan_total,
        refused=cluster.refused,
        suspended=cluster.suspended,
        heard_ago_s=round(ago, 1) if ago is not None else None,
        as_of=seen.heard_at,
        event=looking.head("cluster", cluster.id),
    )


def detail(looking: sight.Sight, cluster: clusters.Cluster) -> Detail:
    """One cluster with all that is known of it."""
    seen, root = looking.seen(cluster.id), looking.root(cluster.id)
    return Detail(
        cluster=row(looking, cluster),
        uid=cluster.uid,
        agent_version=seen.agent_version,
        kubernetes_version=seen.kubernetes_version,
        bundles=list(bundle_rows(looking, cluster.id)),
        kept=[f"{one.object}: {one.reason}" for one in (root.kept if root is not None else ())][: sight.NAMES_MAX],
        undeleted=[f"{one.object}: {one.reason} ({one.message})" for one in seen.undeleted.values()][: sight.TEXTS_MAX],
        orphans=[f"{one.object} of {one.bundle}" for one in seen.orphans][: sight.NAMES_MAX],
        refusals=seen.refusals,
        lost_reports=seen.lost,
        published_at=looking.publication(cluster.id).at,
    )


def connection(looking: sight.Sight, cluster: ids.ClusterId) -> Connection:
    """Is it there?"""
    if looking.seen(cluster).heard_at is None:
        return Connection.NEVER
    return Connection.ONLINE if looking.online(cluster) else Connection.OFFLINE


def judge(looking: sight.Sight, cluster: clusters.Cluster) -> Standing:
    """How it stands towards what was published for it. Silence is never read as anything but Unknown."""
    published, seen = looking.publication(cluster.id), looking.seen(cluster.id)
    if connection(looking, cluster.id) is not Connection.ONLINE:
        reason = "not heard since this hub started" if seen.heard_at is None else "not heard for too long"
        return Standing(sync=status.Sync.UNKNOWN, health=status.Health.UNKNOWN, reason=reason)
    if not published.sequence:
        return Standing(sync=status.Sync.UNKNOWN, health=status.Health.UNKNOWN, reason="nothing was published for it")
    root = looking.root(cluster.id)
    health = observed.health(seen, root) if root is not None else status.Health.UNKNOWN
    problem = next(_differences(looking, cluster.id), "")
    sync = status.Sync.OUT_OF_SYNC if problem else status.Sync.SYNCED
    if not problem and health not in WELL:
        problem = next(_ailments(looking, cluster.id), "what it should have is not at hand")
    return Standing(sync=sync, health=health, reason=problem)


def bundle_rows(looking: sight.Sight, cluster: ids.ClusterId) -> Iterator[BundleRow]:
    """The bundles that the cluster should have, and how each stands there."""
    online, conflicts = looking.online(cluster), looking.publication(cluster).conflicts
    for bundle, index in looking.content(cluster).items():
        found = observed.bundle_status(looking.seen(cluster), bundle, index)
        unknown = found is None or not online
        yield BundleRow(
            bundle=bundle,
            sync=status.Sync.UNKNOWN if found is None or unknown else found.sync,
            health=status.Health.UNKNOWN if found is None or unknown else found.health,
            objects=found.objects if found is not None else 0,
            failed=found.failed if found is not None else 0,
            reason=conflicts.get(bundle) or (why(found) if found is not None else "not reported yet"),
        )
    for bundle, reason in conflicts.items():
        if bundle not in looking.content(cluster):
            yield BundleRow(
                bundle=bundle,
                sync=status.Sync.OUT_OF_SYNC,
                health=status.Health.MISSING,
                objects=0,
                failed=0,
                reason=reason,
            )


def why(found: reports.BundleStatus) -> str:
    """The first thing that is wrong with a bundle; empty: nothing is."""
    if not found.failures:
        return ""
    first = found.failures[0]
    count = found.failed + found.drifted
    more = f", and {count - 1} more" if count > 1 else ""
    return f"{first.object}: {first.reason}" + (f" ({first.message})" if first.message else "") + more


def _differences(looking: sight.Sight, cluster: ids.ClusterId) -> Iterator[str]:
    """In what it does not hold what it should."""
    seen, published = looking.seen(cluster), looking.publication(cluster)
    if (seen.epoch, seen.generation) != (published.epoch, published.generation):
        epoch = f", epoch {seen.epoch} of {published.epoch}" if seen.epoch != published.epoch else ""
        yield f"at generation {seen.generation} of {published.generation}{epoch}"
    elif seen.root != published.root:
        yield f"generation {published.generation} is not worked through yet"
    for bundle, reason in sorted(published.conflicts.items()):
        yield f"{bundle}: {reason}"
    for bundle, index in looking.content(cluster).items():
        found = observed.bundle_status(seen, bundle, index)
        if found is not None and found.sync is status.Sync.OUT_OF_SYNC:
            yield f"{bundle}: {why(found) or 'out of sync'}"
    owed = looking.owed(cluster)
    if owed.pending:
        refused = f", {len(seen.undeleted)} refused" if seen.undeleted else ""
        yield f"{owed.pending} deletions to carry out{refused}"


def _ailments(looking: sight.Sight, cluster: ids.ClusterId) -> Iterator[str]:
    """In what it is not healthy."""
    for one in bundle_rows(looking, cluster):
        if one.health not in WELL:
            yield f"{one.bundle}: {one.reason or one.health.value}"
