"""Time and randomness, as the agent is given them."""

import datetime
import random
import time
from typing import Protocol


class Clock(Protocol):
    """The two times that there are."""

    def now(self) -> datetime.datetime:
        """The time of day, for people and reports; it may jump."""

    def monotonic(self) -> float:
        """Seconds that only grow, for intervals."""


class SystemClock:
    """The computer's clocks."""

    def now(self) -> datetime.datetime:
        return datetime.datetime.now(datetime.UTC)

    def monotonic(self) -> float:
        # Where there is a clock that goes on while the computer sleeps: leases run out in a suspended machine, too.
        return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def system_random() -> random.Random:
    """Spreads intervals; nothing secret depends on it."""
    return random.Random()  # noqa: S311  # jitter
