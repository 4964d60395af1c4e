"""A revision's way through the fleet, and which clusters have which revision of a source.

The rules (I10):
- At most `maxConcurrency` clusters of a stage are in flight: admitted, and neither healthy nor failed yet.
- Once more than `maxFailures` clusters have failed, none is admitted any more: the rollout halts.
- A cluster that is offline when its turn comes is deferred: it takes no slot, fails nothing and is given nothing. It is
  admitted when it is heard and the rollout is complete, under the same cap.
- A cluster that falls silent after it was given the revision keeps its slot until the progress deadline, then failed.
- A rollout that supersedes another begins with the clusters that one left in flight or failed; those in flight keep
  their slots until then, and until all of them are settled nobody else is admitted. One of them that is silent is not
  given the new revision, so that a row of commits does not put its deadline off.
- A stage in which no cluster succeeded is not done; such a stage takes its own deferred clusters as they are heard. A
  suspended cluster counts as deferred: a canary that is taken out must not let its revision through to all others.
- That a revision is rendered anew, as for a cluster that joined, begins nothing anew: what was paused, halted or
  aborted stays so, and failures count on against the one budget until their clusters are judged again.
- A retry makes failed clusters wait again; they are given the revision again, under the cap.

Which bundles a cluster is judged by, and how, is not known here: verdicts come in as facts.
"""

import datetime
import functools
from collections.abc import Iterable
from typing import TypeVar

import msgspec

from controller.domain import rejections, rollout_state
from protocol import ids, specs
from protocol.canonical import Digest
from protocol.events import rollouts as events

T = TypeVar("T")

_OVER = (rollout_state.Phase.COMPLETED, rollout_state.Phase.ABORTED)
_HELD = (rollout_state.Phase.PAUSED, rollout_state.Phase.HALTED, rollout_state.Phase.ABORTED)


class Verdict(msgspec.Struct, frozen=True):
    """How a cluster in flight is doing: failed with a reason, or else healthy."""

    failure: str = ""


class Facts(msgspec.Struct, frozen=True):
    """What the hub knows beside the log when it decides; a decision names the report it rests on."""

    at: datetime.datetime
    online: frozenset[ids.ClusterId]
    reports_sequence: int
    verdicts: dict[ids.ClusterId, Verdict] = {}
    """Of clusters in flight that are done; who is not in it is still under way."""
    absent: frozenset[ids.ClusterId] = frozenset()
    """Removed or suspended."""
    removed: frozenset[ids.ClusterId] = frozenset()
    """Those of the absent that will not come back by themselves."""
    outside: tuple[ids.ClusterId, ...] = ()
    """In no stage, given something else before, and the revision changes something for them: suspended when it was
    planned, or placed otherwise since. Asked for once all stages are done."""
    joining: tuple[ids.ClusterId, ...] = ()
    """Online, placed, and never given anything of this source."""


class Start(msgspec.Struct, frozen=True):
    """Roll this catalog out."""

    rollout: ids.RolloutId
    revision: str
    catalog: Digest
    policy: specs.RolloutPolicy
    plan: tuple[events.PlannedStage, ...]


def start(state: rollout_state.State, command: Start) -> tuple[events.Event, ...]:
    """Decide to roll a catalog out; nothing, where it is the present rollout's, or a pause holds."""
    current = state.current
    if current is not None and current.catalog == command.catalog:
        return ()
    if is_held(state, command.revision):
        return ()
    running = current is not None and current.phase not in _OVER
    started = events.RolloutStarted(
        source=state.source,
        rollout=command.rollout,
        revision=command.revision,
        catalog=command.catalog,
        base=state.completed,
        policy=command.policy,
        stages=tuple(stage.name for stage in command.plan),
        supersedes=current.id if current is not None and running else ids.RolloutId(""),
        anew=current is not None and current.revision == command.revision,
    )
    planned = (
        events.StagePlanned(
            source=state.source,
            rollout=command.rollout,
            stage=msgspec.structs.replace(stage, clusters=part),
        )
        for stage in command.plan
        for part in _chunks(stage.clusters)
    )
    return (started, *planned)


