"""What the API server knows about the shape of objects: which parts merge, by which keys, and which are one piece.

The built-in kinds come from the OpenAPI document that a real kube-apiserver publishes, kept as data; the kinds of a
CustomResourceDefinition are derived from its own schema. Types are shared by all clusters and never change.
"""

import functools
import importlib.resources
from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

Json: TypeAlias = Any  # decoded JSON: the API's objects are open-ended by nature
Object: TypeAlias = dict[str, Any]  # an API object; treated as a value, never changed in place once stored


class Map(msgspec.Struct, frozen=True, eq=False):
    """A JSON object: named fields (a struct), or an element type for any key (a map), or both."""

    fields: dict[str, "Type"]
    element: "Type | None" = None
    atomic: bool = False
    defaults: dict[str, Json] = {}
    required: tuple[str, ...] = ()


class List(msgspec.Struct, frozen=True, eq=False):
    """A JSON array: `atomic`, a `set` of scalars, or a `map` of objects told apart by `keys`."""

    element: "Type"
    kind: str = "atomic"
    keys: tuple[str, ...] = ()
    merge_key: str | None = None  # strategic merge patch: None replaces the list, "" is a set of scalars


class Type(msgspec.Struct, frozen=True, eq=False):
    """A union of at most one scalar, one list and one map: a deduced type has all three."""

    scalar: str | None = None
    list: List | None = None
    map: Map | None = None


class Resource(msgspec.Struct, frozen=True, eq=False):
    """One served resource: its names, its scope, its type, and what can be done with it."""

    group: str
    version: str
    kind: str
    plural: str
    singular: str
    namespaced: bool
    verbs: tuple[str, ...]
    type: Type
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    custom: bool = False
    columns: tuple[Object, ...] = ()  # additionalPrinterColumns of a custom resource

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """The name that the server's messages use: `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


class Catalog(msgspec.Struct, frozen=True, eq=False):
    """The built-in API: the version it was taken from, its types by name and its resources."""

    server_version: str
    types: Mapping[str, Type]
    resources: tuple[Resource, ...]


UNTYPED = Type(scalar="untyped")
STRING = Type(scalar="string")
ATOMIC = Type(scalar="untyped", list=List(element=UNTYPED), map=Map(fields={}, element=UNTYPED, atomic=True))


def _deduced() -> Type:
    """A schemaless value, as server-side apply reads it: maps merge key by key, lists are one piece."""
    elements = Map(fields={})
    deduced = Type(scalar="untyped", list=List(element=ATOMIC), map=elements)
    msgspec.structs.force_setattr(elements, "element", deduced)  # a frozen value cannot name itself while it is made
    return deduced


DEDUCED = _deduced()
OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


class _Loader:
    """Types by definition name, each made once: definitions refer to each other, and JSONSchemaProps to itself."""

    def __init__(self, definitions: Mapping[str, Json]) -> None:
        self._definitions = definitions
        self.types: dict[str, Type] = {}

    def named(self, name: str) -> Type:
        known = self.types.get(name)
        if known is not None:
            return known
        definition = self._definitions[name]
        if "fields" not in definition:
            self.types[name] = made = self._type(definition)
            return made
        shell = Map(fields={}, atomic=definition.get("atomic", False), required=tuple(definition.get("required", ())))
        msgspec.structs.force_setattr(shell, "defaults", {})
        self.types[name] = made = Type(map=shell)  # known before its fields are read: that ends the recursion
        for field, described in definition["fields"].items():
            shell.fields[field] = self._type(described)
            if "default" in described:
                shell.defaults[field] = described["default"]
        return made

    def _type(self, described: Json) -> Type:
        if "ref" in described:
            return self._reference(described)
        if "items" in described:
            return Type(list=self._list(described))
        if "element" in described:
            element = described["element"]
            elements = DEDUCED if element == "deduced" else self._type(element)
            return Type(map=Map(fields={}, element=elements, atomic=described.get("atomic", False)))
        scalar = described["scalar"]
        return DEDUCED if scalar == "deduced" else Type(scalar=scalar)

    def _reference(self, described: Json) -> Type:
        target = self.named(described["ref"])
        if not described.get("atomic") or target.map is None:
            return target
        return Type(map=Map(fields=target.map.fields, element=target.map.element, atomic=True))

    def _list(self, described: Json) -> List:
        return List(
            element=self._type(described["items"]),
            kind=described["list"],
            keys=tuple(sorted(described.get("keys", ()))),
            merge_key=described.get("mergeKey"),
        )


@functools.cache  # one catalog for all clusters of the process
def builtin() -> Catalog:
    """Load the built-in API from the package's data."""
    document = msgspec.json.decode(importlib.resources.files(__package__).joinpath("builtin.json").read_bytes())
    loader = _Loader(document["types"])
    loader.named(OBJECT_META)
    resources = tuple(
        Resource(
            group=entry["group"],
            version=entry["version"],
            kind=entry["kind"],
            plural=entry["plural"],
            singular=entry["singular"],
            namespaced=entry["namespaced"],
            verbs=tuple(entry["verbs"]),
            type=loader.named(entry["type"]),
            short_names=tuple(entry["shortNames"]),
            categories=tuple(entry["categories"]),
            subresources=tuple(entry["subresources"]),
        )
        for entry in document["resources"]
    )
    return Catalog(server_version=document["version"], types=loader.types, resources=resources)
