"""What the log says of a source's rollouts: the state and its fold.

`evolve` only gathers facts; the rules are where the decisions are.
"""

import enum
from typing import assert_never

import msgspec

from protocol import ids, specs
from protocol.canonical import NO_DIGEST, Digest
from protocol.events import rollouts as events

JOINING = "joining"
"""The stage of clusters that come after the completion; they take no slot."""

LATE = "late"
"""The stage of clusters that get the revision after its completion, under the cap of the last stage."""

INHERITED = "inherited"
"""The first stage: whom the rollout before left in flight or failed."""

HISTORY_MAX = 50
"""Rollouts of one source that are remembered with their outcome; the log has them all."""


class Phase(enum.StrEnum):
    """Where a rollout stands."""

    RUNNING = "running"
    PAUSED = "paused"
    HALTED = "halted"
    ABORTED = "aborted"
    SUPERSEDED = "superseded"
    COMPLETED = "completed"


class Stage(msgspec.Struct, frozen=True, rename="camel"):
    """A planned stage and whether its turn has come."""

    name: str
    reason: str
    max_concurrency: int
    clusters: tuple[ids.ClusterId, ...]
    started: bool = False
    completed: bool = False


class Rollout(msgspec.Struct, frozen=True, rename="camel"):
    """One revision's way."""

    id: ids.RolloutId
    revision: str
    catalog: Digest
    base: Digest
    policy: specs.RolloutPolicy
    phase: Phase = Phase.RUNNING
    halted: str = ""
    stages: tuple[Stage, ...] = ()
    in_flight: dict[ids.ClusterId, str] = {}
    """Admitted and not settled, with the time of admission."""
    replaced: dict[ids.ClusterId, Digest] = {}
    """What admitted clusters had before, where that is not the base: they are judged by what changed for them."""
    ghosts: dict[ids.ClusterId, str] = {}
    """Left in flight by the rollout before, not yet given this revision; each keeps its slot."""
    deferred: frozenset[ids.ClusterId] = frozenset()
    succeeded: frozenset[ids.ClusterId] = frozenset()
    failed: dict[ids.ClusterId, str] = {}
    joined: frozenset[ids.ClusterId] = frozenset()
    """Got the last completed revision while this one was on its way."""

    @property
    def planned(self) -> frozenset[ids.ClusterId]:
        """The clusters of all stages."""
        return frozenset(cluster for stage in self.stages for cluster in stage.clusters)


class Summary(msgspec.Struct, frozen=True, rename="camel"):
    """A rollout that is over."""

    id: ids.RolloutId
    revision: str
    phase: Phase
    succeeded: int
    failed: int


class State(msgspec.Struct, frozen=True, rename="camel"):
    """All rollouts of one source."""

    source: ids.SourceName
    current: Rollout | None = None
    completed: Digest = NO_DIGEST
    """The catalog of the last completed rollout: what joining clusters get."""
    completed_rollout: ids.RolloutId = ids.RolloutId("")
    assigned: dict[ids.ClusterId, Digest] = {}
    """The catalog that each cluster was given."""
    history: tuple[Summary, ...] = ()


def initial(source: ids.SourceName) -> State:
    """Before the first rollout of a source."""
    return State(source=source)


def inherited(state: State, online: frozenset[ids.ClusterId]) -> frozenset[ids.ClusterId]:
    """Whom a rollout that starts now takes over: left in flight, or failed and not put right by a rollout since.

    A failed cluster that is offline is left to its ordinary stage: it would be deferred, and alone in the first stage
    it would keep the fix from everybody else. One in flight cannot be left: it has a slot.
    """
    current = state.current
    if current is None:
        return frozenset()
    flying = frozenset(current.in_flight) | frozenset(current.ghosts)
    having = {one for one in current.planned | current.deferred if state.assigned.get(one) == current.catalog}
    # A retry asks for another judgement of them: a rollout that comes before it was made owes it.
    flying |= (having - current.succeeded - set(current.failed)) & online
    if current.phase is Phase.COMPLETED:
        return flying
    taken_over = {cluster for stage in current.stages if stage.name == INHERITED for cluster in stage.clusters}
    broken = (taken_over - current.succeeded) | set(current.failed)
    return flying | (broken & online)


