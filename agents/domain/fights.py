"""Fights: somebody changes an object again and again after the agent has put it right.

Each revert of an object that comes soon after the last one counts. Once there are several of what the same manager did
to the same field, or more of whatever became of the object, it is a fight: reverts get rarer, up to a bound, and the
drift counts as open, by the name of who fights, until a revert has lasted. Who comes back a while after that goes on
where he was: another controller may come by only every few minutes. Times are those of a monotonic clock, in seconds.
"""

import msgspec

from protocol import drifts

PAUSE_EXPONENT_MAX = 10
"""Beyond it the ceiling is reached."""


class Bounds(msgspec.Struct, frozen=True):
    """When it is a fight, and how slow that gets; times in seconds."""

    reverts_min: int = 3
    """In a row before it is a fight: whoever edits by hand tries twice."""
    mixed_min: int = 6
    """The same where each time somebody else, or another field, is the reason: a person who tries out several things
    makes a few, a controller that writes other fields each time never ends."""
    window_s: float = 60.0
    """A revert that was not undone for so long, beyond the pause before the next one, has lasted."""
    memory_s: float = 900.0
    """A change that comes so much later is another story: controllers that look by themselves do so every few
    minutes."""
    pause_base_s: float = 5.0
    """Before the next revert of a fight; doubled each time."""
    pause_ceiling_s: float = 300.0
    """Longest pause: no longer than a resync takes, which reverts anyway."""


class Contest(msgspec.Struct, frozen=True):
    """Reverts in a row of one object."""

    manager: str
    field: str
    """What the last one was about."""
    count: int
    """Of these, the last ones, which were all about that."""
    reverts: int
    at: float
    """Of the last revert."""
    lasted: bool = False
    """It was not undone so far."""


def reverted(before: Contest | None, found: drifts.Drift, *, at: float, bounds: Bounds) -> Contest:
    """One more revert."""
    first = found.fields[0] if found.fields else drifts.Field(field="")
    if before is None or is_forgotten(before, at, bounds):
        return Contest(first.manager, first.field, 1, 1, at)
    same = (before.manager, before.field) == (first.manager, first.field)
    return Contest(first.manager, first.field, before.count + 1 if same else 1, before.reverts + 1, at)


def is_fight(contest: Contest, bounds: Bounds) -> bool:
    return _rounds(contest, bounds) >= 0


def next_at(contest: Contest, bounds: Bounds) -> float:
    """Not before this time is it reverted again."""
    return contest.at + _pause_s(contest, bounds)


def is_over(contest: Contest, now: float, bounds: Bounds) -> bool:
    """Has the last revert lasted?"""
    return now >= over_at(contest, bounds)


def over_at(contest: Contest, bounds: Bounds) -> float:
    """When the last revert has lasted, if nobody changes anything until then."""
    return next_at(contest, bounds) + bounds.window_s


def is_forgotten(contest: Contest, now: float, bounds: Bounds) -> bool:
    """Is whatever comes now another story?"""
    return now >= over_at(contest, bounds) + bounds.memory_s


def told(contest: Contest) -> drifts.Fight:
    """The fight, for people."""
    return drifts.Fight(contest.manager, contest.field, contest.reverts)


def _pause_s(contest: Contest, bounds: Bounds) -> float:
    rounds = _rounds(contest, bounds)
    if rounds < 0:
        return 0.0
    return min(bounds.pause_ceiling_s, bounds.pause_base_s * 2.0 ** min(rounds, PAUSE_EXPONENT_MAX))


def _rounds(contest: Contest, bounds: Bounds) -> int:
    """Reverts beyond the one that made it a fight; negative: it is none."""
    return max(contest.count - bounds.reverts_min, contest.reverts - bounds.mixed_min)
