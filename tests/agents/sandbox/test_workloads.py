"""Workloads on a clock that the test moves: what they report, when they are ready, and how they fail."""

from typing import Any

import pytest

from tests.agents.sandbox.worlds import READY_S, World, conditions, images, waiting, workload

POD: dict[str, Any] = {"containers": [{"name": "web", "image": "nginx:1"}]}


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
    early = world.get("apps/deployments", "web")
    world.pass_s(READY_S - 2)

    assert conditions(early)["Available"] == ("True", "MinimumReplicasAvailable")  # those of before serve
    assert (conditions(early)["Progressing"][1], early["status"].get("updatedReplicas")) == ("ReplicaSetUpdated", None)
    assert world.get("apps/deployments", "web")["status"]["updatedReplicas"] == 2


def test_a_daemon_set_runs_on_its_one_node_and_is_updated() -> None:
    world = World()
    world.apply("apps/daemonsets", workload("DaemonSet"))
    early = world.get("apps/daemonsets", "web")["status"]
    world.pass_s(READY_S)
    late = world.get("apps/daemonsets", "web")["status"]
    world.apply("apps/daemonsets", workload("DaemonSet", image="nginx:2"))
    rolling, found = world.get("apps/daemonsets", "web")["status"], images(world)
    world.pass_s(READY_S)

    assert (early["desiredNumberScheduled"], early["numberReady"], early["numberUnavailable"]) == (1, 0, 1)
    assert (late["numberReady"], late["numberAvailable"], late["updatedNumberScheduled"]) == (1, 1, 1)
    assert (rolling["observedGeneration"], rolling["numberReady"], found) == (2, 0, ["nginx:2"])
    assert world.get("apps/daemonsets", "web")["status"]["numberAvailable"] == 1


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_a_deleted_pod_comes_again(kind: str) -> None:
    world = World()
    path = f"apps/{kind.lower()}s"
    world.apply(path, workload(kind, replicas=1))
    world.pass_s(READY_S)
    before = world.get(path, "web")["status"]
    gone = world.get("pods", world.names("pods")[0])["metadata"]["uid"]
    world.delete("pods", world.names("pods")[0])
    early = world.get(path, "web")["status"]
    world.pass_s(READY_S)
    after = world.get(path, "web")["status"]

    assert early.get("availableReplicas", early.get("numberAvailable", 0)) == 0
    assert [world.get("pods", name)["metadata"]["uid"] == gone for name in world.names("pods")] == [False]
    for status in (before, after):
        for found in status.get("conditions", ()):
            del found["lastTransitionTime"], found["lastUpdateTime"]
    assert after == before


NOT_FOUND = (
    'Back-off pulling image "nginx:does-not-exist": ErrImagePull: rpc error: code = NotFound desc = failed to pull and'
    ' unpack image "docker.io/library/nginx:does-not-exist": failed to resolve reference'
    ' "docker.io/library/nginx:does-not-exist": docker.io/library/nginx:does-not-exist: not found'
)


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_an_image_that_does_not_exist_is_not_pulled(kind: str) -> None:
    world = World()
    world.apply(f"apps/{kind.lower()}s", workload(kind, image="nginx:does-not-exist"))
    early = waiting(world, world.names("pods")[0])
    world.pass_s(READY_S)
    pod = world.get("pods", world.names("pods")[0])["status"]
    status = world.get(f"apps/{kind.lower()}s", "web")["status"]

    assert early == {"reason": "ContainerCreating"}
    assert waiting(world, world.names("pods")[0]) == {"reason": "ImagePullBackOff", "message": NOT_FOUND}
    ready = next(found for found in pod["conditions"] if found["type"] == "Ready")
    assert (pod["phase"], ready["status"], ready["reason"]) == ("Pending", "False", "ContainersNotReady")
    assert ready["message"] == "containers with unready status: [web]"
    assert not status.get("readyReplicas", status.get("numberReady"))


def test_a_deployment_that_waits_for_an_image_fails_at_its_deadline() -> None:
    world = World()
    value = workload("Deployment", image="nginx:does-not-exist")
    value["spec"]["progressDeadlineSeconds"] = 60
    world.apply("apps/deployments", value)
    world.pass_s(READY_S)
    early = conditions(world.get("apps/deployments", "web"))
    world.pass_s(60.0)
    late = conditions(world.get("apps/deployments", "web"))
    world.apply("apps/deployments", workload("Deployment"))
    world.pass_s(READY_S)

    assert early["Progressing"] == ("True", "ReplicaSetUpdated")
    assert late["Progressing"] == ("False", "ProgressDeadlineExceeded")
    assert conditions(world.get("apps/deployments", "web"))["Progressing"] == ("True", "NewReplicaSetAvailable")


def test_the_pods_of_before_serve_while_the_new_ones_cannot_be_pulled() -> None:
    world = World()
    world.apply("apps/deployments", workload("Deployment"))
    world.pass_s(READY_S)
    world.apply("apps/deployments", workload("Deployment", image="registry.does-not-exist.example/web:1"))
    world.pass_s(READY_S)
    status = world.get("apps/deployments", "web")["status"]

    assert (status["availableReplicas"], status.get("updatedReplicas")) == (2, None)
    assert sorted(set(images(world))) == ["nginx:1", "registry.does-not-exist.example/web:1"]


def test_an_init_container_that_cannot_be_pulled_keeps_the_others_waiting() -> None:
    world = World()
    spec = {**POD, "initContainers": [{"name": "first", "image": "does-not-exist"}]}
    world.apply("pods", {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bare"}, "spec": spec})
    world.pass_s(READY_S)
    status = world.get("pods", "bare")["status"]

    assert status["initContainerStatuses"][0]["state"]["waiting"]["reason"] == "ImagePullBackOff"
    assert waiting(world, "bare") == {"reason": "PodInitializing"}


@pytest.mark.parametrize("propagation", ["Background", "Foreground"])
def test_a_deleted_deployment_takes_everything_below_along(propagation: str) -> None:
    world = World()
    world.apply("apps/deployments", workload("Deployment"))
    world.pass_s(READY_S)
    world.delete("apps/deployments", "web", propagation)

    assert (world.names("apps/deployments"), world.names("apps/replicasets"), world.names("pods")) == ([], [], [])


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_a_scale_run_does_without_pods(kind: str) -> None:
    world = World(pods=False)
    path = f"apps/{kind.lower()}s"
    world.apply(path, workload(kind))
    early = world.get(path, "web")["status"]
    world.pass_s(READY_S)
    late = world.get(path, "web")["status"]

    assert world.names("pods") == []
    assert not early.get("readyReplicas", early.get("numberReady"))
    assert late.get("readyReplicas", late.get("numberReady")) == (1 if kind == "DaemonSet" else 2)


def test_a_deleted_workload_is_forgotten() -> None:
    world = World()
    world.apply("apps/deployments", workload("Deployment"))
    world.delete("apps/deployments", "web")
    world.pass_s(READY_S)

    assert world.timers.next_due() is None
    assert world.names("apps/deployments") == []
