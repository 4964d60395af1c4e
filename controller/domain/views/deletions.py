"""Deletion sets: what would be taken away or is being taken away, why it waits, and what an approval binds to."""

import datetime
from collections import Counter

import msgspec

from controller.domain import debts, rollout_state
from controller.domain.views import sight
from protocol import bundles, ids, subjects
from protocol.canonical import Digest
from protocol.events import deletions as events

AGES_MAX = 10**12 - 1
"""More deletion sets than any log will hold: keys of twelve digits are in the order of their numbers."""


class Row(msgspec.Struct, frozen=True, rename="camel"):
    """One deletion set in a list."""

    id: ids.DeletionSetId
    source: ids.SourceName
    revision: str
    decision: debts.Decision
    held: list[str]
    """Why it waits for a person; empty: it does not."""
    digest: Digest
    """What an approval names, so that it never approves something else."""
    objects: int
    """(cluster, object) pairs of the whole set."""
    clusters: int
    open: int
    """Of these, how many a cluster still owes."""
    undeleted: int
    """Of these, how many an agent refused or could not delete."""
    as_of: datetime.datetime
    event: int


class Member(msgspec.Struct, frozen=True, rename="camel"):
    """The same objects of one bundle, leaving these clusters."""

    bundle: ids.BundleId
    objects: list[str]
    object_count: int
    clusters: list[str]
    cluster_count: int
    prune: bundles.Prune
    whole_bundle: bool


class Undeleted(msgspec.Struct, frozen=True, rename="camel"):
    """A deletion that an agent refused or could not do."""

    cluster: str
    object: str
    reason: str


class Detail(msgspec.Struct, frozen=True, rename="camel"):
    """A deletion set with all that is in it."""

    deletions: Row
    members: list[Member]
    undeleted: list[Undeleted]


class Tally:
    """Open debts by set, counted once for all rows."""

    def __init__(self, looking: sight.Sight) -> None:
        ledger = looking.world.ledger
        self.open = Counter(debt.set for debt in ledger.debts.values())
        self.undeleted: dict[ids.DeletionSetId, list[Undeleted]] = {}
        for seen in looking.facts.observed.values():
            for one in seen.undeleted.values():
                debt = ledger.debts.get(one.debt)
                if debt is not None:
                    said = Undeleted(
                        cluster=looking.name(seen.cluster),
                        object=str(one.object),
                        reason=f"{one.reason}: {one.message}" if one.message else one.reason,
                    )
                    self.undeleted.setdefault(debt.set, []).append(said)


def every(looking: sight.Sight, tally: Tally, *, settled: bool) -> list[debts.DeletionSet]:
    """The newest first; `settled`: also those with which nothing can happen any more."""
    found = reversed(looking.world.ledger.sets.values())
    return [one for one in found if settled or _is_live(looking, tally, one)]


def ages(looking: sight.Sight) -> dict[ids.DeletionSetId, str]:
    """A key for each set that ascends from the newest to the oldest, and that it keeps for ever."""
    return {one: f"{AGES_MAX - number:012d}" for number, one in enumerate(looking.world.ledger.sets)}


def row(looking: sight.Sight, tally: Tally, one: debts.DeletionSet) -> Row:
    """One deletion set."""
    head = looking.world.heads.get(subjects.log("deletions", "fleet"))
    return Row(
        id=one.id,
        source=one.source,
        revision=one.revision,
        decision=one.decision,
        held=list(one.held),
        digest=one.digest,
        objects=sum(len(member.objects) * len(member.clusters) for member in one.members),
        clusters=len({cluster for member in one.members for cluster in member.clusters}),
        open=tally.open[one.id],
        undeleted=len(tally.undeleted.get(one.id, ())),
        as_of=looking.at,
        event=head.sequence if head is not None else 0,
    )


def detail(looking: sight.Sight, one: debts.DeletionSet) -> Detail:
    """A deletion set with all that is in it."""
    tally = Tally(looking)
    return Detail(
        deletions=row(looking, tally, one),
        members=[_member(looking, member) for member in one.members[: sight.NAMES_MAX]],
        undeleted=tally.undeleted.get(one.id, [])[: sight.NAMES_MAX],
    )


def waiting(looking: sight.Sight, tally: Tally) -> list[debts.DeletionSet]:
    """Those that wait for a person."""
    return [one for one in every(looking, tally, settled=False) if one.decision is debts.Decision.HELD]


def _member(looking: sight.Sight, member: events.Member) -> Member:
    return Member(
        bundle=member.bundle,
        objects=[str(one) for one in member.objects[: sight.NAMES_MAX]],
        object_count=len(member.objects),
        clusters=looking.names(member.clusters),
        cluster_count=len(member.clusters),
        prune=member.prune,
        whole_bundle=member.whole_bundle,
    )


def _is_live(looking: sight.Sight, tally: Tally, one: debts.DeletionSet) -> bool:
    """Something of it is owed, or its rollout may still come to that."""
    if tally.open[one.id]:
        return True
    current = looking.world.rollout(one.source).current
    over = (rollout_state.Phase.COMPLETED, rollout_state.Phase.ABORTED)
    undecided = one.decision in (debts.Decision.HELD, debts.Decision.FREE)
    return undecided and current is not None and current.id == one.topic and current.phase not in over
