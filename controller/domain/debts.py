"""The ledger of debts: every object that a cluster had from us, that left Git, and that is not confirmed gone.

A debt belongs to a deletion set, which holds all that one cause (a rollout, or a change of placement) takes away on all
clusters. The set is free, or it is held until a person approves it as a whole; an approval names the digest of what it
approves. A set that was decided never grows: what comes later forms the next set of the same topic. Nor does a word
hold twice: once a cluster has settled a debt of a set, what it loses from then on is the next set's.

A debt ends gone or released when the agent says so *of this debt*, re-wanted when something claims the object again,
and rejected when a person decides that it stays. Wanting the object again and dropping it again makes a new debt, which
an old confirmation or approval does not touch.
"""

import datetime
import enum
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar, assert_never

import msgspec

from controller.domain import derivation, holds, rejections
from protocol import bundles, canonical, desired, ids, reports
from protocol.canonical import Digest
from protocol.events import deletions as events

T = TypeVar("T")

SET_TAG = "deletionSet"


class Decision(enum.StrEnum):
    """What became of a deletion set."""

    FREE = "free"
    HELD = "held"
    APPROVED = "approved"
    REJECTED = "rejected"


class DeletionSet(msgspec.Struct, frozen=True, rename="camel"):
    """All that one cause takes away."""

    id: ids.DeletionSetId
    topic: str
    source: ids.SourceName
    revision: str
    members: tuple[events.Member, ...]
    digest: Digest
    held: tuple[str, ...]
    decision: Decision
    spent: frozenset[ids.ClusterId] = frozenset()
    """Clusters that have settled a debt of it, or want its object again: the set says nothing about them any more."""


class Debt(msgspec.Struct, frozen=True, rename="camel"):
    """One object that one cluster should lose."""

    id: ids.DebtId
    set: ids.DeletionSetId
    cluster: ids.ClusterId
    object: ids.ObjectId
    identity: ids.ObjectId
    bundle: ids.BundleId
    prune: bundles.Prune
    generation: int
    at: str


class Ledger(msgspec.Struct, frozen=True, rename="camel"):
    """Open debts, and all deletion sets of this epoch."""

    sets: dict[ids.DeletionSetId, DeletionSet] = {}
    debts: dict[ids.DebtId, Debt] = {}
    opened: int = 0
    """Debts ever opened: makes each one's id its own."""
    recent: dict[ids.ClusterId, tuple[str, ...]] = {}
    """When each cluster's debts of about the last hour were opened."""


class Cause(msgspec.Struct, frozen=True):
    """Why things fall out of clusters."""

    topic: str
    source: ids.SourceName
    revision: str


class Loss(msgspec.Struct, frozen=True):
    """What one cluster loses by one cause."""

    cluster: ids.ClusterId
    drops: tuple[derivation.Drop, ...]
    objects: int
    """Objects that the cluster has from us: its hourly budget is a share of them."""
    generation: int = 0
    """The cluster's last published generation."""


def plan(ledger: Ledger, cause: Cause, losses: Sequence[Loss], at: datetime.datetime) -> tuple[events.Event, ...]:
    """Decide what the cause takes away and whether it must wait; nothing, where that is planned already."""
    new = _uncovered(ledger, cause.topic, losses)
    return _planned(ledger, cause, new, at) if new else ()


def open_debts(ledger: Ledger, cause: Cause, losses: Sequence[Loss], at: datetime.datetime) -> tuple[events.Event, ...]:
    """Decide that these clusters owe these objects; debts that are open already stay as they are.

    Plan first: what no set of the cause covers is refused.
    """
    open_keys = {(debt.cluster, debt.bundle, debt.object) for debt in ledger.debts.values()}
    by_set: dict[ids.DeletionSetId, list[events.OpenedDebt]] = {}
    number, coverage = ledger.opened, _Coverage(ledger, cause.topic)
    for loss in losses:
        for drop in loss.drops:
            covering = coverage.find(loss.cluster, drop)
            assert covering is not None, f"{drop.object} of {loss.cluster}: dropped without a plan"
            if covering.decision is Decision.REJECTED or (loss.cluster, drop.bundle, drop.object) in open_keys:
                continue
            number += 1
            by_set.setdefault(covering.id, []).append(_opened(loss, drop, covering.id, number))
    return tuple(
        events.DebtsOpened(set=set_id, debts=tuple(part), at=at.isoformat())
        for set_id, debts in sorted(by_set.items())
        for part in _chunks(debts)
    )


