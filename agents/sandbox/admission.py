"""What the server does to an object between a client's wish and the store: checks, identity, status, generation."""

from collections.abc import Mapping

import msgspec

from agents.sandbox import defaults, rules, schema, statuses, structural, validation
from agents.sandbox.fieldsets import FieldSet
from agents.sandbox.schema import Json, Object, Resource
from agents.sandbox.statuses import Cause
from agents.sandbox.texts import printed

# Kinds whose strategy counts generations; every custom resource does too.
_GENERATIONS = frozenset(
    (
        "CronJob",
        "CustomResourceDefinition",
        "DaemonSet",
        "Deployment",
        "DeviceClass",
        "EndpointSlice",
        "FlowSchema",
        "Ingress",
        "IngressClass",
        "Job",
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
        "MutatingWebhookConfiguration",
        "NetworkPolicy",
        "Pod",
        "PodDisruptionBudget",
        "PodTemplate",
        "PriorityClass",
        "PriorityLevelConfiguration",
        "ReplicaSet",
        "ReplicationController",
        "ResourceSlice",
        "StatefulSet",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
    )
)

# What a new object's status is before any controller has seen it.
_STATUSES: Mapping[str, Object] = {
    "DaemonSet": {
        "currentNumberScheduled": 0,
        "desiredNumberScheduled": 0,
        "numberMisscheduled": 0,
        "numberReady": 0,
    },
    "HorizontalPodAutoscaler": {"currentMetrics": None, "desiredReplicas": 0},
    "Ingress": {"loadBalancer": {}},
    "Namespace": {"phase": "Active"},
    "PersistentVolume": {"phase": "Pending"},
    "PersistentVolumeClaim": {"phase": "Pending"},
    "Pod": {"phase": "Pending", "qosClass": "BestEffort"},
    "PodDisruptionBudget": {"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0},
    "ReplicaSet": {"replicas": 0},
    "ReplicationController": {"replicas": 0},
    "Service": {"loadBalancer": {}},
    "StatefulSet": {"availableReplicas": 0, "replicas": 0},
}
_LABEL_NAMES = frozenset(("Namespace", "Service"))  # their names become DNS labels
_FREE_NAMES = frozenset(("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"))  # these allow `system:node`

_STATUS: FieldSet = {"f:status": {}}
_SPEC: FieldSet = {"f:spec": {}}
_SPEC_AND_LABELS: FieldSet = {"f:spec": {}, "f:metadata": {"f:labels": {}}}
_LABELS_KEPT = frozenset(("Deployment",))  # whose status door cannot write labels either


class Target(msgspec.Struct, frozen=True):
    """What a request is about."""

    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""


def has_status(resource: Resource) -> bool:
    return resource.door("status") is not None


def ignored(target: Target) -> FieldSet:
    """Return the fields that cannot be written through the door a request came by."""
    if not has_status(target.resource):
        return {}
    if target.subresource != "status":
        return _STATUS
    return _SPEC_AND_LABELS if target.resource.kind in _LABELS_KEPT else _SPEC


class Undecodable(Exception):
    """A value that the server's types cannot hold."""


class Decoded(msgspec.Struct, frozen=True):
    """An object in canonical form with its defaults, and what validation has to say about it."""

    value: Object
    causes: list[Cause]
    unknown: list[str]


def decode(resource: Resource, value: Object, *, applied: bool = False) -> Decoded:
    """Read an object as the server does, leaving out unknown fields."""
    return _decode_custom(resource, value, applied) if resource.custom else _decode_builtin(resource, value)


def _decode_builtin(resource: Resource, value: Object) -> Decoded:
    reader = validation.Reader()
    canonical = reader.read(resource.type, value)
    if reader.wrong:
        raise Undecodable("; ".join(reader.wrong))
    causes = [rules.unsupported(*found) for found in reader.unsupported]
    unknown = [path[1:] for path in reader.unknown]
    return Decoded(defaults.filled((resource.group, resource.kind), canonical), causes, unknown)


def _decode_custom(resource: Resource, value: Object, applied: bool) -> Decoded:
    meta = validation.Reader()
    metadata = meta.read(schema.builtin().types[schema.OBJECT_META], value.get("metadata", {}), path=((), "metadata"))
    if meta.wrong:
        raise Undecodable("; ".join(meta.wrong))
    reader = structural.Reader(keep_nulls=applied)
    kept = reader.read(resource.type.map or schema.Map(fields={}), value)
    unknown = [path[1:] for path in meta.unknown] + reader.unknown
    return Decoded({**kept, "metadata": metadata}, reader.causes, unknown)


def read_status(resource: Resource, given: Object) -> Object:
    """Return a status that the server itself has made in canonical form."""
    kind = (resource.type.map or schema.Map(fields={})).fields["status"]
    status: Object = validation.Reader().read(kind, given, path=((), "status"))
    return status


def decode_body(resource: Resource, value: Object, *, strict: bool) -> Decoded:
    """Read what a client has sent; `strict` refuses fields that no schema declares."""
    try:
        decoded = decode(resource, value)
    except Undecodable as error:
        raise _refused(resource, str(error)) from error
    if strict and decoded.unknown:
        listed = ", ".join(f'unknown field "{path}"' for path in decoded.unknown)
        raise _refused(resource, f"strict decoding error: {listed}")
    return decoded


def _refused(resource: Resource, why: str) -> statuses.Failure:
    kind, version = resource.kind, resource.version
    return statuses.bad_request(f'{kind} in version "{version}" cannot be handled as a {kind}: {why}')


def check_kind(resource: Resource, value: Json) -> Object:
    """Refuse a body that is not an object of this resource."""
    if not isinstance(value, dict):
        raise statuses.bad_request("couldn't get version/kind; json parse error: expected a JSON object")
    if (value.get("apiVersion", ""), value.get("kind", "")) != (resource.api_version, resource.kind):
        group, _, version = value.get("apiVersion", "").rpartition("/")
        raise statuses.bad_request(f"invalid object type: {group}/{version}, Kind={value.get('kind', '')}")
    if not isinstance(value.get("metadata", {}), dict):
        raise statuses.bad_request("metadata: expected a JSON object")
    return value


def check_body(resource: Resource, value: Json) -> Object:
    """Refuse a posted or put body of another kind, in the words of the real server's decoder.

    A body that does not say what it is, is what its path says.
    """
    if isinstance(value, dict) and not resource.custom:
        value = {"apiVersion": resource.api_version, "kind": resource.kind} | value
        group, _, version = value.get("apiVersion", "").rpartition("/")
        kind = value.get("kind", "")
        if kind and kind != resource.kind and not group:
            into = f"({resource.group or 'core'}.{resource.kind})"
            why = f"converting ({version}.{kind}) to {into}: unknown conversion"
            raise statuses.bad_request(f'{kind} in version "{version}" cannot be handled as a {resource.kind}: {why}')
    return check_kind(resource, value)


def check_place(target: Target, value: Object) -> None:
    """Refuse a body whose name or namespace is not the one of the request's URL."""
    meta = value.get("metadata", {})
    namespace, name = meta.get("namespace", ""), meta.get("name", "")
    if namespace and namespace != target.namespace:
        raise statuses.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    if name and target.name and name != target.name:
        raise statuses.bad_request(
            f"the name of the object ({name}) does not match the name on the URL ({target.name})"
        )


def check_name(resource: Resource, name: str) -> None:
    if not name:
        message = "Required value: name or generateName is required"
        raise statuses.invalid(resource, "", [("FieldValueRequired", message, "metadata.name")])
    if resource.kind in _FREE_NAMES:
        return
    problem = validation.name_problem(name, label=resource.kind in _LABEL_NAMES)
    if problem:
        message = f'Invalid value: "{name}": {problem}'
        raise statuses.invalid(resource, name, [("FieldValueInvalid", message, "metadata.name")])


def for_create(resource: Resource, value: Object) -> Object:
    """Return a new object with the status and the generation that no client chooses."""
    meta = value["metadata"]
    out = value
    if resource.custom or resource.kind in _GENERATIONS:
        out = {**out, "metadata": {**meta, "generation": 1}}
    if has_status(resource):
        out = {name: part for name, part in out.items() if name != "status"}
        if not resource.custom:
            out["status"] = _STATUSES.get(resource.kind, {})
    if resource.kind == "Namespace" and not resource.custom:
        out["spec"] = {**out.get("spec", {}), "finalizers": ["kubernetes"]}
    return out


_KEPT = ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink")


def for_update(target: Target, live: Object, value: Object) -> Object:
    """Return the new object with what this door cannot change taken from the live one, and its generation."""
    old = live["metadata"]
    meta = {name: part for name, part in value["metadata"].items() if name not in _KEPT}
    meta |= {name: old[name] for name in _KEPT if name in old}
    meta["name"] = old["name"]
    out = {**value, "metadata": meta}
    if target.subresource == "status":
        kept = {name: part for name, part in live.items() if name not in ("status", "metadata")}
        meta = dict(old) if target.resource.custom else _status_meta(meta, old)
        out = kept | ({"status": out["status"]} if "status" in out else {}) | {"metadata": meta}
    elif has_status(target.resource):
        out = {name: part for name, part in out.items() if name != "status"}
        if "status" in live:
            out["status"] = live["status"]
    if "generation" in old and _desired(out) != _desired(live):
        out["metadata"]["generation"] = old["generation"] + 1
    return out


def _status_meta(meta: Object, old: Object) -> Object:
    kept = {name: old[name] for name in ("labels", "finalizers", "ownerReferences") if name in old}
    return {name: part for name, part in meta.items() if name not in ("labels", "finalizers", "ownerReferences")} | kept


def _desired(value: Object) -> Object:
    return {name: part for name, part in value.items() if name not in ("metadata", "status")}


def check_changes(resource: Resource, live: Object, value: Object) -> None:
    """Refuse changes of what cannot change once an object is there."""
    causes: list[tuple[str, str, str]] = []
    for field in _IMMUTABLE.get(resource.kind, ()) if not resource.custom else ():
        before, after = _field(live, field), _field(value, field)
        if before is not None and before != after:
            causes.append(("FieldValueInvalid", _immutable_text(field, after), field))
    if resource.kind in ("ConfigMap", "Secret") and live.get("immutable"):
        if not value.get("immutable"):
            causes.append(("FieldValueForbidden", "Forbidden: field is immutable when `immutable` is set", "immutable"))
        if any(live.get(part) != value.get(part) for part in ("data", "binaryData")):
            causes.append(("FieldValueForbidden", "Forbidden: field is immutable when `immutable` is set", "data"))
    if causes:
        raise statuses.invalid(resource, live["metadata"]["name"], causes)


_IMMUTABLE: Mapping[str, tuple[str, ...]] = {
    "DaemonSet": ("spec.selector",),
    "Deployment": ("spec.selector",),
    "Job": ("spec.selector", "spec.completionMode"),
    "PersistentVolumeClaim": ("spec.accessModes", "spec.storageClassName", "spec.volumeMode"),
    "ReplicaSet": ("spec.selector",),
    "RoleBinding": ("roleRef",),
    "ClusterRoleBinding": ("roleRef",),
    "Secret": ("type",),
    "Service": ("spec.clusterIP",),
    "StatefulSet": ("spec.selector", "spec.serviceName", "spec.podManagementPolicy"),
    "StorageClass": ("provisioner", "reclaimPolicy", "volumeBindingMode"),
}


def _immutable_text(field: str, after: Json) -> str:
    if field != "roleRef":
        return f"Invalid value: {printed(after)}: field is immutable"
    internal = {"APIGroup": after.get("apiGroup"), "Kind": after.get("kind"), "Name": after.get("name")}
    return f"Invalid value: {printed(internal)}: cannot change roleRef"  # printed from the server's internal type


def _field(value: Json, path: str) -> Json:
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value
