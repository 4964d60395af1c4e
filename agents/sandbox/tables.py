"""Tables: what `kubectl get` shows, laid out by the server."""

import datetime
from collections.abc import Callable, Mapping, Sequence

from agents.sandbox.schema import Json, Object, Resource

TABLE = "as=Table"
Cell = Callable[[Object], Json]


def wanted(accept: str) -> bool:
    """Say whether a client prefers a Table."""
    return TABLE in accept.split(",")[0]


def table(resource: Resource, items: Sequence[Object], *, meta: Object, at: float, objects: str) -> Object:
    """Return a table of objects; `objects` is how much of each goes along: Metadata, Object or None."""
    columns = _columns(resource)
    definitions = [
        {
            "name": name,
            "type": "string" if kind == "age" else kind,
            "format": "name" if name == "Name" else "",
            "description": "",
            "priority": wide,
        }
        for name, kind, wide, _ in columns
    ]
    rows = [
        {"cells": [_cell(cell, item, kind, at=at) for _, kind, _, cell in columns], "object": _partial(item, objects)}
        for item in items
    ]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": meta,
        "columnDefinitions": definitions,
        "rows": rows,
    }


def bookmark(resource: Resource, meta: Object) -> Object:
    """Return a bookmark as a table: one row of nothing, which carries the metadata."""
    nothing = {"age": "<unknown>", "integer": 0}
    cells = [nothing.get(kind, "") for _, kind, _, _ in _columns(resource)]
    item = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": meta}
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": meta["resourceVersion"]},
        "columnDefinitions": None,
        "rows": [{"cells": cells, "object": item}],
    }


def _partial(item: Object, objects: str) -> Json:
    if objects == "Object":
        return item
    if objects == "None":
        return None
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": item["metadata"]}


Column = tuple[str, str, int, Cell]


def _columns(resource: Resource) -> list[Column]:
    if resource.custom:
        return _custom_columns(resource)
    known = _COLUMNS.get(resource.kind, ())
    return [_NAME, *known, _AGE]


def _custom_columns(resource: Resource) -> list[Column]:
    columns = [_custom(column) for column in resource.columns]
    return [_NAME, *(columns or [("Age", "date", 0, _AGE[3])])]


def _custom(column: Object) -> Column:
    path = tuple(part for part in column["jsonPath"].lstrip(".").split(".") if part)
    return (column["name"], column["type"], column.get("priority", 0), lambda item: _at(item, *path))


def _cell(cell: Cell, item: Object, kind: str, *, at: float) -> Json:
    value = cell(item)
    if kind in ("age", "date") and value is not None:
        return age(value, at)
    return value


def age(text: str, at: float) -> str:
    """Return how long ago a time is, in kubectl's short form."""
    then = datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    seconds = max(0, int(at - then))
    if seconds < 120:
        return f"{seconds}s"
    minutes = seconds // 60
    if minutes < 10:
        return f"{minutes}m{seconds % 60}s" if seconds % 60 else f"{minutes}m"
    if minutes < 180:
        return f"{minutes}m"
    hours = minutes // 60
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    return f"{hours}h" if hours < 48 else f"{hours // 24}d"


def _at(item: Json, *path: str) -> Json:
    for part in path:
        item = item.get(part) if isinstance(item, dict) else None
    return item


def _ready(item: Object) -> str:
    return f"{_at(item, 'status', 'readyReplicas') or 0}/{_at(item, 'spec', 'replicas') or 0}"


def _pod_ready(item: Object) -> str:
    statuses = _at(item, "status", "containerStatuses") or []
    total = len(_at(item, "spec", "containers") or [])
    return f"{sum(1 for status in statuses if status.get('ready'))}/{total}"


def _pod_status(item: Object) -> str:
    if "deletionTimestamp" in item["metadata"]:
        return "Terminating"
    first = _at(item, "status", "initContainerStatuses") or []
    stuck = [_at(status, "state", "waiting", "reason") for status in first]
    for reason in filter(None, stuck):
        plain = reason in ("ContainerCreating", "PodInitializing")
        return f"Init:{stuck.index(reason)}/{len(stuck)}" if plain else f"Init:{reason}"
    for status in _at(item, "status", "containerStatuses") or []:
        reason = _at(status, "state", "waiting", "reason") or _at(status, "state", "terminated", "reason")
        if reason:
            return str(reason)
    return str(_at(item, "status", "phase") or "Unknown")


