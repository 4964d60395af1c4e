"""kstatus' rules, kind by kind: what a status says, and that nothing is healthy for any other reason."""

from typing import Any

import pytest

from agents.domain import health
from protocol import reports
from protocol.status import Health

Object = dict[str, Any]

GROUPS = {
    "Deployment": "apps/v1",
    "StatefulSet": "apps/v1",
    "DaemonSet": "apps/v1",
    "ReplicaSet": "apps/v1",
    "Job": "batch/v1",
    "CronJob": "batch/v1",
    "PodDisruptionBudget": "policy/v1",
    "HorizontalPodAutoscaler": "autoscaling/v2",
    "CustomResourceDefinition": "apiextensions.k8s.io/v1",
    "APIService": "apiregistration.k8s.io/v1",
    "Ingress": "networking.k8s.io/v1",
    "Boat": "fleet.example/v1",
}


def live(kind: str, spec: Object | None = None, status: Any = None, **metadata: Any) -> Object:
    found: Object = {
        "apiVersion": GROUPS.get(kind, "v1"),
        "kind": kind,
        "metadata": {"name": "x", "generation": 1, **metadata},
        "spec": spec,
    }
    if status is not None:
        found["status"] = status
    return found


def conditions(*found: tuple[str, str], reason: str = "Because", **status: Any) -> Object:
    listed = [{"type": kind, "status": value, "reason": reason, "message": "why"} for kind, value in found]
    return {"conditions": listed, **status}


def aged(kind: str) -> Object:
    """A condition that speaks of generation 1."""
    found = conditions((kind, "True"))
    return {"conditions": [{**one, "observedGeneration": 1} for one in found["conditions"]]}


def rolled_out(**changes: int) -> Object:
    counts = {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "readyReplicas": 2, "observedGeneration": 1}
    return {**counts, **changes}


TWO = {"replicas": 2}
GOOD, WAIT, BAD, HALT = Health.HEALTHY, Health.PROGRESSING, Health.DEGRADED, Health.SUSPENDED

