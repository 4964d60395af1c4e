"""Is an object as its spec wants it? kstatus' rules (sigs.k8s.io/cli-utils/pkg/kstatus) in Argo CD's words.

A status counts only when it speaks of the present generation (`observedGeneration`, of the whole or of a condition).
Nothing here knows the time: an object is Progressing until its status says otherwise, and what gives up says so itself,
as a Deployment does with ProgressDeadlineExceeded. Kinds without a rule of their own are read by their conditions, and
are Healthy because they exist where they have none.
"""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from agents.domain import conditions, pods, resources
from agents.domain.conditions import ABSENT, Condition
from protocol import reports, status
from protocol.status import Health

Object = dict[str, Any]

READY_TYPES = ("Ready", "Available", "Programmed")
"""Conditions that tell of a custom resource whether it works, the first that it has: kstatus', then those of the
cluster and gateway APIs."""


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
    found = _assess(live)
    return Assessment(
        found.health, found.reason[: reports.REASON_CHARS_MAX], found.message[: reports.MESSAGE_CHARS_MAX]
    )


def _assess(live: Object) -> Assessment:
    metadata = live["metadata"]
    if "deletionTimestamp" in metadata:
        return _terminating(live)
    observed = conditions.status_of(live).get("observedGeneration")
    if isinstance(observed, int) and observed < metadata.get("generation", 0):
        return _progressing("NotObserved", f"generation {metadata['generation']} is not observed yet")
    group = live["apiVersion"].rpartition("/")[0]
    rule = _RULES.get(resources.GroupKind(group, live["kind"]), _generic)
    return rule(live)


def selector(live: Object) -> str:
    """The label selector of a workload's pods, empty where it has none."""
    found = conditions.mapping(conditions.spec_of(live), "selector")
    labels = [f"{name}={value}" for name, value in sorted(conditions.mapping(found, "matchLabels").items())]
    return ",".join([*labels, *map(_requirement, conditions.items(found, "matchExpressions"))])


def explained(assessment: Assessment, reason: str, message: str) -> Assessment:
    """The same health with a better reason, where there is one."""
    if not reason:
        return assessment
    told = f"{message} ({assessment.message})" if assessment.message else message
    return Assessment(assessment.health, reason[: reports.REASON_CHARS_MAX], told[: reports.MESSAGE_CHARS_MAX])


def whole(parts: Iterable[Assessment]) -> Health:
    """The health of a bundle."""
    return status.worst([part.health for part in parts])


def _requirement(found: Object) -> str:
    key, values = found["key"], ",".join(found.get("values") or ())
    match found["operator"]:
        case "Exists":
            return str(key)
        case "DoesNotExist":
            return f"!{key}"
        case "NotIn":
            return f"{key} notin ({values})"
        case _:
            return f"{key} in ({values})"


def _progressing(reason: str, message: str) -> Assessment:
    return Assessment(Health.PROGRESSING, reason, message)


def _degraded(of: Condition, fallback: str) -> Assessment:
    return Assessment(Health.DEGRADED, of.reason or fallback, of.message)


def _suspended(reason: str, message: str) -> Assessment:
    return Assessment(Health.SUSPENDED, reason, message)


def _terminating(live: Object) -> Assessment:
    """Whoever holds it back is named: a finalizer whose controller is gone holds it for ever."""
    holders = live["metadata"].get("finalizers") or conditions.spec_of(live).get("finalizers") or ()
    waits = f", and waits for {', '.join(map(str, holders))}" if holders else ""
    said = "".join(
        f"; {one.message}"
        for _, one in sorted(conditions.of(live).items())
        if one.is_true and live["kind"] == "Namespace"
    )
    return _progressing("Terminating", f"the object is being deleted{waits}{said}")


def _unobserved(live: Object) -> Assessment | None:
    """Workload controllers always write observedGeneration: without one nobody has looked yet."""
    if "observedGeneration" not in conditions.status_of(live):
        return _progressing("NotObserved", "no controller has observed the object yet")
    return None


def _deployment(live: Object) -> Assessment:
    found, told = conditions.status_of(live), conditions.of(live)
    wanted = conditions.spec_of(live).get("replicas", 1)
    if (progress := told.get("Progressing", ABSENT)).is_false:
        return _degraded(progress, "ProgressDeadlineExceeded")
    if (failure := told.get("ReplicaFailure", ABSENT)).is_true:
        return _degraded(failure, "ReplicaFailure")
    if (early := _unobserved(live)) is not None:
        return early
    if conditions.spec_of(live).get("paused"):
        return _suspended("Paused", "the deployment is paused")
    updated, available = conditions.count(found, "updatedReplicas"), conditions.count(found, "availableReplicas")
    if updated < wanted:
        return _progressing("Updating", f"{updated} of {wanted} replicas updated")
    old = conditions.count(found, "replicas") - updated
    if old > 0:
        return _progressing("Updating", f"{old} old replicas wait for termination")
    return _enough(available, wanted, "replicas available")


