"""The statuses that controllers write, as pure functions of an object's spec and of how far it has come."""

from typing import NamedTuple

from agents.sandbox import images
from agents.sandbox.schema import Json, Object
from agents.sandbox.tallies import Tally


class Failing(NamedTuple):
    """How a workload fails."""

    reason: str
    message: str


def condition(kind: str, status: bool, reason: str, *, message: str, now: str) -> Object:
    return {
        "type": kind,
        "status": "True" if status else "False",
        "reason": reason,
        "message": message,
        "lastTransitionTime": now,
    }


def _meta(value: Object) -> Object:
    meta: Object = value["metadata"]
    return meta


def replicas(value: Object) -> int:
    """Return how many replicas are wanted."""
    count = value["spec"].get("replicas")
    return 1 if count is None else int(count)


class Progress(NamedTuple):
    """How far a rollout has come: to which revision, how many Pods of it and of those before are ready, and whether its
    time is over."""

    revision: str
    ready: int
    before: int
    late: bool


def deployment(value: Object, progress: Progress, *, now: str) -> Object:
    """Return a Deployment's status: progressing, then available, or past its deadline.

    Until all of a new revision are ready, the replicas of the revision before go on serving and none of the new are up
    to date.
    """
    size, old = replicas(value), value.get("status", {})
    replica_set = f'ReplicaSet "{_meta(value)["name"]}-{progress.revision}"'
    state = _state(replica_set, old)
    if progress.ready >= size:
        state = _COMPLETE
    elif progress.late and state != _COMPLETE:
        state = _LATE
    serving = min(progress.ready + progress.before, size)
    updated = size if state == _COMPLETE or not progress.before else 0
    counts = {"replicas": size, "updatedReplicas": updated, "readyReplicas": serving, "availableReplicas": serving}
    counts["unavailableReplicas"] = size - serving
    status: Object = {"observedGeneration": _meta(value)["generation"]}
    status |= {name: count for name, count in counts.items() if count}
    found = [_available(serving >= size, now), _progressing(replica_set, state, now)]
    status["terminatingReplicas"] = 0
    return status | {"conditions": [_updated(_carried(new, old), now) for new in found]}


_COMPLETE, _LATE, _UNDER_WAY = "NewReplicaSetAvailable", "ProgressDeadlineExceeded", "ReplicaSetUpdated"


def _state(replica_set: str, old: Object) -> str:
    """Return how far the same revision had come before: what is complete stays so, whatever happens to its Pods."""
    for found in old.get("conditions") or ():
        if found["type"] == "Progressing" and str(found.get("message", "")).startswith(replica_set):
            return str(found["reason"])
    return _UNDER_WAY


def _available(enough: bool, now: str) -> Object:
    if enough:
        reason, message = "MinimumReplicasAvailable", "Deployment has minimum availability."
    else:
        reason, message = "MinimumReplicasUnavailable", "Deployment does not have minimum availability."
    return condition("Available", enough, reason, message=message, now=now)


_PROGRESS = {
    _COMPLETE: "has successfully progressed.",
    _LATE: "has timed out progressing.",
    _UNDER_WAY: "is progressing.",
}


def _progressing(replica_set: str, state: str, now: str) -> Object:
    message = f"{replica_set} {_PROGRESS[state]}"
    return condition("Progressing", state != _LATE, state, message=message, now=now)


def _carried(new: Object, old: Object) -> Object:
    """Keep the time of a condition's last transition while its status stays the same."""
    for known in old.get("conditions") or ():
        if known["type"] == new["type"] and known["status"] == new["status"]:
            return new | {"lastTransitionTime": known["lastTransitionTime"]}
    return new


def _updated(new: Object, now: str) -> Object:
    return new | {"lastUpdateTime": now}


def replica_set(value: Object, tally: Tally) -> Object:
    status: Object = {"replicas": tally.present, "observedGeneration": _meta(value)["generation"]}
    counts = {"fullyLabeledReplicas": tally.present, "readyReplicas": tally.ready, "availableReplicas": tally.ready}
    return status | {"terminatingReplicas": 0} | {name: count for name, count in counts.items() if count}


def stateful_set(value: Object, revision: str, tally: Tally) -> Object:
    """Return a StatefulSet's status; once all its Pods are of the newest revision and ready, it is the current one."""
    old = value.get("status", {})
    done = tally.updated == tally.ready == tally.present == replicas(value)
    current = revision if done else old.get("currentRevision") or revision
    status = {
        "observedGeneration": _meta(value)["generation"],
        "replicas": tally.present,
        "availableReplicas": tally.ready,
        "collisionCount": 0,
        "currentRevision": current,
        "updateRevision": revision,
    }
    counts = {"readyReplicas": tally.ready, "updatedReplicas": tally.updated}
    counts["currentReplicas"] = tally.updated if current == revision else tally.current
    return status | {key: number for key, number in counts.items() if number}


