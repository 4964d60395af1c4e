"""A cluster that falls silent on a running hub, and on one that was started anew: Unknown, and what it was."""

import json

import pytest

from controller.domain.views import clusters, freshness, overview, rollouts
from protocol import ids, status
from tests.fixtures import fleet as fleets
from tests.fixtures.fleet import Fleet, Site
from tests.fixtures.kube import ControlPlanes

pytestmark = [pytest.mark.nats, pytest.mark.timeout(900)]

WELL = clusters.Was(sync=status.Sync.SYNCED, health=status.Health.HEALTHY, reason="")


def row(fleet: Fleet, name: str) -> clusters.Row:
    view = fleet.hub.shared.looking()
    (found,) = [clusters.row(view, one) for one in view.clusters if one.name == name]
    return found


def files(fleet: Fleet, text: str) -> dict[str, str]:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web"}, "data": {"x": text}}
    return {"apps/web/flotilla.yaml": f"defaultNamespace: {fleet.namespace}\n", "apps/web/web.json": json.dumps(config)}


@pytest.fixture
def real_sites(control_planes: ControlPlanes) -> list[Site]:
    """Real clusters; started before the hub, for their start blocks the event loop."""
    return [fleets.site_of(one) for one in control_planes(2)]


@pytest.mark.kube
async def test_a_real_cluster_that_falls_silent_is_unknown(real_sites: list[Site], fleet: Fleet) -> None:
    await _story(fleet, real_sites)


async def test_a_sandbox_cluster_that_falls_silent_is_unknown(fleet: Fleet, fleet_sandbox: list[Site]) -> None:
    await _story(fleet, [fleet_sandbox.pop(), fleet_sandbox.pop()])


async def _story(fleet: Fleet, sites: list[Site]) -> None:
    for number, site in enumerate(sites, start=1):
        await fleet.add_cluster(f"edge-{number}", site, {})
    await fleet.declare()
    await fleet.completed(fleet.merge(files(fleet, "1")))
    await fleet.until("all is well", lambda: row(fleet, "edge-2").health is status.Health.HEALTHY)
    found = row(fleet, "edge-2")
    assert (found.sync, found.lag_generations, found.behind_since, found.was) == (status.Sync.SYNCED, 0, None, None)
    assert found.log_head_known
    assert found.log_head > 0

    silent = ids.ClusterId(found.id)
    await fleet.stop_agent("edge-2")
    await fleet.until("it is offline", lambda: row(fleet, "edge-2").connection is freshness.Connection.OFFLINE)
    heard = fleet.hub.shared.seen(silent).said_at  # only now: its last words may have been under way when it stopped
    assert heard is not None
    _assert_unknown(fleet, f"not heard since {freshness.moment(heard)}; was ")
    view = fleet.hub.shared.looking()
    shown = rollouts.detail(view, rollouts.get(view, "fleet"))
    assert (shown.rollout.succeeded, shown.health.healthy, shown.health.unknown) == (2, 1, 1)

    await fleet.stop_hub()
    await fleet.start_hub()
    await fleet.until("the other is there", lambda: row(fleet, "edge-1").health is status.Health.HEALTHY)
    # One by one, so that what it was is known with the last of them.
    await fleet.until("its reports are read again", lambda: row(fleet, "edge-2").was == WELL)
    _assert_unknown(fleet, "not heard since this hub started; was ")


def _assert_unknown(fleet: Fleet, reason: str) -> None:
    """The silent cluster counts nowhere as well, and what it was is said."""
    found, fleet_view = row(fleet, "edge-2"), overview.overview(fleet.hub.shared.looking())
    assert (found.sync, found.health) == (status.Sync.UNKNOWN, status.Health.UNKNOWN)
    assert found.reason.startswith(reason)
    assert found.was == WELL
    assert (fleet_view.clusters.online, fleet_view.clusters.healthy, fleet_view.clusters.unknown) == (1, 1, 1)
    shown = clusters.detail(
        fleet.hub.shared.looking(), fleet.hub.shared.looking().world.clusters[ids.ClusterId(found.id)]
    )
    assert [(one.health, one.was) for one in shown.bundles] == [(status.Health.UNKNOWN, status.Health.HEALTHY)]
