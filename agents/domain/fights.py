"""Fights: somebody changes a field again and again after the agent has put it right.

Each revert of what the same manager did to the same field, soon after the last one, counts. Once there are several it
is a fight: reverts get rarer, up to a bound, and the drift counts as open, by the name of who fights, until a revert
has lasted. Times are those of a monotonic clock, in seconds.
"""

import msgspec

from protocol import drifts

REVERTS_MIN = 3
"""In a row before it is a fight: whoever edits by hand tries twice."""

WINDOW_S = 60.0
"""A change that comes later after a revert is another story; beyond the pause before that revert."""

PAUSE_BASE_S = 5.0
PAUSE_CEILING_S = 300.0
"""Between the reverts of a fight: doubled each time, and no longer than a resync takes, which reverts anyway."""

PAUSE_EXPONENT_MAX = 10
"""Beyond it the ceiling is reached."""


class Contest(msgspec.Struct, frozen=True):
    """Reverts in a row of one object, of what the same manager did to the same field."""

    manager: str
    field: str
    count: int
    at: float
    """Of the last revert."""


def reverted(before: Contest | None, found: drifts.Drift, at: float) -> Contest:
    """One more revert."""
    first = found.fields[0] if found.fields else drifts.Field(field="")
    count = 1
    if (
        before is not None
        and not is_over(before, at)
        and (before.manager, before.field) == (first.manager, first.field)
    ):
        count = before.count + 1
    return Contest(first.manager, first.field, count, at)


def is_fight(contest: Contest) -> bool:
    return contest.count >= REVERTS_MIN


def next_at(contest: Contest) -> float:
    """Not before this time is it reverted again."""
    return contest.at + _pause_s(contest)


def is_over(contest: Contest, now: float) -> bool:
    """Has the last revert lasted?"""
    return now >= over_at(contest)


def over_at(contest: Contest) -> float:
    """When the last revert has lasted, if nobody changes anything until then."""
    return next_at(contest) + WINDOW_S


def told(contest: Contest) -> drifts.Fight:
    """The fight, for people."""
    return drifts.Fight(contest.manager, contest.field, contest.count)


def _pause_s(contest: Contest) -> float:
    rounds = contest.count - REVERTS_MIN
    return min(PAUSE_CEILING_S, PAUSE_BASE_S * 2.0 ** min(rounds, PAUSE_EXPONENT_MAX)) if rounds >= 0 else 0.0
