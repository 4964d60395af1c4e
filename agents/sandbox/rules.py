"""The rules of single kinds that people meet when a manifest is wrong; the real server has many more."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from agents.sandbox import statuses
from agents.sandbox.schema import Json, Object, Resource
from agents.sandbox.statuses import Cause
from agents.sandbox.texts import printed


def check(resource: Resource, value: Object, causes: Sequence[Cause]) -> None:
    """Refuse an object for what its reading has found, or for breaking a rule of its kind."""
    found = list(causes)
    rule = _RULES.get(resource.kind) if not resource.custom else None
    if rule is not None:
        found += rule(value)
    if found:
        raise statuses.invalid(resource, value["metadata"].get("name", ""), found)


def unsupported(path: str, value: str, allowed: Iterable[str]) -> Cause:
    listed = ", ".join(f'"{name}"' for name in sorted(allowed))
    return ("FieldValueNotSupported", f'Unsupported value: "{value}": supported values: {listed}', path)


def _required(path: str) -> Cause:
    return ("FieldValueRequired", "Required value", path)


def _selected(value: Object) -> list[Cause]:
    """Check a workload: it selects the pods of its own template."""
    spec = value.get("spec") or {}
    template = spec.get("template") or {}
    labels = (template.get("metadata") or {}).get("labels") or {}
    selector = spec.get("selector")
    causes: list[Cause] = []
    if not selector:
        causes.append(_required("spec.selector"))
    wanted = (selector or {}).get("matchLabels") or {}
    if not selector or any(labels.get(name) != text for name, text in wanted.items()):
        message = f"Invalid value: {printed(labels)}: `selector` does not match template `labels`"
        causes.append(("FieldValueInvalid", message, "spec.template.metadata.labels"))
    return causes + _containers(template.get("spec") or {}, "spec.template.spec")


def _containers(spec: Object, path: str) -> list[Cause]:
    containers = spec.get("containers")
    if not containers:
        return [_required(f"{path}.containers")]
    causes: list[Cause] = []
    for index, container in enumerate(containers):
        for field in ("name", "image"):
            if not container.get(field):
                causes.append(_required(f"{path}.containers[{index}].{field}"))
    return causes


def _pod(value: Object) -> list[Cause]:
    return _containers(value.get("spec") or {}, "spec")


def _job(value: Object) -> list[Cause]:
    template: Json = (value.get("spec") or {}).get("template") or {}
    return _containers(template.get("spec") or {}, "spec.template.spec")


def _service(value: Object) -> list[Cause]:
    spec = value.get("spec") or {}
    if spec.get("type") != "ExternalName" and spec.get("clusterIP") != "None" and not spec.get("ports"):
        return [_required("spec.ports")]
    return []


_RULES: Mapping[str, Callable[[Object], list[Cause]]] = {
    "DaemonSet": _selected,
    "Deployment": _selected,
    "Job": _job,
    "Pod": _pod,
    "ReplicaSet": _selected,
    "Service": _service,
    "StatefulSet": _selected,
}
