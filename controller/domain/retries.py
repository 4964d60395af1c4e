"""When a bundle is tried again that could not be rendered for a reason of the machine.

Neither at every poll, for what hangs takes a render process for minutes and holds the source's commits up, nor only
when something changes, for what was wrong with the machine may have ended. The pauses grow, and whatever changes in
what such a bundle is made from ends the pause.
"""

import datetime
import math
from collections.abc import Mapping

import msgspec

from controller.domain import catalogs

PAUSE_S = 30.0
"""Before the first try: a program that somebody ended, a machine that was busy for a moment."""

PAUSE_S_MAX = 600.0
"""A chart repository that is back is noticed within ten minutes."""

SHARE = 10
"""A pause is so many times as long as what came before it, so that tries take a small part of the time..."""

COSTLY_PAUSE_S_MAX = 3600.0
"""... but no longer than this."""

DOUBLINGS_MAX = 5
"""From PAUSE_S to more than PAUSE_S_MAX."""


class Retry(msgspec.Struct, frozen=True):
    """One bundle that is tried again."""

    tried: str
    """The fingerprint of what was tried."""
    count: int
    """How often it was tried again."""
    due: datetime.datetime


Retries = Mapping[str, Retry]
"""By the path of the bundle."""

NONE: Retries = {}


class Look(msgspec.Struct, frozen=True):
    """One resolution of the source."""

    began: datetime.datetime
    ended: datetime.datetime
    resting: frozenset[str]
    """The bundles that it need not have tried."""


def resting(known: Retries, at: datetime.datetime) -> frozenset[str]:
    """The paths of the bundles whose time has not come."""
    # A clock that was put back must not make a pause of hours.
    latest = at + datetime.timedelta(seconds=COSTLY_PAUSE_S_MAX)
    return frozenset(path for path, one in known.items() if at < one.due <= latest)


def is_due(catalog: catalogs.Catalog, known: Retries, at: datetime.datetime) -> bool:
    """Is it time to resolve the same commit again, for the sake of what may render by now?"""
    rest = resting(known, at)
    return any(catalogs.is_tried_again(entry) and entry.path not in rest for entry in catalog.entries)


def next_s(known: Retries, looked: datetime.datetime, at: datetime.datetime) -> float:
    """Until the next bundle is due that was not when somebody looked last: one that was, and was not tried then, would
    not be now. For ever, if there is none."""
    rest = resting(known, looked)
    return min((max(0.0, (known[path].due - at).total_seconds()) for path in rest), default=math.inf)


def after(known: Retries, catalog: catalogs.Catalog, look: Look) -> Retries:
    """What is to be tried again, after a look that gave this catalog."""
    return {
        entry.path: _next(known.get(entry.path), entry, look)
        for entry in catalog.entries
        if catalogs.is_tried_again(entry)
    }


def _next(had: Retry | None, entry: catalogs.Entry, look: Look) -> Retry:
    if had is None or had.tried != entry.tried:
        return Retry(entry.tried, 0, look.ended + datetime.timedelta(seconds=PAUSE_S))
    if entry.path in look.resting:
        return had
    count = min(had.count + 1, DOUBLINGS_MAX)
    took_s = (look.ended - look.began).total_seconds()
    pause_s = max(min(PAUSE_S * 2**count, PAUSE_S_MAX), min(SHARE * took_s, COSTLY_PAUSE_S_MAX))
    return Retry(entry.tried, count, look.ended + datetime.timedelta(seconds=pause_s))
