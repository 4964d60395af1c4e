"""Workloads on a clock that the test moves: what they report, when they are ready, and how they fail."""

import json
from random import Random
from typing import Any

import pytest

from agents.sandbox import applies, commits, controllers, deletes
from agents.sandbox.admission import Target
from agents.sandbox.cluster import Cluster, Settings
from agents.sandbox.deletes import DeleteOptions
from agents.sandbox.timers import Timers

READY_S = 5.0
POD: dict[str, Any] = {"containers": [{"name": "web", "image": "nginx:1"}]}


class World:
    """One cluster whose time stands still until it is moved."""

    def __init__(self, **settings: Any) -> None:
        self.now = 1_000_000.0
        self.timers = Timers(lambda: self.now)
        given = Settings(ready_after_s=READY_S, **settings)
        self.cluster = Cluster("a", timers=self.timers, settings=given, random=Random(0))
        controllers.attach(self.cluster)

    def pass_s(self, seconds: float) -> None:
        """Let time pass, and everything happen that is due by then."""
        self.now += seconds
        while self.timers.run_due():
            pass

    def target(self, path: str, name: str = "") -> Target:
        group, _, plural = path.rpartition("/")
        resource = self.cluster.registry.find(group, "v1", plural)
        assert resource is not None
        return Target(resource, "default", name)

    def apply(self, path: str, value: dict[str, Any]) -> None:
        target = self.target(path, value["metadata"]["name"])
        applies.apply(self.cluster, target, json.dumps(value).encode(), options=commits.Options(manager="test"))
        self.pass_s(0.0)

    def get(self, path: str, name: str) -> Any:
        return commits.live(self.cluster, self.target(path, name)).decode()

    def names(self, path: str) -> list[str]:
        resource = self.target(path).resource
        return [record.name[1] for record in self.cluster.store.collection((resource.group, resource.plural))]

    def delete(self, path: str, name: str, propagation: str = "Background") -> None:
        deletes.delete(self.cluster, self.target(path, name), DeleteOptions(propagation=propagation))
        self.pass_s(0.0)


def workload(kind: str, *, replicas: int = 2, image: str = "nginx:1", **annotations: str) -> dict[str, Any]:
    labels = {"app": "web"}
    notes = {f"sandbox.flotilla.gitops/{name.replace('_', '-')}": text for name, text in annotations.items()}
    pod = {"containers": [{"name": "web", "image": image}]}
    spec = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}
    if kind != "DaemonSet":
        spec["replicas"] = replicas
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "web", "annotations": notes}, "spec": spec}


def conditions(value: Any) -> dict[str, tuple[str, str]]:
    return {found["type"]: (found["status"], found["reason"]) for found in value["status"]["conditions"]}


