"""How late the hub's event loop is: whatever blocks it delays every answer and every heartbeat by as much."""

import asyncio
import collections
from collections.abc import Callable

INTERVAL_S = 0.05
"""Between two looks. What blocks the loop for less is seen in part; twenty wake-ups a second cost nothing."""

WINDOW_S = 60.0
"""The worst of so long is shown: a gauge that is read once in half a minute misses nothing."""


class Lag:
    """Measures the loop that runs it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock`: seconds, monotonic."""
        self._clock = clock
        self._worst: collections.deque[tuple[float, float]] = collections.deque()
        """(when, seconds late), each later than the one before and less late: what is worse makes others forgotten."""

    async def run(self) -> None:
        """Measure for ever."""
        while True:
            due = self._clock() + INTERVAL_S
            await asyncio.sleep(INTERVAL_S)
            self.saw(self._clock() - due)

    def saw(self, late_s: float) -> None:
        """The loop came so late, just now."""
        while self._worst and self._worst[-1][1] <= late_s:
            self._worst.pop()
        self._worst.append((self._clock(), max(late_s, 0.0)))
        self._forget()

    @property
    def worst_s(self) -> float:
        """Seconds that the loop came late at most, in the last WINDOW_S."""
        self._forget()
        return self._worst[0][1] if self._worst else 0.0

    def _forget(self) -> None:
        oldest = self._clock() - WINDOW_S
        while self._worst and self._worst[0][0] < oldest:
            self._worst.popleft()
