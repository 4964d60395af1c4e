"""What is wrong with a workload's pods, and which of them is told."""

from typing import Any

import pytest

from agents.domain import pods

Object = dict[str, Any]

IMAGE = "registry.example/web:2"


def container(name: str = "web", **fields: Any) -> Object:
    return {"name": name, "image": IMAGE, **fields}


def waiting(reason: str, message: str = "", **fields: Any) -> Object:
    return container(state={"waiting": {"reason": reason, "message": message}}, **fields)


def ended(code: int, reason: str = "Error", **fields: Any) -> Object:
    return {"terminated": {"exitCode": code, "reason": reason, **fields}}


def pod(*containers: Object, name: str = "a", init: tuple[Object, ...] = (), **status: Any) -> Object:
    found = {"phase": "Running", "containerStatuses": list(containers), "initContainerStatuses": list(init), **status}
    return {"metadata": {"name": name}, "status": found}


def condition(kind: str, value: str, reason: str = "", message: str = "") -> Object:
    return {"conditions": [{"type": kind, "status": value, "reason": reason, "message": message}]}


RUNNING: Object = {"running": {}}

CASES: list[tuple[str, Object, tuple[str, str]]] = [
    (
        "its image cannot be had",
        pod(waiting("ImagePullBackOff", "Back-off pulling image"), phase="Pending"),
        ("ImagePullBackOff", f"pod a, container web ({IMAGE}): Back-off pulling image"),
    ),
    ("it says no more than a word", pod(waiting("Odd")), ("Odd", f"pod a, container web ({IMAGE}): it waits")),
    (
        "it crashes again and again",
        pod(waiting("CrashLoopBackOff", "back-off", restartCount=3, lastState=ended(1, message="no database\n"))),
        (
            "CrashLoopBackOff",
            f"pod a, container web ({IMAGE}): back-off; last exit code 1: no database; restarts: 3",
        ),
    ),
    (
        "an init container failed",
        pod(init=(container("migrate", state=ended(2), restartCount=1),), phase="Pending"),
        ("Error", f"pod a, init container migrate ({IMAGE}): exit code 2; restarts: 1"),
    ),
    (
        "an init container runs",
        pod(waiting("PodInitializing"), init=(container("migrate", state=RUNNING),), phase="Pending"),
        ("Initializing", f"pod a, init container migrate ({IMAGE}): it runs, and the containers wait for it"),
    ),
    (
        "it was ended by a signal",
        pod(container(state=ended(137, "OOMKilled", signal=9))),
        ("OOMKilled", f"pod a, container web ({IMAGE}): signal 9 (OOMKilled)"),
    ),
    (
        "an end without a word",
        pod(container(state=ended(1, ""))),
        ("Error", f"pod a, container web ({IMAGE}): exit code 1"),
    ),
    (
        "it started anew",
        pod(container(state=RUNNING, lastState=ended(137, "OOMKilled"), restartCount=2)),
        ("OOMKilled", f"pod a, container web ({IMAGE}): last exit code 137 (OOMKilled); restarts: 2"),
    ),
    (
        "it started anew, nobody knows why",
        pod(container(state=RUNNING, lastState=ended(0, ""))),
        ("Restarted", f"pod a, container web ({IMAGE}): last exit code 0"),
    ),
    (
        "it does not become ready",
        pod({"name": "web", "state": RUNNING, "ready": False, "started": True}),
        ("NotReady", "pod a, container web (no image): it runs, and its readiness probe does not succeed"),
    ),
    (
        "it does not start",
        pod(container(state=RUNNING, ready=False, started=False)),
        ("NotStarted", f"pod a, container web ({IMAGE}): it runs, and its startup probe does not succeed"),
    ),
    (
        "no node has room",
        pod(phase="Pending", **condition("PodScheduled", "False", "Unschedulable", "0/3 nodes: Insufficient cpu")),
        ("Unschedulable", "pod a: 0/3 nodes: Insufficient cpu"),
    ),
    (
        "a condition without a reason",
        pod(phase="Pending", **condition("PodScheduled", "False", message="wait")),
        ("Unschedulable", "pod a: wait"),
    ),
    (
        "it waits for a gate",
        pod(container(ready=True, state=RUNNING), **condition("Ready", "False", "ReadinessGatesNotReady", "no target")),
        ("ReadinessGatesNotReady", "pod a: no target"),
    ),
    (
        "it was evicted",
        pod(container(state=ended(137)), phase="Failed", reason="Evicted", message="low on memory"),
        ("Evicted", "pod a: low on memory"),
    ),
    (
        "it failed",
        pod(container("x", state=ended(0)), container(state=ended(3, "")), phase="Failed"),
        ("Error", f"pod a, container web ({IMAGE}): exit code 3"),
    ),
    ("it failed without a word", pod(phase="Failed"), ("PodFailed", "pod a: the pod failed")),
]


@pytest.mark.parametrize(("found", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_pod_says_what_is_wrong_with_it(found: Object, expected: tuple[str, str]) -> None:
    told = pods.complaint([found])

    assert told is not None
    assert (told.reason, told.message) == expected


@pytest.mark.parametrize(
    "found",
    [
        pod(phase="Succeeded"),
        pod(**condition("Ready", "True")),
        pod(waiting("ContainerCreating"), phase="Pending"),
        pod(container(state=ended(0)), container(state=RUNNING, ready=True)),
        {"metadata": {"name": "a"}},
    ],
)
def test_a_pod_that_is_well_or_on_its_way_says_nothing(found: Object) -> None:
    assert pods.complaint([found]) is None


def test_the_worst_counts_and_of_those_the_newest() -> None:
    """What is only slow is told when nothing is broken; what is over, when there is nothing else."""
    slow = pod(container(state=RUNNING), name="slow")
    old, new = pod(waiting("ErrImagePull"), name="old"), pod(waiting("ErrImagePull"), name="new")
    new["metadata"]["creationTimestamp"] = "2026-11-25T10:00:00Z"
    gone = pod(phase="Failed", name="gone")

    told = pods.complaint([slow, new, old, gone])
    assert told is not None
    assert told.message == f"pod new, container web ({IMAGE}): it waits (and 1 more pods)"
    assert (told.is_broken, told.is_vague) == (True, False)
    later = pods.complaint([gone, slow])
    assert later is not None
    assert (later.reason, later.is_broken, later.is_vague) == ("NotReady", False, True)


def test_a_pod_that_is_being_deleted_explains_nothing() -> None:
    leaving = pod(waiting("ErrImagePull"))
    leaving["metadata"]["deletionTimestamp"] = "now"

    assert pods.complaint([leaving]) is None
    assert pods.unready([leaving, pod(phase="Succeeded")]) is None


def test_the_newest_pod_that_does_not_serve_is_the_one_to_ask_about() -> None:
    old, new = pod(name="b"), pod(name="a")
    new["metadata"]["creationTimestamp"] = "2026-11-25T10:00:00Z"

    assert pods.unready([new, old]) is new


def test_last_words_are_short() -> None:
    told = pods.complaint([pod(container(state=ended(1, message="x" * 4096)))])

    assert told is not None
    assert len(told.message) < 300