CASES: list[tuple[str, Object, Health]] = [
    ("a deployment that is rolled out", live("Deployment", TWO, rolled_out()), GOOD),
    ("one of one by default", live("Deployment", {}, rolled_out(replicas=1, updatedReplicas=1)), GOOD),
    ("one that nobody has seen", live("Deployment", TWO), WAIT),
    ("one without observedGeneration", live("Deployment", TWO, {"replicas": 2}), WAIT),
    ("one whose change is not observed", live("Deployment", TWO, rolled_out(), generation=2), WAIT),
    ("one that updates", live("Deployment", TWO, rolled_out(updatedReplicas=1)), WAIT),
    ("one with old replicas", live("Deployment", TWO, rolled_out(replicas=3)), WAIT),
    ("one that is not available", live("Deployment", TWO, rolled_out(availableReplicas=1)), WAIT),
    ("one that is paused", live("Deployment", {**TWO, "paused": True}, rolled_out()), HALT),
    (
        "one that gave up",
        live(
            "Deployment",
            TWO,
            {**rolled_out(), **conditions(("Progressing", "False"), reason="ProgressDeadlineExceeded")},
        ),
        BAD,
    ),
    (
        "one that goes on",
        live("Deployment", TWO, {**rolled_out(), **conditions(("Progressing", "True"), ("ReplicaFailure", "False"))}),
        GOOD,
    ),
    ("one without quota", live("Deployment", TWO, {**rolled_out(), **conditions(("ReplicaFailure", "True"))}), BAD),
    (
        "one that cannot make replicas",
        live("Deployment", TWO, {**rolled_out(), **conditions(("Progressing", "False"))}),
        BAD,
    ),
    ("one that is being deleted", live("Deployment", TWO, rolled_out(), deletionTimestamp="now"), WAIT),
    ("a stateful set", live("StatefulSet", TWO, rolled_out(currentRevision=1, updateRevision=1)), GOOD),
    ("one that nobody has seen", live("StatefulSet", TWO), WAIT),
    ("one that updates", live("StatefulSet", TWO, rolled_out(updatedReplicas=1)), WAIT),
    ("one that is not ready", live("StatefulSet", TWO, rolled_out(readyReplicas=1)), WAIT),
    ("one that shrinks", live("StatefulSet", TWO, rolled_out(replicas=3)), WAIT),
    ("one between revisions", live("StatefulSet", TWO, rolled_out(currentRevision=1, updateRevision=2)), WAIT),
    (
        "one that is partitioned",
        live(
            "StatefulSet",
            {**TWO, "updateStrategy": {"rollingUpdate": {"partition": 1}}},
            rolled_out(updatedReplicas=1, currentRevision=1, updateRevision=2),
        ),
        GOOD,
    ),
    (
        "one that is updated by hand",
        live("StatefulSet", {**TWO, "updateStrategy": {"type": "OnDelete"}}, rolled_out(updatedReplicas=0)),
        GOOD,
    ),
    (
        "one updated by hand that is not ready",
        live("StatefulSet", {**TWO, "updateStrategy": {"type": "OnDelete"}}, rolled_out(readyReplicas=0)),
        WAIT,
    ),
    (
        "a daemon set",
        live(
            "DaemonSet",
            {},
            {"observedGeneration": 1, "desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 2},
        ),
        GOOD,
    ),
    ("one that nobody has seen", live("DaemonSet", {}), WAIT),
    ("one that updates", live("DaemonSet", {}, {"observedGeneration": 1, "desiredNumberScheduled": 2}), WAIT),
    (
        "one that is not available",
        live("DaemonSet", {}, {"observedGeneration": 1, "desiredNumberScheduled": 2, "updatedNumberScheduled": 2}),
        WAIT,
    ),
    (
        "one that is updated by hand",
        live(
            "DaemonSet",
            {"updateStrategy": {"type": "OnDelete"}},
            {"observedGeneration": 1, "desiredNumberScheduled": 2, "numberAvailable": 2},
        ),
        GOOD,
    ),
    ("a replica set", live("ReplicaSet", TWO, rolled_out()), GOOD),
    ("one that nobody has seen", live("ReplicaSet", TWO), WAIT),
    ("one that is not available", live("ReplicaSet", TWO, rolled_out(availableReplicas=0)), WAIT),
    ("one without quota", live("ReplicaSet", TWO, conditions(("ReplicaFailure", "True"))), BAD),
    ("one that shrinks", live("ReplicaSet", TWO, rolled_out(replicas=3)), WAIT),
    ("a replication controller", live("ReplicationController", TWO, rolled_out()), GOOD),
    ("a pod that is done", live("Pod", {}, {"phase": "Succeeded"}), GOOD),
    ("one that failed", live("Pod", {}, {"phase": "Failed"}), BAD),
    ("one that is ready", live("Pod", {}, conditions(("Ready", "True"), phase="Running")), GOOD),
    ("one that is not", live("Pod", {}, conditions(("Ready", "False"), phase="Running")), WAIT),
    ("one that nobody has seen", live("Pod", {}), WAIT),
    ("one without a node", live("Pod", {}, conditions(("PodScheduled", "False"), reason="Unschedulable")), WAIT),
    (
        "one without its image",
        live(
            "Pod",
            {},
            {"containerStatuses": [{"name": "web", "state": {"waiting": {"reason": "ImagePullBackOff"}}}]},
        ),
        BAD,
    ),
    (
        "one that is on its way",
        live(
            "Pod", {}, {"containerStatuses": [{"name": "web", "state": {"waiting": {"reason": "ContainerCreating"}}}]}
        ),
        WAIT,
    ),
    ("a job that is done", live("Job", {}, conditions(("Complete", "True"))), GOOD),
    ("one that failed", live("Job", {}, conditions(("Failed", "True"))), BAD),
    ("one that did not fail", live("Job", {}, conditions(("Failed", "False"))), WAIT),
    ("one that is suspended", live("Job", {"suspend": True}, {}), HALT),
    ("one that runs", live("Job", {}, {"active": 1}), WAIT),
    ("one that is about to fail", live("Job", {}, conditions(("FailureTarget", "True"))), BAD),
    ("a cron job", live("CronJob", {}, {"lastScheduleTime": "now"}), GOOD),
    ("one that is suspended", live("CronJob", {"suspend": True}), HALT),
    ("a claim that grows", live("PersistentVolumeClaim", {}, conditions(("Resizing", "True"), phase="Bound")), WAIT),
    ("one that cannot", live("PersistentVolumeClaim", {}, conditions(("NodeResizeError", "True"), phase="Bound")), BAD),
    ("a volume", live("PersistentVolume", {}, {"phase": "Available"}), GOOD),
    ("one that failed", live("PersistentVolume", {}, {"phase": "Failed", "message": "why"}), BAD),
    ("a claim that is bound", live("PersistentVolumeClaim", {}, {"phase": "Bound"}), GOOD),
    ("one that lost its volume", live("PersistentVolumeClaim", {}, {"phase": "Lost"}), BAD),
    ("one that waits", live("PersistentVolumeClaim", {}), WAIT),
    ("a service", live("Service", {"type": "ClusterIP"}), GOOD),
    ("one with an address", live("Service", {"type": "LoadBalancer"}, {"loadBalancer": {"ingress": [{}]}}), GOOD),
    ("one without", live("Service", {"type": "LoadBalancer"}, {"loadBalancer": {}}), WAIT),
    ("a definition that is served", live("CustomResourceDefinition", {}, conditions(("Established", "True"))), GOOD),
    ("one whose names are accepted", live("CustomResourceDefinition", {}, conditions(("NamesAccepted", "True"))), WAIT),
    ("one whose names are taken", live("CustomResourceDefinition", {}, conditions(("NamesAccepted", "False"))), BAD),
    ("one that is new", live("CustomResourceDefinition", {}), WAIT),
    ("one with a loose schema", live("CustomResourceDefinition", {}, conditions(("NonStructuralSchema", "True"))), BAD),
    ("a namespace", live("Namespace", {}, {"phase": "Active"}), GOOD),
    ("one without a status", live("Namespace", {}), GOOD),
    ("one that ends", live("Namespace", {}, {"phase": "Terminating"}), WAIT),
    ("an API service", live("APIService", {}, conditions(("Available", "True"))), GOOD),
    ("one that is down", live("APIService", {}, conditions(("Available", "False"))), BAD),
    ("one that is new", live("APIService", {}), WAIT),
    ("a budget that allows nothing", live("PodDisruptionBudget", {}, conditions(("DisruptionAllowed", "False"))), GOOD),
    (
        "one that cannot be computed",
        live("PodDisruptionBudget", {}, conditions(("DisruptionAllowed", "False"), reason="SyncFailed")),
        BAD,
    ),
    ("an autoscaler that nobody has seen", live("HorizontalPodAutoscaler", {}), GOOD),
    ("one that scales", live("HorizontalPodAutoscaler", {}, conditions(("ScalingActive", "True"))), GOOD),
    ("one without metrics", live("HorizontalPodAutoscaler", {}, conditions(("ScalingActive", "False"))), WAIT),
    ("one without a target", live("HorizontalPodAutoscaler", {}, conditions(("AbleToScale", "False"))), WAIT),
    (
        "one that is switched off",
        live("HorizontalPodAutoscaler", {}, conditions(("ScalingActive", "False"), reason="ScalingDisabled")),
        HALT,
    ),
    ("an ingress without an address", live("Ingress", {}, {"loadBalancer": {}}), GOOD),
    ("a custom resource without a status", live("Boat", {}), GOOD),
    ("one that is ready", live("Boat", {}, conditions(("Ready", "True"))), GOOD),
    ("one that is not", live("Boat", {}, conditions(("Ready", "False"))), WAIT),
    ("one that is available", live("Boat", {}, conditions(("Available", "True"))), GOOD),
    ("one that reconciles", live("Boat", {}, conditions(("Reconciling", "True"), ("Ready", "True"))), WAIT),
    ("one that is stalled", live("Boat", {}, conditions(("Stalled", "True"), ("Ready", "True"))), BAD),
    ("one that is neither", live("Boat", {}, conditions(("Stalled", "False"), ("Reconciling", "False"))), GOOD),
    ("one whose generation is observed", live("Boat", {}, conditions(("Ready", "True"), observedGeneration=1)), GOOD),
    ("one whose condition is of an earlier generation", live("Boat", {}, aged("Ready"), generation=2), WAIT),
    ("one that was stalled before", live("Boat", {}, aged("Stalled"), generation=2), GOOD),
    ("a gateway that is programmed", live("Boat", {}, conditions(("Programmed", "True"))), GOOD),
    ("one that is not", live("Boat", {}, conditions(("Programmed", "False"))), WAIT),
    ("one with strange conditions", live("Boat", {}, {"conditions": "none"}), GOOD),
    ("one with a strange status", live("Boat", {}, "none"), GOOD),
    ("a config map", live("ConfigMap"), GOOD),
]


@pytest.mark.parametrize(("found", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_status_is_read_as_kstatus_reads_it(found: Object, expected: Health) -> None:
    """Whatever is not well has a reason."""
    assessment = health.assess(found)

    assert assessment.health is expected
    assert bool(assessment.reason) is (expected is not GOOD)


def test_a_better_reason_keeps_what_the_object_says_itself() -> None:
    """How far it is stands behind why it is not further; nothing better leaves it as it is."""
    progressing = health.Assessment(WAIT, "Unavailable", "0 of 2 replicas available")

    assert health.explained(progressing, "CrashLoopBackOff", "pod b: m") == health.Assessment(
        WAIT, "CrashLoopBackOff", "pod b: m (0 of 2 replicas available)"
    )
    assert health.explained(health.Assessment(BAD, "X"), "Error", "exit code 1").message == "exit code 1"
    assert health.explained(progressing, "", "") == progressing


def test_what_a_status_says_is_bounded() -> None:
    """A custom resource may hold anything, also in place of a text."""
    talkative = {"conditions": [{"type": "Ready", "status": "False", "reason": "R" * 999, "message": "m" * 9999}]}
    strange = {"conditions": [{"type": ["Ready"], "status": 5}, {"type": "Ready", "status": "False", "reason": 5}]}
    found = health.assess(live("Boat", {}, talkative))

    assert (len(found.reason), len(found.message)) == (reports.REASON_CHARS_MAX, reports.MESSAGE_CHARS_MAX)
    assert health.assess(live("Boat", {}, strange)) == health.Assessment(WAIT, "NotReady")


def test_what_keeps_an_object_from_going_is_named() -> None:
    """Finalizers, and what a namespace says of its contents."""
    boat = live("Boat", {}, deletionTimestamp="now", finalizers=["fleet.example/anchor"])
    space = live(
        "Namespace", {"finalizers": ["kubernetes"]}, conditions(("A", "True"), ("B", "False")), deletionTimestamp="now"
    )

    assert health.assess(boat).message == "the object is being deleted, and waits for fleet.example/anchor"
    assert health.assess(space).message == "the object is being deleted, and waits for kubernetes; why"


def test_a_job_says_how_often_it_tried() -> None:
    assert health.assess(live("Job", {"backoffLimit": 3}, {"active": 1, "failed": 2})).message == (
        "1 pods active, 0 of 1 done, 2 failed (backoffLimit 3)"
    )


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ({"key": "a", "operator": "In", "values": ["1", "2"]}, "a in (1,2)"),
        ({"key": "a", "operator": "NotIn", "values": ["1"]}, "a notin (1)"),
        ({"key": "a", "operator": "Exists"}, "a"),
        ({"key": "a", "operator": "DoesNotExist"}, "!a"),
    ],
)
def test_pods_are_found_by_expressions_too(expression: Object, expected: str) -> None:
    found = live("Deployment", {"selector": {"matchLabels": {"b": "2"}, "matchExpressions": [expression]}})

    assert health.selector(found) == f"b=2,{expected}"


def test_pods_are_found_by_match_labels() -> None:
    """In a fixed order; nothing to find where there is no selector."""
    found = live("Deployment", {"selector": {"matchLabels": {"b": "2", "a": "1"}}})

    assert health.selector(found) == "a=1,b=2"
    assert health.selector(live("ConfigMap")) == ""


def test_a_bundle_is_as_healthy_as_its_worst_part() -> None:
    """Nothing at all is healthy."""
    assert health.whole([health.HEALTHY, health.MISSING]) is Health.MISSING
    assert health.whole([]) is GOOD
