"""Which object or collection a URL names."""

import msgspec

from agents.sandbox import statuses
from agents.sandbox.admission import Target
from agents.sandbox.crds import Registry

_NAMESPACE_DOORS = ("status", "finalize")  # subresources of a namespace, where a plural would stand


class Route(msgspec.Struct, frozen=True):
    """A parsed path below a cluster: `target.name` is empty when it names a collection."""

    target: Target
    collection: bool


def resource_route(registry: Registry, parts: list[str]) -> Route:
    """Parse `api/v1/...` or `apis/GROUP/VERSION/...`; refuse what is not served."""
    group, version, rest = _group_version(parts)
    namespace = ""
    if len(rest) >= 3 and rest[0] == "namespaces" and rest[2] not in _NAMESPACE_DOORS:
        namespace, rest = rest[1], rest[2:]
    if not 1 <= len(rest) <= 3:
        raise statuses.no_such_page()
    resource = registry.find(group, version, rest[0])
    if resource is None:
        raise statuses.no_such_page() if registry.serves(group, version) else statuses.no_such_group()
    name = rest[1] if len(rest) > 1 else ""
    subresource = rest[2] if len(rest) > 2 else ""
    if bool(namespace) and not resource.namespaced:
        raise statuses.no_such_page()
    if name and resource.namespaced and not namespace:
        raise statuses.no_such_page()
    if subresource and resource.door(subresource) is None:
        raise statuses.no_such_page()
    return Route(Target(resource, namespace, name, subresource), collection=not name)


def _group_version(parts: list[str]) -> tuple[str, str, list[str]]:
    if parts[0] == "api" and len(parts) > 2:
        return "", parts[1], parts[2:]
    if parts[0] == "apis" and len(parts) > 3:
        return parts[1], parts[2], parts[3:]
    raise statuses.no_such_page()
