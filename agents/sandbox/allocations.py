"""What the server adds to single kinds on their way into the store, and nobody owns: addresses, selectors, guards."""

from collections.abc import Callable, Mapping

from agents.sandbox.cluster import Cluster
from agents.sandbox.schema import Object, Resource

_CLAIM_GUARD = "kubernetes.io/pvc-protection"
_VOLUME_GUARD = "kubernetes.io/pv-protection"
GUARDS: Mapping[tuple[str, str], str] = {
    ("", "persistentvolumeclaims"): _CLAIM_GUARD,
    ("", "persistentvolumes"): _VOLUME_GUARD,
}
"""Finalizers that a controller takes off again once nothing uses the object."""

_TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


def allocated(cluster: Cluster, resource: Resource, value: Object, *, live: Object | None = None) -> Object:
    """Return the object with what the server gives it; `live` is there when it is not new."""
    allocate = _ALLOCATIONS.get(resource.kind) if not resource.custom else None
    return allocate(cluster, value, live) if allocate else value


def _service(cluster: Cluster, value: Object, _: Object | None) -> Object:
    spec = value.get("spec") or {}
    if spec.get("type") == "ExternalName":
        return value
    address = spec.get("clusterIP") or cluster.address()
    given = {"clusterIP": address, "clusterIPs": [address], "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"}
    spec = {**spec, **{name: spec.get(name) or part for name, part in given.items()}}
    open_port = spec.get("type") in ("NodePort", "LoadBalancer")
    if spec.get("ports"):
        spec["ports"] = [_port(cluster, port, open_port=open_port) for port in spec["ports"]]
    return {**value, "spec": spec}


def _port(cluster: Cluster, port: Object, *, open_port: bool) -> Object:
    if open_port and not port.get("nodePort"):
        return {**port, "nodePort": cluster.node_port()}
    if not open_port and "nodePort" in port:
        return {name: part for name, part in port.items() if name != "nodePort"}
    return port


def _job(_: Cluster, value: Object, live: Object | None) -> Object:
    spec, meta = value.get("spec") or {}, value["metadata"]
    if live is not None or spec.get("manualSelector"):
        return value
    mark = {"batch.kubernetes.io/controller-uid": meta["uid"]}
    labels = mark | {
        "batch.kubernetes.io/job-name": meta["name"],
        "controller-uid": meta["uid"],
        "job-name": meta["name"],
    }
    template = _labelled(spec.get("template") or {}, labels)
    spec = {**spec, "selector": {"matchLabels": mark}, "template": template}
    return {**_labelled(value, labels), "spec": spec}


def _pod(_: Cluster, value: Object, live: Object | None) -> Object:
    if live is not None:
        return value
    return {**value, "status": {**value["status"], "qosClass": _quality(value["spec"])}}


def _quality(spec: Object) -> str:
    """Return the class of service that a Pod's requests and limits ask for."""
    asked = [container.get("resources") or {} for container in spec.get("containers", ())]
    if not any(each.get("requests") or each.get("limits") for each in asked):
        return "BestEffort"
    whole = all({"cpu", "memory"} <= (each.get("limits") or {}).keys() for each in asked)
    return "Guaranteed" if whole and all(each["limits"] == each.get("requests") for each in asked) else "Burstable"


def _labelled(value: Object, labels: Object) -> Object:
    meta = value.get("metadata") or {}
    return {**value, "metadata": {**meta, "labels": {**(meta.get("labels") or {}), **labels}}}


def _guarded(finalizer: str) -> Callable[[Cluster, Object, Object | None], Object]:
    def guard(_: Cluster, value: Object, live: Object | None) -> Object:
        meta = value["metadata"]
        finalizers = meta.get("finalizers") or []
        if live is not None or finalizer in finalizers:
            return value
        return {**value, "metadata": {**meta, "finalizers": [*finalizers, finalizer]}}

    return guard


def _daemon_set(_: Cluster, value: Object, live: Object | None) -> Object:
    meta = value["metadata"]
    annotations = meta.get("annotations") or {}
    count = int(annotations.get(_TEMPLATE_GENERATION, "0"))
    if live is None or live["spec"]["template"] != value["spec"]["template"]:
        count += 1
    elif _TEMPLATE_GENERATION in annotations:
        return value
    return {**value, "metadata": {**meta, "annotations": {**annotations, _TEMPLATE_GENERATION: str(count)}}}


def _definition(_: Cluster, value: Object, live: Object | None) -> Object:
    if live is not None:
        return value
    versions = [version["name"] for version in value["spec"]["versions"] if version.get("storage")]
    status = {"acceptedNames": {"kind": "", "plural": ""}, "conditions": None, "storedVersions": versions}
    return {**value, "status": status}


_ALLOCATIONS: Mapping[str, Callable[[Cluster, Object, Object | None], Object]] = {
    "CustomResourceDefinition": _definition,
    "DaemonSet": _daemon_set,
    "Job": _job,
    "PersistentVolume": _guarded(_VOLUME_GUARD),
    "PersistentVolumeClaim": _guarded(_CLAIM_GUARD),
    "Pod": _pod,
    "Service": _service,
}
