"""A revision's way through the fleet, rule by rule (I10)."""

from controller.domain import rollout_state, rollouts
from controller.domain.rollout_state import Phase
from protocol import ids, specs
from protocol.canonical import Digest
from protocol.events import rollouts as events
from tests.controller.domain import examples
from tests.controller.domain.journeys import (
    HEALTHY,
    UNWELL,
    A,
    B,
    C,
    Journey,
    at_once,
    completed,
    encoded,
    names,
    rolled_out,
)


def test_by_default_one_canary_comes_first_then_a_quarter_at_a_time() -> None:
    journey = Journey(9)
    journey.commit(A)

    first = names(journey, journey.advance().flying())
    second = names(journey, journey.judge(HEALTHY).advance().flying())

    assert (first, second) == ({"c0"}, {"c1", "c2"})


def test_a_rollout_ends_with_every_cluster_on_the_revision() -> None:
    journey = rolled_out()

    assert journey.current.phase is Phase.COMPLETED
    assert set(journey.state.assigned.values()) == {A}
    assert (journey.state.completed, journey.state.completed_rollout) == (A, journey.current.id)


def test_the_same_catalog_again_starts_nothing() -> None:
    journey = rolled_out()

    assert journey.commit(A) == ()


def test_a_rollout_that_touches_no_cluster_completes_at_once() -> None:
    journey = Journey(0)
    journey.commit(A)

    assert journey.advance().current.phase is Phase.COMPLETED


def test_a_catalog_equal_to_an_earlier_one_is_rolled_out_like_any_other() -> None:
    journey = rolled_out()
    journey.commit(B)
    completed(journey)
    journey.commit(A)

    assert set(completed(journey).state.assigned.values()) == {A}


def test_a_slot_is_free_again_once_its_cluster_is_healthy() -> None:
    journey = at_once(cap="2")
    journey.commit(B)
    journey.advance()

    journey.judge(HEALTHY, 0).advance()

    assert names(journey, journey.flying()) == {"c1", "c2"}


def test_a_failure_beyond_the_budget_halts_and_admits_nobody() -> None:
    journey = at_once(cap="2")
    journey.commit(B)
    journey.advance().judge(UNWELL, 0).judge(HEALTHY, 1).advance()

    assert (journey.current.phase, journey.current.halted) == (Phase.HALTED, "1 failed, 0 may")
    assert len(journey.admitted) == 2


def test_failures_within_the_budget_do_not_stop_the_rollout() -> None:
    journey = at_once(failures=1)
    journey.commit(B)
    journey.advance().judge(UNWELL, 0).judge(HEALTHY, 1, 2, 3).advance()

    assert journey.current.phase is Phase.COMPLETED
    assert journey.current.failed == {examples.cluster_id(0): "shop/web: degraded"}


def test_clusters_in_flight_are_judged_on_after_a_halt() -> None:
    journey = at_once()
    journey.commit(B)
    journey.advance().judge(UNWELL, 0).advance().judge(HEALTHY, 1).advance()

    assert names(journey, journey.current.succeeded) == {"c1"}


def test_a_cluster_that_is_not_healthy_in_time_has_failed() -> None:
    journey = at_once()
    journey.commit(B)
    journey.advance().wait(601).advance()

    assert journey.current.failed[examples.cluster_id(0)] == "not healthy within 600 s"


def test_a_cluster_that_falls_silent_keeps_its_slot_until_the_deadline_and_then_fails() -> None:
    journey = at_once(cap="1")
    journey.commit(B)
    journey.advance().online.discard(examples.cluster_id(0))

    assert names(journey, journey.wait(600).advance().flying()) == {"c0"}
    assert journey.wait(1).advance().current.failed == {examples.cluster_id(0): "not healthy within 600 s, and silent"}


def test_that_all_was_well_with_a_cluster_that_is_silent_now_is_no_success() -> None:
    """As after a restart of the hub, which reads what was reported before. Failures count, whoever is there."""
    journey = at_once(failures=2)
    journey.commit(B)
    journey.advance().online -= {examples.cluster_id(0), examples.cluster_id(1)}
    journey.judge(HEALTHY, 0).judge(UNWELL, 1).advance()

    assert names(journey, journey.current.failed) == {"c1"}
    assert "c0" not in names(journey, journey.current.succeeded)

    journey.online.add(examples.cluster_id(0))
    assert names(journey, journey.advance().current.succeeded) == {"c0"}


