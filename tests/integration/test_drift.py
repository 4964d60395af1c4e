"""Drift from an edit in a cluster to what the hub tells; and a repository of Rancher Fleet's that only has it told."""

import json

import pytest

from controller.domain.views import bundles
from controller.domain.views import drifts as drift_views
from protocol import drifts, ids
from tests.fixtures import fleet as fleets
from tests.fixtures.fleet import Fleet, Site
from tests.fixtures.kube import ControlPlanes

pytestmark = [pytest.mark.nats, pytest.mark.timeout(900)]

SETTINGS = """
correctDrift: {enabled: false}
diff:
  comparePatches:
  - {apiVersion: v1, kind: ConfigMap, name: web, jsonPointers: [/data/size]}
rolloutStrategy:
  partitions:
  - {name: late-adopters, clusterName: edge-2}
"""


def config(name: str, **data: str) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})


def files(fleet: Fleet, other: str) -> dict[str, str]:
    return {
        "apps/web/fleet.yaml": f"defaultNamespace: {fleet.namespace}\n{SETTINGS}",
        "apps/web/web.json": config("web", colour="blue", size="1"),
        "apps/web/other.json": config("other", x=other),
    }


def told(fleet: Fleet) -> dict[str, tuple[str, str]]:
    """How the bundle stands on each cluster, as `flotilla bundle show` tells it."""
    view = fleet.looking()
    (found,) = [one for one in bundles.every(view) if one.entry.bundle == ids.BundleId("fleet/apps/web")]
    return {one.cluster: (one.state.value, one.reason) for one in bundles.detail(view, found, ()).clusters}


def ended(fleet: Fleet) -> list[drift_views.Row]:
    """What drifted and is over, as `flotilla drift list --ended` tells it."""
    return [row for row in drift_views.every(fleet.looking(), drift_views.Wish(ended=True)) if row.ended is not None]


def stages(fleet: Fleet) -> list[tuple[str, str]]:
    current = fleet.rollout()
    assert current is not None
    return [(stage.name, stage.reason) for stage in current.stages]


@pytest.fixture
def real_sites(control_planes: ControlPlanes) -> list[Site]:
    """Real clusters; started before the hub, for their start blocks the event loop."""
    return [fleets.site_of(one) for one in control_planes(2)]


@pytest.mark.kube
async def test_real_api_servers_drift_as_fleet_yaml_says(real_sites: list[Site], fleet: Fleet) -> None:
    await _story(fleet, real_sites)


async def test_sandbox_clusters_drift_as_fleet_yaml_says(fleet: Fleet, fleet_sandbox: list[Site]) -> None:
    await _story(fleet, [fleet_sandbox.pop(), fleet_sandbox.pop()])


async def _story(fleet: Fleet, sites: list[Site]) -> None:
    """Somebody changes two fields: the one that counts is told, both stay. The next commit touches something else of
    the bundle: the one that counts is put right with it, the other is the cluster's."""
    for number, site in enumerate(sites, start=1):
        await fleet.add_cluster(f"edge-{number}", site, {}, resync=0.5)
    first = fleet.merge(files(fleet, "1"))
    await fleet.declare()
    await fleet.completed(first)
    assert stages(fleet) == [("late-adopters", "partition of fleet/apps/web"), ("rest", "all others")]
    assert told(fleet) == {"edge-1": ("Ready", ""), "edge-2": ("Ready", "")}

    path = f"/api/v1/namespaces/{fleet.namespace}/configmaps/web"
    await sites[0].change(path, {"data": {"colour": "red", "size": "2"}})
    await fleet.until("the drift is told", lambda: bool(told(fleet)["edge-1"][1]))
    state, reason = told(fleet)["edge-1"]
    assert (state, told(fleet)["edge-2"]) == ("Ready", ("Ready", ""))
    assert reason.startswith("ConfigMap web: Drifted (")
    assert reason.endswith(': .data.colour is "red", in Git "blue")')
    assert (await sites[0].find(path) or {})["data"] == {"colour": "red", "size": "2"}

    second = fleet.merge(files(fleet, "2"))
    await fleet.completed(second)
    assert (await sites[0].find(path) or {})["data"] == {"colour": "blue", "size": "2"}
    await fleet.until("the drift is over", lambda: told(fleet)["edge-1"] == ("Ready", ""))


@pytest.mark.kube
async def test_what_is_edited_by_hand_in_a_real_cluster_is_told_and_put_right(
    real_sites: list[Site], fleet: Fleet
) -> None:
    await _heals(fleet, real_sites[0])


async def test_what_is_edited_by_hand_in_a_sandbox_cluster_is_told_and_put_right(
    fleet: Fleet, fleet_sandbox: list[Site]
) -> None:
    await _heals(fleet, fleet_sandbox.pop())


async def _heals(fleet: Fleet, site: Site) -> None:
    """From the edit to what `flotilla drift list` shows, without a resync: the agent watches."""
    await fleet.add_cluster("edge-1", site, {})
    first = fleet.merge(
        {
            "apps/web/web.json": config("web", colour="blue"),
            "apps/web/flotilla.yaml": f"defaultNamespace: {fleet.namespace}\n",
        }
    )
    await fleet.declare()
    await fleet.completed(first)
    path = f"/api/v1/namespaces/{fleet.namespace}/configmaps/web"
    await site.change(path, {"data": {"colour": "red"}})
    await fleet.until("the drift is over", lambda: bool(ended(fleet)))

    (row,) = ended(fleet)
    (field,) = row.fields
    assert (row.cluster, row.bundle, row.ended) == ("edge-1", "fleet/apps/web", drifts.Means.REVERTED)
    assert (field.field, field.expected, field.actual) == (".data.colour", '"blue"', '"red"')
    assert (field.manager, field.operation) == ("somebody", "Update")
    assert (await site.find(path) or {})["data"] == {"colour": "blue"}