def rewanted(ledger: Ledger, wanted: Mapping[ids.ClusterId, frozenset[ids.ObjectId]]) -> tuple[events.Event, ...]:
    """Decide that debts end whose object a cluster is to have again. `wanted`: identities by cluster."""
    ended = [
        debt.id for debt in ledger.debts.values() if debt.cluster in wanted and debt.identity in wanted[debt.cluster]
    ]
    return _closed(dict.fromkeys(ended, ""), events.Ending.REWANTED, 0)


def confirmed(
    ledger: Ledger, cluster: ids.ClusterId, confirmations: Iterable[reports.Confirmation], sequence: int
) -> tuple[events.Event, ...]:
    """Decide what a report settles: only debts that it names, only of the cluster that sent it."""
    endings: dict[events.Ending, dict[ids.DebtId, str]] = {}
    for confirmation in confirmations:
        debt = ledger.debts.get(confirmation.debt)
        if debt is not None and debt.cluster == cluster and debt.object == confirmation.object:
            ended = endings.setdefault(events.Ending(confirmation.outcome.value), {})
            ended[debt.id] = confirmation.reason[: events.REASON_CHARS_MAX]
    return tuple(event for ending, ended in sorted(endings.items()) for event in _closed(ended, ending, sequence))


def cluster_left(ledger: Ledger, cluster: ids.ClusterId) -> tuple[events.Event, ...]:
    """Decide that a removed cluster owes nothing: its workloads are not ours any more."""
    ended = [debt.id for debt in ledger.debts.values() if debt.cluster == cluster]
    return _closed(dict.fromkeys(ended, ""), events.Ending.RELEASED, 0)


def approve(ledger: Ledger, set_id: str, digest: str) -> tuple[events.Event, ...]:
    """Decide that a held set may go ahead; Changed if it is not what the approval names."""
    found = get(ledger, set_id)
    _same(found, digest)
    if found.decision is Decision.REJECTED:
        raise rejections.Invalid(f"deletions {found.id}: they were rejected; drop the objects from Git anew")
    if found.decision is not Decision.HELD:
        return ()
    return (events.DeletionsApproved(set=found.id, digest=found.digest),)


def reject(ledger: Ledger, set_id: str, digest: str) -> tuple[events.Event, ...]:
    """Decide that a set's objects stay, as orphans; Changed if it is not what the word was about."""
    found = get(ledger, set_id)
    _same(found, digest)
    if found.decision is Decision.REJECTED:
        return ()
    ended = [debt.id for debt in ledger.debts.values() if debt.set == found.id]
    return (
        events.DeletionsRejected(set=found.id, digest=found.digest),
        *_closed(dict.fromkeys(ended, ""), events.Ending.REJECTED, 0),
    )


def get(ledger: Ledger, set_id: str) -> DeletionSet:
    """The set with this id; NotFound if there is none."""
    found = ledger.sets.get(ids.DeletionSetId(set_id))
    if found is None:
        raise rejections.NotFound(f"deletions {set_id!r}: there is no such set")
    return found


def may_go(ledger: Ledger, debt: Debt) -> bool:
    """May the debt's object be named for deletion?"""
    return ledger.sets[debt.set].decision in (Decision.FREE, Decision.APPROVED)


def named(ledger: Ledger) -> dict[ids.ClusterId, desired.Deletions]:
    """The deletions of each cluster's desired state: its open debts that are not held; only clusters that have any."""
    by_cluster: dict[ids.ClusterId, list[desired.Deletion]] = {}
    for debt in sorted(ledger.debts.values(), key=lambda debt: debt.id):
        if may_go(ledger, debt):
            deletion = desired.Deletion(debt=debt.id, object=debt.object, bundle=debt.bundle, prune=debt.prune)
            by_cluster.setdefault(debt.cluster, []).append(deletion)
    return {cluster: desired.Deletions(items=tuple(items)) for cluster, items in by_cluster.items()}