def is_held(state: rollout_state.State, revision: str) -> bool:
    """Was this very revision paused, halted or aborted? Then a rendering of it for a cluster that joined, or is another
    than it was, is not rolled out before somebody says so or a commit comes."""
    current = state.current
    if current is None or current.revision != revision:
        return False
    return current.phase in _HELD or (current.phase is rollout_state.Phase.RUNNING and _is_to_halt(current))


def _is_to_halt(current: rollout_state.Rollout) -> bool:
    """Is a halt all that is left to decide? A hub that went down just before it must not begin anew."""
    lost = any(
        stage.started and not stage.completed and all(cluster in current.failed for cluster in stage.clusters)
        for stage in current.stages
    )
    return lost or len(current.failed) > current.policy.max_failures


def advance(state: rollout_state.State, facts: Facts) -> tuple[events.Event, ...]:
    """Decide the next step; call it again until it decides nothing."""
    current = state.current
    if current is None:
        return ()
    settled = _settle(state, current, facts)
    if settled:
        return settled
    if current.phase is rollout_state.Phase.RUNNING:
        return _run(state, current, facts) or _join(state, current, facts)
    if current.phase is rollout_state.Phase.COMPLETED:
        return _catch_up(state, current, facts) or _join(state, current, facts)
    return _join(state, current, facts)


def _settle(state: rollout_state.State, current: rollout_state.Rollout, facts: Facts) -> tuple[events.Event, ...]:
    planned = current.planned
    succeeded: list[ids.ClusterId] = []
    failed: list[events.ClusterFailure] = []
    withdrawn: list[ids.ClusterId] = []
    for cluster, since in sorted({**current.ghosts, **current.in_flight}.items()):
        failure = _failure(cluster, since, current, facts)
        if cluster in facts.absent or (cluster in current.ghosts and cluster not in planned):
            withdrawn.append(cluster)
        elif failure:
            failed.append(events.ClusterFailure(cluster=cluster, reason=failure))
        elif cluster in facts.verdicts and cluster in current.in_flight and cluster in facts.online:
            succeeded.append(cluster)
    settled = functools.partial(
        events.ClustersSettled,
        source=state.source,
        rollout=current.id,
        reports_sequence=facts.reports_sequence,
    )
    return (
        *(settled(succeeded=part) for part in _chunks(succeeded)),
        *(settled(failed=part) for part in _chunks(failed)),
        *(settled(withdrawn=part) for part in _chunks(withdrawn)),
    )


def _failure(cluster: ids.ClusterId, since: str, current: rollout_state.Rollout, facts: Facts) -> str:
    """Why the cluster has failed; empty: it has not.

    A ghost's verdict would speak of another revision: one that is heard only waits for this one, as after a pause. That
    all was well with one that nobody hears now says nothing of how it is.
    """
    heard, flying = cluster in facts.online, cluster in current.in_flight
    verdict = facts.verdicts.get(cluster) if flying else None
    if verdict is not None and (heard or verdict.failure):
        return verdict.failure
    if not _overdue(since, current.policy, facts.at) or (heard and not flying):
        return ""
    return f"not healthy within {current.policy.progress_deadline_s:g} s{'' if heard else ', and silent'}"


def _run(state: rollout_state.State, current: rollout_state.Rollout, facts: Facts) -> tuple[events.Event, ...]:
    if len(current.failed) > current.policy.max_failures:
        names = len(current.failed)
        reason = f"{names} failed, {current.policy.max_failures} may"
        return (events.RolloutHalted(source=state.source, rollout=current.id, reason=reason),)
    stage = next((stage for stage in current.stages if not stage.completed), None)
    if stage is None:
        return _complete(state, current, facts)
    if not stage.started:
        return (events.StageStarted(source=state.source, rollout=current.id, stage=stage.name),)
    return _put_off(state, current, facts) or _fill(state, current, facts) or _finish(state, current, facts)