def daemon_set(value: Object, tally: Tally) -> Object:
    """Return a DaemonSet's status: a sandbox counts as one node."""
    status = {
        "currentNumberScheduled": tally.present,
        "desiredNumberScheduled": 1,
        "numberMisscheduled": 0,
        "numberReady": tally.ready,
        "observedGeneration": _meta(value)["generation"],
    }
    counts = {"updatedNumberScheduled": tally.updated, "numberAvailable": tally.ready}
    counts["numberUnavailable"] = 1 - tally.ready
    return status | {name: count for name, count in counts.items() if count}


BACKOFF = "Job has reached the specified backoff limit"


def job(value: Object, tally: Tally, *, message: str = BACKOFF, now: str) -> Object:
    """Return a Job's status: suspended, active, complete, or failed for a reason."""
    spec, old = value["spec"], value.get("status", {})
    found: Object = {"terminating": 0, "uncountedTerminatedPods": {}, "ready": tally.ready}
    counts = {"succeeded": tally.succeeded, "failed": tally.failed}
    found |= {name: number for name, number in counts.items() if number}
    if spec.get("suspend"):
        return found | {"conditions": [_probed("Suspended", "JobSuspended", "Job suspended", now)]}
    found["startTime"] = old.get("startTime", now)
    if tally.succeeded >= wanted(spec):
        text = "Reached expected number of succeeded pods"
        ended = [_probed(kind, "CompletionsReached", text, now) for kind in ("SuccessCriteriaMet", "Complete")]
        return found | {"completionTime": now, "conditions": ended}
    if tally.failed > spec.get("backoffLimit", 6):
        ended = [_probed(kind, "BackoffLimitExceeded", message, now) for kind in ("FailureTarget", "Failed")]
        return found | {"conditions": ended}
    active = tally.present - tally.succeeded - tally.failed
    return found | ({"active": active} if active else {})


def wanted(job_spec: Object) -> int:
    """Return how many Pods of a Job are to succeed."""
    return int(job_spec.get("completions") or 1)


def ended(job_status: Object) -> bool:
    """Say whether a Job is over: nothing happens to it any more."""
    return any(found["type"] in ("Complete", "Failed") for found in job_status.get("conditions") or ())


def _probed(kind: str, reason: str, message: str, now: str) -> Object:
    return condition(kind, True, reason, message=message, now=now) | {"lastProbeTime": now}


class Life(NamedTuple):
    """What becomes of a Pod: whether its time has come, whether it is to end then, and how it is asked to fail."""

    done: bool = False
    ends: bool = False
    failure: Failing | None = None


def pod(value: Object, life: Life, *, now: str) -> Object:
    """Return a Pod's status: creating its containers, running, ended, or waiting for what will not come."""
    spec, old = value["spec"], value.get("status", {})
    early = life._replace(ends=True, failure=None)
    first = [_container(each, early, now=now) for each in spec.get("initContainers") or ()]
    stuck = any("waiting" in each["state"] for each in first)
    held = life._replace(done=False) if stuck else life
    found = [_container(each, held, now=now, waiting="PodInitializing" if stuck else "") for each in spec["containers"]]
    ready = life.done and not stuck and all(each["ready"] for each in found)
    status = {
        "phase": _phase(life, ready=ready, waits=stuck or any("waiting" in each["state"] for each in found)),
        "startTime": old.get("startTime", now),
        "qosClass": old.get("qosClass", "BestEffort"),
        "conditions": _pod_conditions(found, ready, initialized=not stuck, now=now),
        "containerStatuses": found,
    }
    return status | ({"initContainerStatuses": first} if first else {})


def _phase(life: Life, *, ready: bool, waits: bool) -> str:
    if ready:
        return "Running"
    if not life.done or not life.ends or waits:
        return "Pending"
    return "Failed" if life.failure else "Succeeded"


def _pod_conditions(containers: list[Json], ready: bool, *, initialized: bool, now: str) -> list[Json]:
    unready = " ".join(each["name"] for each in containers if not each["ready"])
    why = {"reason": "ContainersNotReady", "message": f"containers with unready status: [{unready}]"}
    states = {
        "PodReadyToStartContainers": True,
        "Initialized": initialized,
        "Ready": ready,
        "ContainersReady": ready,
        "PodScheduled": True,
    }
    return [
        {"type": kind, "status": "True" if state else "False", "lastTransitionTime": now}
        | ({} if state or kind == "Initialized" else why)
        for kind, state in states.items()
    ]


def _container(container: Object, life: Life, *, now: str, waiting: str = "ContainerCreating") -> Json:
    image = container.get("image") or ""
    absent = images.problem(image)
    running = False
    state: Object = {"waiting": {"reason": waiting or "ContainerCreating"}}
    if life.done and absent:
        state = {"waiting": {"reason": "ImagePullBackOff", "message": absent}}
    elif life.done and life.ends:
        code, reason = (1, life.failure.reason) if life.failure else (0, "Completed")
        message = {"message": life.failure.message} if life.failure else {}
        state = {"terminated": {"exitCode": code, "reason": reason, "finishedAt": now} | message}
    elif life.done and life.failure:
        state = {"waiting": {"reason": life.failure.reason, "message": life.failure.message}}
    elif life.done:
        state, running = {"running": {"startedAt": now}}, True
    found = {"name": container["name"], "ready": running, "started": running, "restartCount": 0, "state": state}
    return found | {"image": image, "imageID": ""}
