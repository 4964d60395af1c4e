"""The fleet on one screen: how many of what, and what needs a person."""

import datetime
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from controller.domain import readmission, rollout_state
from controller.domain.views import clusters, deletions, freshness, rollouts, sight, sources, standbys
from protocol import ids, specs, status

ATTENTION_MAX = 20
"""Lines that say what needs a person: a screen has so many."""


STRANGERS_NAMED_MAX = 10
"""Names in the one line about agents that the log does not know; `strangers` has them all."""


class Recovery(msgspec.Struct, frozen=True, rename="camel"):
    """The hub publishes nothing until an operator takes it back into service."""

    reason: str
    epoch_seen: int


class Stranger(msgspec.Struct, frozen=True, rename="camel"):
    """An agent of an account that an earlier log knew, and this one does not."""

    account: ids.ClusterId
    name: str
    uid: str
    """Of the cluster that it serves; empty: it has not said."""
    epoch: int
    generation: int
    """What its cluster holds."""
    heard_at: datetime.datetime | None
    """None: not since this hub started."""
    problem: str
    """Why it cannot be taken back; empty: it can."""


ATTENTION = frozenset({sources.State.FAILING, sources.State.DEGRADED, sources.State.WAITING})
"""States of a source that somebody should look at."""


class Clusters(msgspec.Struct, frozen=True, rename="camel"):
    total: int
    online: int
    synced: int
    out_of_sync: int
    unknown: int
    healthy: int
    progressing: int
    degraded: int
    suspended: int
    behind: int
    """Have not verified what was published for them last."""
    lag_generations_max: int
    behind_since: datetime.datetime | None
    """Of those that are behind: since when the one is that has been the longest, as far as this hub knows."""


class Sources(msgspec.Struct, frozen=True, rename="camel"):
    total: int
    resolved: int
    degraded: int
    failing: int
    waiting: int
    pending: int
    suspended: int
    bundles: int


class Deletions(msgspec.Struct, frozen=True, rename="camel"):
    held_sets: int
    held: int
    """Objects on clusters that wait for a person's approval."""
    pending: int
    """Objects on clusters that the agents may delete, and have not yet."""


class Overview(msgspec.Struct, frozen=True, rename="camel"):
    """The fleet on one screen."""

    epoch: int
    recovery: Recovery | None
    sources: Sources
    clusters: Clusters
    rollouts: dict[str, int]
    """Newest rollouts by phase."""
    deletions: Deletions
    strangers: list[Stranger]
    """Agents of accounts that the log does not know, in the order of names; at most NAMES_MAX."""
    strangers_count: int
    attention: list[str]
    """What needs a person, the worst first; at most ATTENTION_MAX."""
    attention_count: int
    as_of: datetime.datetime
    event: int
    """The newest event of the log that is in it."""
    loop_lag_s: float
    """How late the hub's event loop came at most in the last minute."""
    version: str
    """Of the hub's program."""


def overview(
    looking: sight.Sight, problems: Sequence[str] = (), *, loop_lag_s: float = 0.0, version: str = ""
) -> Overview:
    """The fleet on one screen. `problems`, `loop_lag_s` and `version`: of the hub itself."""
    rows = clusters.rows(looking, looking.clusters)
    tally = deletions.Tally(looking)
    world = looking.world
    judged = readmission.judge(world, looking.facts.strangers)
    strangers = [_stranger(one, judged) for one in readmission.listed(looking.facts.strangers, judged)]
    attention = [*problems, *_attention(looking, rows, tally, strangers)]
    owed = [looking.owed(cluster.id) for cluster in looking.clusters]
    return Overview(
        epoch=world.fleet.epoch,
        recovery=_recovery(looking),
        sources=_sources(looking),
        clusters=_clusters(rows),
        rollouts=dict(Counter(one.current.phase.value for one in rollouts.every(looking) if one.current is not None)),
        deletions=Deletions(
            held_sets=len(deletions.waiting(looking, tally)),
            held=sum(one.held for one in owed),
            pending=sum(one.pending for one in owed),
        ),
        strangers=strangers[: sight.NAMES_MAX],
        strangers_count=len(strangers),
        attention=attention[:ATTENTION_MAX],
        attention_count=len(attention),
        as_of=looking.at,
        event=looking.event,
        loop_lag_s=round(loop_lag_s, 3),
        version=version,
    )


def _recovery(looking: sight.Sight) -> Recovery | None:
    state = looking.world.fleet
    return Recovery(reason=state.recovering, epoch_seen=state.epoch_seen) if state.recovering else None


