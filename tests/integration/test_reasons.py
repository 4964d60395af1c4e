"""Why a workload does not come up, from the pod to the hub's views: object, bundle, cluster and rollout."""

import asyncio
import json

import pytest

from controller.domain.views import clusters, objects, rollouts
from protocol import ids, status
from tests.fixtures import fleet as fleets
from tests.fixtures.fleet import Fleet, Site
from tests.fixtures.kube import ControlPlanes

pytestmark = [pytest.mark.nats, pytest.mark.timeout(900)]

IMAGE = "registry.example/web:none"
NOT_FOUND = "manifest unknown"
MERGE = "application/merge-patch+json"


def files(namespace: str) -> dict[str, str]:
    labels = {"app": "web"}
    spec = {"containers": [{"name": "web", "image": IMAGE}]}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "annotations": {"sandbox.flotilla.gitops/fail": f"ErrImagePull {NOT_FOUND}"}},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web"}}
    return {
        "apps/web/flotilla.yaml": f"defaultNamespace: {namespace}\n",
        "apps/web/deployment.json": json.dumps(deployment),
        "apps/web/config.json": json.dumps(config),
    }


@pytest.fixture
def real_site(control_planes: ControlPlanes) -> Site:
    """A real cluster; started before the hub, for its start blocks the event loop."""
    return fleets.site_of(control_planes(1)[0])


@pytest.mark.kube
async def test_a_real_api_server_tells_of_an_image_that_cannot_be_had(real_site: Site, fleet: Fleet) -> None:
    site = real_site
    async with asyncio.TaskGroup() as group:
        kubelet = group.create_task(_no_image(site, fleet.namespace))
        await _story(fleet, site)
        kubelet.cancel()


async def test_a_sandbox_cluster_tells_of_an_image_that_cannot_be_had(fleet: Fleet, fleet_sandbox: list[Site]) -> None:
    await _story(fleet, fleet_sandbox.pop())


async def _no_image(site: Site, namespace: str) -> None:
    """What a kubelet says that cannot have the image, for every pod that comes."""
    container = {"name": "web", "image": IMAGE, "imageID": "", "ready": False, "restartCount": 0}
    waiting = {"waiting": {"reason": "ErrImagePull", "message": NOT_FOUND}}
    told = {"status": {"phase": "Pending", "containerStatuses": [{**container, "state": waiting}]}}
    while True:
        found = await site.find(f"/api/v1/namespaces/{namespace}/pods")
        for pod in (found or {"items": []})["items"]:
            path = f"/api/v1/namespaces/{namespace}/pods/{pod['metadata']['name']}/status"
            await asyncio.to_thread(lambda path=path: site.client.call("PATCH", path, told, content_type=MERGE))
        await asyncio.sleep(0.2)


def deployment_row(fleet: Fleet) -> objects.Row | None:
    """The Deployment as the hub shows it; None: the bundle is not published yet."""
    view = fleet.hub.shared.looking()
    (cluster,) = view.clusters
    if ids.BundleId("fleet/apps/web") not in view.content(cluster.id):
        return None
    where = objects.place(view, cluster, "fleet/apps/web")
    content = fleet.hub.shared.library.indexes.get(where.index)
    if content is None:
        return None
    (found,) = [one for one in objects.every(view, where, content) if one.kind == "Deployment"]
    return found


async def _story(fleet: Fleet, site: Site) -> None:
    await fleet.add_cluster("edge-1", site, {})
    await fleet.declare()
    fleet.merge(files(fleet.namespace))

    def is_told() -> bool:
        found = deployment_row(fleet)
        return found is not None and found.reason == "ErrImagePull"

    await fleet.until("the reason is told", is_told)
    found, view = deployment_row(fleet), fleet.hub.shared.looking()
    assert found is not None
    assert found.health in (status.Health.PROGRESSING, status.Health.DEGRADED)
    assert f"container web ({IMAGE}): {NOT_FOUND}" in found.message
    (cluster,) = view.clusters
    shown = clusters.detail(view, cluster)
    assert "ErrImagePull" in shown.cluster.reason
    assert [one.object for one in shown.ailing] == [found.object]
    assert [one.healths for one in shown.bundles] == [{"Healthy": 1, found.health.value: 1}]
    rollout = rollouts.detail(view, rollouts.get(view, "fleet"))
    assert rollout.health.healthy == 0
    assert [(one.cluster, "ErrImagePull" in one.reason) for one in rollout.worst] == [("edge-1", True)]
