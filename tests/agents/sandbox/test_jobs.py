"""Jobs, claims and services on a clock that the test moves."""

from typing import Any

import pytest

from tests.agents.sandbox.worlds import READY_S, World, conditions, phases, waiting


def job(image: str = "nginx:1", **spec: Any) -> dict[str, Any]:
    pod = {"restartPolicy": "Never", "containers": [{"name": "web", "image": image}]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "once"},
        "spec": {"template": {"spec": pod}, **spec},
    }


@pytest.mark.parametrize("pods", [True, False])
@pytest.mark.parametrize(("fail", "condition"), [("", "Complete"), ("Error exit 1", "Failed")])
def test_a_job_ends(fail: str, condition: str, pods: bool) -> None:
    world = World(pods=pods)
    notes = {"sandbox.flotilla.gitops/fail": fail}
    world.apply("batch/jobs", {**job(), "metadata": {"name": "once", "annotations": notes}})
    active = world.get("batch/jobs", "once")["status"]["active"]
    world.pass_s(READY_S)

    assert active == 1
    assert conditions(world.get("batch/jobs", "once"))[condition][0] == "True"
    assert list(phases(world).values()) == ([{"Complete": "Succeeded", "Failed": "Failed"}[condition]] if pods else [])


def test_a_job_completes_one_pod_after_another() -> None:
    world = World()
    world.apply("batch/jobs", job(completions=2, parallelism=1, ttlSecondsAfterFinished=60))
    world.pass_s(READY_S)
    half = world.get("batch/jobs", "once")["status"]
    world.pass_s(READY_S)
    whole = world.get("batch/jobs", "once")["status"]
    world.pass_s(60.0)

    assert (half["active"], half["succeeded"]) == (1, 1)
    assert (whole.get("active"), whole["succeeded"]) == (None, 2)
    assert (world.names("batch/jobs"), world.names("pods")) == ([], [])


def test_a_suspended_job_has_no_pods_until_it_is_resumed() -> None:
    world = World()
    world.apply("batch/jobs", job(suspend=True))
    world.pass_s(READY_S)
    suspended, none = conditions(world.get("batch/jobs", "once")), world.names("pods")
    world.apply("batch/jobs", job(suspend=False))
    world.pass_s(READY_S)

    assert (suspended, none) == ({"Suspended": ("True", "JobSuspended")}, [])
    assert conditions(world.get("batch/jobs", "once"))["Complete"][0] == "True"


def test_a_job_waits_for_an_image_for_ever() -> None:
    world = World()
    world.apply("batch/jobs", job("nginx:does-not-exist"))
    world.pass_s(READY_S)
    world.pass_s(3600.0)

    assert world.get("batch/jobs", "once")["status"]["active"] == 1
    assert waiting(world, world.names("pods")[0])["reason"] == "ImagePullBackOff"


def test_a_claim_is_bound_and_goes_when_it_is_deleted() -> None:
    world = World()
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": spec}
    world.apply("persistentvolumeclaims", claim)
    world.pass_s(READY_S)
    bound = world.get("persistentvolumeclaims", "data")
    world.delete("persistentvolumeclaims", "data")

    assert bound["status"] == {"phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}}
    assert bound["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
    assert world.names("persistentvolumeclaims") == []


def test_a_load_balancer_gets_an_address() -> None:
    world = World()
    spec = {"type": "LoadBalancer", "ports": [{"port": 80}]}
    world.apply("services", {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec})
    world.pass_s(READY_S)

    assert world.get("services", "web")["status"]["loadBalancer"]["ingress"][0]["ip"]
