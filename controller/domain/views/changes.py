"""Which clusters are not what they were: mere heartbeats change nothing."""

import datetime
from collections.abc import Iterator

import msgspec

from controller.domain import observed, publications
from controller.domain.views import sight
from controller.domain.world import World
from protocol import desired, ids


class Glimpse(msgspec.Struct, frozen=True):
    """What was to be seen of one cluster."""

    seen: observed.Observed | None
    published: publications.Publication | None
    online: bool


_PASSING = {
    field.name: field.default
    for field in msgspec.structs.fields(observed.Observed)
    if field.name in ("boot", "said")
    or (field.type in (datetime.datetime | None, observed.Order, desired.LogHead) and field.name != "through")
}
"""Times, orders and heads: what is of no interest by itself, with what it is in the beginning. What was worked through
is a pair of numbers, too, and makes a cluster Synced."""

Glimpses = dict[ids.ClusterId, Glimpse]


def glimpses(world: World, facts: sight.Facts, at: datetime.datetime) -> Glimpses:
    """All clusters at this instant."""
    found: Glimpses = {}
    for cluster in world.clusters.values():
        if not cluster.removed:
            seen = facts.observed.get(cluster.id)
            online = seen is not None and observed.online(seen, at, facts.silence)
            found[cluster.id] = Glimpse(seen=seen, published=facts.published.get(cluster.id), online=online)
    return found


def changed(before: Glimpses, now: Glimpses) -> Iterator[ids.ClusterId]:
    """The clusters of which something else is to be seen now than before."""
    for cluster, glimpse in now.items():
        former = before.get(cluster)
        if former is None or _differs(former, glimpse):
            yield cluster


def _differs(before: Glimpse, now: Glimpse) -> bool:
    if now.published is not before.published or now.online != before.online:
        return True
    return now.seen is not before.seen and _gist(now.seen) != _gist(before.seen)


def _gist(seen: observed.Observed | None) -> observed.Observed | None:
    """Without what every heartbeat brings anew, and without the order of what was said."""
    return msgspec.structs.replace(seen, **_PASSING) if seen is not None else None
