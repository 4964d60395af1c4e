"""Debts: every object that a cluster should lose and has not been seen to lose, and whether it may go yet."""

import msgspec

from controller.domain import debts
from controller.domain.views import sight
from protocol import bundles, ids


class Row(msgspec.Struct, frozen=True, rename="camel"):
    """One object that one cluster should lose."""

    id: ids.DebtId
    cluster: str
    bundle: ids.BundleId
    object: str
    set: ids.DeletionSetId
    """What it belongs to: that is what a person approves."""
    decision: debts.Decision
    may_go: bool
    """The agent was told to delete it, or will be with the next state."""
    undeleted: str
    """Why its agent refused or could not; empty: it did not say so."""
    prune: bundles.Prune
    generation: int
    """The first that does without it."""
    since: str


class Wish(msgspec.Struct, frozen=True):
    """Which debts; what is empty or None asks for nothing."""

    cluster: str = ""
    bundle: str = ""
    set: str = ""
    may_go: bool | None = None


def every(looking: sight.Sight, wish: Wish) -> list[Row]:
    """All open debts, in the order of `key`."""
    rows = (_row(looking, one) for one in looking.world.ledger.debts.values())
    return sorted((row for row in rows if _is_wanted(row, wish)), key=key)


def key(row: Row) -> str:
    """By clusters, then by objects; tells a row from every other."""
    return "\0".join((row.cluster, row.object, row.id))


def _row(looking: sight.Sight, debt: debts.Debt) -> Row:
    ledger = looking.world.ledger
    said = looking.seen(debt.cluster).undeleted.get(debt.id)
    return Row(
        id=debt.id,
        cluster=looking.name(debt.cluster),
        bundle=debt.bundle,
        object=str(debt.object),
        set=debt.set,
        decision=ledger.sets[debt.set].decision,
        may_go=debts.may_go(ledger, debt),
        undeleted=f"{said.reason}: {said.message}" if said is not None else "",
        prune=debt.prune,
        generation=debt.generation,
        since=debt.at,
    )


def _is_wanted(row: Row, wish: Wish) -> bool:
    return (
        wish.cluster in ("", row.cluster)
        and wish.bundle in ("", row.bundle)
        and wish.set in ("", row.set)
        and wish.may_go in (None, row.may_go)
    )