def test_a_deployment_progresses_and_becomes_available() -> None:
    world = World()
    world.apply("apps/deployments", workload("Deployment"))
    early = world.get("apps/deployments", "web")
    world.pass_s(READY_S)
    late = world.get("apps/deployments", "web")

    assert conditions(early) == {
        "Available": ("False", "MinimumReplicasUnavailable"),
        "Progressing": ("True", "ReplicaSetUpdated"),
    }
    assert conditions(late) == {
        "Available": ("True", "MinimumReplicasAvailable"),
        "Progressing": ("True", "NewReplicaSetAvailable"),
    }
    counts = ("observedGeneration", "replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
    assert [late["status"][name] for name in counts] == [1, 2, 2, 2, 2]
    assert late["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"


def test_its_pods_run_below_a_replica_set() -> None:
    world = World()
    world.apply("apps/deployments", workload("Deployment"))
    world.pass_s(READY_S)
    replica_set = world.get("apps/replicasets", world.names("apps/replicasets")[0])
    pods = [world.get("pods", name) for name in world.names("pods")]

    assert replica_set["metadata"]["ownerReferences"][0]["kind"] == "Deployment"
    assert replica_set["status"]["readyReplicas"] == 2
    assert [pod["status"]["phase"] for pod in pods] == ["Running", "Running"]
    assert {pod["metadata"]["ownerReferences"][0]["uid"] for pod in pods} == {replica_set["metadata"]["uid"]}


def test_a_new_template_rolls_out_and_retires_the_old_one() -> None:
    world = World()
    world.apply("apps/deployments", workload("Deployment"))
    world.pass_s(READY_S)
    world.apply("apps/deployments", workload("Deployment", image="nginx:2"))
    rolling = world.get("apps/deployments", "web")["status"]
    both = len(world.names("apps/replicasets"))
    world.pass_s(READY_S)
    done = world.get("apps/deployments", "web")

    assert (rolling["availableReplicas"], rolling.get("updatedReplicas"), both) == (2, None, 2)
    assert done["status"]["updatedReplicas"] == 2
    assert done["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"
    assert len(world.names("apps/replicasets")) == 1
    assert len(world.names("pods")) == 2


def test_a_deployment_fails_on_demand_and_recovers() -> None:
    world = World()
    world.apply("apps/deployments", workload("Deployment", fail="ImagePullBackOff no such image"))
    world.pass_s(READY_S)
    failed = world.get("apps/deployments", "web")
    waiting = world.get("pods", world.names("pods")[0])["status"]["containerStatuses"][0]["state"]["waiting"]
    world.apply("apps/deployments", workload("Deployment"))
    world.pass_s(READY_S)

    assert conditions(failed)["Progressing"] == ("False", "ProgressDeadlineExceeded")
    assert waiting == {"reason": "ImagePullBackOff", "message": "no such image"}
    assert conditions(world.get("apps/deployments", "web"))["Available"] == ("True", "MinimumReplicasAvailable")
    assert world.get("pods", world.names("pods")[0])["status"]["phase"] == "Running"


def test_an_object_may_take_its_own_time() -> None:
    world = World()
    world.apply("apps/deployments", workload("Deployment", ready_after="60"))
    world.pass_s(READY_S)
    early = conditions(world.get("apps/deployments", "web"))["Available"]
    world.pass_s(60.0)

    assert early[0] == "False"
    assert conditions(world.get("apps/deployments", "web"))["Available"][0] == "True"


def test_a_newer_state_starts_its_own_time() -> None:
    world = World()
    world.apply("apps/deployments", workload("Deployment"))
    world.pass_s(READY_S - 1)
    world.apply("apps/deployments", workload("Deployment", image="nginx:2"))
    world.pass_s(2.0)

    assert conditions(world.get("apps/deployments", "web"))["Available"][0] == "False"


def test_a_daemon_set_and_a_stateful_set_become_ready() -> None:
    world = World()
    world.apply("apps/daemonsets", workload("DaemonSet"))
    world.apply("apps/statefulsets", {**workload("StatefulSet"), "metadata": {"name": "db"}})
    world.pass_s(READY_S)

    assert world.get("apps/daemonsets", "web")["status"]["numberAvailable"] == 1
    assert world.get("apps/statefulsets", "db")["status"]["readyReplicas"] == 2
    assert world.names("pods") == ["db-0", "db-1"]


@pytest.mark.parametrize(("fail", "condition"), [("", "Complete"), ("Error exit 1", "Failed")])
def test_a_job_ends(fail: str, condition: str) -> None:
    world = World()
    notes = {"sandbox.flotilla.gitops/fail": fail}
    spec = {"template": {"spec": {"restartPolicy": "Never", **POD}}}
    meta = {"name": "once", "annotations": notes}
    world.apply("batch/jobs", {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": spec})
    active = world.get("batch/jobs", "once")["status"]["active"]
    world.pass_s(READY_S)

    assert active == 1
    assert conditions(world.get("batch/jobs", "once"))[condition][0] == "True"


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


@pytest.mark.parametrize("propagation", ["Background", "Foreground"])
def test_a_deleted_deployment_takes_everything_below_along(propagation: str) -> None:
    world = World()
    world.apply("apps/deployments", workload("Deployment"))
    world.pass_s(READY_S)
    world.delete("apps/deployments", "web", propagation)

    assert (world.names("apps/deployments"), world.names("apps/replicasets"), world.names("pods")) == ([], [], [])


def test_a_scale_run_does_without_pods() -> None:
    world = World(pods=False)
    world.apply("apps/deployments", workload("Deployment"))
    world.pass_s(READY_S)

    assert world.names("pods") == []
    assert conditions(world.get("apps/deployments", "web"))["Available"][0] == "True"


def test_a_deleted_workload_is_forgotten() -> None:
    world = World()
    world.apply("apps/deployments", workload("Deployment"))
    world.delete("apps/deployments", "web")
    world.pass_s(READY_S)

    assert world.timers.next_due() is None
    assert world.names("apps/deployments") == []
