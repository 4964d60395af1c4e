"""What people and new commits do to a rollout on its way: pause, resume, retry, abort, supersede."""

import msgspec
import pytest

from controller.domain import rejections, rollout_state, rollouts
from controller.domain.rollout_state import Phase
from protocol import ids, specs
from tests.controller.domain import examples
from tests.controller.domain.journeys import (
    HEALTHY,
    UNWELL,
    A,
    B,
    C,
    at_once,
    completed,
    names,
    policy,
    rolled_out,
)

ALL = {"c0", "c1", "c2", "c3"}


def canary_first() -> specs.RolloutPolicy:
    """One cluster, then all others; a failure is within the budget."""
    stages = (specs.StageSpec(name="canary", limit=1), specs.StageSpec(name="all", max_concurrency="100%"))
    return msgspec.structs.replace(policy(failures=1), stages=stages)


def test_a_paused_rollout_admits_nobody_and_goes_on_when_it_is_resumed() -> None:
    journey = at_once()
    journey.commit(B)
    journey.take(rollouts.pause(journey.state))

    assert journey.advance().flying() == set()
    journey.take(rollouts.resume(journey.state))
    assert names(journey, journey.advance().flying()) == ALL


def test_a_revision_that_is_rendered_anew_ends_no_pause() -> None:
    journey = at_once()
    journey.commit(B)
    journey.take(rollouts.pause(journey.state))
    anew = rollouts.Start(rollout=ids.RolloutId("x"), revision=B, catalog=C, policy=journey.policy, plan=())

    assert rollouts.start(journey.state, anew) == ()
    assert rollouts.start(journey.state, msgspec.structs.replace(anew, revision=C)) != ()
    journey.take(rollouts.resume(journey.state))
    assert rollouts.start(journey.state, anew) != ()


@pytest.mark.parametrize("stop", ["halt", "about to halt", "canary lost", "abort"])
def test_a_revision_that_is_rendered_anew_begins_nothing_that_was_stopped(stop: str) -> None:
    journey = at_once() if stop != "canary lost" else rolled_out(policy=canary_first())
    journey.commit(B)
    journey.advance().judge(UNWELL, 0)
    if stop == "abort":
        journey.take(rollouts.abort(journey.state))
    if stop == "halt":
        journey.advance()
    journey.step()

    assert journey.commit(C, B) == ()
    assert journey.commit(C, C) != ()


def test_a_retry_lets_a_revision_that_was_rendered_anew_begin_with_those_that_failed() -> None:
    journey = at_once()
    journey.commit(B)
    journey.advance().judge(UNWELL, 0).judge(HEALTHY, 1, 2).advance().judge(HEALTHY, 3).advance()
    journey.commit(C, B)
    journey.take(rollouts.retry(journey.state, journey.at))
    journey.look()

    first = journey.current.stages[0]
    assert (first.name, names(journey, first.clusters)) == (rollout_state.INHERITED, {"c0"})
    assert set(completed(journey).state.assigned.values()) == {C}


def test_a_failure_counts_on_when_its_revision_is_rendered_anew() -> None:
    """Whoever is offline is not judged again: its failure would be forgotten with every cluster that joins."""
    journey = at_once(failures=1, cap="1")
    journey.commit(B)
    journey.advance().judge(UNWELL, 0).advance().online.discard(examples.cluster_id(0))
    journey.commit(C, B)
    assert names(journey, journey.current.failed) == {"c0"}
    journey.advance().judge(UNWELL, 1).advance()
    assert (journey.current.phase, journey.current.halted) == (Phase.HALTED, "2 failed, 1 may")


def test_a_cluster_whose_failure_counts_on_is_given_the_revision_once_it_is_complete() -> None:
    journey = at_once(failures=1, cap="1")
    journey.commit(B)
    journey.advance().judge(UNWELL, 0).advance().online.discard(examples.cluster_id(0))
    journey.commit(C, B)
    completed(journey)
    journey.online.add(examples.cluster_id(0))

    assert names(journey, journey.advance().flying()) == {"c0"}
    assert journey.judge(HEALTHY).advance().current.failed == {}


def test_a_retry_before_that_leaves_it_for_the_end() -> None:
    journey = at_once(failures=1, cap="1")
    journey.commit(B)
    journey.advance().judge(UNWELL, 0).advance().online.discard(examples.cluster_id(0))
    journey.commit(C, B)
    journey.take(rollouts.retry(journey.state, journey.at))

    assert names(journey, journey.current.deferred) == {"c0"}


