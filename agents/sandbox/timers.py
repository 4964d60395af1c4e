"""What a cluster does later: actions by due time, run by whoever owns the clock.

One heap serves all clusters of a process. Nothing here waits, so a test moves its clock and runs what is due.
"""

import heapq
import itertools
from collections.abc import Callable

BATCH_MAX = 20  # some 10 ms of work: then requests get their turn, and watches read before changes are forgotten

Clock = Callable[[], float]  # seconds since the epoch
Action = Callable[[], None]


class Timers:
    """Actions ordered by due time, and by their order of arrival within it."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._due: list[tuple[float, int, Action]] = []
        self._order = itertools.count()
        self._wake: Action = lambda: None

    def on_change(self, wake: Action) -> None:
        """Call `wake` whenever an action becomes the next one due."""
        self._wake = wake

    def after(self, delay_s: float, action: Action) -> None:
        due = self.clock() + delay_s
        heapq.heappush(self._due, (due, next(self._order), action))
        if self._due[0][2] is action:
            self._wake()

    def next_due(self) -> float | None:
        """Return when the next action is due, or None when there is none."""
        return self._due[0][0] if self._due else None

    def run_due(self, *, actions_max: int = BATCH_MAX) -> int:
        """Run what is due now, up to a batch; return how many ran."""
        ran = 0
        now = self.clock()
        while self._due and self._due[0][0] <= now and ran < actions_max:
            heapq.heappop(self._due)[2]()
            ran += 1
        return ran
