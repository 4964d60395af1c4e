"""`kill -9` of nats-server, again and again, under load: what was acked is there, and nothing is there by half."""

import asyncio
import contextlib
import itertools
import pathlib
import signal
import sys
import uuid

import pytest

from controller import errors
from controller.broker import doors
from controller.reactors import publishing
from controller.store import records
from protocol import ids, sealing
from tests.fixtures import nats as rigs

pytestmark = pytest.mark.nats

CRASHES = 4
BATCH = 20


def batch(subject: str, expected: int) -> list[records.Pending]:
    return [
        records.Pending(
            subject=subject,
            body=b"{}",
            headers={records.ID_HEADER: str(uuid.uuid4())},
            expected=expected if number == 0 else None,
        )
        for number in range(BATCH)
    ]


class Writer:
    """Appends batch after batch to one aggregate, and remembers what was acked and what was refused."""

    def __init__(self, hub: doors.Doors, name: str) -> None:
        self._hub = hub
        self._subject = f"flotilla.v1.log.rollout.{name}"
        self.acked: dict[int, list[str]] = {}
        self.refused: list[list[str]] = []

    async def run(self, stop: asyncio.Event) -> None:
        head = 0
        while not stop.is_set():
            events = batch(self._subject, head)
            identities = [event.headers[records.ID_HEADER] for event in events]
            try:
                head = await self._hub.log.append(events)
            except (records.Conflict, records.Unavailable):
                self.refused.append(identities)
                head = await self._head()
            else:
                self.acked[head] = identities

    async def _head(self) -> int:
        while True:
            with contextlib.suppress(errors.Unavailable):
                async with contextlib.aclosing(self._hub.log.read(0)) as events:
                    found = [event.sequence async for event in events if event.subject == self._subject]
                return found[-1] if found else 0


async def test_appends_survive_crashes_whole_or_not_at_all(rig: rigs.Rig, hub: doors.Doors) -> None:
    stop = asyncio.Event()
    writers = [Writer(hub, f"w{number}") for number in range(3)]
    async with asyncio.TaskGroup() as group:
        for writer in writers:
            group.create_task(writer.run(stop))
        for crash in range(CRASHES):
            await _until(writers, acked=10 * (crash + 1))
            await rig.crash()
        await _until(writers, acked=10 * (CRASHES + 1))
        stop.set()

    async with contextlib.aclosing(hub.log.read(0)) as events:
        log = [event.headers[records.ID_HEADER] async for event in events]
    for writer in writers:
        for last, identities in writer.acked.items():
            assert log[last - BATCH : last] == identities
        for identities in writer.refused:
            # A refused one may have landed after it was given up, but never in part.
            assert len(set(identities) & set(log)) in (0, BATCH)


async def _until(writers: list[Writer], *, acked: int) -> None:
    for writer in writers:
        while len(writer.acked) < acked:  # noqa: ASYNC110 - the writers are the load; the test's time-out bounds it
            await asyncio.sleep(0.005)


async def test_desired_states_and_blobs_get_through_a_crash(rig: rigs.Rig, hub: doors.Doors) -> None:
    clusters = [ids.ClusterId(f"A{number:A>55}") for number in range(1200)]
    states = [
        publishing.Outgoing(
            cluster=cluster, body=bytes(2000), headers={records.ID_HEADER: str(uuid.uuid4())}, expected=0
        )
        for cluster in clusters
    ]
    sealed = [sealing.seal("manifest", str(number).encode()) for number in range(400)]

    async with asyncio.TaskGroup() as group:
        publishing_all = group.create_task(hub.desired.publish(states))
        putting_all = group.create_task(hub.blobs.put(sealed))
        await hub.blobs.get(sealed[0].name)  # both are under way
        await rig.crash()

    assert putting_all.done()
    assert [type(result) for result in publishing_all.result()] == [int] * len(states)
    assert [one.sequence for one in await hub.desired.all()] == sorted(
        result for result in publishing_all.result() if isinstance(result, int)
    )
    found = await asyncio.gather(*(hub.blobs.get(blob.name) for blob in sealed))
    assert found == [blob.data for blob in sealed]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux shows in /proc that a process is stopped")
async def test_an_append_to_a_server_that_hangs_has_a_known_outcome_once_it_goes_on(
    rig: rigs.Rig, hub: doors.Doors
) -> None:
    outage_s = 6.0  # longer than a request waits, shorter than an append is looked for
    events = batch("flotilla.v1.log.rollout.a", 0)[:1]
    rig.server.signal(signal.SIGSTOP)
    await _stopped(rig.server.pid)
    asyncio.get_running_loop().call_later(outage_s, rig.server.signal, signal.SIGCONT)

    outcome: object
    try:
        outcome = await hub.log.append(events)
    except records.Conflict as error:
        outcome = error

    assert await hub.log.append(events) == 1
    assert await hub.log.last_sequence() == 1
    assert outcome == 1 or isinstance(outcome, records.Conflict)


async def _stopped(pid: int) -> None:
    """Wait for the kernel to have stopped every thread: a signal is only sent when `kill` returns."""
    while _process_state(pid) != "T":  # noqa: ASYNC110 - the kernel tells nobody; the test's time-out bounds it
        await asyncio.sleep(0)


def _process_state(pid: int) -> str:
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


async def test_sequences_of_desired_states_only_grow_over_restarts(rig: rigs.Rig, hub: doors.Doors) -> None:
    cluster = ids.ClusterId(f"A{'B':A>55}")
    expected = 0
    for turn in itertools.count(1):
        [result] = await hub.desired.publish(
            [publishing.Outgoing(cluster=cluster, body=b"s", headers={records.ID_HEADER: str(turn)}, expected=expected)]
        )
        assert isinstance(result, int)
        assert result > expected
        expected = result
        if turn == CRASHES:
            break
        await rig.crash()
