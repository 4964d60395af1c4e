"""Is an object as its spec wants it? kstatus' rules (sigs.k8s.io/cli-utils/pkg/kstatus) in Argo CD's words.

A status counts only when it speaks of the present generation (`observedGeneration`). Nothing here knows the time: an
object is Progressing until its status says otherwise, and what gives up says so itself, as a Deployment does with
ProgressDeadlineExceeded. Kinds without a rule of their own are read by their conditions, and are Healthy because they
exist where they have none.
"""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from agents.domain import resources
from protocol import reports, status
from protocol.status import Health

Object = dict[str, Any]

WAITING_FAILURES = frozenset(
    {
        "CrashLoopBackOff",
        "CreateContainerConfigError",
        "CreateContainerError",
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "RunContainerError",
    }
)
"""Reasons of a waiting container that tell what is wrong; others (`ContainerCreating`) are on the way."""


class Assessment(msgspec.Struct, frozen=True):
    """The health of one object, and why it is not better."""

    health: Health
    reason: str = ""
    message: str = ""


HEALTHY = Assessment(Health.HEALTHY)
MISSING = Assessment(Health.MISSING, "Missing", "the object is not there")
UNREAD = Assessment(Health.UNKNOWN, "NotRead", "not read yet")


def assess(live: Object) -> Assessment:
    """The health of a live object."""
    metadata = live["metadata"]
    if "deletionTimestamp" in metadata:
        return _progressing("Terminating", "the object is being deleted")
    found = _status(live)
    observed = found.get("observedGeneration")
    if isinstance(observed, int) and observed < metadata.get("generation", 0):
        return _progressing("NotObserved", f"generation {metadata['generation']} is not observed yet")
    group = live["apiVersion"].rpartition("/")[0]
    rule = _RULES.get(resources.GroupKind(group, live["kind"]), _generic)
    return rule(live)


