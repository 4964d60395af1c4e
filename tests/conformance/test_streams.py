"""The ports of blobs, desired states and reports, on the real doors and on their stand-ins."""

import asyncio
import contextlib
import os
import uuid
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from controller.broker import blobs as broker_blobs
from controller.broker import desired as broker_desired
from controller.broker import reports as broker_reports
from controller.domain import sweeping
from controller.reactors import publishing
from controller.store import records
from protocol import ids, sealing, streams, subjects
from tests.fixtures import nats as rigs
from tests.fixtures import streams as memory

PARAMS = ["memory", pytest.param("nats", marks=pytest.mark.nats)]

Blobs = memory.Blobs | broker_blobs.Blobs
Desired = memory.Desired | broker_desired.Desired

CLUSTERS = [ids.ClusterId(f"A{number:A>55}") for number in range(30)]


class Reporting(msgspec.Struct, frozen=True):
    """A door to reports, and an agent's way to fill it."""

    door: memory.Reports | broker_reports.Reports
    cluster: ids.ClusterId
    say: Callable[[bytes], Awaitable[None]]


@pytest.fixture(params=PARAMS)
def blobs(request: pytest.FixtureRequest) -> Blobs:
    if request.param == "memory":
        return memory.Blobs()
    found: Blobs = request.getfixturevalue("hub").blobs
    return found


@pytest.fixture(params=PARAMS)
def desired(request: pytest.FixtureRequest) -> Desired:
    if request.param == "memory":
        return memory.Desired()
    found: Desired = request.getfixturevalue("hub").desired
    return found


@pytest.fixture(params=PARAMS)
def new_reporting(request: pytest.FixtureRequest) -> Callable[[], Awaitable[Reporting]]:
    """Makes the door to reports; async, because a real cluster has to be let in."""

    async def in_memory() -> Reporting:
        door = memory.Reports()

        async def say(body: bytes) -> None:
            door.say(CLUSTERS[0], "hello", body)

        return Reporting(door, CLUSTERS[0], say)

    if request.param == "memory":
        return in_memory
    new_cluster: rigs.NewCluster = request.getfixturevalue("new_cluster")
    hub = request.getfixturevalue("hub")

    async def on_nats() -> Reporting:
        held = await new_cluster("edge")

        async def say(body: bytes) -> None:
            async with rigs.connect_agent(held) as agent:
                await agent.request(subjects.report(held.cluster, "hello"), body, timeout=60)

        return Reporting(hub.reports, held.cluster, say)

    return on_nats


def state(cluster: ids.ClusterId, expected: int = 0, *, body: bytes = b"state") -> publishing.Outgoing:
    return publishing.Outgoing(
        cluster=cluster, body=body, headers={records.ID_HEADER: str(uuid.uuid4())}, expected=expected
    )


async def test_a_blob_is_read_as_it_was_put_however_often(blobs: Blobs) -> None:
    sealed = [sealing.seal("manifest", f"plain {number}".encode()) for number in range(50)]

    await blobs.put(sealed)
    await blobs.put(reversed(sealed))

    assert [await blobs.get(blob.name) for blob in sealed] == [blob.data for blob in sealed]


async def test_a_blob_that_nobody_put_is_none(blobs: Blobs) -> None:
    await blobs.put([])

    assert await blobs.get(sealing.seal("manifest", b"never put").name) is None


async def held(blobs: Blobs) -> list[sweeping.Held]:
    """All that is stored, in the order in which a sweep sees it."""
    found: list[sweeping.Held] = []
    while (one := await blobs.after(found[-1].sequence if found else 0)) is not None:
        found.append(one)
    return found


async def test_blobs_are_seen_in_the_order_in_which_they_were_stored(blobs: Blobs) -> None:
    sealed = [sealing.seal("manifest", f"plain {number}".encode()) for number in range(5)]
    for blob in sealed:
        await blobs.put([blob])

    found = await held(blobs)

    assert [(one.name, one.size) for one in found] == [(blob.name, len(blob.data)) for blob in sealed]
    assert sorted(one.at for one in found) == [one.at for one in found]
    holding = await blobs.held()
    assert holding.blobs == 5
    assert holding.size >= sum(len(blob.data) for blob in sealed)
    assert holding.at >= found[-1].at


async def test_a_blob_is_removed_as_it_was_stored_and_no_other(blobs: Blobs) -> None:
    kept, going = (sealing.seal("manifest", text) for text in (b"kept", b"going"))
    await blobs.put([kept, going])
    (one,) = [one for one in await held(blobs) if one.name == going.name]

    await blobs.remove(one)
    await blobs.remove(one)

    assert (await blobs.get(kept.name), await blobs.get(going.name)) == (kept.data, None)
    await blobs.put([going])
    await blobs.remove(one)
    assert await blobs.get(going.name) == going.data