def test_a_failure_is_judged_by_what_the_revision_changed_however_often_it_is_rendered() -> None:
    journey = at_once(failures=1)
    journey.commit(B)
    journey.advance().judge(UNWELL, 0).judge(HEALTHY, 1, 2, 3).advance()
    journey.commit(C, B)

    assert (journey.current.base, journey.current.replaced) == (B, {examples.cluster_id(0): A})
    assert completed(journey).advance().flying() == {examples.cluster_id(0)}
    assert journey.current.replaced[examples.cluster_id(0)] == A


def test_a_halted_rollout_is_not_resumed_but_retried() -> None:
    journey = at_once()
    journey.commit(B)
    journey.advance().judge(UNWELL).advance()

    with pytest.raises(rejections.Invalid, match="retry or abort"):
        rollouts.resume(journey.state)
    journey.take(rollouts.retry(journey.state, journey.at))
    journey.advance().judge(HEALTHY).advance()
    assert journey.current.phase is Phase.COMPLETED


def test_a_retry_stays_under_the_cap() -> None:
    journey = at_once(failures=3, cap="1")
    journey.commit(B)
    for _ in range(4):
        journey.advance().judge(UNWELL).advance()
    journey.take(rollouts.retry(journey.state, journey.at))

    assert names(journey, journey.advance().flying()) == {"c0"}


def test_a_retry_judges_failures_of_earlier_stages_before_it_goes_on() -> None:
    stages = (
        specs.StageSpec(name="dev", limit=2, max_concurrency="100%"),
        specs.StageSpec(name="prod", max_concurrency="100%"),
    )
    journey = rolled_out(policy=msgspec.structs.replace(policy(failures=1), stages=stages))
    journey.commit(B)
    journey.advance().judge(UNWELL, 0).judge(HEALTHY, 1).advance().judge(UNWELL, 2).advance()
    assert journey.current.phase is Phase.HALTED

    journey.take(rollouts.retry(journey.state, journey.at))

    assert names(journey, journey.advance().flying()) == {"c0", "c3"}


def test_a_failed_cluster_that_is_offline_at_the_retry_is_deferred() -> None:
    journey = at_once()
    journey.commit(B)
    journey.advance().judge(UNWELL, 0).judge(HEALTHY, 1, 2, 3).advance()
    journey.online.discard(examples.cluster_id(0))
    journey.take(rollouts.retry(journey.state, journey.at))
    journey.advance()

    assert journey.current.phase is Phase.COMPLETED
    assert names(journey, journey.current.deferred) == {"c0"}


def test_nothing_is_retried_where_nothing_failed() -> None:
    assert rollouts.retry(rollout_state.initial(examples.SHOP), examples.AT) == ()
    assert rollouts.retry(rolled_out().state, examples.AT) == ()


def test_an_aborted_rollout_is_not_retried_and_admits_nobody() -> None:
    journey = at_once(cap="2")
    journey.commit(B)
    journey.advance().judge(UNWELL, 0).advance()
    journey.take(rollouts.abort(journey.state))
    journey.judge(HEALTHY, 1).advance()

    assert (rollouts.abort(journey.state), journey.flying()) == ((), set())
    with pytest.raises(rejections.Invalid, match="a new commit starts another"):
        rollouts.retry(journey.state, journey.at)


@pytest.mark.parametrize("command", [rollouts.pause, rollouts.resume, rollouts.abort])
def test_what_is_over_takes_no_commands(command: object) -> None:
    with pytest.raises(rejections.Invalid, match="no rollout is on its way"):
        command(rolled_out().state)  # type: ignore[operator]


def test_a_command_twice_is_decided_once() -> None:
    journey = at_once()
    journey.commit(B)
    journey.take(rollouts.pause(journey.state))

    assert rollouts.pause(journey.state) == ()
    journey.take(rollouts.resume(journey.state))
    assert rollouts.resume(journey.state) == ()


def test_a_superseding_rollout_begins_with_those_in_flight_and_failed() -> None:
    journey = at_once(failures=1, cap="2")
    journey.commit(B)
    journey.advance().judge(UNWELL, 0).advance()
    journey.commit(C)

    first = journey.current.stages[0]
    assert (first.name, names(journey, first.clusters)) == ("inherited", {"c0", "c1", "c2"})
    assert names(journey, journey.flying()) == {"c1", "c2"}
    assert journey.state.history[-1].phase is Phase.SUPERSEDED


def test_nobody_else_is_admitted_before_those_in_flight_are_settled() -> None:
    journey = at_once(cap="2")
    journey.commit(B)
    journey.advance()
    journey.commit(C)
    journey.advance().judge(HEALTHY, 0).advance()

    assert names(journey, journey.admitted) == {"c0", "c1"}
    assert names(journey, journey.judge(HEALTHY, 1).advance().flying()) == {"c2", "c3"}


