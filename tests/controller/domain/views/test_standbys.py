"""Agents that are there and do not act: what a person sees of them."""

import datetime

from controller.domain import observed
from controller.domain.views import clusters, overview
from protocol import ids, reports
from tests.controller.domain.views.conftest import Fleet


def stand_by(fleet: Fleet, cluster: ids.ClusterId, *, holder: str, reason: str) -> None:
    message = reports.Standby(cluster=cluster, at=fleet.hub.now, agent="second", reason=reason, holder=holder)
    seen = fleet.hub.observed[cluster]
    fleet.hub.observed[cluster] = observed.stood_by(seen, message, fleet.hub.now)


async def test_a_second_agent_needs_a_person_and_leaves_the_state_as_it_is(fleet: Fleet) -> None:
    before = clusters.row(fleet.looking, fleet.hub.world.clusters[fleet.a])
    stand_by(fleet, fleet.a, holder="first", reason="first acts for this cluster")
    found = clusters.detail(fleet.looking, fleet.hub.world.clusters[fleet.a])

    assert (found.cluster.sync, found.cluster.health, found.cluster.standby) == (before.sync, before.health, 1)
    assert [(one.agent, one.holder, one.heard_ago_s) for one in found.standby] == [("second", "first", 0.0)]
    assert "cluster a: two agents: second waits while first acts" in overview.overview(fleet.looking).attention


async def test_an_agent_that_cannot_act_says_why_its_cluster_is_silent(fleet: Fleet) -> None:
    fleet.hub.now += fleet.silence + datetime.timedelta(seconds=1)
    stand_by(fleet, fleet.a, holder="", reason="GET /version: no answer within 30 s")
    found = clusters.row(fleet.looking, fleet.hub.world.clusters[fleet.a])

    assert found.reason.endswith("; its agent second waits: GET /version: no answer within 30 s")
    assert not any("two agents" in line for line in overview.overview(fleet.looking).attention)
