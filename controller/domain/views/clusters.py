"""Clusters: does each hold what Git says, does it work, how far behind is it, and when was it heard."""

import datetime
from collections.abc import Iterator, Sequence

import msgspec

from controller.domain import clusters, debts, observed
from controller.domain.views import drifts, freshness, hooks, letting_in, sight, standbys
from protocol import ids, reports, specs, status

WELL = frozenset({status.Health.HEALTHY, status.Health.SUSPENDED})
"""A suspended workload does what it was told."""


class Was(msgspec.Struct, frozen=True, rename="camel"):
    """How a cluster stood when it was last known."""

    sync: status.Sync
    health: status.Health
    reason: str


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
    connection: freshness.Connection
    sync: status.Sync
    health: status.Health
    reason: str
    """Why it is not Synced and Healthy; empty: it is."""
    was: Was | None
    """How it stood as of `asOf`, where nobody hears from it now; None: it is heard, or nothing was ever known."""
    epoch: int
    generation: int
    """The newest that its agent verified."""
    desired_epoch: int
    desired_generation: int
    """The newest that was published for it."""
    lag_generations: int
    """How many generations it is behind; 0: it has verified the newest, which may not be worked through yet."""
    behind_since: datetime.datetime | None
    """When the first of them was published, as far as this hub knows."""
    log_head: int
    """The event that its state rests on."""
    log_head_known: bool
    """Our log holds that very event: it was given its state by this hub, or one before it on the same log."""
    revisions: list[str]
    """`<source> main@sha1:…`, as published."""
    objects: int
    """In its inventory."""
    pending_deletions: int
    held_deletions: int
    orphans: int
    drifts: int
    """Objects that differ from Git in fields of ours."""
    refused: int
    """Desired states that its agent did not accept."""
    suspended: str
    standby: int
    """Agents of it that are there and do not act: beside one that acts, a second one."""
    heard_ago_s: float | None
    """None: not since this hub started."""
    clock_ahead_s: float | None
    """Its agent's clock before the hub's, with what the heartbeat took on its way; None: none came since this hub
    started."""
    agent_version: str
    """As its agent said last; empty: it was never heard."""
    as_of: datetime.datetime | None
    """When what it says of itself was known to be so: heard, with none of its reports still on the way."""
    event: int
    """The last event about the cluster itself."""


class BundleRow(msgspec.Struct, frozen=True, rename="camel"):
    """One bundle of one cluster."""

    bundle: ids.BundleId
    sync: status.Sync
    health: status.Health
    objects: int
    failed: int
    drifted: int
    """Objects that differ from Git, and stay so because the bundle says it or somebody fights for it."""
    reason: str
    was: status.Health | None
    """Its health as of `asOf`, where nobody hears from the cluster now."""
    healths: dict[str, int]
    """How many of its objects had which health as of `asOf`; empty: it was not told."""
    as_of: datetime.datetime | None


class AilingObject(msgspec.Struct, frozen=True, rename="camel"):
    """An object that is not both Synced and Healthy."""

    bundle: ids.BundleId
    object: str
    sync: status.Sync
    health: status.Health
    reason: str
    message: str


