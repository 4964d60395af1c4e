"""Deletion sets: which of them a person still has to look at, and what stands in them."""

import pytest

from controller.domain import debts
from controller.domain.views import deletions as views
from protocol import ids, reports
from protocol.canonical import Digest
from protocol.events import deletions as events
from tests.controller.domain.views.conftest import Fleet
from tests.controller.domain.views.test_rollouts import ROLLOUT, stage


def only(fleet: Fleet) -> debts.DeletionSet:
    [found] = fleet.hub.world.ledger.sets.values()
    return found


def live(fleet: Fleet) -> list[str]:
    return [one.id for one in views.every(fleet.looking, views.Tally(fleet.looking), settled=False)]


async def refuse(fleet: Fleet, debt: ids.DebtId, message: str) -> None:
    said = reports.Undeleted(debt=debt, object=only(fleet).members[0].objects[0], reason="Cascade", message=message)
    fleet.hub.take(reports.Deleted(origin=fleet.hub.origin(fleet.a), confirmations=(), undeleted=(said,)))


async def test_a_set_that_waits_says_why_and_what_an_approval_names(fleet: Fleet) -> None:
    nothing = views.waiting(fleet.looking, views.Tally(fleet.looking))
    await fleet.owe(whole=True)

    [held] = views.waiting(fleet.looking, views.Tally(fleet.looking))
    found = views.row(fleet.looking, views.Tally(fleet.looking), held)

    assert nothing == []
    assert (found.decision, found.held) == (debts.Decision.HELD, ["whole bundles leave clusters: shop/web"])
    assert (found.objects, found.clusters, found.open, found.undeleted) == (1, 1, 1, 0)
    assert (found.digest, found.event) == (held.digest, fleet.looking.event)


async def test_before_the_first_debt_no_event_is_named(fleet: Fleet) -> None:
    one = debts.DeletionSet(
        id=ids.DeletionSetId("x"), topic="x", source=ids.SourceName("shop"), revision="", members=(), held=(),
        digest=Digest(""), decision=debts.Decision.FREE,
    )  # fmt: skip

    assert views.row(fleet.looking, views.Tally(fleet.looking), one).event == 0


async def test_a_set_is_settled_once_nothing_of_it_is_owed(fleet: Fleet) -> None:
    debt = await fleet.owe()
    owed = live(fleet)
    closed = events.ClosedDebt(debt=debt.id, ending=events.Ending.GONE)
    await fleet.hub.write(events.DebtsClosed(debts=(closed,), reports_sequence=1))

    assert (owed, live(fleet)) == (["shop-old"], [])
    assert [one.id for one in views.every(fleet.looking, views.Tally(fleet.looking), settled=True)] == ["shop-old"]


async def test_a_set_lives_as_long_as_its_rollout_may_still_come_to_it(fleet: Fleet) -> None:
    await fleet.hub.roll_out("shop", stage("rest", fleet.a))
    planned = events.DeletionsPlanned(
        set=ids.DeletionSetId(ROLLOUT), topic=ROLLOUT, source=ids.SourceName("shop"), revision="", members=(),
        digest=Digest("d"), held=("whole bundles",),
    )  # fmt: skip
    await fleet.hub.write(planned)
    held = live(fleet)
    await fleet.hub.write(events.DeletionsRejected(set=planned.set, digest=planned.digest))

    assert (held, live(fleet)) == ([ROLLOUT], [])


@pytest.mark.parametrize(("message", "reason"), [("takes a pod along", "Cascade: takes a pod along"), ("", "Cascade")])
async def test_what_an_agent_would_not_delete_stands_in_the_detail(fleet: Fleet, message: str, reason: str) -> None:
    debt = await fleet.owe()
    await refuse(fleet, debt.id, message)
    await refuse(fleet, ids.DebtId("of-another-ledger"), message)

    found = views.detail(fleet.looking, only(fleet))

    assert [(one.cluster, one.object, one.reason) for one in found.undeleted] == [("a", "ConfigMap shop/old", reason)]
    assert found.deletions.undeleted == 1
    [member] = found.members
    assert (member.clusters, member.objects, member.cluster_count, member.object_count, member.whole_bundle) == (
        ["a"], ["ConfigMap shop/old"], 1, 1, False,
    )  # fmt: skip


async def test_the_newest_set_comes_first_and_keeps_its_place(fleet: Fleet) -> None:
    first = await fleet.owe()
    before = views.ages(fleet.looking)[first.set]
    second = await fleet.owe(whole=True)

    ages = views.ages(fleet.looking)
    assert (ages[first.set], sorted(ages, key=ages.__getitem__)) == (before, [second.set, first.set])
