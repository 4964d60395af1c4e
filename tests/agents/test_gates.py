"""The gate before every write to a cluster."""

import asyncio

import pytest

from agents.kube import errors, gates


async def test_a_closed_gate_lets_nothing_begin() -> None:
    begun = []

    async def write() -> None:
        begun.append(1)

    with pytest.raises(errors.NotLeading):
        await gates.Gate(lambda: False).through(write)
    assert begun == []


async def test_a_write_outlives_its_task_and_is_waited_for() -> None:
    """Who cancels a task that writes does not know whether the write arrives: it is let end."""
    gate, go, ended = gates.Gate(lambda: True), asyncio.Event(), []

    async def write() -> None:
        await go.wait()
        ended.append(1)

    task = asyncio.create_task(gate.through(write))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    draining = asyncio.create_task(gate.drained(30))
    await asyncio.sleep(0)
    assert not draining.done()
    go.set()

    assert (await draining, ended, task.cancelled()) == (True, [1], True)


async def test_a_write_that_never_ends_is_broken_off() -> None:
    gate = gates.Gate(lambda: True)
    task = asyncio.create_task(gate.through(asyncio.Event().wait))
    await asyncio.sleep(0)

    assert not await gate.drained(0.01)
    await asyncio.wait([task])
    assert task.cancelled()
    assert await gate.drained(0.01)


async def test_what_a_write_answers_or_raises_is_its_callers() -> None:
    gate = gates.Gate(lambda: True)

    async def fail() -> None:
        raise errors.Conflict("no")

    async def answer() -> int:
        return 7

    assert await gate.through(answer) == 7
    with pytest.raises(errors.Conflict):
        await gate.through(fail)


async def test_a_write_that_waited_before_it_sends_asks_once_more() -> None:
    is_open, waited, sent = [True], asyncio.Event(), []
    gate = gates.Gate(lambda: is_open[0])

    async def write() -> None:
        await waited.wait()
        gate.check()
        sent.append(1)

    task = asyncio.create_task(gate.through(write))
    await asyncio.sleep(0)
    is_open[0] = False
    waited.set()

    with pytest.raises(errors.NotLeading):
        await task
    assert sent == []