class Detail(msgspec.Struct, frozen=True, rename="camel"):
    """One cluster with all that is known of it."""

    cluster: Row
    uid: str
    acting: str
    """Which of its agents acts, as HOST_INSTALLATION."""
    agent_version: str
    standby: list[standbys.Row]
    """Its agents that do not act."""
    kubernetes_version: str
    bundles: list[BundleRow]
    ailing: list[AilingObject]
    """The objects that are not well, the worst first; at most sight.TEXTS_MAX. None of a cluster that nobody hears."""
    hooks: list[hooks.Row]
    """Those that are not over first; at most sight.TEXTS_MAX. None of a cluster that nobody hears."""
    drift: list[drifts.Row]
    """What differs from Git and since when, and by whom; at most sight.TEXTS_MAX."""
    kept: list[str]
    """Objects that left Git and cannot be judged yet, with the reason."""
    undeleted: list[str]
    """Deletions that its agent refused or could not do."""
    held: list[str]
    """Objects that left Git and stay until a person approves, each with its deletion set."""
    orphans: list[str]
    """In the inventory, neither desired nor held, nor named for deletion."""
    unwatched: list[str]
    """Collections that its agent cannot watch, with the reason: drift there is seen by the regular apply alone."""
    refusals: dict[str, int]
    lost_reports: int
    """That its agent ever dropped, for want of room while the hub was away; all was said again."""
    published_at: datetime.datetime | None
    agent: letting_in.Agent
    """What lets its agent in."""


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
    lag, here = freshness.lag(looking, cluster.id), freshness.connection(looking, cluster.id)
    return Row(
        name=cluster.name,
        id=cluster.id,
        labels=cluster.labels,
        annotations=cluster.annotations,
        values=looking.facts_of[cluster.id].values,
        groups=list(looking.facts_of[cluster.id].groups),
        kubernetes_version=looking.facts_of[cluster.id].kubernetes_version,
        managed_by=cluster.managed_by,
        connection=here,
        sync=standing.sync,
        health=standing.health,
        reason=standing.reason,
        was=_was(looking, cluster) if here is not freshness.Connection.ONLINE else None,
        epoch=seen.epoch,
        generation=seen.generation,
        desired_epoch=published.epoch,
        desired_generation=published.generation,
        lag_generations=lag.generations,
        behind_since=lag.since,
        log_head=seen.log_head.sequence,
        log_head_known=looking.world.contains(seen.log_head),
        revisions=[f"{one.source} {one.revision}" for one in published.revisions],
        objects=seen.inventory,
        pending_deletions=owed.pending,
        held_deletions=owed.held,
        orphans=seen.orphan_total - sum(one.object in owed.waiting for one in seen.orphans),
        drifts=len(seen.drifts.open) + seen.drifts.left_out,
        refused=cluster.refused,
        suspended=cluster.suspended,
        standby=len(standbys.lately(looking, cluster.id)),
        heard_ago_s=freshness.heard_ago_s(looking, cluster.id),
        clock_ahead_s=None if seen.clock_ahead_s is None else round(seen.clock_ahead_s, 1),
        agent_version=seen.agent_version,
        as_of=freshness.as_of(looking, cluster.id),
        event=looking.head("cluster", cluster.id),
    )


def detail(looking: sight.Sight, cluster: clusters.Cluster) -> Detail:
    """One cluster with all that is known of it."""
    seen, root = looking.seen(cluster.id), looking.root(cluster.id)
    return Detail(
        cluster=row(looking, cluster),
        uid=cluster.uid,
        acting=seen.agent,
        agent_version=seen.agent_version,
        standby=standbys.rows(looking, cluster.id),
        kubernetes_version=seen.kubernetes_version,
        bundles=list(bundle_rows(looking, cluster.id)),
        ailing=_ailing_objects(looking, cluster.id),
        hooks=hooks.of_cluster(looking, cluster.id),
        drift=drifts.of_cluster(looking, cluster).open[: sight.TEXTS_MAX],
        kept=[f"{one.object}: {one.reason}" for one in (root.kept if root is not None else ())][: sight.NAMES_MAX],
        undeleted=[f"{one.object}: {one.reason} ({one.message})" for one in seen.undeleted.values()][: sight.TEXTS_MAX],
        held=[f"{one.object} of {one.bundle} ({one.set})" for one in _held(looking, cluster.id)][: sight.NAMES_MAX],
        orphans=[
            f"{one.object} of {one.bundle}"
            for one in seen.orphans
            if one.object not in looking.owed(cluster.id).waiting
        ][: sight.NAMES_MAX],
        unwatched=list(seen.unwatched),
        refusals=seen.refusals,
        lost_reports=seen.lost,
        published_at=looking.publication(cluster.id).at,
        agent=letting_in.agent(looking, cluster),
    )


def _held(looking: sight.Sight, cluster: ids.ClusterId) -> list[debts.Debt]:
    """What it keeps until a person approves."""
    if not looking.owed(cluster).held:
        return []
    ledger = looking.world.ledger
    found = (one for one in ledger.debts.values() if one.cluster == cluster and not debts.may_go(ledger, one))
    return sorted(found, key=lambda one: str(one.object))


def judge(looking: sight.Sight, cluster: clusters.Cluster) -> Standing:
    """How it stands towards what was published for it. Silence is never read as anything but Unknown."""
    if freshness.connection(looking, cluster.id) is not freshness.Connection.ONLINE:
        before = last_known(looking, cluster)
        told = freshness.silence(looking, cluster.id, f"{before.sync}, {before.health}")
        reason = letting_in.silence(looking, cluster) or told + standbys.waits(looking, cluster.id)
        return Standing(sync=status.Sync.UNKNOWN, health=status.Health.UNKNOWN, reason=reason)
    return last_known(looking, cluster)