def selector(live: Object) -> str:
    """The label selector of a workload's pods (matchLabels only), empty where it has none."""
    labels = ((live.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
    return ",".join(f"{name}={value}" for name, value in sorted(labels.items()))


def failing_container(pods: Iterable[Object]) -> tuple[str, str]:
    """Reason and message of the first container that waits for something that went wrong; empty if none does."""
    for pod in pods:
        found = _status(pod)
        for kind in ("initContainerStatuses", "containerStatuses"):
            for container in found.get(kind) or ():
                waiting = (container.get("state") or {}).get("waiting") or {}
                if waiting.get("reason") in WAITING_FAILURES:
                    message = waiting.get("message", "")
                    return waiting["reason"], f"pod {pod['metadata']['name']}, container {container['name']}: {message}"
        for condition in found.get("conditions") or ():
            if condition.get("reason") == "Unschedulable":
                return "Unschedulable", f"pod {pod['metadata']['name']}: {condition.get('message', '')}"
    return "", ""


def explained(assessment: Assessment, pods: Iterable[Object]) -> Assessment:
    """The same health with the reason of a failing pod, where one shows it."""
    reason, message = failing_container(pods)
    if not reason:
        return assessment
    return Assessment(assessment.health, reason, message[: reports.MESSAGE_CHARS_MAX])


def whole(parts: Iterable[Assessment]) -> Health:
    """The health of a bundle."""
    return status.worst([part.health for part in parts])


def _progressing(reason: str, message: str) -> Assessment:
    return Assessment(Health.PROGRESSING, reason, message)


def _degraded(reason: str, message: str) -> Assessment:
    return Assessment(Health.DEGRADED, reason, message)


def _status(live: Object) -> Object:
    found = live.get("status")
    return found if isinstance(found, dict) else {}


def _spec(live: Object) -> Object:
    found = live.get("spec")
    return found if isinstance(found, dict) else {}


def _conditions(live: Object) -> dict[str, Object]:
    found = _status(live).get("conditions")
    listed = found if isinstance(found, list) else []
    return {item["type"]: item for item in listed if isinstance(item, dict) and "type" in item}


def _is(condition: Object | None, value: str) -> bool:
    return condition is not None and condition.get("status") == value


def _because(condition: Object, fallback: str) -> tuple[str, str]:
    return condition.get("reason") or fallback, condition.get("message") or ""


def _unobserved(live: Object) -> Assessment | None:
    """Workload controllers always write observedGeneration: without one nobody has looked yet."""
    if "observedGeneration" not in _status(live):
        return _progressing("NotObserved", "no controller has observed the object yet")
    return None


def _count(found: Object, name: str) -> int:
    return int(found.get(name) or 0)


def _deployment(live: Object) -> Assessment:
    found, conditions = _status(live), _conditions(live)
    wanted = _spec(live).get("replicas", 1)
    progress = conditions.get("Progressing")
    if progress is not None and progress.get("reason") == "ProgressDeadlineExceeded":
        return _degraded(*_because(progress, "ProgressDeadlineExceeded"))
    failure = conditions.get("ReplicaFailure")
    if failure is not None and _is(failure, "True"):
        return _degraded(*_because(failure, "ReplicaFailure"))
    if (early := _unobserved(live)) is not None:
        return early
    if _spec(live).get("paused"):
        return Assessment(Health.SUSPENDED, "Paused", "the deployment is paused")
    updated, available = _count(found, "updatedReplicas"), _count(found, "availableReplicas")
    if updated < wanted:
        return _progressing("Updating", f"{updated} of {wanted} replicas updated")
    if _count(found, "replicas") > updated:
        return _progressing("Updating", f"{_count(found, 'replicas') - updated} old replicas wait for termination")
    if available < wanted:
        return _progressing("Unavailable", f"{available} of {wanted} replicas available")
    return HEALTHY


def _stateful_set(live: Object) -> Assessment:
    found, spec = _status(live), _spec(live)
    if (early := _unobserved(live)) is not None:
        return early
    wanted = spec.get("replicas", 1)
    strategy = spec.get("updateStrategy") or {}
    ready = _count(found, "readyReplicas")
    if strategy.get("type") == "OnDelete":
        return HEALTHY if ready >= wanted else _progressing("Unavailable", f"{ready} of {wanted} replicas ready")
    partition = (strategy.get("rollingUpdate") or {}).get("partition", 0)
    updated = _count(found, "updatedReplicas")
    if updated < wanted - partition:
        return _progressing("Updating", f"{updated} of {wanted - partition} replicas updated")
    if ready < wanted:
        return _progressing("Unavailable", f"{ready} of {wanted} replicas ready")
    if not partition and found.get("currentRevision") != found.get("updateRevision"):
        return _progressing("Updating", f"revision {found.get('updateRevision')} is not everywhere yet")
    return HEALTHY


def _daemon_set(live: Object) -> Assessment:
    found = _status(live)
    if (early := _unobserved(live)) is not None:
        return early
    wanted = _count(found, "desiredNumberScheduled")
    on_delete = (_spec(live).get("updateStrategy") or {}).get("type") == "OnDelete"
    updated, available = _count(found, "updatedNumberScheduled"), _count(found, "numberAvailable")
    if not on_delete and updated < wanted:
        return _progressing("Updating", f"{updated} of {wanted} nodes updated")
    if available < wanted:
        return _progressing("Unavailable", f"{available} of {wanted} nodes available")
    return HEALTHY


def _replica_set(live: Object) -> Assessment:
    found, wanted = _status(live), _spec(live).get("replicas", 1)
    failure = _conditions(live).get("ReplicaFailure")
    if failure is not None and _is(failure, "True"):
        return _degraded(*_because(failure, "ReplicaFailure"))
    if (early := _unobserved(live)) is not None:
        return early
    available = _count(found, "availableReplicas")
    return (
        HEALTHY if available >= wanted else _progressing("Unavailable", f"{available} of {wanted} replicas available")
    )


def _pod(live: Object) -> Assessment:
    found, phase = _status(live), _status(live).get("phase")
    reason, message = failing_container([live])
    if phase == "Succeeded":
        return HEALTHY
    if phase == "Failed":
        return _degraded(found.get("reason") or "PodFailed", found.get("message") or "the pod failed")
    if reason == "Unschedulable":
        return _progressing(reason, message)
    if reason:
        return _degraded(reason, message)
    if phase == "Running" and _is(_conditions(live).get("Ready"), "True"):
        return HEALTHY
    return _progressing("NotReady", f"the pod's phase is {phase or 'not known'}")


def _job(live: Object) -> Assessment:
    conditions = _conditions(live)
    failed = conditions.get("Failed")
    if failed is not None and _is(failed, "True"):
        return _degraded(*_because(failed, "JobFailed"))
    if _is(conditions.get("Complete"), "True"):
        return HEALTHY
    if _spec(live).get("suspend"):
        return Assessment(Health.SUSPENDED, "Suspended", "the job is suspended")
    return _progressing("Running", f"{_count(_status(live), 'active')} pods active")


def _claim(live: Object) -> Assessment:
    phase = _status(live).get("phase")
    if phase == "Bound":
        return HEALTHY
    if phase == "Lost":
        return _degraded("Lost", "the claim's volume is gone")
    return _progressing("Unbound", f"the claim's phase is {phase or 'not known'}")


def _service(live: Object) -> Assessment:
    if _spec(live).get("type") != "LoadBalancer":
        return HEALTHY
    if (_status(live).get("loadBalancer") or {}).get("ingress"):
        return HEALTHY
    return _progressing("NoAddress", "the load balancer has no address yet")


def _definition(live: Object) -> Assessment:
    conditions = _conditions(live)
    names = conditions.get("NamesAccepted")
    if names is not None and _is(names, "False"):
        return _degraded(*_because(names, "NamesNotAccepted"))
    if _is(conditions.get("Established"), "True"):
        return HEALTHY
    return _progressing("NotEstablished", "the API server does not serve the kind yet")


def _namespace(live: Object) -> Assessment:
    phase = _status(live).get("phase")
    return HEALTHY if phase in ("Active", None) else _progressing("Terminating", f"the namespace's phase is {phase}")


def _api_service(live: Object) -> Assessment:
    available = _conditions(live).get("Available")
    if available is None:
        return _progressing("NotAvailable", "the API service has no condition yet")
    if _is(available, "True"):
        return HEALTHY
    return _degraded(*_because(available, "NotAvailable"))


def _generic(live: Object) -> Assessment:
    """kstatus' reading of conditions: Stalled, Reconciling, then Ready (or Available)."""
    conditions = _conditions(live)
    if (stalled := conditions.get("Stalled")) is not None and _is(stalled, "True"):
        return _degraded(*_because(stalled, "Stalled"))
    if (reconciling := conditions.get("Reconciling")) is not None and _is(reconciling, "True"):
        return _progressing(*_because(reconciling, "Reconciling"))
    ready = conditions.get("Ready") or conditions.get("Available")
    if ready is None or _is(ready, "True"):
        return HEALTHY
    return _progressing(*_because(ready, "NotReady"))


def _existing(_live: Object) -> Assessment:
    """Has conditions that do not tell its health: an Ingress without an address serves through a node port, too."""
    return HEALTHY


_RULES: dict[resources.GroupKind, Callable[[Object], Assessment]] = {
    resources.GroupKind("apps", "Deployment"): _deployment,
    resources.GroupKind("apps", "StatefulSet"): _stateful_set,
    resources.GroupKind("apps", "DaemonSet"): _daemon_set,
    resources.GroupKind("apps", "ReplicaSet"): _replica_set,
    resources.GroupKind("", "Pod"): _pod,
    resources.GroupKind("batch", "Job"): _job,
    resources.GroupKind("", "PersistentVolumeClaim"): _claim,
    resources.GroupKind("", "Service"): _service,
    resources.DEFINITION: _definition,
    resources.NAMESPACE: _namespace,
    resources.GroupKind("apiregistration.k8s.io", "APIService"): _api_service,
    resources.GroupKind("networking.k8s.io", "Ingress"): _existing,
}
