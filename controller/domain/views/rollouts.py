"""Rollouts: how far a revision is, who is first and why, who is in flight, deferred or failed."""

import datetime
from collections import Counter
from collections.abc import Iterator

import msgspec

from controller.domain import judging, rejections, rollout_state, sources, stages
from controller.domain.views import clusters as cluster_views
from controller.domain.views import freshness, sight
from protocol import ids, status


class Row(msgspec.Struct, frozen=True, rename="camel"):
    """A source's newest rollout in a list."""

    source: ids.SourceName
    id: ids.RolloutId
    revision: str
    phase: rollout_state.Phase
    reason: str
    stage: str
    """Whose turn it is; empty: all are done."""
    slots_used: int
    slots: int
    """Clusters that may be in flight in this stage."""
    clusters: int
    """That the revision changes."""
    succeeded: int
    in_flight: int
    failed: int
    deferred: int
    as_of: datetime.datetime
    event: int


class Stage(msgspec.Struct, frozen=True, rename="camel"):
    """One stage and how its clusters fare."""

    name: str
    reason: str
    """Why these clusters."""
    state: str
    """`waiting`, `started` or `completed`."""
    max_concurrency: int
    clusters: list[str]
    """At most sight.NAMES_MAX."""
    total: int
    succeeded: int
    in_flight: int
    failed: int
    deferred: int


class Flying(msgspec.Struct, frozen=True, rename="camel"):
    """A cluster that has the revision and is not settled."""

    cluster: str
    since: str
    inherited: bool
    """Left in flight by the rollout before, and not given this revision yet."""


class Failure(msgspec.Struct, frozen=True, rename="camel"):
    cluster: str
    reason: str


class Health(msgspec.Struct, frozen=True, rename="camel"):
    """How the source's bundles are on the rollout's clusters now, each cluster by its worst bundle."""

    healthy: int
    progressing: int
    degraded: int
    unknown: int
    """Nobody hears from them, or they could not tell."""
    without: int
    """Have none of the source's bundles yet."""


class Ailing(msgspec.Struct, frozen=True, rename="camel"):
    """A cluster on which a bundle of the source is not well."""

    cluster: str
    health: status.Health
    reason: str
    as_of: datetime.datetime | None


class Detail(msgspec.Struct, frozen=True, rename="camel"):
    """A rollout with all its clusters."""

    rollout: Row
    canary: str
    """Who is first and why; empty: the rollout has no canary."""
    stages: list[Stage]
    health: Health
    worst: list[Ailing]
    """The worst first; at most sight.TEXTS_MAX."""
    in_flight: list[Flying]
    failed: list[Failure]
    deferred: list[str]
    joined: list[str]
    """Got the last completed revision while this one was on its way."""
    max_failures: int
    progress_deadline_s: float


class Past(msgspec.Struct, frozen=True, rename="camel"):
    """A rollout of the history."""

    id: ids.RolloutId
    revision: str
    phase: rollout_state.Phase
    succeeded: int
    failed: int


def every(looking: sight.Sight) -> list[rollout_state.State]:
    """The rollouts of every source that had one, in the order of the sources' names."""
    found = (looking.world.rollout(name) for name, one in looking.world.sources.items() if not one.removed)
    return sorted((state for state in found if state.current is not None), key=lambda state: state.source)


def get(looking: sight.Sight, source: str) -> rollout_state.State:
    """The rollouts of this source; NotFound if it never had one."""
    state = looking.world.rollout(sources.get(looking.world.sources, source).name)
    if state.current is None:
        raise rejections.NotFound(f"source {source!r}: it had no rollout yet")
    return state


def row(looking: sight.Sight, state: rollout_state.State) -> Row:
    """The newest rollout."""
    current = _current(state)
    stage = next((one for one in current.stages if not one.completed), None)
    return Row(
        source=state.source,
        id=current.id,
        revision=current.revision,
        phase=current.phase,
        reason=current.halted or _waits(current),
        stage=stage.name if stage is not None else "",
        slots_used=len(current.in_flight) + len(current.ghosts),
        slots=stage.max_concurrency if stage is not None else 0,
        clusters=sum(len(one.clusters) for one in current.stages),
        succeeded=len(current.succeeded),
        in_flight=len(current.in_flight),
        failed=len(current.failed),
        deferred=len(current.deferred),
        as_of=looking.at,
        event=looking.head("rollout", state.source),
    )