def _stranger(one: readmission.Stranger, judged: Mapping[ids.ClusterId, str]) -> Stranger:
    return Stranger(
        account=one.account.id,
        name=one.account.name,
        uid=one.seen.uid,
        epoch=one.seen.epoch,
        generation=one.seen.generation,
        heard_at=one.seen.heard_at,
        problem=judged[one.account.id],
    )


def _strange(looking: sight.Sight, strangers: Sequence[Stranger]) -> Iterator[str]:
    """Who can be taken back in one line, who cannot each in one of its own."""
    ready = [one.name for one in strangers if not one.problem]
    if ready:
        way = "`flotilla hub recover`" if looking.world.fleet.recovering else "`flotilla cluster add NAME`"
        more = f" and {len(ready) - STRANGERS_NAMED_MAX} more" if len(ready) > STRANGERS_NAMED_MAX else ""
        named = ", ".join(ready[:STRANGERS_NAMED_MAX])
        yield f"{len(ready)} agents of accounts that the log does not know: {named}{more}; {way} takes them back"
    for one in strangers:
        if one.problem:
            yield f"agent of account {one.account}, which the log does not know ({one.name}): {one.problem}"


def _bare(looking: sight.Sight) -> Iterator[str]:
    for cluster in looking.clusters:
        is_given = looking.publication(cluster.id).epoch == looking.world.epoch(cluster.id)
        if cluster.entry.is_readmitted and not cluster.labels and not is_given:
            yield (
                f"cluster {cluster.name} was taken back without its labels, and gets nothing by labels until it has "
                f"some: `flotilla cluster label {cluster.name} KEY=VALUE`"
            )


def _clusters(rows: Sequence[clusters.Row]) -> Clusters:
    sync, health = Counter(row.sync for row in rows), Counter(row.health for row in rows)
    return Clusters(
        total=len(rows),
        online=sum(row.connection is freshness.Connection.ONLINE for row in rows),
        synced=sync[status.Sync.SYNCED],
        out_of_sync=sync[status.Sync.OUT_OF_SYNC],
        unknown=sync[status.Sync.UNKNOWN],
        healthy=health[status.Health.HEALTHY] + health[status.Health.SUSPENDED],
        progressing=health[status.Health.PROGRESSING],
        degraded=health[status.Health.DEGRADED] + health[status.Health.MISSING],
        suspended=sum(bool(row.suspended) for row in rows),
        behind=sum(row.lag_generations > 0 for row in rows),
        lag_generations_max=max((row.lag_generations for row in rows), default=0),
        behind_since=min((row.behind_since for row in rows if row.behind_since is not None), default=None),
    )


def _sources(looking: sight.Sight) -> Sources:
    rows = [sources.row(looking, one) for one in looking.world.sources.values() if not one.removed]
    states = Counter(row.state for row in rows)
    return Sources(
        total=len(rows),
        resolved=states[sources.State.RESOLVED],
        degraded=states[sources.State.DEGRADED],
        failing=states[sources.State.FAILING],
        waiting=states[sources.State.WAITING],
        pending=states[sources.State.PENDING],
        suspended=states[sources.State.SUSPENDED],
        bundles=sum(row.bundles for row in rows),
    )


def _attention(
    looking: sight.Sight, rows: Sequence[clusters.Row], tally: deletions.Tally, strangers: Sequence[Stranger]
) -> Iterator[str]:
    if looking.world.fleet.recovering:
        yield f"recovery: nothing is published ({looking.world.fleet.recovering}); `flotilla hub recover` ends it"
    yield from _strange(looking, strangers)
    yield from _bare(looking)
    for state in rollouts.every(looking):
        if state.current is not None and state.current.phase is rollout_state.Phase.HALTED:
            yield f"rollout of {state.source} halted: {state.current.halted}"
    for one in deletions.waiting(looking, tally):
        yield f"deletions {one.id} wait for approval: {'; '.join(one.held)}"
    for source in looking.world.sources.values():
        shown = sources.row(looking, source)
        if not source.removed and shown.state in ATTENTION:
            yield f"source {source.name}: {shown.reason}"
        if not source.removed and source.managed_by is specs.ManagedBy.FILE and source.suspended:
            yield f"source {source.name} is suspended: {source.suspended}"
    silent = [row for row in rows if row.was is not None]
    for row in rows:
        if row.managed_by is specs.ManagedBy.FILE and row.suspended:
            # Nobody asked for it: the file lacks it, and may have been cut off.
            yield f"cluster {row.name} is suspended: {row.suspended}"
        if row.health in (status.Health.DEGRADED, status.Health.MISSING):
            yield f"cluster {row.name}: {row.reason}"
        yield from standbys.two_agents(looking, looking.world.clusters[row.id])
        if row.refused:
            yield f"cluster {row.name}: its agent refused {row.refused} desired states"
    for row in silent:
        yield f"cluster {row.name}: {row.reason}"
