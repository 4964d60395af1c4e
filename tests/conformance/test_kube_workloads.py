"""What the workload controllers do with their Pods, and what they say about it."""

from collections.abc import Iterator

import pytest

from tests.conformance.kube_api import Api, Json, eventually
from tests.conformance.nodes import Node
from tests.controlplane.server import ControlPlane

LABELS = {"app": "web"}
TIMES = ("startTime", "completionTime")


@pytest.fixture
def node(request: pytest.FixtureRequest, api: Api) -> Iterator[Node]:
    """The node of a cluster with controllers."""
    real = request.node.callspec.params["cluster"] == "real"
    if real:
        plane: ControlPlane = request.getfixturevalue("control_plane")
        if not plane.controllers:
            pytest.skip("these assets are without kube-controller-manager")
    found = Node(api, played=real)
    found.join()
    yield found
    found.leave()


def template(image: str = "nginx:1", **spec: Json) -> Json:
    return {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "web", "image": image}], **spec}}


def apply(api: Api, kind: str, **spec: Json) -> None:
    group = "batch" if kind == "Job" else "apps"
    value = {"apiVersion": f"{group}/v1", "kind": kind, "metadata": {"name": "web"}, "spec": spec}
    answer = api.apply(api.path(f"{kind.lower()}s", "web", group=group), value)
    assert answer.code in (200, 201), answer


def status(node: Node, kind: str) -> Json:
    """The status of the workload, after a step of its Pods."""
    node.pods()
    group = "batch" if kind == "Job" else "apps"
    return node.api.get(node.api.path(f"{kind.lower()}s", "web", group=group))["status"]


def labels(pod: Json) -> dict[str, str]:
    return {name: text for name, text in pod["metadata"]["labels"].items() if name != "app"}


def test_the_pods_of_a_stateful_set_are_numbered(node: Node) -> None:
    apply(
        node.api,
        "StatefulSet",
        replicas=2,
        serviceName="db",
        selector={"matchLabels": LABELS},
        template=template(),
    )
    found = eventually(lambda: status(node, "StatefulSet").get("readyReplicas") == 2 and status(node, "StatefulSet"))
    revision = found["currentRevision"]
    pods = node.pods()

    assert found == {
        "observedGeneration": 1,
        "replicas": 2,
        "readyReplicas": 2,
        "currentReplicas": 2,
        "updatedReplicas": 2,
        "availableReplicas": 2,
        "collisionCount": 0,
        "currentRevision": revision,
        "updateRevision": revision,
    }
    assert [pod["metadata"]["name"] for pod in pods] == ["web-0", "web-1"]
    assert [(pod["spec"]["hostname"], pod["spec"]["subdomain"]) for pod in pods] == [("web-0", "db"), ("web-1", "db")]
    assert labels(pods[1]) == {
        "apps.kubernetes.io/pod-index": "1",
        "controller-revision-hash": revision,
        "statefulset.kubernetes.io/pod-name": "web-1",
    }
    assert [pod["metadata"]["ownerReferences"][0]["kind"] for pod in pods] == ["StatefulSet"] * 2


def test_a_stateful_set_takes_over_a_new_revision_when_all_have_it(node: Node) -> None:
    spec = {"replicas": 2, "serviceName": "db", "selector": {"matchLabels": LABELS}}
    apply(node.api, "StatefulSet", **spec, template=template())
    before = eventually(lambda: status(node, "StatefulSet").get("readyReplicas") == 2 and status(node, "StatefulSet"))
    apply(node.api, "StatefulSet", **spec, template=template("nginx:2"))

    def rolled() -> Json:
        now = status(node, "StatefulSet")
        return now if now["observedGeneration"] == 2 and now["currentRevision"] == now["updateRevision"] else None

    after = eventually(rolled)

    assert after["currentRevision"] != before["currentRevision"]
    assert after["readyReplicas"] == after["updatedReplicas"] == after["currentReplicas"] == 2
    assert [pod["spec"]["containers"][0]["image"] for pod in node.pods()] == ["nginx:2", "nginx:2"]


def test_a_daemon_set_has_a_pod_for_the_node(node: Node) -> None:
    apply(node.api, "DaemonSet", selector={"matchLabels": LABELS}, template=template())
    found = eventually(lambda: status(node, "DaemonSet").get("numberAvailable") and status(node, "DaemonSet"))
    (pod,) = node.pods()

    assert found == {
        "observedGeneration": 1,
        "desiredNumberScheduled": 1,
        "currentNumberScheduled": 1,
        "updatedNumberScheduled": 1,
        "numberReady": 1,
        "numberAvailable": 1,
        "numberMisscheduled": 0,
    }
    assert sorted(labels(pod)) == ["controller-revision-hash", "pod-template-generation"]
    assert labels(pod)["pod-template-generation"] == "1"


def test_a_job_that_has_succeeded_is_complete(node: Node) -> None:
    apply(node.api, "Job", completions=2, parallelism=1, template=template(restartPolicy="Never"))
    found = eventually(lambda: status(node, "Job").get("completionTime") and status(node, "Job"))
    uid = node.api.get(node.api.path("jobs", "web", group="batch"))["metadata"]["uid"]
    conditions = [(each["type"], each["status"], each["reason"], each["message"]) for each in found.pop("conditions")]
    text = "Reached expected number of succeeded pods"

    assert conditions == [(kind, "True", "CompletionsReached", text) for kind in ("SuccessCriteriaMet", "Complete")]
    assert {name: part for name, part in found.items() if name not in TIMES} == {
        "ready": 0,
        "succeeded": 2,
        "terminating": 0,
        "uncountedTerminatedPods": {},
    }
    assert [pod["status"]["phase"] for pod in node.pods()] == ["Succeeded", "Succeeded"]
    assert labels(node.pods()[0]) == {
        "batch.kubernetes.io/controller-uid": uid,
        "batch.kubernetes.io/job-name": "web",
        "controller-uid": uid,
        "job-name": "web",
    }


def test_a_suspended_job_says_so(node: Node) -> None:
    apply(node.api, "Job", suspend=True, template=template(restartPolicy="Never"))
    found = eventually(lambda: status(node, "Job").get("conditions") and status(node, "Job"))

    assert [(each["type"], each["reason"], each["message"]) for each in found.pop("conditions")] == [
        ("Suspended", "JobSuspended", "Job suspended")
    ]
    assert found == {"ready": 0, "terminating": 0, "uncountedTerminatedPods": {}}
    assert node.pods() == []


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_a_deleted_pod_comes_again(node: Node, kind: str) -> None:
    more = {"serviceName": "db"} if kind == "StatefulSet" else {}
    apply(node.api, kind, replicas=1, selector={"matchLabels": LABELS}, template=template(), **more)
    eventually(lambda: status(node, kind).get("availableReplicas"))
    (gone,) = node.pods()
    node.api.call("DELETE", f"{node.api.path('pods', gone['metadata']['name'])}?gracePeriodSeconds=0")

    def again() -> Json:
        found = [pod for pod in node.pods() if pod["metadata"]["uid"] != gone["metadata"]["uid"]]
        return [pod for pod in found if pod["status"]["phase"] == "Running"]

    assert len(eventually(again)) == 1
    eventually(lambda: status(node, kind).get("availableReplicas") == 1)
