"""A list a page at a time: where one ends, the next one begins, even if members came and went in between."""

import bisect
import datetime
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class Listed(msgspec.Struct, Generic[T], frozen=True, rename="camel"):
    """A page of a list, with what holds for all of its rows."""

    items: list[T]
    total: int
    """Of all pages, as filtered."""
    next: str
    """Ask for `after` this for the next page; empty: that was all. What it looks like is nobody's business."""
    as_of: datetime.datetime
    event: int
    """The newest event of the log that is in it."""


class Part(msgspec.Struct, Generic[T], frozen=True):
    """The members of one page."""

    members: Sequence[T]
    following: str
    """Key of the last one, if there are more; empty: there are none."""


def part(members: Sequence[T], *, key: Callable[[T], str], after: str, limit: int) -> Part[T]:
    """At most `limit` of the members whose keys come after this one; empty: from the beginning. Keys ascend."""
    start = bisect.bisect_right(members, after, key=key) if after else 0
    shown = members[start : start + limit]
    return Part(members=shown, following=key(shown[-1]) if start + limit < len(members) else "")
