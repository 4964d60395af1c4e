"""From what falls out of clusters to debts: sorted by cause, planned, opened, and closed where it is wanted again."""

import datetime
from collections.abc import Mapping, Sequence

import msgspec

from controller.domain import debts, derivation
from controller.domain.world import World
from protocol import ids
from protocol.canonical import Digest
from protocol.events import deletions as events


class Outcome(msgspec.Struct, frozen=True):
    """One cluster's derivation, with what the ledger needs beside it."""

    cluster: ids.ClusterId
    derived: derivation.Derived
    objects: int
    """Objects in its last published state."""
    generation: int
    """Of its last published state."""
    given: dict[ids.SourceName, Digest]
    """The catalogs that it was derived from."""


def settle(world: World, outcomes: Sequence[Outcome], at: datetime.datetime) -> tuple[events.Event, ...]:
    """Decide all that these derivations mean for the ledger; nothing, where it knows already."""
    found: list[events.Event] = []
    ledger = world.ledger
    for cause, losses in causes(world, outcomes).items():
        planned = debts.plan(ledger, cause, losses, at)
        for event in planned:
            ledger = debts.evolve(ledger, event)
        opened = debts.open_debts(ledger, cause, losses, at)
        for event in opened:
            ledger = debts.evolve(ledger, event)
        found += [*planned, *opened]
    wanted = {outcome.cluster: outcome.derived.wanted for outcome in outcomes}
    return (*found, *debts.rewanted(ledger, wanted))


def foreseen(
    world: World, cause: debts.Cause, outcomes: Sequence[Outcome], at: datetime.datetime, *, misplaced: bool = False
) -> tuple[events.Event, ...]:
    """Decide what a rollout that starts will take away, on all its clusters, before the first one is touched; or, with
    `misplaced`, what a change of placement will."""
    found = []
    for outcome in outcomes:
        drops = tuple(
            drop
            for drop in outcome.derived.drops
            if ids.source_of(drop.bundle) == cause.source and drop.misplaced is misplaced
        )
        if drops:
            found.append(
                debts.Loss(cluster=outcome.cluster, drops=drops, objects=outcome.objects, generation=outcome.generation)
            )
    return debts.plan(world.ledger, cause, found, at) if found else ()


def causes(world: World, outcomes: Sequence[Outcome]) -> dict[debts.Cause, list[debts.Loss]]:
    """What each cause takes from each cluster."""
    found: dict[debts.Cause, dict[ids.ClusterId, list[derivation.Drop]]] = {}
    for outcome in outcomes:
        for drop in outcome.derived.drops:
            cause = _cause(world, outcome.cluster, drop)
            found.setdefault(cause, {}).setdefault(outcome.cluster, []).append(drop)
    facts: Mapping[ids.ClusterId, Outcome] = {outcome.cluster: outcome for outcome in outcomes}
    return {
        cause: [
            debts.Loss(
                cluster=cluster,
                drops=tuple(drops),
                objects=facts[cluster].objects,
                generation=facts[cluster].generation,
            )
            for cluster, drops in by_cluster.items()
        ]
        for cause, by_cluster in found.items()
    }


def _cause(world: World, cluster: ids.ClusterId, drop: derivation.Drop) -> debts.Cause:
    source = ids.source_of(drop.bundle)
    state = world.rollout(source)
    given = state.assigned.get(cluster, "")
    declared = world.sources.get(source)
    revision = str(declared.revision) if declared is not None and declared.revision is not None else ""
    if declared is not None and declared.removed:
        return debts.Cause(topic=f"removal-{source}", source=source, revision=revision)
    if drop.misplaced:
        return debts.Cause(topic=f"placement-{source}-{given[:8]}", source=source, revision=revision)
    current = state.current
    if current is not None and current.catalog == given:
        return debts.Cause(topic=current.id, source=source, revision=current.revision)
    return debts.Cause(
        topic=state.completed_rollout or f"revision-{source}-{given[:8]}", source=source, revision=revision
    )