def _complete(state: rollout_state.State, current: rollout_state.Rollout, facts: Facts) -> tuple[events.Event, ...]:
    """The pointer of every cluster that is not behind moves at the completion: first say who is."""
    outside = [c for c in facts.outside if c not in current.planned and c not in current.deferred]
    completed = events.RolloutCompleted(source=state.source, rollout=current.id, catalog=current.catalog)
    return _defer(state, current, facts, stage=rollout_state.LATE, clusters=outside) or (completed,)


def _put_off(state: rollout_state.State, current: rollout_state.Rollout, facts: Facts) -> tuple[events.Event, ...]:
    offline = [c for c in _waiting(current, facts) if c not in facts.online and c not in current.ghosts]
    return _defer(state, current, facts, stage=_stage(current).name, clusters=offline)


def _fill(state: rollout_state.State, current: rollout_state.Rollout, facts: Facts) -> tuple[events.Event, ...]:
    stage = _stage(current)
    waiting = _waiting(current, facts)
    if not waiting and not _has_success(current, stage):
        waiting = [c for c in stage.clusters if c in current.deferred & facts.online and c not in facts.absent]
    # A ghost has its slot already: giving it the new revision costs none. A silent one runs into its deadline.
    ghosts = [cluster for cluster in waiting if cluster in current.ghosts and cluster in facts.online]
    free = max(0, stage.max_concurrency - len(current.in_flight) - len(current.ghosts))
    others = [cluster for cluster in waiting if cluster not in current.ghosts][:free]
    return _admit(state, current, facts, stage=stage.name, clusters=ghosts + others)


def _finish(state: rollout_state.State, current: rollout_state.Rollout, facts: Facts) -> tuple[events.Event, ...]:
    stage = _stage(current)
    if current.in_flight or current.ghosts or _waiting(current, facts):
        return ()
    present = [cluster for cluster in stage.clusters if cluster not in facts.removed]
    if not present or _has_success(current, stage):
        return (events.StageCompleted(source=state.source, rollout=current.id, stage=stage.name),)
    if all(cluster in current.failed for cluster in present):
        reason = f"no cluster of stage {stage.name} succeeded"
        return (events.RolloutHalted(source=state.source, rollout=current.id, reason=reason),)
    return ()


def _catch_up(state: rollout_state.State, current: rollout_state.Rollout, facts: Facts) -> tuple[events.Event, ...]:
    """Admit, after completion, who was deferred or joined meanwhile, under the cap of the last stage."""
    if len(current.failed) > current.policy.max_failures:
        return ()
    behind = sorted((current.deferred | current.joined) & facts.online - facts.absent)
    cap = current.stages[-1].max_concurrency if current.stages else 1
    free = max(0, cap - len(current.in_flight))
    return _admit(state, current, facts, stage=rollout_state.LATE, clusters=behind[:free])


def _join(state: rollout_state.State, current: rollout_state.Rollout, facts: Facts) -> tuple[events.Event, ...]:
    """Give the last completed revision to clusters that have nothing yet and that no stage will take."""
    if not state.completed:
        return ()
    planned = current.planned if current.phase not in _OVER else frozenset()
    new = [c for c in facts.joining if c not in planned and c not in state.assigned and c not in facts.absent]
    return tuple(
        events.ClustersAdmitted(
            source=state.source, rollout=state.completed_rollout, stage=rollout_state.JOINING, catalog=state.completed,
            clusters=part, at=facts.at.isoformat(), reports_sequence=facts.reports_sequence,
        )
        for part in _chunks(new)
    )  # fmt: skip