def counted(state: State, revision: str, inherited: frozenset[ids.ClusterId]) -> frozenset[ids.ClusterId]:
    """Whose failures count on in a rollout that starts now: those of this very revision that it does not take over.
    They are given nothing before it is complete."""
    current = state.current
    if current is None or current.revision != revision:
        return frozenset()
    return frozenset(current.failed) - inherited


def forgotten(state: State) -> State:
    """The source was removed: no cluster has anything of it, and one of the same name begins anew."""
    history = state.history if state.current is None else _remembered(state, superseded=False)
    return State(source=state.source, history=history)


def evolve(state: State, event: events.Event) -> State:
    """The rollouts of a source after one more fact."""
    if isinstance(event, events.RolloutStarted):
        return _started(state, event)
    current = state.current
    if current is None:
        # Another hub's word on a rollout whose source was removed meanwhile: there is nothing left that it is about.
        return state
    if isinstance(event, events.ClustersAdmitted):
        return _admitted(state, current, event)
    if isinstance(event, events.RolloutCompleted):
        return _completed(state, current, event)
    change = msgspec.structs.replace
    match event:
        case events.StagePlanned():
            current = _with_stage(current, event.stage)
        case events.StageStarted():
            current = change(current, stages=_marked(current.stages, event.stage, started=True))
        case events.StageCompleted():
            current = change(current, stages=_marked(current.stages, event.stage, completed=True))
        case events.ClustersDeferred():
            current = change(current, deferred=current.deferred | set(event.clusters))
        case events.ClustersSettled():
            current = _settled(current, event)
        case events.RolloutHalted():
            current = change(current, phase=Phase.HALTED, halted=event.reason)
        case events.RolloutPaused():
            current = change(current, phase=Phase.PAUSED)
        case events.RolloutResumed():
            current = change(current, phase=Phase.RUNNING)
        case events.RolloutRetried():
            current = _retried(current)
        case events.RolloutAborted():
            current = change(current, phase=Phase.ABORTED)
        case _:
            assert_never(event)
    return change(state, current=current)


def _started(state: State, event: events.RolloutStarted) -> State:
    before = state.current
    history = state.history
    ghosts: dict[ids.ClusterId, str] = {}
    failed: dict[ids.ClusterId, str] = {}
    replaced: dict[ids.ClusterId, Digest] = {}
    if before is not None:
        history = _remembered(state, superseded=bool(event.supersedes))
        ghosts = {**before.ghosts, **before.in_flight}
    if before is not None and event.anew:
        failed = before.failed
        # They are judged by what the revision changed, not by what the new rendering of it did.
        usual = before.base if before.phase is Phase.COMPLETED else event.base
        unsettled = [one for one in {*failed, *ghosts, *before.deferred} if state.assigned.get(one) == before.catalog]
        replaced = {one: before.replaced.get(one, usual) for one in sorted(unsettled)}
        replaced = {one: had for one, had in replaced.items() if had != event.base}
    rollout = Rollout(
        id=event.rollout,
        revision=event.revision,
        catalog=event.catalog,
        base=event.base,
        policy=event.policy,
        ghosts=ghosts,
        failed=failed,
        replaced=replaced,
    )
    return msgspec.structs.replace(state, current=rollout, history=history)


def _remembered(state: State, *, superseded: bool) -> tuple[Summary, ...]:
    over = state.current
    assert over is not None, "there is no rollout to remember"
    summary = Summary(
        id=over.id,
        revision=over.revision,
        phase=Phase.SUPERSEDED if superseded else over.phase,
        succeeded=len(over.succeeded),
        failed=len(over.failed),
    )
    return (*state.history, summary)[-HISTORY_MAX:]


