"""From configuration documents to the log.

A new cluster needs an account before it can be written down: the decision is rehearsed first, so that no account is
made for documents that are refused.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from controller import transact
from controller.domain import declarations
from controller.domain.documents import Document
from controller.domain.world import World
from protocol import ids, specs
from protocol.events import log

EVENTS_MAX = 500
"""Events of one append; the first reading of a large fleet takes several. Half of what an atomic batch holds, for the
last declaration of an append may bring several events."""

Groups = Iterable[Sequence[log.Event]]
"""Events that must be appended together stand together."""


class Accounts(Protocol):
    """The NATS accounts of clusters."""

    async def open_account(self, name: str, former: ids.ClusterId | None) -> ids.ClusterId:
        """Make a new cluster's account, or open the account again that it had before it was removed."""


Outcome = tuple[declarations.Change, declarations.Action]


def rehearse(world: World, given: Sequence[Document]) -> tuple[Outcome, ...]:
    """What applying these documents by command would come to; a Rejection where it cannot be."""
    changes = declarations.rehearse(world, given, by=specs.ManagedBy.COMMAND)
    return tuple(zip(changes, declarations.actions(world, changes), strict=True))


async def apply(
    transactor: transact.Transactor, accounts: Accounts, given: Sequence[Document], *, who: str
) -> tuple[Outcome, ...]:
    """Make these documents true by command; return what each came to. A Rejection passes through, and changes nothing.

    Documents that bring more than EVENTS_MAX events are written in several appends.
    """
    command, world = specs.ManagedBy.COMMAND, transactor.world
    outcome = rehearse(world, given)
    opened = await open_accounts(accounts, world, given)

    def decide(world: World) -> Groups:
        return (one.events for one in declarations.apply(world, given, by=command, accounts=opened))

    await append_all(transactor, decide, who=who, cause="apply")
    return outcome


async def reconcile(
    transactor: transact.Transactor, accounts: Accounts, given: Sequence[Document], *, origin: str
) -> int:
    """Make the configuration file true; return how many events that took."""
    declarations.rehearse(transactor.world, given, by=specs.ManagedBy.FILE)
    opened = await open_accounts(accounts, transactor.world, given)

    def decide(world: World) -> Groups:
        return declarations.reconcile(world, given, origin=origin, accounts=opened)

    return await append_all(transactor, decide, who="configuration", cause=origin)


async def open_accounts(accounts: Accounts, world: World, given: Sequence[Document]) -> dict[str, ids.ClusterId]:
    """Accounts for the clusters that are new; it comes to the same where one was opened in vain before."""
    return {
        name: await accounts.open_account(name, declarations.former(world, name))
        for name in declarations.newcomers(world, given)
    }


async def append_all(
    transactor: transact.Transactor, decide: Callable[[World], Groups], *, who: str, cause: str
) -> int:
    """Decide and append in bounded steps, until there is nothing left to decide."""
    total = 0
    while written := await transactor.run(lambda world: _first(decide(world)), by=who, cause=cause):
        total += len(written)
    return total


def _first(groups: Groups) -> tuple[log.Event, ...]:
    found: list[log.Event] = []
    for group in groups:
        if len(found) >= EVENTS_MAX:
            break
        found += group
    return tuple(found)