def pause(state: rollout_state.State) -> tuple[events.Event, ...]:
    """Decide that no more clusters are admitted until it is resumed."""
    current = _unfinished(state)
    if current.phase is rollout_state.Phase.PAUSED:
        return ()
    return (events.RolloutPaused(source=state.source, rollout=current.id),)


def resume(state: rollout_state.State) -> tuple[events.Event, ...]:
    """Decide to go on after a pause."""
    current = _unfinished(state)
    if current.phase is rollout_state.Phase.HALTED:
        raise rejections.Invalid(f"rollout {current.id}: it halted ({current.halted}); retry or abort it")
    if current.phase is not rollout_state.Phase.PAUSED:
        return ()
    return (events.RolloutResumed(source=state.source, rollout=current.id),)


def abort(state: rollout_state.State) -> tuple[events.Event, ...]:
    """Decide that no more clusters are ever admitted; who has the revision keeps it."""
    if state.current is not None and state.current.phase is rollout_state.Phase.ABORTED:
        return ()
    return (events.RolloutAborted(source=state.source, rollout=_unfinished(state).id),)


def retry(state: rollout_state.State, at: datetime.datetime) -> tuple[events.Event, ...]:
    """Decide to judge the failed clusters anew and to go on."""
    current = state.current
    if current is not None and current.phase is rollout_state.Phase.ABORTED:
        raise rejections.Invalid(f"rollout {current.id}: it was aborted; a new commit starts another")
    if current is None or not current.failed:
        return ()
    return (events.RolloutRetried(source=state.source, rollout=current.id, at=at.isoformat()),)


def _unfinished(state: rollout_state.State) -> rollout_state.Rollout:
    current = state.current
    if current is None or current.phase in _OVER:
        raise rejections.Invalid(f"source {state.source}: no rollout is on its way")
    return current


def _stage(current: rollout_state.Rollout) -> rollout_state.Stage:
    return next(stage for stage in current.stages if not stage.completed)


def _waiting(current: rollout_state.Rollout, facts: Facts) -> list[ids.ClusterId]:
    """Of the stages whose turn has come: in those that are done, only a retry makes a cluster wait again."""
    return [
        cluster
        for stage in current.stages
        if stage.started
        for cluster in stage.clusters
        if cluster not in current.in_flight
        and cluster not in current.succeeded
        and cluster not in current.failed
        and cluster not in current.deferred
        and cluster not in facts.absent
    ]


def _has_success(current: rollout_state.Rollout, stage: rollout_state.Stage) -> bool:
    return any(cluster in current.succeeded for cluster in stage.clusters)


def _overdue(since: str, policy: specs.RolloutPolicy, at: datetime.datetime) -> bool:
    waited = at - datetime.datetime.fromisoformat(since)
    return waited.total_seconds() > policy.progress_deadline_s


def _admit(
    state: rollout_state.State,
    current: rollout_state.Rollout,
    facts: Facts,
    *,
    stage: str,
    clusters: list[ids.ClusterId],
) -> tuple[events.Event, ...]:
    return tuple(
        events.ClustersAdmitted(
            source=state.source, rollout=current.id, stage=stage, catalog=current.catalog, clusters=part,
            at=facts.at.isoformat(), reports_sequence=facts.reports_sequence,
        )
        for part in _chunks(clusters)
    )  # fmt: skip


def _defer(
    state: rollout_state.State,
    current: rollout_state.Rollout,
    facts: Facts,
    *,
    stage: str,
    clusters: list[ids.ClusterId],
) -> tuple[events.Event, ...]:
    return tuple(
        events.ClustersDeferred(
            source=state.source, rollout=current.id, stage=stage, clusters=part,
            reports_sequence=facts.reports_sequence,
        )
        for part in _chunks(clusters)
    )  # fmt: skip


def _chunks(items: Iterable[T]) -> list[tuple[T, ...]]:
    everything = tuple(items)
    return [everything[i : i + events.CLUSTERS_MAX] for i in range(0, len(everything), events.CLUSTERS_MAX)]
