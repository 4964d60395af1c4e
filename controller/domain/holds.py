"""When deletions wait for a person.

All that one revision takes away is judged as a whole, before the first cluster is touched. Sources of the numbers: a
change that removes more than a tenth of a cluster, or more than 25 distinct objects of the fleet, is seldom meant.
"""

import datetime
import math
from collections import Counter
from collections.abc import Mapping, Sequence

from controller.domain import kinds
from protocol import ids
from protocol.events.deletions import Member

CLUSTER_SHARE = 0.10
CLUSTER_MIN = 3
CLUSTER_MAX = 25
CLUSTER_WINDOW = datetime.timedelta(hours=1)
FLEET_OBJECTS_MAX = 25
NAMED_MAX = 5
"""Things that one reason names; the rest are counted."""


def budget(objects: int) -> int:
    """Deletions that a cluster with so many objects takes within CLUSTER_WINDOW without a person's word."""
    return min(CLUSTER_MAX, max(CLUSTER_MIN, math.floor(objects * CLUSTER_SHARE)))


def reasons(
    members: Sequence[Member], *, objects: Mapping[ids.ClusterId, int], recent: Mapping[ids.ClusterId, int]
) -> tuple[str, ...]:
    """Why this set must wait; empty: it need not. `objects`: of each cluster; `recent`: dropped in the last hour."""
    found = [
        _whole_bundles(members),
        _protected(members),
        _per_cluster(members, objects, recent),
        _per_fleet(members),
    ]
    return tuple(reason for reason in found if reason)


def _whole_bundles(members: Sequence[Member]) -> str:
    leaving = sorted({str(member.bundle) for member in members if member.whole_bundle})
    return f"whole bundles leave clusters: {_named(leaving)}" if leaving else ""


def _protected(members: Sequence[Member]) -> str:
    objects = sorted({str(one) for member in members for one in member.objects if kinds.needs_approval(one)})
    return f"protected kinds: {_named(objects)}" if objects else ""


def _per_cluster(
    members: Sequence[Member], objects: Mapping[ids.ClusterId, int], recent: Mapping[ids.ClusterId, int]
) -> str:
    counts: Counter[ids.ClusterId] = Counter()
    for member in members:
        counts.update(dict.fromkeys(member.clusters, len(member.objects)))
    over = [
        (count + recent.get(cluster, 0), budget(objects.get(cluster, 0)))
        for cluster, count in counts.items()
        if count + recent.get(cluster, 0) > budget(objects.get(cluster, 0))
    ]
    if not over:
        return ""
    count, limit = max(over)
    return f"{len(over)} clusters would lose more than their budget of an hour (up to {count}, budget {limit})"


def _per_fleet(members: Sequence[Member]) -> str:
    distinct = len({one for member in members for one in member.objects})
    return f"{distinct} distinct objects, more than {FLEET_OBJECTS_MAX}" if distinct > FLEET_OBJECTS_MAX else ""


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED_MAX} more" if len(names) > NAMED_MAX else ""
    return ", ".join(names[:NAMED_MAX]) + more
