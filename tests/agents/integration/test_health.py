"""Why a workload is not well, as the hub hears it: in the words of its pods, and of the events about them.

On the real control plane a test says what a kubelet would, through the status of the pods; the sandbox says it itself.
"""

from collections.abc import Callable
from typing import Any

import pytest

from agents.kube import client
from protocol import reports
from protocol.status import Health
from tests.agents.conftest import Place, Station
from tests.agents.publisher import Manifest, Publisher, bundle, config_map

pytestmark = pytest.mark.nats

IMAGE = "registry.example/web:none"
NO_IMAGE = 'failed to pull image "registry.example/web:none": not found'


def deployment(namespace: str, **annotations: str) -> Manifest:
    labels = {"app": "web"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": namespace, "annotations": annotations},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "web", "image": IMAGE}]},
            },
        },
    }


async def pod_of(place: Place) -> dict[str, Any]:
    """The only pod of the deployment, once there is one."""
    pods = await place.until(f"/api/v1/namespaces/{place.namespace}/pods", lambda found: bool(found["items"]))
    found: dict[str, Any] = pods["items"][0]
    return found


async def report_status(of: client.Client, pod: dict[str, Any], status: dict[str, Any]) -> None:
    """Say what the node's kubelet would say."""
    about = pod["metadata"]
    path = f"/api/v1/namespaces/{about['namespace']}/pods/{about['name']}/status"
    await of.merge(path, {"metadata": {"uid": about["uid"]}, "status": status})


def why(reason: str) -> Callable[[reports.BundleStatus], bool]:
    """Does a status give this reason?"""
    return lambda found: any(one.reason == reason for one in found.failures)


async def test_a_workload_without_its_image_says_so(place: Place, station: Station, hub_of_test: Publisher) -> None:
    """The waiting reason, the image, the message and how far the workload is."""
    asked = {"sandbox.flotilla.gitops/fail": f"ErrImagePull {NO_IMAGE}"} if place.has_workloads else {}
    async with station.running():
        await hub_of_test.publish(bundle("web", deployment(place.namespace, **asked)))
        await hub_of_test.applied()
        if not place.has_workloads:
            waiting = {"waiting": {"reason": "ErrImagePull", "message": NO_IMAGE}}
            container = {"name": "web", "image": IMAGE, "imageID": "", "ready": False, "restartCount": 0}
            told = {"phase": "Pending", "containerStatuses": [{**container, "state": waiting}]}
            await report_status(place.foreign, await pod_of(place), told)
        found = await hub_of_test.stands("web", why("ErrImagePull"))

    (problem,) = found.failures
    assert found.health in (Health.PROGRESSING, Health.DEGRADED)
    assert f"container web ({IMAGE}): {NO_IMAGE}" in problem.message
    assert problem.message.startswith("pod web-")


async def test_a_volume_that_cannot_be_mounted_is_told_by_an_event(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """The pod's own status says no more than that it is being made."""
    if place.has_workloads:
        pytest.skip("the sandbox keeps no events")
    async with station.running():
        await hub_of_test.publish(bundle("web", deployment(place.namespace)))
        await hub_of_test.applied()
        about = (await pod_of(place))["metadata"]
        path = f"/apis/apps/v1/namespaces/{place.namespace}/deployments/web"
        await place.until(path, lambda live: live.get("status", {}).get("updatedReplicas") == 1)
        event = {
            "metadata": {"name": "web.mount", "namespace": place.namespace},
            "involvedObject": {"kind": "Pod", "name": about["name"], "namespace": place.namespace, "uid": about["uid"]},
            "type": "Warning",
            "reason": "FailedMount",
            "message": 'secret "tls" not found',
            "lastTimestamp": "2026-11-25T10:00:00Z",
        }
        await place.foreign.create(f"/api/v1/namespaces/{place.namespace}/events", event)
        found = await hub_of_test.stands("web", why("FailedMount"))

    assert found.failures[0].message == f'pod {about["name"]}: secret "tls" not found (0 of 1 replicas available)'


async def test_a_quota_that_is_spent_is_told_by_the_controller(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """No pod comes to be, so no pod can explain it."""
    if place.has_workloads:
        pytest.skip("the sandbox keeps no quotas")
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "none", "namespace": place.namespace},
        "spec": {"hard": {"pods": "0"}},
    }
    async with station.running():
        await hub_of_test.publish(bundle("quota", quota))
        await hub_of_test.applied()
        path = f"/api/v1/namespaces/{place.namespace}/resourcequotas/none"
        await place.until(path, lambda found: "hard" in found.get("status", {}))
        await hub_of_test.publish(bundle("quota", quota), bundle("web", deployment(place.namespace)))
        # A controller that is quicker than another one may be refused for something else at first.
        found = await hub_of_test.stands(
            "web", lambda one: any("exceeded quota: none" in problem.message for problem in one.failures)
        )

    assert [problem.reason for problem in found.failures] == ["FailedCreate"]


async def test_a_claim_that_nobody_can_serve_says_so(place: Place, station: Station, hub_of_test: Publisher) -> None:
    """The controller says it in an event, as something normal."""
    if place.has_workloads:
        pytest.skip("the sandbox keeps no events")
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": place.namespace},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    async with station.running():
        await hub_of_test.publish(bundle("data", claim))
        found = await hub_of_test.stands("data", why("FailedBinding"))

    (problem,) = found.failures
    assert "no storage class is set" in problem.message
    assert found.health is Health.PROGRESSING


async def test_a_heartbeat_names_the_last_report_that_tells_how_things_stand(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """An answer to a question is none: it is not kept, and a hub that starts anew would wait for it in vain."""
    settings = config_map("settings", place.namespace)

    def promised() -> int:
        return hub_of_test.beat.reported if hub_of_test.beat is not None else 0

    async with station.running():
        await hub_of_test.publish(bundle("web", settings))
        applied = await hub_of_test.applied()
        await place.patience(lambda: promised() >= applied.origin.number)
        last = promised()
        answer = await hub_of_test.forecast(bundle("web", settings))
        beats = hub_of_test.beats
        await place.patience(lambda: hub_of_test.beats > beats + 1)

    assert max(one.origin.number for one in hub_of_test.heard if one is not answer) == last == promised()
    assert answer.origin.number > last


async def test_a_sandbox_tells_of_an_image_as_a_node_would(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """By what stands in the status of the pod, not by what the workload was asked to say."""
    if not place.has_workloads:
        pytest.skip("there is no node that pulls")
    manifest = deployment(place.namespace)
    manifest["spec"]["template"]["spec"]["containers"][0]["image"] = "registry.example/does-not-exist:1"
    async with station.running():
        await hub_of_test.publish(bundle("web", manifest))
        found = await hub_of_test.stands("web", why("ImagePullBackOff"))

    (problem,) = found.failures
    assert "container web (registry.example/does-not-exist:1): Back-off pulling image" in problem.message
    (state,) = found.states
    assert (state.object, state.reason, found.ailing) == (problem.object, problem.reason, 1)