def test_a_cluster_that_is_offline_is_deferred_with_no_slot_and_given_nothing() -> None:
    journey = at_once(cap="1")
    journey.online.discard(examples.cluster_id(0))
    journey.commit(B)
    journey.advance()

    assert names(journey, journey.current.deferred) == {"c0"}
    assert names(journey, journey.flying()) == {"c1"}
    assert journey.state.assigned[examples.cluster_id(0)] == A


def test_a_deferred_cluster_is_caught_up_after_the_completion_under_the_cap() -> None:
    journey = at_once(cap="1")
    journey.online -= {examples.cluster_id(0), examples.cluster_id(1)}
    journey.commit(B)
    completed(journey)
    journey.online |= {examples.cluster_id(0), examples.cluster_id(1)}

    first = names(journey, journey.advance().flying())
    second = names(journey, journey.judge(HEALTHY).advance().flying())

    assert (first, second) == ({"c0"}, {"c1"})
    assert set(journey.judge(HEALTHY).advance().state.assigned.values()) == {B}


def test_a_late_cluster_that_fails_keeps_the_others_from_the_revision_until_a_retry() -> None:
    journey = at_once(cap="1")
    journey.online -= {examples.cluster_id(0), examples.cluster_id(1)}
    journey.commit(B)
    completed(journey)
    journey.online |= {examples.cluster_id(0), examples.cluster_id(1)}
    journey.advance().judge(UNWELL).advance()

    assert (journey.flying(), journey.step()) == (set(), ())
    journey.take(rollouts.retry(journey.state, journey.at))
    assert names(journey, journey.advance().flying()) == {"c0"}
    journey.judge(HEALTHY).advance().judge(HEALTHY).advance()
    assert set(journey.state.assigned.values()) == {B}
    assert (journey.current.failed, journey.current.deferred) == ({}, frozenset())


def test_a_stage_without_a_success_is_not_done_and_waits_for_its_deferred_clusters() -> None:
    journey = rolled_out()
    journey.online.clear()
    journey.commit(B)
    journey.advance()

    assert not journey.current.stages[0].completed
    journey.online |= {cluster.id for cluster in journey.fleet}
    assert names(journey, journey.advance().flying()) == {"c0"}


def test_a_stage_in_which_all_failed_halts_even_within_the_budget() -> None:
    journey = at_once(failures=9)
    journey.commit(B)
    journey.advance().judge(UNWELL).advance()

    assert journey.current.halted == "no cluster of stage all succeeded"


def test_a_suspended_canary_does_not_let_its_revision_through() -> None:
    journey = rolled_out()
    journey.commit(B)
    journey.advance().suspended.add(examples.cluster_id(0))
    journey.advance()

    assert journey.flying() == set()
    assert not journey.current.stages[0].completed


def test_a_suspended_cluster_that_is_heard_is_not_admitted_over_and_over() -> None:
    journey = rolled_out(size=1)
    journey.commit(B)
    journey.advance().suspended.add(examples.cluster_id(0))
    journey.advance()

    assert journey.step() == ()


def test_a_canary_that_was_suspended_is_given_the_revision_when_it_is_resumed() -> None:
    journey = rolled_out()
    journey.commit(B)
    journey.advance().suspended.add(examples.cluster_id(0))
    journey.advance().suspended.clear()

    assert names(journey, journey.advance().flying()) == {"c0"}


def test_a_stage_whose_clusters_are_all_removed_is_done() -> None:
    journey = rolled_out()
    journey.commit(B)
    journey.advance().removed.add(examples.cluster_id(0))
    journey.advance()

    assert journey.current.stages[0].completed
    assert names(journey, journey.flying()) == {"c1"}


def test_a_cluster_that_was_suspended_when_it_was_planned_is_not_given_the_revision_by_the_completion() -> None:
    journey = at_once()
    journey.suspended.add(examples.cluster_id(0))
    journey.commit(B)
    completed(journey)

    assert journey.state.assigned[examples.cluster_id(0)] == A
    journey.suspended.clear()
    assert names(journey, journey.advance().flying()) == {"c0"}


def test_a_cluster_for_which_nothing_changes_moves_on_with_the_completion() -> None:
    # c1 stands where both catalogs mean the same.
    one, other = Digest("7" + A[1:]), Digest("7" + B[1:])
    journey = Journey(2)
    journey.commit(one)
    completed(journey).commit(other)

    untouched = {cluster.id for cluster in journey.fleet} - journey.current.planned
    completed(journey)

    assert len(untouched) == 1
    assert set(journey.state.assigned.values()) == {other}


