"""Throughput of the log against raw publishing to the same server in the same run.

`python -m tests.benchmarks.bench_log` prints one line of JSON for each. Absolute numbers are this machine's; the ratio
to messages published one by one, each awaited, is the code's. Takes some ten seconds.
"""

import asyncio
import contextlib
import datetime
import itertools
import json
import pathlib
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable

from controller import keys, nats_server
from controller.broker import api, doors
from controller.store import records

BODY = bytes(400)
"""A record of the log has 300 to 500 bytes."""

EVENTS = 10_000
EVENTS_ONE_BY_ONE = 1_000
BATCHES = (1, 10, 100, 500, 1000)

_numbers = itertools.count()


def _batch(size: int) -> list[records.Pending]:
    subject = f"flotilla.v1.log.bench.{next(_numbers)}"
    return [
        records.Pending(
            subject=subject,
            body=BODY,
            headers={records.ID_HEADER: uuid.uuid4().hex},
            expected=None if number else 0,
        )
        for number in range(size)
    ]


async def _rate(count: int, work: Callable[[], Awaitable[object]]) -> float:
    start = time.perf_counter()
    await work()
    return count / (time.perf_counter() - start)


async def _raw(hub: doors.Doors) -> None:
    for _ in range(EVENTS_ONE_BY_ONE):
        subject = f"flotilla.v1.log.bench.{next(_numbers)}"
        await api.publish(hub.hub, subject, BODY, headers={records.ID_HEADER: uuid.uuid4().hex})


async def _append(hub: doors.Doors, size: int, count: int) -> None:
    for _ in range(count // size):
        await hub.log.append(_batch(size))


async def _read(hub: doors.Doors) -> None:
    async with contextlib.aclosing(hub.log.read(0)) as events:
        async for _ in events:
            pass


async def measure(hub: doors.Doors) -> dict[str, float]:
    """Messages a second by what was done."""
    rates = {"raw publish, one by one": await _rate(EVENTS_ONE_BY_ONE, lambda: _raw(hub))}
    for size in BATCHES:
        count = EVENTS_ONE_BY_ONE if size < 100 else EVENTS
        rates[f"append, batches of {size}"] = await _rate(
            count,
            lambda size=size, count=count: _append(hub, size, count),  # type: ignore[misc]
        )
    total = await hub.log.last_sequence()
    rates["read"] = await _rate(total, lambda: _read(hub))
    return rates


async def main() -> int:
    at = datetime.datetime.now(datetime.UTC)
    with tempfile.TemporaryDirectory() as directory:
        ring = keys.KeyRing(pathlib.Path(directory) / keys.DIRECTORY)
        settings = nats_server.Settings(state_dir=pathlib.Path(directory), port=0)
        async with (
            nats_server.running(settings, ring, at=at) as server,
            doors.opened([server.url], ring, at=at) as hub,
        ):
            rates = await measure(hub)
    base = next(iter(rates.values()))
    rows = [{"what": what, "perSecond": round(rate), "ratio": round(rate / base, 2)} for what, rate in rates.items()]
    for row in rows:
        print(json.dumps(row))
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