def last_known(looking: sight.Sight, cluster: clusters.Cluster) -> Standing:
    """How it stood when it was last heard, however long ago that is."""
    if not looking.publication(cluster.id).sequence:
        return Standing(sync=status.Sync.UNKNOWN, health=status.Health.UNKNOWN, reason="nothing was published for it")
    seen, root = looking.seen(cluster.id), looking.root(cluster.id)
    health = observed.health(seen, root) if root is not None else status.Health.UNKNOWN
    problem = next(_differences(looking, cluster.id), "")
    sync = status.Sync.OUT_OF_SYNC if problem else status.Sync.SYNCED
    if not problem and (untold := next(_untold(looking, cluster.id), "")):
        sync, problem = status.Sync.UNKNOWN, untold
    if not problem and health not in WELL:
        problem = next(_ailments(looking, cluster.id), "what it should have is not at hand")
    return Standing(sync=sync, health=health, reason=problem)


def _was(looking: sight.Sight, cluster: clusters.Cluster) -> Was | None:
    if looking.seen(cluster.id).said_at is None:
        return None
    before = last_known(looking, cluster)
    return Was(sync=before.sync, health=before.health, reason=before.reason)


def bundle_rows(looking: sight.Sight, cluster: ids.ClusterId) -> Iterator[BundleRow]:
    """The bundles that the cluster should have, and how each stands there."""
    online, conflicts = looking.online(cluster), looking.publication(cluster).conflicts
    as_of = freshness.as_of(looking, cluster)
    for bundle, index in looking.content(cluster).items():
        found = observed.bundle_status(looking.seen(cluster), bundle, index)
        known = found is not None and online
        yield BundleRow(
            bundle=bundle,
            sync=found.sync if found is not None and known else status.Sync.UNKNOWN,
            health=found.health if found is not None and known else status.Health.UNKNOWN,
            objects=found.objects if found is not None else 0,
            failed=found.failed if found is not None else 0,
            drifted=found.drifted if found is not None else 0,
            reason=conflicts.get(bundle) or (why(found) if found is not None else "not reported yet"),
            was=found.health if found is not None and not online else None,
            healths=found.healths if found is not None else {},
            as_of=as_of if found is not None else None,
        )
    for bundle, reason in conflicts.items():
        if bundle not in looking.content(cluster):
            yield BundleRow(
                bundle=bundle,
                sync=status.Sync.OUT_OF_SYNC,
                health=status.Health.MISSING,
                objects=0,
                failed=0,
                drifted=0,
                reason=reason,
                was=None,
                healths={},
                as_of=looking.at,
            )


def _ailing_objects(looking: sight.Sight, cluster: ids.ClusterId) -> list[AilingObject]:
    if not looking.online(cluster):
        return []
    seen = looking.seen(cluster)
    found = [
        AilingObject(
            bundle=bundle,
            object=str(one.object),
            sync=one.sync,
            health=one.health,
            reason=one.reason,
            message=one.message,
        )
        for bundle, index in looking.content(cluster).items()
        if (told := observed.bundle_status(seen, bundle, index)) is not None
        for one in told.states
    ]
    found.sort(key=lambda one: -status.SEVERITY.index(one.health))
    return found[: sight.TEXTS_MAX]


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
    elif seen.root != published.root or seen.through < (published.epoch, published.generation):
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


def _untold(looking: sight.Sight, cluster: ids.ClusterId) -> Iterator[str]:
    """Bundles of which it did not say, or could not tell, whether it holds what it should."""
    for bundle, index in looking.content(cluster).items():
        found = observed.bundle_status(looking.seen(cluster), bundle, index)
        if found is None:
            yield f"{bundle}: not reported yet"
        elif found.sync is status.Sync.UNKNOWN:
            yield f"{bundle}: {why(found) or 'not worked through yet'}"


def _ailments(looking: sight.Sight, cluster: ids.ClusterId) -> Iterator[str]:
    """In what it is not healthy."""
    for one in bundle_rows(looking, cluster):
        if one.health not in WELL:
            yield f"{one.bundle}: {one.reason or one.health.value}"