def _restarts(item: Object) -> str:
    return str(sum(status.get("restartCount", 0) for status in _at(item, "status", "containerStatuses") or []))


def _job_status(item: Object) -> str:
    found = {each["type"]: each["status"] for each in _at(item, "status", "conditions") or []}
    ended = [kind for kind in ("Complete", "Failed") if found.get(kind) == "True"]
    if ended:
        return ended[0]
    return "Suspended" if found.get("Suspended") == "True" else "Running"


def _job_duration(item: Object) -> str:
    started, ended = _at(item, "status", "startTime"), _at(item, "status", "completionTime")
    if not started or not ended:
        return ""
    return age(started, datetime.datetime.fromisoformat(ended.replace("Z", "+00:00")).timestamp())


def _node_selector(item: Object) -> str:
    found = _at(item, "spec", "template", "spec", "nodeSelector") or {}
    return ",".join(f"{name}={text}" for name, text in sorted(found.items())) or "<none>"


def _ports(item: Object) -> str:
    ports = _at(item, "spec", "ports") or []
    return ",".join(f"{port['port']}/{port.get('protocol', 'TCP')}" for port in ports) or "<none>"


def _count(*path: str) -> Cell:
    return lambda item: len(_at(item, *path) or ())


def _field(*path: str, otherwise: Json = None) -> Cell:
    def cell(item: Object) -> Json:
        found = _at(item, *path)
        return otherwise if found is None else found

    return cell


def _completions(item: Object) -> str:
    return f"{_at(item, 'status', 'succeeded') or 0}/{_at(item, 'spec', 'completions') or 1}"


_NAME: Column = ("Name", "string", 0, _field("metadata", "name"))
_AGE: Column = ("Age", "age", 0, _field("metadata", "creationTimestamp"))
_COLUMNS: Mapping[str, tuple[Column, ...]] = {
    "ConfigMap": (("Data", "string", 0, _count("data")),),
    "CustomResourceDefinition": (),
    "DaemonSet": (
        ("Desired", "integer", 0, _field("status", "desiredNumberScheduled", otherwise=0)),
        ("Current", "integer", 0, _field("status", "currentNumberScheduled", otherwise=0)),
        ("Ready", "integer", 0, _field("status", "numberReady", otherwise=0)),
        ("Up-to-date", "integer", 0, _field("status", "updatedNumberScheduled", otherwise=0)),
        ("Available", "integer", 0, _field("status", "numberAvailable", otherwise=0)),
        ("Node Selector", "string", 0, _node_selector),
    ),
    "Deployment": (
        ("Ready", "string", 0, _ready),
        ("Up-to-date", "string", 0, _field("status", "updatedReplicas", otherwise=0)),
        ("Available", "string", 0, _field("status", "availableReplicas", otherwise=0)),
    ),
    "Job": (
        ("Status", "string", 0, _job_status),
        ("Completions", "string", 0, _completions),
        ("Duration", "string", 0, _job_duration),
    ),
    "Namespace": (("Status", "string", 0, _field("status", "phase")),),
    "PersistentVolumeClaim": (("Status", "string", 0, _field("status", "phase")),),
    "Pod": (
        ("Ready", "string", 0, _pod_ready),
        ("Status", "string", 0, _pod_status),
        ("Restarts", "string", 0, _restarts),
    ),
    "ReplicaSet": (
        ("Desired", "integer", 0, _field("spec", "replicas", otherwise=0)),
        ("Current", "integer", 0, _field("status", "replicas", otherwise=0)),
        ("Ready", "integer", 0, _field("status", "readyReplicas", otherwise=0)),
    ),
    "Secret": (("Type", "string", 0, _field("type")), ("Data", "string", 0, _count("data"))),
    "Service": (
        ("Type", "string", 0, _field("spec", "type")),
        ("Cluster-IP", "string", 0, _field("spec", "clusterIP", otherwise="<none>")),
        ("Port(s)", "string", 0, _ports),
    ),
    "StatefulSet": (("Ready", "string", 0, _ready),),
}
