"""Which clusters get a revision in which order: the plan of a rollout.

First whoever the superseded rollout left in flight or failed: the fix belongs there before it goes anywhere else. Then
the policy's stages. Where no policy is declared, the changed bundles' own partitions, if they have any; else one
canary. What no stage took forms the stage `rest`. Bundles may lower how many clusters are in flight, never raise it.
"""

import math
from collections.abc import Callable, Iterator, Sequence

import msgspec

from controller.domain import catalogs, placements, rejections, rollout_state, strategies
from controller.domain.clusters import Cluster
from protocol import ids, naming, specs
from protocol.events.rollouts import PlannedStage

INHERITED = rollout_state.INHERITED
CANARY = "canary"
REST = "rest"

RESERVED = frozenset({INHERITED, REST, rollout_state.JOINING, rollout_state.LATE})
"""Names that mean something by themselves: a policy's stage may not have them."""

PARTITIONS_MAX = 100
"""Stages that partitions may make, and again those that follow from a size: each is an event of the rollout's start,
which is one batch. Clusters of further partitions are part of the rest; a size is raised until it fits."""

NAME_CHARACTERS_MAX = 63
"""Of a partition's name, which is written by people and stands in a table."""

Members = tuple[Cluster, ...]


class Situation(msgspec.Struct, frozen=True):
    """What the plan rests on."""

    affected: Members
    """Clusters for which the revision changes something, in the order of their names."""
    online: frozenset[ids.ClusterId]
    groups: placements.Groups = {}
    inherited: frozenset[ids.ClusterId] = frozenset()
    wishes: tuple[strategies.Strategy, ...] = ()
    """Of the changed bundles, in the order of their ids."""
    declared: bool = False
    """The policy is an operator's, and so bundles have no say."""


def plan(policy: specs.RolloutPolicy, situation: Situation) -> tuple[PlannedStage, ...]:
    """The stages in order; every affected cluster stands in exactly one of them."""
    first, left = _split(situation.affected, lambda cluster: cluster.id in situation.inherited)
    stages = [_stage(INHERITED, "in flight or failed in the rollout before", policy.max_concurrency, first)]
    for spec in policy.stages:
        stage, left = _take(spec, left, situation)
        stages.append(stage)
    if not policy.stages and left:
        chosen, left = _partitioned(policy, left, situation) or _canary(left, situation)
        stages.extend(chosen)
    stages.append(_stage(REST, "all others", policy.max_concurrency, left))
    return tuple(_heeding(stage, situation) for stage in stages if stage.clusters)


def concurrency(limit: str, count: int) -> int:
    """A `maxConcurrency` over so many clusters, as a number of at least one; Rejection if it is neither form."""
    text, percent = limit.removesuffix("%"), limit.endswith("%")
    if not text.isdecimal() or int(text) < 1 or (percent and int(text) > 100):
        raise rejections.Invalid(f"maxConcurrency {limit!r}: neither a number above 0 nor a share of 1% to 100%")
    return max(1, math.ceil(count * int(text) / 100)) if percent else int(text)


def _canary(left: Members, situation: Situation) -> tuple[list[PlannedStage], Members]:
    labelled, others = _split(left, lambda cluster: cluster.labels.get(naming.CANARY_LABEL) == "true")
    if labelled:
        return [_stage(CANARY, f"labelled {naming.CANARY_LABEL}=true", "1", labelled)], others
    chosen = next((cluster for cluster in left if cluster.id in situation.online), left[0])
    why = "the first online by name" if chosen.id in situation.online else "the first by name; none is online"
    return [_stage(CANARY, why, "1", (chosen,))], tuple(cluster for cluster in left if cluster is not chosen)


def _take(spec: specs.StageSpec, left: Members, situation: Situation) -> tuple[PlannedStage, Members]:
    matching = [
        cluster for cluster in left if placements.selects(spec.selector, placements.facts(cluster, situation.groups))
    ]
    taken = {cluster.id for cluster in matching[: spec.limit or None]}
    members, others = _split(left, lambda cluster: cluster.id in taken)
    return _stage(spec.name, "selected by the policy", spec.max_concurrency, members), others