def _planned(ledger: Ledger, cause: Cause, losses: Sequence[Loss], at: datetime.datetime) -> tuple[events.Event, ...]:
    growing = _growing(ledger, cause.topic, losses)
    before = growing.members if growing is not None else ()
    members = _members(losses)
    undecided = [one for one in ledger.sets.values() if one.topic == cause.topic and _may_grow(one)]
    held = holds.reasons(
        [member for one in undecided for member in one.members] + list(members),
        objects={loss.cluster: loss.objects for loss in losses},
        recent=_recent_counts(ledger, at),
    )
    count = sum(1 for one in ledger.sets.values() if one.topic == cause.topic)
    set_id = growing.id if growing is not None else ids.DeletionSetId(cause.topic + (f"-{count + 1}" if count else ""))
    if growing is not None:
        held = tuple(dict.fromkeys((*growing.held, *held)))
    return (
        events.DeletionsPlanned(
            set=set_id, topic=cause.topic, source=cause.source, revision=cause.revision, members=members,
            digest=_digest(before + members), held=held,
        ),
    )  # fmt: skip


def _growing(ledger: Ledger, topic: str, losses: Sequence[Loss]) -> DeletionSet | None:
    """The topic's set that may still grow: nobody has decided about it, and it says something about these clusters."""
    clusters = {loss.cluster for loss in losses}
    for one in ledger.sets.values():
        if one.topic == topic and _may_grow(one) and not one.spent & clusters:
            return one
    return None


def _may_grow(one: DeletionSet) -> bool:
    return one.decision in (Decision.FREE, Decision.HELD)


def _members(losses: Sequence[Loss]) -> tuple[events.Member, ...]:
    """Losses with equal content together: ten thousand clusters that lose the same are one member."""
    alike: dict[tuple[ids.BundleId, bundles.Prune, bool, tuple[ids.ObjectId, ...]], list[ids.ClusterId]] = {}
    for loss in losses:
        by_bundle: dict[tuple[ids.BundleId, bundles.Prune, bool], list[ids.ObjectId]] = {}
        for drop in loss.drops:
            by_bundle.setdefault((drop.bundle, drop.prune, drop.whole_bundle), []).append(drop.object)
        for (bundle, prune, whole), objects in by_bundle.items():
            alike.setdefault((bundle, prune, whole, tuple(sorted(objects))), []).append(loss.cluster)
    return tuple(
        events.Member(bundle=bundle, prune=prune, whole_bundle=whole, objects=objects, clusters=tuple(sorted(clusters)))
        for (bundle, prune, whole, objects), clusters in sorted(alike.items())
    )


def _digest(members: Sequence[events.Member]) -> Digest:
    """Over every (cluster, bundle, object), however they are grouped."""
    flat = sorted(
        (cluster, member.bundle, one) for member in members for cluster in member.clusters for one in member.objects
    )
    return canonical.digest(SET_TAG, canonical.encode(flat))


def _uncovered(ledger: Ledger, topic: str, losses: Sequence[Loss]) -> list[Loss]:
    left = []
    coverage = _Coverage(ledger, topic)
    for loss in losses:
        drops = tuple(drop for drop in loss.drops if coverage.find(loss.cluster, drop) is None)
        if drops:
            left.append(msgspec.structs.replace(loss, drops=drops))
    return left


class _Coverage:
    """Which set of a topic covers a drop; built once per decision, for a set may name ten thousand clusters."""

    def __init__(self, ledger: Ledger, topic: str) -> None:
        self._members = [
            (one, member.bundle, frozenset(member.clusters) - one.spent, frozenset(member.objects))
            for one in reversed(ledger.sets.values())
            if one.topic == topic
            for member in one.members
        ]

    def find(self, cluster: ids.ClusterId, drop: derivation.Drop) -> DeletionSet | None:
        for one, bundle, clusters, objects in self._members:
            if bundle == drop.bundle and cluster in clusters and drop.object in objects:
                return one
        return None


def _opened(loss: Loss, drop: derivation.Drop, set_id: ids.DeletionSetId, number: int) -> events.OpenedDebt:
    name = hashlib.sha256(f"{set_id}\0{loss.cluster}\0{drop.object}\0{number}".encode()).hexdigest()
    return events.OpenedDebt(
        debt=ids.DebtId(name[:24]),
        cluster=loss.cluster,
        object=drop.object,
        identity=drop.identity,
        bundle=drop.bundle,
        prune=drop.prune,
        generation=loss.generation,
    )