def _enough(there: int, wanted: int, what: str) -> Assessment:
    return HEALTHY if there >= wanted else _progressing("Unavailable", f"{there} of {wanted} {what}")


def _stateful_set(live: Object) -> Assessment:
    found, spec = conditions.status_of(live), conditions.spec_of(live)
    if (early := _unobserved(live)) is not None:
        return early
    wanted, ready = spec.get("replicas", 1), conditions.count(found, "readyReplicas")
    if (extra := conditions.count(found, "replicas") - wanted) > 0:
        return _progressing("Updating", f"{extra} replicas too many wait for termination")
    strategy = conditions.mapping(spec, "updateStrategy")
    if strategy.get("type") == "OnDelete":
        return _enough(ready, wanted, "replicas ready")
    partition = conditions.count(conditions.mapping(strategy, "rollingUpdate"), "partition")
    updated = conditions.count(found, "updatedReplicas")
    if updated < wanted - partition:
        return _progressing("Updating", f"{updated} of {wanted - partition} replicas updated")
    if ready < wanted:
        return _enough(ready, wanted, "replicas ready")
    if not partition and found.get("currentRevision") != found.get("updateRevision"):
        return _progressing("Updating", f"revision {found.get('updateRevision')} is not everywhere yet")
    return HEALTHY


def _daemon_set(live: Object) -> Assessment:
    found = conditions.status_of(live)
    if (early := _unobserved(live)) is not None:
        return early
    wanted = conditions.count(found, "desiredNumberScheduled")
    on_delete = conditions.mapping(conditions.spec_of(live), "updateStrategy").get("type") == "OnDelete"
    updated = conditions.count(found, "updatedNumberScheduled")
    if not on_delete and updated < wanted:
        return _progressing("Updating", f"{updated} of {wanted} nodes updated")
    return _enough(conditions.count(found, "numberAvailable"), wanted, "nodes available")


def _replica_set(live: Object) -> Assessment:
    found, wanted = conditions.status_of(live), conditions.spec_of(live).get("replicas", 1)
    if (failure := conditions.of(live).get("ReplicaFailure", ABSENT)).is_true:
        return _degraded(failure, "ReplicaFailure")
    if (early := _unobserved(live)) is not None:
        return early
    if (extra := conditions.count(found, "replicas") - wanted) > 0:
        return _progressing("Updating", f"{extra} replicas too many wait for termination")
    return _enough(conditions.count(found, "availableReplicas"), wanted, "replicas available")


def _pod(live: Object) -> Assessment:
    if pods.is_ready(live):
        return HEALTHY
    phase, worst = conditions.status_of(live).get("phase"), pods.complaint([live])
    if worst is None:
        return _progressing("NotReady", f"the pod's phase is {phase or 'not known'}")
    return Assessment(Health.DEGRADED if worst.is_broken else Health.PROGRESSING, worst.reason, worst.message)


def _job(live: Object) -> Assessment:
    found, spec, told = conditions.status_of(live), conditions.spec_of(live), conditions.of(live)
    for kind in ("Failed", "FailureTarget"):
        if (failed := told.get(kind, ABSENT)).is_true:
            return _degraded(failed, "JobFailed")
    if told.get("Complete", ABSENT).is_true:
        return HEALTHY
    if spec.get("suspend"):
        return _suspended("Suspended", "the job is suspended")
    active, done, failed_pods = (conditions.count(found, name) for name in ("active", "succeeded", "failed"))
    tries = f", {failed_pods} failed (backoffLimit {spec.get('backoffLimit', 6)})" if failed_pods else ""
    return _progressing("Running", f"{active} pods active, {done} of {spec.get('completions') or 1} done{tries}")


def _cron_job(live: Object) -> Assessment:
    """What its last run came to says nothing of what Git says now: the next one shows it."""
    return _suspended("Suspended", "the cron job is suspended") if conditions.spec_of(live).get("suspend") else HEALTHY


def _claim(live: Object) -> Assessment:
    phase, told = conditions.status_of(live).get("phase"), conditions.of(live)
    if phase == "Lost":
        return Assessment(Health.DEGRADED, "Lost", "the claim's volume is gone")
    if phase != "Bound":
        hint = "; with volumeBindingMode WaitForFirstConsumer it is bound once a pod uses it"
        return _progressing("Unbound", f"the claim's phase is {phase or 'not known'}{hint}")
    for kind in ("ControllerResizeError", "NodeResizeError", "ModifyVolumeError"):
        if (failed := told.get(kind, ABSENT)).is_true:
            return _degraded(failed, kind)
    if (resizing := told.get("Resizing", ABSENT)).is_true:
        return _progressing(resizing.reason or "Resizing", resizing.message or "the volume is being resized")
    return HEALTHY


