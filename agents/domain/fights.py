"""Fights: somebody changes a field again and again after the agent has put it right.

Each revert of what the same manager did to the same field, soon after the last one, counts. Once there are several it
is a fight: reverts get rarer, up to a bound, and the drift counts as open, by the name of who fights, until a revert
has lasted. Times are those of a monotonic clock, in seconds.
"""

import msgspec

from protocol import drifts

PAUSE_EXPONENT_MAX = 10
"""Beyond it the ceiling is reached."""


class Bounds(msgspec.Struct, frozen=True):
    """When it is a fight, and how slow that gets; times in seconds."""

    reverts_min: int = 3
    """In a row before it is a fight: whoever edits by hand tries twice."""
    window_s: float = 60.0
    """A change that comes later after a revert is another story; beyond the pause before that revert."""
    pause_base_s: float = 5.0
    """Before the next revert of a fight; doubled each time."""
    pause_ceiling_s: float = 300.0
    """Longest pause: no longer than a resync takes, which reverts anyway."""


class Contest(msgspec.Struct, frozen=True):
    """Reverts in a row of one object, of what the same manager did to the same field."""

    manager: str
    field: str
    count: int
    at: float
    """Of the last revert."""


def reverted(before: Contest | None, found: drifts.Drift, *, at: float, bounds: Bounds) -> Contest:
    """One more revert."""
    first = found.fields[0] if found.fields else drifts.Field(field="")
    count = 1
    if (
        before is not None
        and not is_over(before, at, bounds)
        and (before.manager, before.field) == (first.manager, first.field)
    ):
        count = before.count + 1
    return Contest(first.manager, first.field, count, at)


def is_fight(contest: Contest, bounds: Bounds) -> bool:
    return contest.count >= bounds.reverts_min


def next_at(contest: Contest, bounds: Bounds) -> float:
    """Not before this time is it reverted again."""
    return contest.at + _pause_s(contest, bounds)


def is_over(contest: Contest, now: float, bounds: Bounds) -> bool:
    """Has the last revert lasted?"""
    return now >= over_at(contest, bounds)


def over_at(contest: Contest, bounds: Bounds) -> float:
    """When the last revert has lasted, if nobody changes anything until then."""
    return next_at(contest, bounds) + bounds.window_s


def told(contest: Contest) -> drifts.Fight:
    """The fight, for people."""
    return drifts.Fight(contest.manager, contest.field, contest.count)


def _pause_s(contest: Contest, bounds: Bounds) -> float:
    rounds = contest.count - bounds.reverts_min
    if rounds < 0:
        return 0.0
    return min(bounds.pause_ceiling_s, bounds.pause_base_s * 2.0 ** min(rounds, PAUSE_EXPONENT_MAX))
