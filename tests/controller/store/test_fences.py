"""Which message of an append carries which expectation."""

import pytest

from controller.store import fences, records


def event(subject: str, expected: int | None = None) -> records.Pending:
    return records.Pending(subject=subject, body=b"", headers={"ce-id": subject}, expected=expected)


def test_the_first_event_of_an_aggregate_carries_its_fence_and_the_others_none() -> None:
    messages, left = fences.fenced([event("a", 7), event("a"), event("b", 0)], {})

    assert [message.headers.get(fences.SUBJECT_SEQUENCE) for message in messages] == ["7", None, "0"]
    assert left == {}


def test_a_later_event_carries_the_fence_of_what_was_only_read() -> None:
    messages, left = fences.fenced([event("a", 7), event("a")], {"c": 3})

    assert messages[1].headers[fences.SUBJECT] == "c"
    assert messages[1].headers[fences.SUBJECT_SEQUENCE] == "3"
    assert left == {}


def test_reads_without_a_carrier_are_left_over() -> None:
    _, left = fences.fenced([event("a", 7), event("a")], {"c": 3, "d": 4})

    assert len(left) == 1


def test_what_is_written_needs_no_fence_as_read() -> None:
    messages, left = fences.fenced([event("a", 7), event("a")], {"a": 7})

    assert fences.SUBJECT not in messages[1].headers
    assert left == {}


def test_the_events_own_headers_stay_as_they_are() -> None:
    pending = event("a", 7)

    fences.fenced([pending], {})

    assert pending.headers == {"ce-id": "a"}


@pytest.mark.parametrize(
    "batch", [[], [event("a")], [event("a", 1), event("a", 2)], [records.Pending("a", b"", {}, 0)]]
)
def test_a_caller_that_breaks_the_port_is_told_at_once(batch: list[records.Pending]) -> None:
    with pytest.raises(AssertionError):
        fences.check(batch)