def _volume(live: Object) -> Assessment:
    found = conditions.status_of(live)
    if found.get("phase") == "Failed":
        return Assessment(
            Health.DEGRADED, conditions.text(found, "reason") or "Failed", conditions.text(found, "message")
        )
    return HEALTHY


def _service(live: Object) -> Assessment:
    if conditions.spec_of(live).get("type") != "LoadBalancer":
        return HEALTHY
    if conditions.mapping(conditions.status_of(live), "loadBalancer").get("ingress"):
        return HEALTHY
    return _progressing("NoAddress", "the load balancer has no address yet")


def _definition(live: Object) -> Assessment:
    told = conditions.of(live)
    if (names := told.get("NamesAccepted", ABSENT)).is_false:
        return _degraded(names, "NamesNotAccepted")
    if (structure := told.get("NonStructuralSchema", ABSENT)).is_true:
        return _degraded(structure, "NonStructuralSchema")
    if told.get("Established", ABSENT).is_true:
        return HEALTHY
    return _progressing("NotEstablished", "the API server does not serve the kind yet")


def _namespace(live: Object) -> Assessment:
    phase = conditions.status_of(live).get("phase")
    return HEALTHY if phase in ("Active", None) else _progressing("Terminating", f"the namespace's phase is {phase}")


def _api_service(live: Object) -> Assessment:
    available = conditions.of(live).get("Available")
    if available is None:
        return _progressing("NotAvailable", "the API service has no condition yet")
    return HEALTHY if available.is_true else _degraded(available, "NotAvailable")


def _budget(live: Object) -> Assessment:
    """That nobody may be evicted now is often what was asked for; only what cannot be computed is wrong."""
    allowed = conditions.of(live).get("DisruptionAllowed", ABSENT)
    return _degraded(allowed, "SyncFailed") if allowed.reason == "SyncFailed" else HEALTHY


def _autoscaler(live: Object) -> Assessment:
    """Without metrics or its target it does nothing; both may still come, and its conditions never give up."""
    told = conditions.of(live)
    if (able := told.get("AbleToScale", ABSENT)).is_false:
        return _progressing(able.reason or "NotAbleToScale", able.message)
    active = told.get("ScalingActive", ABSENT)
    if active.reason == "ScalingDisabled":
        return _suspended(active.reason, active.message)
    return _progressing(active.reason or "NotActive", active.message) if active.is_false else HEALTHY


def _generic(live: Object) -> Assessment:
    """kstatus' reading of conditions: Stalled, Reconciling, then the first that tells whether it works."""
    told = conditions.of(live)
    if (stalled := told.get("Stalled", ABSENT)).is_true and not stalled.is_stale:
        return _degraded(stalled, "Stalled")
    if (reconciling := told.get("Reconciling", ABSENT)).is_true:
        return _progressing(reconciling.reason or "Reconciling", reconciling.message)
    kind = next((kind for kind in READY_TYPES if kind in told), "")
    if not kind:
        return HEALTHY
    ready = told[kind]
    if ready.is_stale:
        return _progressing("NotObserved", f"the condition {kind} speaks of an earlier generation")
    return HEALTHY if ready.is_true else _progressing(ready.reason or "NotReady", ready.message)


def _existing(_live: Object) -> Assessment:
    """Has conditions that do not tell its health: an Ingress without an address serves through a node port, too."""
    return HEALTHY


_RULES: dict[resources.GroupKind, Callable[[Object], Assessment]] = {
    resources.GroupKind("apps", "Deployment"): _deployment,
    resources.GroupKind("apps", "StatefulSet"): _stateful_set,
    resources.GroupKind("apps", "DaemonSet"): _daemon_set,
    resources.GroupKind("apps", "ReplicaSet"): _replica_set,
    resources.GroupKind("", "ReplicationController"): _replica_set,
    resources.GroupKind("", "Pod"): _pod,
    resources.GroupKind("batch", "Job"): _job,
    resources.GroupKind("batch", "CronJob"): _cron_job,
    resources.GroupKind("", "PersistentVolumeClaim"): _claim,
    resources.GroupKind("", "PersistentVolume"): _volume,
    resources.GroupKind("", "Service"): _service,
    resources.DEFINITION: _definition,
    resources.NAMESPACE: _namespace,
    resources.GroupKind("apiregistration.k8s.io", "APIService"): _api_service,
    resources.GroupKind("policy", "PodDisruptionBudget"): _budget,
    resources.GroupKind("autoscaling", "HorizontalPodAutoscaler"): _autoscaler,
    resources.GroupKind("networking.k8s.io", "Ingress"): _existing,
}
