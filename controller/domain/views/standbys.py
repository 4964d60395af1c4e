"""Agents of a cluster that are there and do not act: a second one, or the only one, which waits for something."""

from collections.abc import Iterator

import msgspec

from controller.domain import clusters, observed
from controller.domain.views import sight
from protocol import ids


class Row(msgspec.Struct, frozen=True, rename="camel"):
    """One agent that does not act."""

    agent: str
    """As HOST_INSTALLATION."""
    reason: str
    holder: str
    """Who acts, as far as it saw; empty: nobody."""
    agent_version: str
    heard_ago_s: float


def rows(looking: sight.Sight, cluster: ids.ClusterId) -> list[Row]:
    """Those that were heard lately."""
    return [
        Row(
            agent=one.agent,
            reason=one.reason,
            holder=one.holder,
            agent_version=one.agent_version,
            heard_ago_s=round((looking.at - one.heard_at).total_seconds(), 1),
        )
        for one in lately(looking, cluster)
    ]


def lately(looking: sight.Sight, cluster: ids.ClusterId) -> tuple[observed.Waiting, ...]:
    """What they said."""
    return observed.standing_by(looking.seen(cluster), looking.at, looking.facts.silence)


def waits(looking: sight.Sight, cluster: ids.ClusterId) -> str:
    """Why nobody acts for the cluster, after a sentence that says that it is silent; empty: nothing is known."""
    found = lately(looking, cluster)
    return f"; its agent {found[-1].agent} waits: {found[-1].reason}" if found else ""


def two_agents(looking: sight.Sight, cluster: clusters.Cluster) -> Iterator[str]:
    """What to say of agents beside the one that acts: an upgrade is over in seconds, else one is too many."""
    for one in lately(looking, cluster.id):
        if one.is_second:
            yield f"cluster {cluster.name}: two agents: {one.agent} waits while {one.holder} acts"
