"""What becomes of a decision that the log does not take."""

import datetime
import itertools
from collections.abc import Mapping, Sequence

import pytest

from controller import transact
from controller.store import memory, records
from protocol.events import fleet as events

START = datetime.datetime(2026, 12, 1, tzinfo=datetime.UTC)


class Disk(memory.MemoryStore):
    """A log that can be full, as nats-server is on a disk without room: it answers, and stores nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.is_full = False

    async def append(self, batch: Sequence[records.Pending], *, reads: Mapping[str, int] = {}) -> int:
        if self.is_full:
            raise records.Conflict(f"append to {batch[0].subject}: not stored (no answer for 5 s)")
        return await super().append(batch, reads=reads)


class Clock:
    """Goes on when it is told to."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime.datetime:
        return self.now


async def test_a_log_that_takes_nothing_is_told_as_it_is_until_it_does_again() -> None:
    disk, clock, numbers = Disk(), Clock(), itertools.count()
    transactor = transact.Transactor(disk, clock=clock, new_id=lambda: f"event-{next(numbers)}")
    begun = events.HubInitialized(epoch=1, signing_key="ab" * 32)

    disk.is_full = True
    with pytest.raises(transact.ContendedError, match="no answer for 5 s"):
        await transactor.run(lambda _: [begun], by="hub")
    full = transactor.trouble
    clock.now += datetime.timedelta(seconds=transact.TROUBLE_S + 1)
    later = transactor.trouble
    with pytest.raises(transact.ContendedError):
        await transactor.run(lambda _: [begun], by="hub")
    again = transactor.trouble
    disk.is_full = False
    await transactor.run(lambda _: [begun], by="hub")

    assert full == "log: not written (append to flotilla.v1.log.fleet.hub: not stored (no answer for 5 s))"
    assert (later, again, transactor.trouble) == ("", full, "")
