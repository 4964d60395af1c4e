"""The `scale` subresource: a workload's replicas as an object of their own."""

from collections.abc import Callable

from agents.sandbox import statuses
from agents.sandbox.schema import Json, Object

_META = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def scale(value: Object) -> Object:
    """Return the scale of a workload."""
    meta = {name: value["metadata"][name] for name in _META if name in value["metadata"]}
    spec, status = value.get("spec", {}), value.get("status", {})
    seen: Object = {"replicas": status.get("replicas", 0)}
    labels = (spec.get("selector") or {}).get("matchLabels") or {}
    if labels:
        seen["selector"] = ",".join(f"{name}={labels[name]}" for name in sorted(labels))
    replicas = spec.get("replicas")
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": meta,
        "spec": {"replicas": replicas} if replicas else {},
        "status": seen,
    }


def change(given: Json) -> Callable[[Object], Object]:
    """Return what a scale asks of its workload."""
    spec = given.get("spec") if isinstance(given, dict) else None
    replicas = spec.get("replicas", 0) if isinstance(spec, dict) else None
    if not isinstance(replicas, int) or replicas < 0:
        raise statuses.bad_request("Scale: spec.replicas is not a number of replicas")
    return lambda value: {**value, "spec": {**value["spec"], "replicas": replicas}}
