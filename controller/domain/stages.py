"""Which clusters get a revision in which order: the plan of a rollout.

First whoever the superseded rollout left in flight or failed: the fix belongs there before it goes anywhere else. Then
the policy's stages; without any, one canary. What no stage took forms the stage `rest`.
"""

import math
from collections.abc import Callable, Sequence

import msgspec

from controller.domain import placements, rejections, rollout_state
from controller.domain.clusters import Cluster
from protocol import ids, naming, specs
from protocol.events.rollouts import PlannedStage

INHERITED = rollout_state.INHERITED
CANARY = "canary"
REST = "rest"

RESERVED = frozenset({INHERITED, REST, rollout_state.JOINING, rollout_state.LATE})
"""Names that mean something by themselves: a policy's stage may not have them."""


class Situation(msgspec.Struct, frozen=True):
    """What the plan rests on."""

    affected: tuple[Cluster, ...]
    """Clusters for which the revision changes something, in the order of their names."""
    online: frozenset[ids.ClusterId]
    groups: placements.Groups = {}
    inherited: frozenset[ids.ClusterId] = frozenset()


def plan(policy: specs.RolloutPolicy, situation: Situation) -> tuple[PlannedStage, ...]:
    """The stages in order; every affected cluster stands in exactly one of them."""
    first, left = _split(situation.affected, lambda cluster: cluster.id in situation.inherited)
    stages = [_stage(INHERITED, "in flight or failed in the rollout before", policy.max_concurrency, first)]
    for spec in policy.stages:
        stage, left = _take(spec, left, situation)
        stages.append(stage)
    if not policy.stages and left:
        stage, left = _canary(left, situation)
        stages.append(stage)
    stages.append(_stage(REST, "all others", policy.max_concurrency, left))
    return tuple(stage for stage in stages if stage.clusters)


def concurrency(limit: str, count: int) -> int:
    """A `maxConcurrency` over so many clusters, as a number of at least one; Rejection if it is neither form."""
    text, percent = limit.removesuffix("%"), limit.endswith("%")
    if not text.isdecimal() or int(text) < 1 or (percent and int(text) > 100):
        raise rejections.Invalid(f"maxConcurrency {limit!r}: neither a number above 0 nor a share of 1% to 100%")
    return max(1, math.ceil(count * int(text) / 100)) if percent else int(text)


def _canary(left: tuple[Cluster, ...], situation: Situation) -> tuple[PlannedStage, tuple[Cluster, ...]]:
    labelled, others = _split(left, lambda cluster: cluster.labels.get(naming.CANARY_LABEL) == "true")
    if labelled:
        return _stage(CANARY, f"labelled {naming.CANARY_LABEL}=true", "1", labelled), others
    chosen = next((cluster for cluster in left if cluster.id in situation.online), left[0])
    why = "the first online by name" if chosen.id in situation.online else "the first by name; none is online"
    return _stage(CANARY, why, "1", (chosen,)), tuple(cluster for cluster in left if cluster is not chosen)


def _take(
    spec: specs.StageSpec, left: tuple[Cluster, ...], situation: Situation
) -> tuple[PlannedStage, tuple[Cluster, ...]]:
    matching = [
        cluster for cluster in left if placements.selects(spec.selector, placements.facts(cluster, situation.groups))
    ]
    taken = {cluster.id for cluster in matching[: spec.limit or None]}
    members, others = _split(left, lambda cluster: cluster.id in taken)
    return _stage(spec.name, "selected by the policy", spec.max_concurrency, members), others


def _split(
    members: tuple[Cluster, ...], wanted: Callable[[Cluster], bool]
) -> tuple[tuple[Cluster, ...], tuple[Cluster, ...]]:
    yes = tuple(cluster for cluster in members if wanted(cluster))
    return yes, tuple(cluster for cluster in members if not wanted(cluster))


def _stage(name: str, reason: str, limit: str, members: Sequence[Cluster]) -> PlannedStage:
    return PlannedStage(
        name=name,
        reason=reason,
        max_concurrency=concurrency(limit, len(members)),
        clusters=tuple(cluster.id for cluster in members),
    )
