"""When reverting becomes a fight, how seldom it gets, and when it is over."""

import datetime

import pytest

from agents.domain import drift, fights
from protocol import drifts
from tests.agents.domain.examples import entry, wanted

BOUNDS = fights.Bounds()
AT = datetime.datetime(2026, 11, 5, 15, tzinfo=datetime.UTC)


def by(manager: str = "hpa", field: str = ".spec.replicas") -> drifts.Drift:
    lost = drift.lost(wanted(entry=entry()), drifts.Kind.CHANGED, AT)
    return drifts.Drift(
        lost.object, lost.bundle, lost.policy, lost.kind, lost.since, fields=(drifts.Field(field, manager=manager),)
    )


def fought(count: int, at: float = 0.0) -> fights.Contest:
    return fights.Contest("hpa", ".spec.replicas", count, count, at)


def test_the_same_change_again_and_again_is_a_fight() -> None:
    contest = None
    for number in range(1, 4):
        contest = fights.reverted(contest, by(), at=float(number), bounds=BOUNDS)
        assert fights.is_fight(contest, BOUNDS) == (number == BOUNDS.reverts_min)

    assert contest == fought(3, 3.0)
    assert fights.told(contest) == drifts.Fight("hpa", ".spec.replicas", 3)


@pytest.mark.parametrize("other", [by("kubectl"), by(field=".spec.paused")], ids=["somebody else", "another field"])
def test_another_change_is_no_fight_over_the_same(other: drifts.Drift) -> None:
    contest = fights.reverted(fought(2), other, at=1.0, bounds=BOUNDS)

    assert (contest.count, contest.reverts) == (1, 3)
    assert not fights.is_fight(contest, BOUNDS)


def test_who_changes_another_field_each_time_fights_too() -> None:
    """Later than who insists on one; and is answered less and less often as well."""
    contest, found = None, [by(field=f".data.f{number}") for number in range(BOUNDS.mixed_min + 1)]
    for number, one in enumerate(found, start=1):
        contest = fights.reverted(contest, one, at=float(number), bounds=BOUNDS)
        assert fights.is_fight(contest, BOUNDS) == (number >= BOUNDS.mixed_min)

    assert contest is not None
    assert fights.told(contest) == drifts.Fight("hpa", ".data.f6", 7)
    assert fights.next_at(contest, BOUNDS) == contest.at + 2 * BOUNDS.pause_base_s


def test_an_object_that_is_deleted_again_and_again_is_fought_over_too() -> None:
    gone = drift.lost(wanted(entry=entry()), drifts.Kind.GONE, AT)

    once = fights.reverted(None, gone, at=1.0, bounds=BOUNDS)

    assert fights.reverted(once, gone, at=2.0, bounds=BOUNDS) == fights.Contest("", "", 2, 2, 2.0)


def test_a_revert_that_was_not_undone_for_a_while_has_lasted() -> None:
    """Who comes back goes on where he was; long after, it is another story."""
    before = fought(5)
    over = fights.over_at(before, BOUNDS)
    assert not fights.is_over(before, over - 0.1, BOUNDS)
    assert fights.is_over(before, over, BOUNDS)

    lasted = fights.Contest(before.manager, before.field, 5, 5, before.at, lasted=True)
    late = over + BOUNDS.memory_s
    assert fights.reverted(lasted, by(), at=late - 0.1, bounds=BOUNDS) == fought(6, late - 0.1)
    assert fights.reverted(lasted, by(), at=late, bounds=BOUNDS) == fought(1, late)


def test_reverts_of_a_fight_get_rarer_up_to_a_bound() -> None:
    pauses = [fights.next_at(fought(count, 100.0), BOUNDS) - 100.0 for count in (1, 2, 3, 4, 5, 30, 1000)]

    assert pauses == [0.0, 0.0, 5.0, 10.0, 20.0, BOUNDS.pause_ceiling_s, BOUNDS.pause_ceiling_s]
