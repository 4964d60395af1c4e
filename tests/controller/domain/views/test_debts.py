"""What clusters should lose, and whether it may go yet."""

from controller.domain import debts as domain
from controller.domain.views import debts
from protocol import reports
from tests.controller.domain.views.conftest import Fleet


def objects(fleet: Fleet, **wish: object) -> list[str]:
    return [one.object for one in debts.every(fleet.looking, debts.Wish(**wish))]  # type: ignore[arg-type]


async def test_debts_are_told_with_what_was_decided_of_them(fleet: Fleet) -> None:
    free, held = await fleet.owe(), await fleet.owe(whole=True)
    rows = debts.every(fleet.looking, debts.Wish())

    assert [(row.id, row.cluster, row.decision, row.may_go) for row in rows] == [
        (free.id, "a", domain.Decision.FREE, True),
        (held.id, "a", domain.Decision.HELD, False),
    ]


async def test_debts_are_filtered(fleet: Fleet) -> None:
    free, held = await fleet.owe(), await fleet.owe(whole=True)

    assert objects(fleet, cluster="b") == []
    assert objects(fleet, bundle="shop/web") == [str(free.object), str(held.object)]
    assert objects(fleet, bundle="shop/api") == []
    assert objects(fleet, set=free.set) == [str(free.object)]
    assert objects(fleet, may_go=True) == [str(free.object)]
    assert objects(fleet, may_go=False) == [str(held.object)]


async def test_what_an_agent_could_not_delete_says_why(fleet: Fleet) -> None:
    free = await fleet.owe()
    refused = reports.Undeleted(debt=free.id, object=free.object, reason="Forbidden", message="no rights")
    fleet.hub.take(reports.Deleted(origin=fleet.hub.origin(fleet.a), confirmations=(), undeleted=(refused,)))

    assert [row.undeleted for row in debts.every(fleet.looking, debts.Wish())] == ["Forbidden: no rights"]
