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
    required: tuple[str, ...] = ()
    defaults: dict[str, Json] = msgspec.field(default_factory=dict)
    embedded: tuple[str, ...] = ()
    """Fields that are structs by value in the server's own types: they are written even when they are empty."""


class List(msgspec.Struct, frozen=True, eq=False):
    """A JSON array: `atomic`, a `set` of scalars, or a `map` of objects told apart by `keys`."""

    element: "Type"
    kind: str = "atomic"
    keys: tuple[str, ...] = ()
    merge_key: str | None = None  # strategic merge patch: None replaces the list, "" is a set of scalars


class Type(msgspec.Struct, frozen=True, eq=False):
    """A union of at most one scalar, one list and one map: a deduced type has all three.

    A scalar is a `string`, an `enum` of some, `byte` (a string of base64), `microtime` (a time with six digits of a
    second, as Leases have it), `boolean`, `integer`, `number`, a `quantity` or `untyped`.
    """

    scalar: str | None = None
    list: List | None = None
    map: Map | None = None
    enum: tuple[str, ...] = ()
    nullable: bool = False  # of custom resources, whose nulls are kept


class Subresource(msgspec.Struct, frozen=True, eq=False):
    """A door to a part of an object, with the kind that goes through it."""

    name: str
    group: str
    version: str
    kind: str
    verbs: tuple[str, ...]


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
    subresources: tuple[Subresource, ...] = ()
    custom: bool = False
    columns: tuple[Object, ...] = ()  # additionalPrinterColumns of a custom resource

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """The name that the server's messages use: `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def door(self, name: str) -> Subresource | None:
        """Return a subresource by its name."""
        return next((found for found in self.subresources if found.name == name), None)


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
MICRO_TIME = "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime"


_SCALARS = {"string": "string", "integer": "integer", "number": "number", "boolean": "boolean", "scalar": "untyped"}
_FORMATS = {"quantity": "quantity", "byte": "byte"}


class _Loader:
    """Types by definition name, each made once: definitions refer to each other, and JSONSchemaProps to itself."""

    def __init__(self, definitions: Mapping[str, Json]) -> None:
        self._definitions = definitions
        self.types: dict[str, Type] = {MICRO_TIME: Type(scalar="microtime")}  # published as a mere string

    def named(self, name: str) -> Type:
        known = self.types.get(name)
        if known is not None:
            return known
        definition = self._definitions[name]
        if definition["type"] != "struct":
            self.types[name] = made = self._type(definition)
            return made
        described: dict[str, Json] = definition["fields"]
        shell = Map(
            fields={},
            atomic=definition.get("atomic", False),
            required=tuple(definition.get("required", ())),
            defaults={field: found["default"] for field, found in described.items() if found.get("default")},
            embedded=tuple(field for field, found in described.items() if found.get("default") == {}),
        )
        self.types[name] = made = Type(map=shell)  # known before its fields are read: that ends the recursion
        shell.fields.update({field: self._type(found) for field, found in described.items()})
        return made

    def _type(self, described: Json) -> Type:
        if "ref" in described:
            return self._reference(described)
        match described["type"]:
            case "map":
                element = self._type(described["values"])
                return Type(map=Map(fields={}, element=element, atomic=described.get("atomic", False)))
            case "list":
                return Type(list=self._list(described))
            case "any":
                return ATOMIC if described.get("atomic") else DEDUCED
        scalar = _FORMATS.get(described.get("format", "")) or _SCALARS[described["type"]]
        enum = tuple(described.get("enum", ()))
        return Type(scalar="enum" if enum else scalar, enum=enum)

    def _reference(self, described: Json) -> Type:
        target = self.named(described["ref"])
        if not described.get("atomic") or target.map is None:
            return target
        return Type(map=msgspec.structs.replace(target.map, atomic=True))

    def _list(self, described: Json) -> List:
        patch = described.get("patch") or {}
        merges = patch.get("strategy", "").startswith("merge")
        return List(
            element=self._type(described["items"]),
            kind=described["list"],
            keys=tuple(sorted(described.get("keys", ()))),
            merge_key=patch.get("key", "") if merges else None,
        )


@functools.cache  # one catalog for all clusters of the process
def builtin() -> Catalog:
    """Load the built-in API from the package's data."""
    document = msgspec.json.decode(importlib.resources.files(__package__).joinpath("schema.json").read_bytes())
    loader = _Loader(document["definitions"])
    loader.named(OBJECT_META)
    # A collection has one form here: where the server offers an older version of it too, that is left out.
    newest = {(entry["group"], entry["plural"]): entry for entry in reversed(document["resources"])}
    served = [entry for entry in document["resources"] if newest[(entry["group"], entry["plural"])] is entry]
    resources = tuple(_resource(entry, loader) for entry in served)
    return Catalog(server_version=document["kubernetes"], types=loader.types, resources=resources)


def _resource(entry: Json, loader: _Loader) -> Resource:
    doors = [
        Subresource(door["name"], door["group"], door["version"], door["kind"], tuple(door["verbs"]))
        for door in entry["subresources"]
    ]
    return Resource(
        group=entry["group"],
        version=entry["version"],
        kind=entry["kind"],
        plural=entry["plural"],
        singular=entry["singular"],
        namespaced=entry["namespaced"],
        verbs=tuple(entry["verbs"]),
        type=loader.named(entry["definition"]),
        short_names=tuple(entry["shortNames"]),
        categories=tuple(entry["categories"]),
        subresources=tuple(doors),
    )


@functools.cache  # a few hundred types, for as long as the process lives
def zero(kind: Type) -> Object:
    """Return what the server's own type writes when nothing is set: the live object before a creation."""
    if kind.map is None:
        return {}
    fields = kind.map.fields
    out: Object = {name: zero(fields[name]) for name in kind.map.embedded}
    for name in kind.map.required:
        if name not in out and fields[name].scalar is None:
            out[name] = None
    return out
