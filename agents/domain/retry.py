"""How long to wait before trying again, and how to spread what would else happen at once.

Randomness comes in as a number in [0, 1).
"""

FACTOR = 2.0
EXPONENT_MAX = 32
"""Beyond it every ceiling in use is reached; it keeps the power from overflowing."""

JITTER = 0.2
"""An interval varies by this part of itself, so that a fleet that started together does not ask together."""


def backoff(attempt: int, *, base_s: float, ceiling_s: float, chance: float) -> float:
    """Seconds before attempt number `attempt` (0 is the first repetition): half fixed, half random."""
    assert attempt >= 0, "attempts are counted from 0"
    full = min(ceiling_s, base_s * FACTOR ** min(attempt, EXPONENT_MAX))
    return full * (0.5 + 0.5 * chance)


def jittered(interval_s: float, chance: float) -> float:
    """The interval, shortened or lengthened by up to JITTER of itself."""
    return interval_s * (1 + JITTER * (2 * chance - 1))