def test_failures_outlive_two_commits_in_a_row() -> None:
    journey = at_once()
    journey.commit(B)
    journey.advance().judge(UNWELL, 0).judge(HEALTHY, 1, 2, 3).advance()
    journey.commit(C)
    journey.commit(examples.digest("d"))

    assert names(journey, journey.current.stages[0].clusters) == {"c0"}


def test_a_failed_cluster_that_is_gone_does_not_keep_the_fix_from_the_others() -> None:
    journey = at_once()
    journey.commit(B)
    journey.advance().judge(UNWELL, 0).judge(HEALTHY, 1, 2, 3).advance()
    journey.online.discard(examples.cluster_id(0))
    journey.commit(C)

    assert completed(journey).current.phase is Phase.COMPLETED
    assert names(journey, journey.current.deferred) == {"c0"}


def test_a_silent_cluster_left_in_flight_keeps_its_slot_from_those_that_failed() -> None:
    journey = at_once(failures=1, cap="1")
    journey.commit(B)
    journey.advance().judge(UNWELL, 0).advance().online.discard(examples.cluster_id(1))
    journey.commit(C)
    journey.advance()

    assert names(journey, journey.flying()) == {"c1"}


def test_a_row_of_commits_does_not_put_off_the_deadline_of_a_silent_cluster() -> None:
    journey = at_once(cap="1")
    journey.commit(B)
    journey.advance().online.discard(examples.cluster_id(0))
    for catalog in (C, B, C):
        journey.wait(250).commit(catalog)
        journey.advance()

    assert journey.current.failed == {examples.cluster_id(0): "not healthy within 600 s, and silent"}


def test_a_cluster_that_is_heard_does_not_fail_while_a_paused_rollout_keeps_the_new_revision_from_it() -> None:
    journey = at_once(cap="1")
    journey.commit(B)
    journey.advance()
    journey.commit(C)
    journey.take(rollouts.pause(journey.state))

    assert journey.wait(10_000).advance().current.failed == {}
    assert names(journey, journey.flying()) == {"c0"}


def test_one_that_failed_silently_under_the_next_rollout_is_given_it_by_a_retry() -> None:
    journey = at_once(cap="1")
    journey.commit(B)
    journey.advance().online.discard(examples.cluster_id(0))
    journey.commit(C)
    journey.wait(601).advance()
    journey.online.add(examples.cluster_id(0))
    journey.take(rollouts.retry(journey.state, journey.at))

    assert set(completed(journey).state.assigned.values()) == {C}


def test_one_that_failed_without_ever_being_given_the_revision_is_caught_up_after_the_completion() -> None:
    journey = at_once(failures=1, cap="2")
    journey.commit(B)
    journey.advance().online.discard(examples.cluster_id(0))
    journey.commit(C)
    journey.advance().judge(HEALTHY, 1).wait(601).advance()
    journey.judge(HEALTHY).advance()
    assert journey.current.phase is Phase.COMPLETED
    assert journey.state.assigned[examples.cluster_id(0)] == B

    journey.online.add(examples.cluster_id(0))

    assert names(journey, journey.advance().flying()) == {"c0"}


def test_a_cluster_in_flight_that_the_next_revision_does_not_touch_gives_its_slot_back() -> None:
    journey = at_once()
    journey.commit(B)
    journey.advance()
    journey.suspended.add(examples.cluster_id(0))
    journey.commit(C)
    journey.advance()

    assert names(journey, journey.flying()) == {"c1", "c2", "c3"}


def test_what_a_cluster_had_before_is_remembered_where_it_is_not_the_base() -> None:
    # It came to C from B, not from the completed A: what B brought must be seen to be gone, too.
    journey = at_once()
    journey.commit(B)
    journey.advance()
    journey.commit(C)
    journey.advance()

    assert journey.current.base == A
    assert set(journey.current.replaced.values()) == {B}


def test_late_clusters_in_flight_are_inherited_by_the_next_rollout() -> None:
    journey = at_once(cap="1")
    journey.online.discard(examples.cluster_id(0))
    journey.commit(B)
    completed(journey).online.add(examples.cluster_id(0))
    journey.advance()
    journey.commit(C)

    assert names(journey, journey.current.stages[0].clusters) == {"c0"}


def test_an_aborted_rollout_is_not_retried_though_nothing_of_it_failed() -> None:
    journey = at_once()
    journey.commit(B)
    journey.take(rollouts.abort(journey.state))

    with pytest.raises(rejections.Invalid, match="a new commit starts another"):
        rollouts.retry(journey.state, journey.at)