def detail(looking: sight.Sight, state: rollout_state.State) -> Detail:
    """The newest rollout with all its clusters."""
    current = _current(state)
    health, worst = _health(looking, state)
    failed = sorted((looking.name(cluster), reason) for cluster, reason in current.failed.items())
    return Detail(
        rollout=row(looking, state),
        canary=next((_who(looking, one) for one in current.stages if one.name == stages.CANARY), ""),
        stages=[_stage(looking, current, one) for one in current.stages],
        health=health,
        worst=worst,
        in_flight=sorted(_flying(looking, current), key=lambda one: one.cluster)[: sight.NAMES_MAX],
        failed=[Failure(cluster=name, reason=reason) for name, reason in failed[: sight.NAMES_MAX]],
        deferred=looking.names(current.deferred),
        joined=looking.names(current.joined),
        max_failures=current.policy.max_failures,
        progress_deadline_s=current.policy.progress_deadline_s,
    )


def history(state: rollout_state.State) -> list[Past]:
    """The source's rollouts, the newest first."""
    current = _current(state)
    newest = Past(
        id=current.id,
        revision=current.revision,
        phase=current.phase,
        succeeded=len(current.succeeded),
        failed=len(current.failed),
    )
    return [newest, *(Past(**msgspec.structs.asdict(one)) for one in reversed(state.history))]


def _current(state: rollout_state.State) -> rollout_state.Rollout:
    assert state.current is not None, f"{state.source}: asked for a rollout that there never was"
    return state.current


def _waits(current: rollout_state.Rollout) -> str:
    """Why nothing seems to happen; empty: something does."""
    if current.phase is not rollout_state.Phase.RUNNING or current.in_flight or current.ghosts:
        return ""
    stage = next((one for one in current.stages if not one.completed), None)
    if stage is not None and stage.clusters and all(cluster in current.deferred for cluster in stage.clusters):
        return f"every cluster of stage {stage.name} is offline"
    return ""


def _who(looking: sight.Sight, stage: rollout_state.Stage) -> str:
    return f"{', '.join(looking.name(cluster) for cluster in stage.clusters[: sight.TEXTS_MAX])} ({stage.reason})"


def _stage(looking: sight.Sight, current: rollout_state.Rollout, stage: rollout_state.Stage) -> Stage:
    return Stage(
        name=stage.name,
        reason=stage.reason,
        state="completed" if stage.completed else "started" if stage.started else "waiting",
        max_concurrency=stage.max_concurrency,
        clusters=[looking.name(cluster) for cluster in stage.clusters[: sight.NAMES_MAX]],
        total=len(stage.clusters),
        succeeded=sum(cluster in current.succeeded for cluster in stage.clusters),
        in_flight=sum(cluster in current.in_flight for cluster in stage.clusters),
        failed=sum(cluster in current.failed for cluster in stage.clusters),
        deferred=sum(cluster in current.deferred for cluster in stage.clusters),
    )


def _health(looking: sight.Sight, state: rollout_state.State) -> tuple[Health, list[Ailing]]:
    current = _current(state)
    members = sorted(current.planned | current.joined | current.deferred | frozenset(current.ghosts))
    found = [_ailing(looking, state.source, one) for one in members if one in looking.facts_of]
    counts = Counter(one.health if one is not None else None for one in found)
    health = Health(
        healthy=counts[status.Health.HEALTHY] + counts[status.Health.SUSPENDED],
        progressing=counts[status.Health.PROGRESSING],
        degraded=counts[status.Health.DEGRADED] + counts[status.Health.MISSING],
        unknown=counts[status.Health.UNKNOWN],
        without=counts[None],
    )
    ill = [one for one in found if one is not None and one.health not in judging.WELL]
    ill.sort(key=lambda one: (-status.SEVERITY.index(one.health), one.cluster))
    return health, ill[: sight.TEXTS_MAX]


def _ailing(looking: sight.Sight, source: ids.SourceName, cluster: ids.ClusterId) -> Ailing | None:
    """How the source's bundles are on one cluster, by the worst of them; None: it has none of them."""
    rows = [one for one in cluster_views.bundle_rows(looking, cluster) if ids.source_of(one.bundle) == source]
    if not rows:
        return None
    worst = max(rows, key=lambda one: status.SEVERITY.index(one.health))
    reason = f"{worst.bundle}: {worst.reason or worst.health.value}"
    if not looking.online(cluster):
        reason = freshness.silence(
            looking, cluster, str(status.worst([one.was for one in rows if one.was is not None]))
        )
    return Ailing(cluster=looking.name(cluster), health=worst.health, reason=reason, as_of=worst.as_of)


def _flying(looking: sight.Sight, current: rollout_state.Rollout) -> Iterator[Flying]:
    for cluster, since in current.in_flight.items():
        yield Flying(cluster=looking.name(cluster), since=since, inherited=False)
    for cluster, since in current.ghosts.items():
        yield Flying(cluster=looking.name(cluster), since=since, inherited=True)
