"""Custom resources: what a CustomResourceDefinition makes the server serve, and with which merge rules."""

import functools
from collections.abc import Iterable

import msgspec

from agents.sandbox import schema
from agents.sandbox.schema import Json, List, Map, Object, Resource, Subresource, Type

VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
TYPES_MAX = 256  # hundreds of clusters share the same definitions; this many different ones stay derived


def resources(definition: Object) -> list[Resource]:
    """Return the resources that a definition declares, one per served version."""
    spec = definition["spec"]
    return [_resource(spec, version) for version in spec["versions"] if version.get("served")]


def _resource(spec: Object, version: Object) -> Resource:
    names = spec["names"]
    declared = version.get("schema", {}).get("openAPIV3Schema") or {}
    return Resource(
        group=spec["group"],
        version=version["name"],
        kind=names["kind"],
        plural=names["plural"],
        singular=names.get("singular") or names["kind"].lower(),
        namespaced=spec["scope"] == "Namespaced",
        verbs=VERBS,
        type=_root_type(msgspec.json.encode(declared, order="deterministic")),
        short_names=tuple(names.get("shortNames", ())),
        categories=tuple(names.get("categories", ())),
        subresources=tuple(_door(spec, version, name) for name in sorted(version.get("subresources") or {})),
        custom=True,
        columns=tuple(version.get("additionalPrinterColumns", ())),
    )


def _door(spec: Object, version: Object, name: str) -> Subresource:
    verbs = ("get", "patch", "update")
    if name == "scale":
        return Subresource(name, "autoscaling", "v1", "Scale", verbs)
    return Subresource(name, spec["group"], version["name"], spec["names"]["kind"], verbs)


@functools.lru_cache(maxsize=TYPES_MAX)
def _root_type(declared: bytes) -> Type:
    """Derive the type of a whole object; every one has the server's own metadata."""
    described = msgspec.json.decode(declared)
    derived = of_schema({**described, "type": "object"}) if described else schema.DEDUCED
    owner = derived.map or Map(fields={})
    meta = schema.builtin().types[schema.OBJECT_META]
    fields = {**owner.fields, "apiVersion": schema.STRING, "kind": schema.STRING, "metadata": meta}
    return Type(map=Map(fields=fields, element=owner.element, required=owner.required))


def of_schema(described: Json) -> Type:
    """Derive a type from a structural schema and its `x-kubernetes-*` extensions."""
    nullable = bool(described.get("nullable"))
    if described.get("x-kubernetes-int-or-string"):
        return Type(scalar="untyped", nullable=nullable)
    match described.get("type"):
        case "object":
            return Type(map=_map(described), nullable=nullable)
        case "array":
            return Type(list=_list(described), nullable=nullable)
        case "string" | "integer" | "number" | "boolean":
            enum = tuple(value for value in described.get("enum") or () if isinstance(value, str))
            return Type(scalar="enum" if enum else described["type"], enum=enum, nullable=nullable)
    return schema.DEDUCED  # only x-kubernetes-preserve-unknown-fields may leave out the type


def _map(described: Json) -> Map:
    properties = described.get("properties") or {}
    extra = described.get("additionalProperties")
    element = of_schema(extra) if isinstance(extra, dict) else schema.DEDUCED if extra else None
    if described.get("x-kubernetes-preserve-unknown-fields") and element is None:
        element = schema.DEDUCED
    return Map(
        fields={name: of_schema(field) for name, field in properties.items()},
        element=element,
        atomic=described.get("x-kubernetes-map-type") == "atomic",
        defaults={name: field["default"] for name, field in properties.items() if "default" in field},
        required=tuple(described.get("required", ())),
    )


def _list(described: Json) -> List:
    return List(
        element=of_schema(described.get("items") or {}),
        kind=described.get("x-kubernetes-list-type", "atomic"),
        keys=tuple(sorted(described.get("x-kubernetes-list-map-keys", ()))),
    )


class Registry:
    """The resources that one cluster serves: the built-in ones, which all clusters share, and its own definitions'."""

    def __init__(self) -> None:
        self._by_path: dict[tuple[str, str, str], Resource] = {}
        self._by_key: dict[tuple[str, str], Resource] = {}
        self._custom: dict[str, list[Resource]] = {}
        self.generation = 0  # counts changes; at 0 all is as it is built in, and discovery is the same for all clusters

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        path = (group, version, plural)
        return self._by_path.get(path) or _builtin_paths().get(path)

    def serves(self, group: str, version: str) -> bool:
        return any((found.group, found.version) == (group, version) for found in self.all())

    def of_key(self, key: tuple[str, str]) -> Resource:
        """Return a resource of a collection in any version it is served in."""
        return self._by_key.get(key) or _builtin_keys()[key]

    def all(self) -> Iterable[Resource]:
        replaced = self._by_path
        yield from (found for path, found in _builtin_paths().items() if path not in replaced)
        yield from replaced.values()

    def serve(self, name: str, served: list[Resource]) -> None:
        """Serve what a definition declares, instead of what it declared before."""
        self._withdraw(name)
        self._custom[name] = served
        for resource in served:
            self._by_path[(resource.group, resource.version, resource.plural)] = resource
            self._by_key[(resource.group, resource.plural)] = resource
        self.generation += 1

    def withdraw(self, name: str) -> None:
        """Serve a definition's resources no more."""
        self._withdraw(name)
        self.generation += 1

    def _withdraw(self, name: str) -> None:
        for resource in self._custom.pop(name, ()):
            self._by_path.pop((resource.group, resource.version, resource.plural), None)
            self._by_key.pop((resource.group, resource.plural), None)


@functools.cache
def _builtin_paths() -> dict[tuple[str, str, str], Resource]:
    return {(found.group, found.version, found.plural): found for found in schema.builtin().resources}


@functools.cache
def _builtin_keys() -> dict[tuple[str, str], Resource]:
    return {(found.group, found.plural): found for found in _builtin_paths().values()}
