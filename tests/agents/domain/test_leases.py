"""Who may act: never two at once, whatever their clocks say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.domain import leases

TERMS = leases.Terms(duration_s=15, deadline_s=10, retry_s=2)


def record(holder: str = "a", renewed: str = "1", duration_s: int = 15, boot: int = 1) -> leases.Record:
    return leases.Record(holder=holder, renewed=renewed, acquired="0", duration_s=duration_s, boot=boot)


def test_a_record_is_measured_from_when_it_was_first_seen_to_say_so() -> None:
    seen = leases.look(None, record(), 100.0)
    again = leases.look(seen, record(), 110.0)
    renewed = leases.look(again, record(renewed="2"), 112.0)

    assert (again.since, renewed.since) == (100.0, 112.0)


@pytest.mark.parametrize(
    ("found", "later_s", "expected"),
    [
        (leases.NOBODY, 0, True),
        (record(holder=""), 0, True),
        (record(holder="me"), 0, True),
        (record(), 14.9, False),
        (record(), 15, True),
        (record(duration_s=0), 0.5, False),
        (record(duration_s=0), 1, True),
        (record(duration_s=10**9), leases.DURATION_MAX_S - 1, False),
        (record(duration_s=10**9), leases.DURATION_MAX_S, True),
    ],
)
def test_a_lease_is_free_when_nobody_has_it_or_nobody_renewed_it_for_long_enough(
    found: leases.Record, later_s: float, *, expected: bool
) -> None:
    assert leases.is_free(leases.Sight(found, 50.0), "me", 50.0 + later_s) is expected


def test_whoever_takes_it_counts_as_a_change_and_gets_a_higher_boot() -> None:
    first = leases.taken(leases.NOBODY, "a", TERMS, at="1", boot=7)
    again = leases.taken(first, "a", TERMS, at="2", boot=8)
    other = leases.taken(again, "b", TERMS, at="3", boot=9)

    assert [one.transitions for one in (first, again, other)] == [0, 0, 1]
    assert (other.holder, other.boot, other.duration_s, other.acquired) == ("b", 9, 15, "3")


def test_a_renewal_changes_only_its_time_and_a_release_lets_the_next_one_in_at_once() -> None:
    held = leases.taken(leases.NOBODY, "a", TERMS, at="1", boot=7)
    kept, gone = leases.renewed(held, at="2"), leases.released(held, at="3")

    assert (kept.holder, kept.renewed, kept.acquired, kept.boot) == ("a", "2", "1", 7)
    assert leases.is_free(leases.Sight(gone, 0.0), "b", 0.0)
    assert gone.boot == 7


@pytest.mark.parametrize(
    ("terms", "problem"),
    [
        (TERMS, False),
        (leases.Terms(15, 15, 2), True),
        (leases.Terms(15, 10, 10), True),
        (leases.Terms(15, 10, 0), True),
        (leases.Terms(leases.DURATION_MAX_S + 1, 10, 2), True),
    ],
)
def test_times_that_leave_no_room_are_a_problem(terms: leases.Terms, *, problem: bool) -> None:
    assert bool(terms.problem) is problem


@given(
    writes=st.lists(st.tuples(st.floats(0.1, 9), st.floats(0, 3)), min_size=1, max_size=20),
    skew=st.floats(-1e9, 1e9),
    look_s=st.floats(0.1, 5),
)
def test_the_holder_has_stopped_before_another_one_starts(
    writes: list[tuple[float, float]], skew: float, look_s: float
) -> None:
    """The holder renews at odd times, each renewal takes a while to be stored, and then it goes silent; the other looks
    at odd times, by a clock that has nothing to do with the holder's."""
    now, stored = 0.0, []
    for pause_s, on_its_way_s in writes:
        now += pause_s
        stored.append((now, now + on_its_way_s))
    begun = [at for at, _ in stored]
    stopped = begun[-1] + TERMS.deadline_s

    sight, at = None, 0.0
    while True:
        at += look_s
        visible = [number for number, (_, seen_at) in enumerate(stored) if seen_at <= at]
        found = record(renewed=str(visible[-1])) if visible else record(renewed="before")
        sight = leases.look(sight, found, at + skew)
        if leases.is_free(sight, "b", at + skew):
            break
    last_visible = [begun[number] for number in visible]

    assert at >= stopped or begun[-1] not in last_visible
    assert not leases.is_valid(last_visible[-1] if last_visible else 0.0, TERMS, at)


@pytest.mark.parametrize(
    ("now", "expected"),
    [(100.0, 5.0), (110.0, 5.0), (112.0, 3.0), (115.0, 0.0), (170.0, 0.0)],
)
def test_what_was_sent_has_no_more_time_than_others_wait(now: float, expected: float) -> None:
    """Also where the holder was stopped for a minute, and finds out only then."""
    assert leases.grace_s(100.0, TERMS, now) == expected