def _recent_counts(ledger: Ledger, at: datetime.datetime) -> Counter[ids.ClusterId]:
    since = at - holds.CLUSTER_WINDOW
    return Counter(
        {
            cluster: sum(1 for time in times if datetime.datetime.fromisoformat(time) > since)
            for cluster, times in ledger.recent.items()
        }
    )


def _same(found: DeletionSet, digest: str) -> None:
    if found.digest != digest:
        raise rejections.Changed(
            f"deletions {found.id}: they changed since (now {found.digest[:12]}, you named {digest[:12]}); look again"
        )


def _closed(ended: Mapping[ids.DebtId, str], ending: events.Ending, sequence: int) -> tuple[events.Event, ...]:
    """`ended`: the debts, each with a reason or none."""
    debts = [events.ClosedDebt(debt=debt, ending=ending, reason=reason) for debt, reason in sorted(ended.items())]
    return tuple(events.DebtsClosed(debts=tuple(part), reports_sequence=sequence) for part in _chunks(debts))


def _chunks(items: Sequence[T]) -> list[Sequence[T]]:
    return [items[i : i + events.DEBTS_MAX] for i in range(0, len(items), events.DEBTS_MAX)]


def evolve(ledger: Ledger, event: events.Event) -> Ledger:
    """The ledger after one more fact."""
    change = msgspec.structs.replace
    match event:
        case events.DeletionsPlanned():
            before = ledger.sets.get(event.set)
            planned = DeletionSet(
                id=event.set, topic=event.topic, source=event.source, revision=event.revision,
                members=(before.members if before is not None else ()) + event.members, digest=event.digest,
                held=event.held, decision=Decision.HELD if event.held else Decision.FREE,
                spent=before.spent if before is not None else frozenset(),
            )  # fmt: skip
            return change(ledger, sets={**ledger.sets, event.set: planned})
        case events.DebtsOpened():
            return _with_debts(ledger, event)
        case events.DebtsClosed():
            ended = {closed.debt for closed in event.debts}
            left = {key: debt for key, debt in ledger.debts.items() if key not in ended}
            return change(ledger, debts=left, sets={**ledger.sets, **_spent(ledger, event)})
        case events.DeletionsApproved():
            return _decided(ledger, event.set, Decision.APPROVED)
        case events.DeletionsRejected():
            return _decided(ledger, event.set, Decision.REJECTED)
        case _:
            assert_never(event)


def _with_debts(ledger: Ledger, event: events.DebtsOpened) -> Ledger:
    opened = {
        debt.debt: Debt(
            id=debt.debt, set=event.set, cluster=debt.cluster, object=debt.object, identity=debt.identity,
            bundle=debt.bundle, prune=debt.prune, generation=debt.generation, at=event.at,
        )
        for debt in event.debts
    }  # fmt: skip
    since = datetime.datetime.fromisoformat(event.at) - holds.CLUSTER_WINDOW
    recent = {
        cluster: kept
        for cluster, times in ledger.recent.items()
        if (kept := tuple(time for time in times if datetime.datetime.fromisoformat(time) > since))
    }
    for debt in event.debts:
        recent[debt.cluster] = (*recent.get(debt.cluster, ()), event.at)
    return msgspec.structs.replace(
        ledger, debts={**ledger.debts, **opened}, opened=ledger.opened + len(opened), recent=recent
    )


def _spent(ledger: Ledger, event: events.DebtsClosed) -> dict[ids.DeletionSetId, DeletionSet]:
    """The sets that ended debts belonged to. A rejection is no such end: it stands for what opens later, too."""
    clusters: dict[ids.DeletionSetId, set[ids.ClusterId]] = {}
    for closed in event.debts:
        debt = ledger.debts.get(closed.debt)
        if debt is not None and closed.ending is not events.Ending.REJECTED:
            clusters.setdefault(debt.set, set()).add(debt.cluster)
    return {
        found: msgspec.structs.replace(ledger.sets[found], spent=ledger.sets[found].spent | added)
        for found, added in clusters.items()
    }


def _decided(ledger: Ledger, set_id: ids.DeletionSetId, decision: Decision) -> Ledger:
    decided = msgspec.structs.replace(ledger.sets[set_id], decision=decision)
    return msgspec.structs.replace(ledger, sets={**ledger.sets, set_id: decided})
