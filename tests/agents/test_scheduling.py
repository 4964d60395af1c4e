"""When a cluster is looked at again, with times that a test gives."""

import random

from agents import scheduling
from protocol import ids


def schedule() -> scheduling.Schedule:
    made = scheduling.Schedule(resync_s=300, health_s=5, base_s=1, ceiling_s=300, chance=random.Random(1))
    made.resynced(0)
    return made


def test_after_a_pass_that_failed_whatever_wakes_has_to_wait() -> None:
    """Events of watches come many times a second: each would be a pass against a server that takes nothing."""
    made = schedule()
    before = made.is_paused(10)
    made.stumbled(10)

    assert (before, made.is_paused(10), made.is_paused(made.again_at)) == (False, True, False)


def test_another_desired_state_need_not_wait_for_the_failures_of_the_one_before() -> None:
    made = schedule()
    made.stumbled(10)
    made.fresh()

    assert not made.is_paused(10)


def test_a_pass_that_ended_well_holds_up_nothing() -> None:
    made = schedule()
    made.stumbled(10)
    made.finished(11, pending=True, changed=False)

    assert not made.is_paused(11)


def test_what_failed_has_its_turn_at_once_where_something_tells_that_it_may_go_well() -> None:
    made, web = schedule(), ids.BundleId("fleet/web")
    made.failing(10, [web], {web: 100.0})
    assert made.retried(10) == frozenset()

    made.hurry(10)
    assert made.retried(10) == {web}
    assert made.next() == 10
