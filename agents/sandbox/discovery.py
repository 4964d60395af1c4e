"""The documents that tell clients what is served: versions, groups, resources, and enough OpenAPI for kubectl."""

import functools
import hashlib
from collections.abc import Iterable

import msgspec

from agents.sandbox import schema, statuses
from agents.sandbox.crds import Registry
from agents.sandbox.schema import Json, Object, Resource, Subresource

PATHS_MAX = 512  # rendered documents that are kept: three a group, and whatever else clients ask for
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_GO_VERSION = "go1.24"  # kubectl prints it; nothing depends on it


def version() -> Object:
    git = schema.builtin().server_version
    major, minor, *_ = git.removeprefix("v").split(".")
    return {"major": major, "minor": minor, "gitVersion": git, "goVersion": _GO_VERSION, "platform": "linux/amd64"}


def rendered(registry: Registry, parts: list[str], *, aggregated: bool) -> bytes | None:
    """Return the discovery document at a path as it is served; what is built in is rendered once for all clusters."""
    if not registry.generation:
        return _builtin(tuple(parts), aggregated)
    found = document(registry, parts, aggregated=aggregated)
    return None if found is None else encode(found)


@functools.lru_cache(maxsize=PATHS_MAX)
def _builtin(parts: tuple[str, ...], aggregated: bool) -> bytes | None:
    found = document(Registry(), list(parts), aggregated=aggregated)
    return None if found is None else encode(found)


def document(registry: Registry, parts: list[str], *, aggregated: bool) -> Json | None:
    """Return the discovery document at a path, or None when the path is none of discovery's."""
    match parts:
        case ["version"]:
            return version()
        case ["api"]:
            return _aggregated(registry, core=True) if aggregated else _core_versions()
        case ["apis"]:
            return _aggregated(registry, core=False) if aggregated else _groups(registry)
        case ["apis", group]:
            return _group(registry, group)
        case ["api", served]:
            return _resources(registry, "", served)
        case ["apis", group, served]:
            return _resources(registry, group, served)
        case ["openapi", "v3"]:
            return _openapi_index(registry)
        case ["openapi", "v3", "api", served]:
            return _openapi(registry, "", served)
        case ["openapi", "v3", "apis", group, served]:
            return _openapi(registry, group, served)
    return None


def _core_versions() -> Object:
    anywhere = {"clientCIDR": "0.0.0.0/0", "serverAddress": ""}
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [anywhere]}


def _versions(registry: Registry) -> dict[str, list[str]]:
    out: dict[str, list[str]] = {}
    for resource in registry.all():
        served = out.setdefault(resource.group, [])
        if resource.version not in served:
            served.append(resource.version)
    return {group: sorted(served, key=_preference) for group, served in out.items()}


def _preference(name: str) -> tuple[int, str]:
    """Order stable versions before beta before alpha, as the server prefers them."""
    return (2 if "alpha" in name else 1 if "beta" in name else 0, name)


def _group_object(group: str, served: list[str]) -> Object:
    versions = [{"groupVersion": f"{group}/{name}", "version": name} for name in served]
    return {"name": group, "versions": versions, "preferredVersion": versions[0]}


def _groups(registry: Registry) -> Object:
    groups = [_group_object(group, served) for group, served in _versions(registry).items() if group]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def _group(registry: Registry, group: str) -> Object:
    served = _versions(registry).get(group)
    if not served:
        raise statuses.no_such_page()
    return {"kind": "APIGroup", "apiVersion": "v1"} | _group_object(group, served)


def _of_version(registry: Registry, group: str, served: str) -> list[Resource]:
    found = [resource for resource in registry.all() if (resource.group, resource.version) == (group, served)]
    if not found:
        raise statuses.no_such_page()
    return found


def _resources(registry: Registry, group: str, served: str) -> Object:
    found = _of_version(registry, group, served)
    listed = [entry for resource in found for entry in _api_resources(resource)]
    version = {"apiVersion": "v1"} if group else {}  # the real server leaves it out for the core group
    names = {"kind": "APIResourceList", "groupVersion": found[0].api_version}
    return names | version | {"resources": listed}


def _api_resources(resource: Resource) -> Iterable[Object]:
    entry: Object = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    yield entry
    for door in resource.subresources:
        foreign = {} if (door.group, door.version) == (resource.group, resource.version) else _group_version(door)
        names = {"name": f"{resource.plural}/{door.name}", "singularName": "", "namespaced": resource.namespaced}
        yield names | foreign | {"kind": door.kind, "verbs": list(door.verbs)}


def _group_version(door: Subresource) -> Object:
    return {"group": door.group, "version": door.version}


def _aggregated(registry: Registry, *, core: bool) -> Object:
    items = [
        {"metadata": {"name": group} if group else {}, "versions": [_freshness(registry, group, v) for v in served]}
        for group, served in _versions(registry).items()
        if (group == "") is core
    ]
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


def _freshness(registry: Registry, group: str, served: str) -> Object:
    found = [_discovered(resource) for resource in _of_version(registry, group, served)]
    return {"version": served, "resources": found, "freshness": "Current"}


def _discovered(resource: Resource) -> Object:
    out: Object = {
        "resource": resource.plural,
        "responseKind": _response_kind(resource, resource),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        out["shortNames"] = list(resource.short_names)
    if resource.categories:
        out["categories"] = list(resource.categories)
    if resource.subresources:
        out["subresources"] = [
            {"subresource": door.name, "responseKind": _response_kind(resource, door), "verbs": list(door.verbs)}
            for door in resource.subresources
        ]
    return out


def _response_kind(resource: Resource, answer: Resource | Subresource) -> Object:
    """Return the kind that a resource answers with; built-in ones leave out what the document says anyway."""
    own = (answer.group, answer.version) == (resource.group, resource.version)
    if own and not resource.custom:
        return {"group": "", "version": "", "kind": answer.kind}
    return {"group": answer.group, "version": answer.version, "kind": answer.kind}


# OpenAPI: kubectl asks it whether the server validates fields itself, so that it need not.


def _path(group: str, served: str) -> str:
    return f"apis/{group}/{served}" if group else f"api/{served}"


def _openapi_index(registry: Registry) -> Object:
    paths = [_path(group, name) for group, served in _versions(registry).items() for name in served]
    mark = hashlib.sha256(f"{registry.generation}".encode()).hexdigest()[:16]
    return {"paths": {path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={mark}"} for path in paths}}


def _openapi(registry: Registry, group: str, served: str) -> Object:
    found = _of_version(registry, group, served)
    paths = {_resource_path(resource): {"patch": _patch(resource)} for resource in found}
    git = schema.builtin().server_version
    return {"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": git}, "paths": paths, "components": {}}


def _resource_path(resource: Resource) -> str:
    scope = "namespaces/{namespace}/" if resource.namespaced else ""
    return f"/{_path(resource.group, resource.version)}/{scope}{resource.plural}/{{name}}"


def _patch(resource: Resource) -> Object:
    names = ("dryRun", "fieldManager", "fieldValidation", "force")
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    return {
        "x-kubernetes-group-version-kind": kind,
        "x-kubernetes-action": "patch",
        "parameters": [{"name": name, "in": "query", "schema": {"type": "string"}} for name in names],
        "responses": {"200": {"description": "OK"}},
    }


encode = msgspec.json.encode
