"""How fresh what is known of a cluster is: when it was heard, how far it is behind, and since when.

Silence is never read as anything but Unknown; what was known before it is told as what was, with its time.
"""

import datetime
import enum

import msgspec

from controller.domain import publications
from controller.domain.views import sight
from protocol import ids


class Connection(enum.StrEnum):
    """Whether the cluster is there."""

    ONLINE = "Online"
    OFFLINE = "Offline"
    NEVER = "Never"
    """Not heard since this hub started."""


class Lag(msgspec.Struct, frozen=True, rename="camel"):
    """How far a cluster is behind what was published for it."""

    generations: int
    since: datetime.datetime | None
    """When the first of them was stored, as far as this hub knows; None: it is not behind."""


def connection(looking: sight.Sight, cluster: ids.ClusterId) -> Connection:
    """Is it there?"""
    if looking.seen(cluster).heard_at is None:
        return Connection.NEVER
    return Connection.ONLINE if looking.online(cluster) else Connection.OFFLINE


def as_of(looking: sight.Sight, cluster: ids.ClusterId) -> datetime.datetime | None:
    """When what is known of it was true; None: nothing is known."""
    return looking.seen(cluster).known_at


def heard_ago_s(looking: sight.Sight, cluster: ids.ClusterId) -> float | None:
    """How long ago it was heard; None: not since this hub started."""
    heard = looking.seen(cluster).heard_at
    return round((looking.at - heard).total_seconds(), 1) if heard is not None else None


def lag(looking: sight.Sight, cluster: ids.ClusterId) -> Lag:
    """How far it is behind, by the generation that it verified."""
    seen, published = looking.seen(cluster), looking.publication(cluster)
    behind = publications.lag(published, (seen.epoch, seen.generation))
    return Lag(generations=behind, since=(published.missed_at or published.at) if behind else None)


def silence(looking: sight.Sight, cluster: ids.ClusterId, was: str) -> str:
    """Why nothing is known of a cluster that is not online, and what was: `was` is said only where something was."""
    seen = looking.seen(cluster)
    if seen.said_at is None:
        return "never heard"
    since = f" since {moment(seen.said_at)}" if seen.heard_at is not None else " since this hub started"
    when = f" as of {moment(seen.known_at)}" if seen.known_at is not None else ""
    return f"not heard{since}; was {was}{when}"


def moment(at: datetime.datetime) -> str:
    """A time for people, to the second."""
    return f"{at.astimezone(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}"
