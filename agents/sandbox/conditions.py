"""The statuses that controllers write, as pure functions of an object's spec and of how far it has come."""

from typing import NamedTuple

from agents.sandbox.schema import Json, Object


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


def _replicas(value: Object) -> int:
    replicas = value["spec"].get("replicas")
    return 1 if replicas is None else int(replicas)


class Progress(NamedTuple):
    """How far a rollout has come: of which revision, whether its time has passed, and how it fails if it does."""

    revision: str
    done: bool
    failure: Failing | None


def deployment(value: Object, progress: Progress, *, now: str) -> Object:
    """Return a Deployment's status: progressing, then available, or past its deadline.

    Until its time has passed, the replicas of the revision before go on serving and none of the new are up to date.
    """
    replicas = _replicas(value)
    old = value.get("status", {})
    replica_set = f'ReplicaSet "{_meta(value)["name"]}-{progress.revision}"'
    rolled = any(str(found.get("message", "")).startswith(replica_set) for found in old.get("conditions") or ())
    ready = replicas if progress.done and not progress.failure else min(old.get("availableReplicas", 0), replicas)
    updated = replicas if progress.done or rolled or not ready else 0
    counts = {"replicas": replicas, "updatedReplicas": updated, "readyReplicas": ready, "availableReplicas": ready}
    counts["unavailableReplicas"] = replicas - ready
    status: Object = {"observedGeneration": _meta(value)["generation"]}
    status |= {name: count for name, count in counts.items() if count}
    found = [_available(ready >= replicas, now), _progressing(replica_set, progress, now)]
    status["terminatingReplicas"] = 0
    return status | {"conditions": [_updated(_carried(new, old), now) for new in found]}


def _available(enough: bool, now: str) -> Object:
    if enough:
        reason, message = "MinimumReplicasAvailable", "Deployment has minimum availability."
    else:
        reason, message = "MinimumReplicasUnavailable", "Deployment does not have minimum availability."
    return condition("Available", enough, reason, message=message, now=now)


def _progressing(replica_set: str, progress: Progress, now: str) -> Object:
    if not progress.done:
        return condition("Progressing", True, "ReplicaSetUpdated", message=f"{replica_set} is progressing.", now=now)
    if progress.failure:
        message = f"{replica_set} has timed out progressing."
        return condition("Progressing", False, "ProgressDeadlineExceeded", message=message, now=now)
    message = f"{replica_set} has successfully progressed."
    return condition("Progressing", True, "NewReplicaSetAvailable", message=message, now=now)


def _carried(new: Object, old: Object) -> Object:
    """Keep the time of a condition's last transition while its status stays the same."""
    for known in old.get("conditions") or ():
        if known["type"] == new["type"] and known["status"] == new["status"]:
            return new | {"lastTransitionTime": known["lastTransitionTime"]}
    return new


def _updated(new: Object, now: str) -> Object:
    return new | {"lastUpdateTime": now}


def replica_set(value: Object, *, ready: bool) -> Object:
    replicas = _replicas(value)
    status: Object = {"replicas": replicas, "observedGeneration": _meta(value)["generation"], "terminatingReplicas": 0}
    counts = {"fullyLabeledReplicas": replicas, **({"readyReplicas": replicas} if ready else {})}
    if ready:
        counts["availableReplicas"] = replicas
    return status | {name: count for name, count in counts.items() if count}


def stateful_set(value: Object, revision: str, *, ready: bool) -> Object:
    replicas, name = _replicas(value), _meta(value)["name"]
    count = replicas if ready else 0
    status = {
        "observedGeneration": _meta(value)["generation"],
        "replicas": replicas,
        "availableReplicas": count,
        "collisionCount": 0,
        "currentRevision": f"{name}-{revision}",
        "updateRevision": f"{name}-{revision}",
    }
    counts = {"currentReplicas": replicas, "readyReplicas": count, "updatedReplicas": replicas}
    return status | {key: number for key, number in counts.items() if number}


def daemon_set(value: Object, *, ready: bool) -> Object:
    """Return a DaemonSet's status: a sandbox counts as one node."""
    count = int(ready)
    status = {
        "currentNumberScheduled": 1,
        "desiredNumberScheduled": 1,
        "numberMisscheduled": 0,
        "numberReady": count,
        "observedGeneration": _meta(value)["generation"],
        "updatedNumberScheduled": 1,
    }
    return status | ({"numberAvailable": 1} if ready else {"numberUnavailable": 1})


def job(value: Object, *, done: bool, failure: Failing | None, now: str) -> Object:
    spec, old = value["spec"], value.get("status", {})
    completions = spec.get("completions") or 1
    started: Object = {"startTime": old.get("startTime", now)}
    if not done:
        active = min(spec.get("parallelism", 1), completions)
        return started | {"active": active, "ready": 0, "terminating": 0, "uncountedTerminatedPods": {}}
    if failure:
        failed = condition("Failed", True, "BackoffLimitExceeded", message=failure.message, now=now) | {
            "lastProbeTime": now
        }
        return started | {"failed": 1, "ready": 0, "terminating": 0, "conditions": [failed]}
    message = "Reached expected number of succeeded pods"
    found = [
        condition(kind, True, "CompletionsReached", message=message, now=now) | {"lastProbeTime": now}
        for kind in ("SuccessCriteriaMet", "Complete")
    ]
    ended = {"completionTime": now, "succeeded": completions, "ready": 0, "terminating": 0, "conditions": found}
    return started | ended


def pod(value: Object, *, done: bool, failure: Failing | None, now: str) -> Object:
    """Return a Pod's status: creating its containers, running, or waiting for what will not come."""
    ready = done and failure is None
    waiting = failure if done and failure else Failing("ContainerCreating", "")
    kinds = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    early = ("PodReadyToStartContainers", "Initialized", "PodScheduled")
    found = [
        {"type": kind, "status": "True" if ready or kind in early else "False", "lastTransitionTime": now}
        for kind in kinds
    ]
    return {
        "phase": "Running" if ready else "Pending",
        "startTime": value.get("status", {}).get("startTime", now),
        "qosClass": value.get("status", {}).get("qosClass", "BestEffort"),
        "conditions": found,
        "containerStatuses": [
            _container(each, ready, waiting, now=now) for each in value["spec"].get("containers", ())
        ],
    }


def _container(container: Object, ready: bool, waiting: Failing, *, now: str) -> Json:
    message = {"message": waiting.message} if waiting.message else {}
    state = {"running": {"startedAt": now}} if ready else {"waiting": {"reason": waiting.reason} | message}
    image = {"image": container.get("image", ""), "imageID": ""}
    return {"name": container["name"], "ready": ready, "started": ready, "restartCount": 0, "state": state} | image