def test_a_joining_cluster_gets_the_last_completed_revision_without_a_slot() -> None:
    journey = rolled_out()
    journey.fleet.append(examples.cluster(4))
    journey.online.add(examples.cluster_id(4))
    journey.advance()

    assert journey.state.assigned[examples.cluster_id(4)] == A
    assert journey.flying() == set()


def test_a_cluster_that_joins_during_a_rollout_gets_what_is_complete_and_later_what_was_on_its_way() -> None:
    journey = rolled_out()
    journey.commit(B)
    journey.fleet.append(examples.cluster(4))
    journey.online.add(examples.cluster_id(4))
    journey.advance()

    assert journey.state.assigned[examples.cluster_id(4)] == A
    completed(journey).advance().judge(HEALTHY).advance()
    assert journey.state.assigned[examples.cluster_id(4)] == B


def test_nobody_joins_before_anything_is_complete() -> None:
    journey = Journey(1)
    journey.commit(A)
    journey.fleet.append(examples.cluster(1))
    journey.online.add(examples.cluster_id(1))
    journey.advance()

    assert names(journey, journey.state.assigned) == {"c0"}


def test_a_new_cluster_that_an_aborted_rollout_would_have_taken_joins() -> None:
    journey = at_once(cap="1")
    journey.fleet.append(examples.cluster(4))
    journey.online.add(examples.cluster_id(4))
    journey.commit(B)
    journey.advance()
    journey.take(rollouts.abort(journey.state))
    journey.advance()

    assert journey.state.assigned[examples.cluster_id(4)] == A


def test_a_removed_source_leaves_no_trace_but_its_history() -> None:
    state = rollout_state.forgotten(rolled_out().state)

    assert (state.current, state.assigned, state.completed) == (None, {}, "")
    assert [summary.phase for summary in state.history] == [Phase.COMPLETED]
    assert rollout_state.forgotten(rollout_state.initial(examples.SHOP)) == rollout_state.initial(examples.SHOP)


def test_what_another_hub_says_of_a_removed_source_changes_nothing() -> None:
    journey = rolled_out()
    forgotten = rollout_state.forgotten(journey.state)

    for event in journey.events[1:]:
        assert rollout_state.evolve(forgotten, event) == forgotten


def test_history_remembers_a_bounded_number_of_rollouts() -> None:
    journey = Journey(0)
    for number in range(rollout_state.HISTORY_MAX + 5):
        journey.commit(examples.digest(str(number)))
        journey.advance()

    assert len(journey.state.history) == rollout_state.HISTORY_MAX


def test_an_event_names_at_most_a_thousand_clusters() -> None:
    many = tuple(ids.ClusterId(f"A{number:055}") for number in range(2_500))
    stage = events.PlannedStage(name="all", reason="", max_concurrency=2_500, clusters=many)
    command = rollouts.Start(
        rollout=ids.RolloutId("shop-1"), revision="r", catalog=A, policy=specs.DEFAULT_POLICY, plan=(stage,)
    )
    state = rollout_state.initial(examples.SHOP)
    started = rollouts.start(state, command)
    for event in started:
        state = rollout_state.evolve(state, event)
    facts = rollouts.Facts(at=examples.AT, online=frozenset(many), reports_sequence=1)
    state = rollout_state.evolve(state, *rollouts.advance(state, facts))
    admitted = rollouts.advance(state, facts)

    assert [len(event.stage.clusters) for event in started[1:]] == [1000, 1000, 500]  # type: ignore[union-attr]
    assert [len(event.clusters) for event in admitted] == [1000, 1000, 500]  # type: ignore[union-attr]
    assert state.current is not None
    assert state.current.stages[0].clusters == many


def test_before_the_first_rollout_there_is_nothing_to_decide() -> None:
    state = rollout_state.initial(examples.SHOP)
    facts = rollouts.Facts(at=examples.AT, online=frozenset(), reports_sequence=0)

    assert rollouts.advance(state, facts) == ()
    assert rollout_state.inherited(state, frozenset()) == frozenset()


def test_stored_events_give_the_same_state_byte_for_byte() -> None:
    journey = at_once(failures=1, cap="2")
    journey.commit(B)
    journey.advance().judge(UNWELL, 0).advance()
    journey.commit(C)
    journey.advance()

    assert encoded(journey.refold()) == encoded(journey.state)
