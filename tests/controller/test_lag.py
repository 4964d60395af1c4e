"""How late the event loop is, told by a clock that only the test moves, and once by a loop that is really held up."""

import asyncio
import time

import pytest

from controller import lag


class Clock:
    """Moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def measuring(clock: Clock) -> lag.Lag:
    return lag.Lag(clock)


def test_nothing_was_seen_at_first(measuring: lag.Lag) -> None:
    assert measuring.worst_s == 0.0


def test_the_worst_of_the_last_minute_is_kept_and_then_the_next_worst(measuring: lag.Lag, clock: Clock) -> None:
    shown = []
    for late in (0.5, 0.1, 0.2, 0.0):
        measuring.saw(late)
        clock.now += 20
        shown.append(measuring.worst_s)

    assert shown == [0.5, 0.5, 0.5, 0.2]


def test_what_is_a_minute_old_is_forgotten(measuring: lag.Lag, clock: Clock) -> None:
    measuring.saw(0.5)
    clock.now += lag.WINDOW_S + 1

    assert measuring.worst_s == 0.0


def test_a_loop_that_comes_early_is_not_late(measuring: lag.Lag) -> None:
    measuring.saw(-0.001)

    assert measuring.worst_s == 0.0


async def test_what_holds_the_loop_up_is_seen() -> None:
    measuring = lag.Lag(time.monotonic)
    running = asyncio.create_task(measuring.run())
    await asyncio.sleep(0)
    until = time.monotonic() + 0.3
    while time.monotonic() < until:
        pass
    while not measuring.worst_s:  # noqa: ASYNC110 - a gauge wakes nobody
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert measuring.worst_s >= 0.3 - 2 * lag.INTERVAL_S
