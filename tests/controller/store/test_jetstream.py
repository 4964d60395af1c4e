"""What only the log on JetStream can meet: missing messages, torn batches, answers that never come."""

import asyncio
import contextlib
import uuid

import msgspec
import pytest

from controller import errors
from controller.broker import api, doors
from controller.store import jetstream, records
from protocol import streams
from tests.fixtures import nats as rigs

pytestmark = pytest.mark.nats

A = "flotilla.v1.log.rollout.a"


def event(subject: str, expected: int | None = None) -> records.Pending:
    return records.Pending(subject=subject, body=b"{}", headers={"ce-id": str(uuid.uuid4())}, expected=expected)


async def everything(store: jetstream.JetStreamStore) -> list[records.Stored]:
    async with contextlib.aclosing(store.read(0)) as events:
        return [stored async for stored in events]


async def unprotected(hub: doors.Doors) -> None:
    """A log from which messages can be deleted, as a broken disk would."""
    await api.call(hub.hub, "STREAM.DELETE.LOG", what="stream LOG")
    wanted = msgspec.structs.replace(streams.LOG, deny_delete=False, deny_purge=False)
    await api.call(hub.hub, "STREAM.CREATE.LOG", wanted, what="stream LOG")


async def test_a_message_that_is_missing_is_a_gap(hub: doors.Doors) -> None:
    await unprotected(hub)
    await hub.log.append([event(A, 0)] + [event(A) for _ in range(9)])
    await api.call(hub.hub, "STREAM.MSG.DELETE.LOG", {"seq": 4}, what="message")

    with pytest.raises(records.Gap, match="event 4 is missing"):
        await everything(hub.log)


async def test_a_batch_of_which_a_part_is_missing_is_not_taken_for_stored(hub: doors.Doors) -> None:
    await unprotected(hub)
    batch = [event(A, 0), event(A), event(A)]
    await hub.log.append(batch)
    await api.call(hub.hub, "STREAM.MSG.DELETE.LOG", {"seq": 3}, what="message")

    with pytest.raises(records.Gap, match="torn"):
        await hub.log.append(batch)


async def test_the_log_itself_refuses_deletion_and_purging(hub: doors.Doors) -> None:
    await hub.log.append([event(A, 0)])

    for call in ("STREAM.MSG.DELETE.LOG", "STREAM.PURGE.LOG"):
        with pytest.raises(api.ApiError):
            await api.call(hub.hub, call, {"seq": 1}, what="log")
    assert len(await everything(hub.log)) == 1


async def test_reads_are_fenced_though_others_append_elsewhere(hub: doors.Doors) -> None:
    """One event and one read: no message is left to carry the fence, so that the whole log has to stand still."""
    await hub.log.append([event(f"{A}.read", 0)])

    async def noise(number: int) -> None:
        await hub.log.append([event(f"{A}.{number}", 0)])

    async with asyncio.TaskGroup() as group:
        wanted = group.create_task(hub.log.append([event(A, 0)], reads={f"{A}.read": 1}))
        for number in range(3):
            group.create_task(noise(number))

    assert wanted.result() in range(2, 6)


async def test_an_append_without_a_server_is_unavailable_within_its_bound(
    rig: rigs.Rig, hub: doors.Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jetstream, "RESOLVE_TIMEOUT_S", 0.5)
    await rig.server.stop()

    async with asyncio.timeout(60):
        with pytest.raises(records.Unavailable, match="outcome unknown"):
            await hub.log.append([event(A, 0)])


async def test_reading_without_a_server_is_unavailable_within_its_bound(rig: rigs.Rig, hub: doors.Doors) -> None:
    await rig.server.stop()

    async with asyncio.timeout(60):
        with pytest.raises(errors.Unavailable):
            await hub.log.last_sequence()


async def test_a_large_log_is_read_whole(hub: doors.Doors) -> None:
    for number in range(12):
        await hub.log.append([event(f"{A}.{number}", 0)] + [event(f"{A}.{number}") for _ in range(999)])

    assert [one.sequence for one in await everything(hub.log)] == list(range(1, 12_001))


async def test_a_reader_in_the_middle_goes_on_after_a_crash(rig: rigs.Rig, hub: doors.Doors) -> None:
    for number in range(12):
        await hub.log.append([event(f"{A}.{number}", 0)] + [event(f"{A}.{number}") for _ in range(999)])

    found = []
    async with contextlib.aclosing(hub.log.read(0)) as events:
        async for stored in events:
            found.append(stored.sequence)
            if len(found) == 100:
                await rig.crash()

    assert found == list(range(1, 12_001))