async def test_what_is_stored_again_while_it_is_removed_stays(blobs: Blobs) -> None:
    sealed = [sealing.seal("manifest", f"plain {number}".encode()) for number in range(50)]
    await blobs.put(sealed)
    old = await held(blobs)
    if isinstance(blobs, broker_blobs.Blobs):
        blobs.forget()  # as another hub, which did not put them

    async with asyncio.TaskGroup() as group:
        for one, blob in zip(old, sealed, strict=True):
            group.create_task(blobs.remove(one))
            group.create_task(blobs.put([blob]))

    assert [await blobs.get(blob.name) for blob in sealed] == [blob.data for blob in sealed]


async def test_a_blob_that_no_message_holds_is_refused_by_name(blobs: Blobs) -> None:
    blob = sealing.seal("manifest", os.urandom(streams.MESSAGE_BYTES_MAX))

    with pytest.raises(broker_blobs.BlobTooLarge, match=blob.id[:16]):
        await blobs.put([blob])


@pytest.mark.parametrize("count", [1, 5, 30])
async def test_each_state_is_stored_and_answers_with_its_sequence(desired: Desired, count: int) -> None:
    results = await desired.publish([state(cluster) for cluster in CLUSTERS[:count]])

    stored = {one.subject: one.sequence for one in await desired.all()}
    assert stored == {
        subjects.desired(cluster): result for cluster, result in zip(CLUSTERS[:count], results, strict=True)
    }
    assert sorted(stored.values()) == list(range(1, count + 1))


@pytest.mark.parametrize("count", [5, 30])
async def test_a_stale_fence_is_told_and_stops_nobody_else(desired: Desired, count: int) -> None:
    [sequence] = await desired.publish([state(CLUSTERS[3], body=b"of another hub")])

    results = await desired.publish([state(cluster) for cluster in CLUSTERS[:count]])

    assert results[3] == publishing.Stale(sequence)
    assert [type(result) for number, result in enumerate(results) if number != 3] == [int] * (count - 1)
    stored = await desired.last(CLUSTERS[3])
    assert stored is not None
    assert stored.body == b"of another hub"


async def test_a_fence_on_a_state_that_is_not_there_is_stale(desired: Desired) -> None:
    assert await desired.publish([state(CLUSTERS[0], 7)]) == [publishing.Stale(0)]
    assert await desired.all() == []


@pytest.mark.parametrize("count", [5, 30])
async def test_publishing_the_same_again_finds_what_is_stored(desired: Desired, count: int) -> None:
    states = [state(cluster) for cluster in CLUSTERS[:count]]

    first = await desired.publish(states)

    assert await desired.publish(states) == first


async def test_only_the_last_state_of_a_cluster_is_kept_and_sequences_only_grow(desired: Desired) -> None:
    [first] = await desired.publish([state(CLUSTERS[0])])
    [other] = await desired.publish([state(CLUSTERS[1])])
    assert isinstance(first, int)
    newer = state(CLUSTERS[0], first, body=b"newer")
    [second] = await desired.publish([newer])

    stored = await desired.last(CLUSTERS[0])
    assert stored is not None
    assert (stored.sequence, stored.body, stored.headers[records.ID_HEADER]) == (
        second,
        b"newer",
        newer.headers[records.ID_HEADER],
    )
    assert [one.sequence for one in await desired.all()] == [other, second]


async def test_a_cluster_without_a_state_has_none(desired: Desired) -> None:
    assert await desired.last(CLUSTERS[0]) is None
    assert await desired.all() == []


async def test_stored_reports_come_first_then_live_ones(new_reporting: Callable[[], Awaitable[Reporting]]) -> None:
    reporting = await new_reporting()
    assert await reporting.door.last_sequence() == 0
    await reporting.say(b"1")
    await reporting.say(b"2")

    async with contextlib.aclosing(reporting.door.read(0)) as reports:
        found = [await anext(reports), await anext(reports)]
        await reporting.say(b"3")
        found.append(await anext(reports))

    assert [(one.sequence, one.body) for one in found] == [(1, b"1"), (2, b"2"), (3, b"3")]
    assert {one.subject for one in found} == {subjects.report(reporting.cluster, "hello")}
    assert await reporting.door.last_sequence() == 3


async def test_a_reader_of_reports_goes_on_after_what_it_has(
    new_reporting: Callable[[], Awaitable[Reporting]],
) -> None:
    reporting = await new_reporting()
    await reporting.say(b"1")
    await reporting.say(b"2")

    async with contextlib.aclosing(reporting.door.read(1)) as reports:
        assert (await anext(reports)).body == b"2"


async def test_reports_that_end_before_what_was_read_are_a_gap(
    new_reporting: Callable[[], Awaitable[Reporting]],
) -> None:
    reporting = await new_reporting()
    await reporting.say(b"1")

    async with contextlib.aclosing(reporting.door.read(7)) as reports:
        with pytest.raises(records.Gap):
            await anext(reports)
