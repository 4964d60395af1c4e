"""The fields of `fleet.yaml` that count, and a warning for every other one that asks for something."""

from typing import Any

import msgspec
from msgspec import inspect

from controller.render import limits, settings, typed_yaml, yamls
from protocol.events import sources

Number = int | str
"""A number, or a share in percent."""


class Kustomize(msgspec.Struct, frozen=True, rename="camel"):
    """`kustomize`."""

    dir: str = ""


class Yaml(msgspec.Struct, frozen=True, rename="camel"):
    """`yaml`."""

    overlays: tuple[str, ...] = ()


class Helm(msgspec.Struct, frozen=True, rename="camel"):
    """`helm`."""

    chart: str = ""
    repo: str = ""
    version: str = ""
    release_name: str = ""
    values: dict[str, Any] = {}
    values_files: tuple[str, ...] = ()
    disable_pre_process: bool = False
    disable_dns: bool = msgspec.field(default=False, name="disableDNS")
    """Templates never ask the network here."""


class TopHelm(Helm, frozen=True, rename="camel"):
    """`helm` at the top, where it says something about the bundle, too."""

    take_ownership: bool = False


class Clusters(msgspec.Struct, frozen=True, rename="camel"):
    """An entry of `overrideTargets`, and what entries of other lists select clusters by: all that is given must match,
    and where nothing is given, nothing does.
    """

    name: str = ""
    cluster_name: str = ""
    cluster_selector: settings.BundleSelector | None = None
    cluster_group: str = ""
    cluster_group_selector: dict[str, Any] | None = None


class Customization(Clusters, frozen=True, rename="camel"):
    """An entry of `targetCustomizations`."""

    namespace: str = ""
    default_namespace: str = ""
    helm: Helm | None = None
    kustomize: Kustomize | None = None
    yaml: Yaml | None = None
    do_not_deploy: bool = False


class Partition(Clusters, frozen=True, rename="camel"):
    """An entry of `rolloutStrategy.partitions`."""

    max_unavailable: Number = ""


class RolloutStrategy(msgspec.Struct, frozen=True, rename="camel"):
    """`rolloutStrategy`."""

    max_unavailable: Number = ""
    max_unavailable_partitions: Number = ""
    auto_partition_size: Number = ""
    partitions: tuple[Partition, ...] = ()


class Dependency(msgspec.Struct, frozen=True, rename="camel"):
    """An entry of `dependsOn`."""

    name: str = ""
    selector: settings.BundleSelector | None = None
    accepted_states: tuple[str, ...] = ()


class Operation(msgspec.Struct, frozen=True, rename="camel"):
    """An operation of a compare patch."""

    op: str = ""
    path: str = ""


class ComparePatch(msgspec.Struct, frozen=True, rename="camel"):
    """An entry of `diff.comparePatches`."""

    api_version: str = ""
    kind: str = ""
    namespace: str = ""
    name: str = ""
    operations: tuple[Operation, ...] = ()
    json_pointers: tuple[str, ...] = ()


class Diff(msgspec.Struct, frozen=True, rename="camel"):
    """`diff`."""

    compare_patches: tuple[ComparePatch, ...] = ()


class CorrectDrift(msgspec.Struct, frozen=True, rename="camel"):
    """`correctDrift`."""

    enabled: bool | None = None


class File(msgspec.Struct, frozen=True, rename="camel"):
    """fleet.yaml, as far as it counts."""

    name: str = ""
    labels: dict[str, str] = {}
    namespace: str = ""
    default_namespace: str = ""
    helm: TopHelm | None = None
    kustomize: Kustomize | None = None
    yaml: Yaml | None = None
    diff: Diff | None = None
    correct_drift: CorrectDrift | None = None
    keep_resources: bool = False
    paused: bool = False
    create_namespace: bool = True
    """Namespaces are created as needed; `false` is told apart."""
    rollout_strategy: RolloutStrategy | None = None
    depends_on: tuple[Dependency, ...] = ()
    target_customizations: tuple[Customization, ...] = ()
    target_customization_mode: str = ""
    override_targets: tuple[Clusters, ...] = ()


_RELEASE = "there is no Helm release that is upgraded"
_TOP = "it counts at the top only"
_REASONS = {
    "helm.valuesFrom": "config maps and secrets of a cluster are out of the hub's reach",
    "helm.templateValues": "put templates into helm.values",
    "helm.force": "objects are changed in place, never replaced",
    "helm.atomic": _RELEASE,
    "helm.waitForJobs": _RELEASE,
    "helm.timeoutSeconds": _RELEASE,
    "helm.maxHistory": _RELEASE,
    "helm.takeOwnership": _TOP,
    "diff": _TOP,
    "correctDrift": _TOP,
    "correctDrift.force": "objects are changed in place, never replaced",
    "correctDrift.keepFailHistory": _RELEASE,
    "keepResources": _TOP,
    "serviceAccount": "the agent applies with its own account",
    "imageScans": "images change in Git",
}
"""Why, where it can be said in a line; by the last fields of the place."""


class Warnings:
    """What was found in one file and does not count."""

    def __init__(self, document: yamls.Document) -> None:
        self._document = document
        self._found: dict[sources.Problem, None] = {}

    def add(self, place: yamls.Place, reason: str) -> None:
        """Note a warning about a field."""
        text = f"{typed_yaml.dotted(place)}: {reason}"
        self._found[sources.Problem("", text, typed_yaml.line(self._document, place))] = None

    def all(self) -> tuple[sources.Problem, ...]:
        """All of them by line, without a path; not more than somebody will read."""
        ordered = sorted(self._found, key=lambda problem: (problem.line, problem.reason))
        if len(ordered) <= limits.WARNINGS_MAX:
            return tuple(ordered)
        rest = f"and {len(ordered) - limits.WARNINGS_MAX + 1} more of the like"
        return (*ordered[: limits.WARNINGS_MAX - 1], sources.Problem("", rest))


def read(document: yamls.Document, warnings: Warnings) -> File:
    """The fields that count; raise UnreadableError for one of a wrong type. Null is as good as nothing, as in Fleet."""
    return typed_yaml.convert(document, _known(document.value, inspect.type_info(File), (), warnings), File)


def _known(value: Any, kind: inspect.Type, place: yamls.Place, warnings: Warnings) -> Any:
    if isinstance(kind, inspect.UnionType):
        structs = [one for one in kind.types if isinstance(one, inspect.StructType)]
        return _known(value, structs[0], place, warnings) if structs else value
    if isinstance(kind, inspect.VarTupleType) and isinstance(value, list):
        return [_known(item, kind.item_type, (*place, at), warnings) for at, item in enumerate(value)]
    if not isinstance(kind, inspect.StructType) or not isinstance(value, dict):
        return value
    fields = {field.encode_name: field.type for field in kind.fields}
    found = {}
    for key, item in value.items():
        here = (*place, key)
        if key in fields:
            if item is not None:
                found[key] = _known(item, fields[key], here, warnings)
        elif item not in (None, False, 0, "", [], {}):
            warnings.add(here, _unsupported(here))
    return found


def _unsupported(place: yamls.Place) -> str:
    names = [step for step in place if isinstance(step, str)]
    reason = _REASONS.get(".".join(names[-2:])) or _REASONS.get(names[-1])
    return "not supported, and has no effect" + (f" ({reason})" if reason else "")
