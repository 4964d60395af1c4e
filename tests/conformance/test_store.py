"""The log's port, on the real thing and on its stand-in."""

import asyncio
import contextlib
import uuid

import msgspec
import pytest

from controller.store import jetstream, memory, records

Store = memory.MemoryStore | jetstream.JetStreamStore

A = "flotilla.v1.log.rollout.a"
B = "flotilla.v1.log.rollout.b"
C = "flotilla.v1.log.rollout.c"


@pytest.fixture(params=["memory", pytest.param("jetstream", marks=pytest.mark.nats)])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "memory":
        return memory.MemoryStore()
    log: Store = request.getfixturevalue("hub").log
    return log


def event(subject: str, expected: int | None = None, *, body: bytes = b"{}", identity: str = "") -> records.Pending:
    headers = {records.ID_HEADER: identity or str(uuid.uuid4()), "ce-type": "gitops.flotilla.v1.Test"}
    return records.Pending(subject=subject, body=body, headers=headers, expected=expected)


async def everything(store: Store, after: int = 0) -> list[records.Stored]:
    """Without the server's times, which the store in memory has not."""
    async with contextlib.aclosing(store.read(after)) as events:
        return [msgspec.structs.replace(stored, at=None) async for stored in events]


async def test_an_empty_log_has_no_events(store: Store) -> None:
    assert await store.last_sequence() == 0
    assert await everything(store) == []


async def test_an_event_is_read_as_it_was_appended(store: Store) -> None:
    pending = event(A, 0, body=b'{"a":1}')

    assert await store.append([pending]) == 1
    assert await everything(store) == [
        records.Stored(sequence=1, subject=A, body=pending.body, headers=pending.headers)
    ]


async def test_a_batch_is_stored_in_order_without_gaps_and_answers_with_its_last_sequence(store: Store) -> None:
    await store.append([event(C, 0)])
    batch = [event(A, 0), event(A), event(B, 0), event(A), event(B)]

    assert await store.append(batch) == 6

    stored = (await everything(store))[1:]
    assert [one.sequence for one in stored] == [2, 3, 4, 5, 6]
    assert [one.headers for one in stored] == [one.headers for one in batch]


async def test_concurrent_batches_do_not_interleave(store: Store) -> None:
    batches = [[event(f"{A}{number}", 0)] + [event(f"{A}{number}") for _ in range(9)] for number in range(20)]

    lasts = await asyncio.gather(*(store.append(batch) for batch in batches))

    stored = await everything(store)
    for batch, last in zip(batches, lasts, strict=True):
        assert [one.headers["ce-id"] for one in stored[last - 10 : last]] == [one.headers["ce-id"] for one in batch]


async def test_a_stale_expectation_is_a_conflict_and_stores_nothing(store: Store) -> None:
    await store.append([event(A, 0)])

    with pytest.raises(records.Conflict):
        await store.append([event(B, 0), event(A, 0)])
    with pytest.raises(records.Conflict):
        await store.append([event(A, 0)])
    assert await store.last_sequence() == 1


async def test_the_first_of_two_that_decided_on_the_same_state_wins(store: Store) -> None:
    outcomes = await asyncio.gather(*(store.append([event(A, 0), event(A)]) for _ in range(8)), return_exceptions=True)

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Conflict"] * 7 + ["int"]
    assert await store.last_sequence() == 2


async def test_an_append_made_twice_is_stored_once(store: Store) -> None:
    batch = [event(A, 0), event(B, 0)]

    first = await store.append(batch)
    await store.append([event(A, 1)])

    assert await store.append(batch) == first
    assert await store.last_sequence() == 3


async def test_an_aggregate_that_was_only_read_is_fenced_too(store: Store) -> None:
    await store.append([event(B, 0), event(C, 0)])

    with pytest.raises(records.Conflict):
        await store.append([event(A, 0), event(A)], reads={B: 1, C: 1})
    with pytest.raises(records.Conflict):
        await store.append([event(A, 0)], reads={B: 0})
    assert await store.append([event(A, 0), event(A)], reads={B: 1, C: 2}) == 4
    assert await store.append([event(A, 4)], reads={B: 1, C: 2, "flotilla.v1.log.rollout.none": 0}) == 5


async def test_a_reader_goes_on_after_what_it_has(store: Store) -> None:
    await store.append([event(A, 0)] + [event(A) for _ in range(9)])

    assert [one.sequence for one in await everything(store, after=7)] == [8, 9, 10]
    assert await everything(store, after=10) == []


async def test_a_log_that_ends_before_what_was_read_has_a_gap(store: Store) -> None:
    await store.append([event(A, 0)])

    with pytest.raises(records.Gap):
        await everything(store, after=2)


async def test_more_than_a_batch_can_hold_is_refused(store: Store) -> None:
    full = [event(A, 0)] + [event(A) for _ in range(records.BATCH_EVENTS_MAX - 1)]

    with pytest.raises(records.BatchTooLarge):
        await store.append([*full, event(A)])
    with pytest.raises(records.BatchTooLarge):
        await store.append([event(A, 0, body=b"x" * (1024 * 1024 + 1))])
    assert await store.append(full) == records.BATCH_EVENTS_MAX


async def test_a_reader_that_stops_early_leaves_nothing_behind(store: Store) -> None:
    await store.append([event(A, 0)] + [event(A) for _ in range(99)])

    async with contextlib.aclosing(store.read(0)) as events:
        first = await anext(events)

    assert first.sequence == 1
