"""How the cost of something grows with the size of its input.

A ratio of processor times within one run: what else the machine does, and how fast it is, is no part of it.
"""

import time
from collections.abc import Callable

STEP = 4
"""By which the larger input is larger."""

LINEAR_MAX = 10.0
"""What grows with its input has about STEP, what grows with its square STEP * STEP."""

TRIES = 5
"""The best of them counts: a pause of the garbage collector is no growth."""


def growth(work: Callable[[int], object], size: int) -> float:
    """The processor time for STEP times `size` by that for `size`."""
    return _best_s(work, size * STEP) / _best_s(work, size)


def _best_s(work: Callable[[int], object], size: int) -> float:
    found = []
    for _ in range(TRIES):
        began = time.process_time()
        work(size)
        found.append(time.process_time() - began)
    return min(found)
