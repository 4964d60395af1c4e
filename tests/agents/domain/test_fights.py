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
    return fights.Contest("hpa", ".spec.replicas", count, at)


def test_the_same_change_again_and_again_is_a_fight() -> None:
    contest = None
    for number in range(1, 4):
        contest = fights.reverted(contest, by(), at=float(number), bounds=BOUNDS)
        assert fights.is_fight(contest, BOUNDS) == (number == BOUNDS.reverts_min)

    assert contest == fought(3, 3.0)
    assert fights.told(contest) == drifts.Fight("hpa", ".spec.replicas", 3)


@pytest.mark.parametrize("other", [by("kubectl"), by(field=".spec.paused")], ids=["somebody else", "another field"])
def test_another_change_begins_to_count_anew(other: drifts.Drift) -> None:
    assert fights.reverted(fought(7), other, at=1.0, bounds=BOUNDS).count == 1


def test_an_object_that_is_deleted_again_and_again_is_fought_over_too() -> None:
    gone = drift.lost(wanted(entry=entry()), drifts.Kind.GONE, AT)

    once = fights.reverted(None, gone, at=1.0, bounds=BOUNDS)

    assert fights.reverted(once, gone, at=2.0, bounds=BOUNDS) == fights.Contest("", "", 2, 2.0)


def test_a_change_long_after_the_last_revert_is_another_story() -> None:
    before = fought(5)
    late = fights.over_at(before, BOUNDS)

    assert fights.reverted(before, by(), at=late - 0.1, bounds=BOUNDS).count == 6
    assert fights.reverted(before, by(), at=late, bounds=BOUNDS).count == 1
    assert not fights.is_over(before, late - 0.1, BOUNDS)
    assert fights.is_over(before, late, BOUNDS)


def test_reverts_of_a_fight_get_rarer_up_to_a_bound() -> None:
    pauses = [fights.next_at(fought(count, 100.0), BOUNDS) - 100.0 for count in (1, 2, 3, 4, 5, 30, 1000)]

    assert pauses == [0.0, 0.0, 5.0, 10.0, 20.0, BOUNDS.pause_ceiling_s, BOUNDS.pause_ceiling_s]