def _with_stage(current: Rollout, planned: events.PlannedStage) -> Rollout:
    anew = frozenset(planned.clusters) if planned.name == INHERITED else frozenset[ids.ClusterId]()
    return msgspec.structs.replace(
        current, stages=_planned(current.stages, planned), failed=_without(current.failed, anew)
    )


def _planned(stages: tuple[Stage, ...], planned: events.PlannedStage) -> tuple[Stage, ...]:
    if stages and stages[-1].name == planned.name:
        last = stages[-1]
        return (*stages[:-1], msgspec.structs.replace(last, clusters=last.clusters + planned.clusters))
    stage = Stage(
        name=planned.name,
        reason=planned.reason,
        max_concurrency=planned.max_concurrency,
        clusters=planned.clusters,
    )
    return (*stages, stage)


def _marked(stages: tuple[Stage, ...], name: str, **marks: bool) -> tuple[Stage, ...]:
    return tuple(msgspec.structs.replace(stage, **marks) if stage.name == name else stage for stage in stages)


def _admitted(state: State, current: Rollout, event: events.ClustersAdmitted) -> State:
    admitted = frozenset(event.clusters)
    if event.rollout != current.id:
        current = msgspec.structs.replace(current, joined=current.joined | admitted)
    elif event.stage != JOINING:
        usual = (NO_DIGEST, current.base, event.catalog)
        before = {cluster: state.assigned.get(cluster, NO_DIGEST) for cluster in event.clusters}
        replaced = {cluster: had for cluster, had in before.items() if had not in usual}
        current = msgspec.structs.replace(
            current,
            in_flight={**current.in_flight, **dict.fromkeys(event.clusters, event.at)},
            replaced={**replaced, **current.replaced},
            ghosts=_without(current.ghosts, admitted),
            deferred=current.deferred - admitted,
            joined=current.joined - admitted,
        )
    assigned = {**state.assigned, **dict.fromkeys(event.clusters, event.catalog)}
    return msgspec.structs.replace(state, current=current, assigned=assigned)


def _settled(current: Rollout, event: events.ClustersSettled) -> Rollout:
    failed = {failure.cluster: failure.reason for failure in event.failed}
    over = frozenset(event.succeeded) | frozenset(failed) | frozenset(event.withdrawn)
    return msgspec.structs.replace(
        current,
        in_flight=_without(current.in_flight, over),
        ghosts=_without(current.ghosts, over),
        succeeded=current.succeeded | frozenset(event.succeeded),
        failed={**_without(current.failed, frozenset(event.succeeded)), **failed},
        deferred=current.deferred | frozenset(event.withdrawn),
    )


def _retried(current: Rollout) -> Rollout:
    # They wait again, and are given the revision again under the cap: after the completion, as all that come late, and
    # so do those whose failures count on from the rollout before: no stage has them.
    late = frozenset(current.failed) if current.phase is Phase.COMPLETED else set(current.failed) - current.planned
    return msgspec.structs.replace(
        current,
        phase=Phase.RUNNING if current.phase is Phase.HALTED else current.phase,
        halted="",
        failed={},
        deferred=current.deferred | late,
    )


def _completed(state: State, current: Rollout, event: events.RolloutCompleted) -> State:
    never_given = {cluster for cluster in current.failed if state.assigned.get(cluster) != event.catalog}
    judged = current.succeeded | frozenset(current.failed)
    behind = ((current.planned | current.deferred) - judged) | never_given
    # Whom the revision did not touch holds it already; only the pointer moves.
    untouched = frozenset(state.assigned) - behind - current.joined
    return msgspec.structs.replace(
        state,
        current=msgspec.structs.replace(current, phase=Phase.COMPLETED, deferred=behind),
        completed=event.catalog,
        completed_rollout=event.rollout,
        assigned={**state.assigned, **dict.fromkeys(sorted(untouched), event.catalog)},
    )


def _without(entries: dict[ids.ClusterId, str], gone: frozenset[ids.ClusterId]) -> dict[ids.ClusterId, str]:
    return {cluster: value for cluster, value in entries.items() if cluster not in gone}