def _partitioned(
    policy: specs.RolloutPolicy, left: Members, situation: Situation
) -> tuple[list[PlannedStage], Members] | None:
    """The stages that the changed bundles' strategies make, and who is left; None: they make none."""
    if situation.declared:
        return None
    whole, stages = left, list[PlannedStage]()
    taken: dict[ids.ClusterId, ids.BundleId] = {}
    for strategy in situation.wishes:
        for number, partition in enumerate(strategy.rollout.partitions, start=1):
            meant = _meant(strategy, partition, whole, situation)
            members, others = _split(left, _within(meant))
            if not members or len(stages) == PARTITIONS_MAX:
                continue
            before = sorted({taken[one] for one in meant if taken.get(one, strategy.bundle) != strategy.bundle})
            why = f"partition of {strategy.bundle}" + (f", without those of {', '.join(before)}" if before else "")
            name = _named(partition.name or f"partition-{number}", stages)
            limit = _strictest((policy.max_concurrency, partition.max_concurrency), len(members))
            stages.append(_stage(name, why, limit, members))
            taken.update(dict.fromkeys((one.id for one in members), strategy.bundle))
            left = others
    for stage in _sized(policy, left, situation, stages):
        stages.append(stage)
        left = tuple(cluster for cluster in left if cluster.id not in stage.clusters)
    return (stages, left) if stages else None


def _meant(
    strategy: strategies.Strategy, partition: catalogs.Partition, members: Members, situation: Situation
) -> frozenset[ids.ClusterId]:
    """The clusters that a bundle's partition is about."""
    return frozenset(
        cluster.id
        for cluster in members
        if cluster.id in strategy.clusters
        and any(placements.targets(target, placements.facts(cluster, situation.groups)) for target in partition.targets)
    )


def _sized(
    policy: specs.RolloutPolicy, left: Members, situation: Situation, stages: Sequence[PlannedStage]
) -> Iterator[PlannedStage]:
    """Whom no partition named, so many at a time as the strictest bundle says; nothing, if none says it."""
    found = [
        (concurrency(one.rollout.auto_partition_size, len(left)), one.bundle)
        for one in situation.wishes
        if one.rollout.auto_partition_size
    ]
    if not found or not left:
        return
    said, bundle = min(found)
    size = max(said, math.ceil(len(left) / PARTITIONS_MAX))
    made = list(stages)
    for number, start in enumerate(range(0, len(left), size), start=1):
        members = left[start : start + size]
        limit = _strictest((policy.max_concurrency,), len(members))
        made.append(_stage(_named(f"part-{number}", made), f"{size} at a time, as {bundle} says", limit, members))
        yield made[-1]


def _named(name: str, stages: Sequence[PlannedStage]) -> str:
    """The name, or one like it that no other stage has."""
    taken = RESERVED | {stage.name for stage in stages}
    plain = "".join(one for one in name if one.isprintable())[:NAME_CHARACTERS_MAX]
    names = (plain if number == 1 else f"{plain}-{number}" for number in range(1, len(taken) + 2))
    return next(one for one in names if one and one not in taken)


def _heeding(stage: PlannedStage, situation: Situation) -> PlannedStage:
    """The stage, with no more clusters in flight than the changed bundles allow, or saying why they are not heard."""
    if not situation.wishes:
        return stage
    if situation.declared:
        names = strategies.named(situation.wishes)
        return msgspec.structs.replace(stage, reason=f"{stage.reason}; the policy counts, not what {names} says")
    limits = [
        (concurrency(one.rollout.max_concurrency, len(situation.affected)), one.bundle)
        for one in situation.wishes
        if one.rollout.max_concurrency
    ]
    most, bundle = min(limits, default=(stage.max_concurrency, ""))
    if most >= stage.max_concurrency:
        return stage
    return msgspec.structs.replace(
        stage, max_concurrency=most, reason=f"{stage.reason}; {most} in flight, as {bundle} says"
    )


def _strictest(limits: Sequence[str], count: int) -> str:
    """Of several caps the lowest, as a number; an empty one says nothing."""
    return str(min(concurrency(limit, count) for limit in limits if limit))


def _within(meant: frozenset[ids.ClusterId]) -> Callable[[Cluster], bool]:
    return lambda cluster: cluster.id in meant


def _split(members: Members, wanted: Callable[[Cluster], bool]) -> tuple[Members, Members]:
    yes = tuple(cluster for cluster in members if wanted(cluster))
    return yes, tuple(cluster for cluster in members if not wanted(cluster))


def _stage(name: str, reason: str, limit: str, members: Sequence[Cluster]) -> PlannedStage:
    return PlannedStage(
        name=name,
        reason=reason,
        max_concurrency=concurrency(limit, len(members)),
        clusters=tuple(cluster.id for cluster in members),
    )
