"""Strategic merge patches: a merge that knows by which key the items of a list are told apart.

As the API server and `kubectl patch` do it. The keys of the built-in kinds come from a server's published schema, kept
as data; of other kinds, such as custom resources, objects merge and lists are replaced (RFC 7386). Directives are read
everywhere: `$patch: delete|replace|merge`, `$deleteFromPrimitiveList/FIELD`, `$retainKeys`; `$setElementOrder/FIELD`,
which only tells a server about other writers, is passed over.
"""

import functools
import importlib.resources
from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

from controller.render import errors

Object: TypeAlias = dict[str, Any]

_DIRECTIVE = "$patch"
_DELETE, _REPLACE, _MERGE = "delete", "replace", "merge"
_DELETE_FROM = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"
_RETAIN = "$retainKeys"


class Field(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A field at or below which a merge differs from RFC 7386."""

    type: str = ""
    """Of what it holds, or of a list's items."""
    key: str | None = None
    """Of a list that merges: the field that tells its items apart; empty: a set of scalars."""
    each: bool = False
    """A map from any key."""
    replace: bool = False
    """An object that is replaced whole."""


Fields: TypeAlias = Mapping[str, Field]


class _Keys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is known of the built-in kinds."""

    kubernetes: str
    kinds: dict[str, str]
    types: dict[str, dict[str, Field]]


class _Each(dict[str, Field]):
    """The fields of a map: all are of one type."""

    def get(self, _name: str, _default: Any = None, /) -> Field:
        return self[""]


_PLAIN = Field()


@functools.cache
def _keys() -> _Keys:
    data = importlib.resources.files(__package__).joinpath("merge_keys.json").read_bytes()
    return msgspec.json.decode(data, type=_Keys)


def is_known(api_version: str, kind: str) -> bool:
    """Are the merge keys of this kind known?"""
    return f"{api_version}/{kind}" in _keys().kinds


def merged(document: Object, patch: Object) -> Object | None:
    """The document with a patch laid over it; None: the patch deletes it. Raises UnreadableError.

    The kind is the document's. Neither is changed; the result may share values with both.
    """
    keys = _keys()
    fields = keys.types.get(keys.kinds.get(f"{document.get('apiVersion')}/{document.get('kind')}", ""), {})
    if patch.get(_DIRECTIVE) == _DELETE:
        return None
    return _map(fields, document, patch)


def _below(field: Field) -> Fields:
    fields = _keys().types.get(field.type, {})
    return _Each({"": Field(type=field.type)}) if field.each else fields


def _map(fields: Fields, document: Object, patch: Object) -> Object:
    directive = patch.get(_DIRECTIVE, _MERGE)
    if directive == _DELETE:
        return {}
    if directive == _REPLACE:
        return {name: value for name, value in patch.items() if name != _DIRECTIVE}
    if directive != _MERGE:
        raise errors.UnreadableError(f"$patch is {str(directive)[:60]!r} (delete, replace or merge)")
    out = _retained(document, patch)
    for name, value in patch.items():
        if name.startswith(_DELETE_FROM):
            _delete_from(out, name.removeprefix(_DELETE_FROM), value)
        elif name not in (_DIRECTIVE, _RETAIN) and not name.startswith(_ORDER):
            _set(fields.get(name, _PLAIN), out, name, value=value)
    return out


def _retained(document: Object, patch: Object) -> Object:
    names = patch.get(_RETAIN)
    if names is None:
        return dict(document)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise errors.UnreadableError("$retainKeys is not a list of names")
    stray = [name for name in patch if name not in names and not name.startswith("$") and patch[name] is not None]
    if stray:
        raise errors.UnreadableError(f"$retainKeys does not name {stray[0][:60]!r}, which the patch sets")
    return {name: value for name, value in document.items() if name in names}


def _delete_from(out: Object, name: str, values: Any) -> None:
    items = out.get(name)
    if not isinstance(values, list):
        raise errors.UnreadableError(f"{_DELETE_FROM}{name[:60]} is not a list")
    if isinstance(items, list):
        gone = {_identity(value) for value in values}
        out[name] = [item for item in items if isinstance(item, dict | list) or _identity(item) not in gone]


def _set(field: Field, out: Object, name: str, *, value: Any) -> None:
    if value is None:
        out.pop(name, None)
        return
    before = out.get(name)
    if isinstance(value, dict) and isinstance(before, dict):
        out[name] = value if field.replace else _map(_below(field), before, value)
    elif isinstance(value, list) and isinstance(before, list) and field.key is not None:
        out[name] = _list(field, before, value)
    else:
        out[name] = _new(value)


def _new(value: Any) -> Any:
    """What a patch brings where nothing was: without nulls, and without directives."""
    if isinstance(value, dict):
        return _map({}, {}, value)
    if isinstance(value, list):
        return [_new(item) for item in value if not (isinstance(item, dict) and _DIRECTIVE in item and _is_mark(item))]
    return value


def _is_mark(item: Object) -> bool:
    """Does an item of a list only say what happens to others?"""
    return item[_DIRECTIVE] == _DELETE or len(item) == 1


def _list(field: Field, before: list[Any], patch: list[Any]) -> list[Any]:
    if not field.key:
        brought = list({_identity(item): item for item in patch}.values())
        return _ordered(before, {_identity(item): item for item in brought}, [_identity(item) for item in before])
    kept, brought, replaces = _sorted_out(field.key, before, patch)
    if replaces:
        return [_new(item) for item in brought]
    fields = _below(Field(type=field.type))
    places: dict[Any, int] = {}
    for at, item in enumerate(kept):
        places.setdefault(_key_of(item, field.key), at)
    made: dict[Any, Any] = {}
    for item in brought:
        identity = _needed_key(item, field.key)
        below = made.get(identity)
        if below is None and identity in places:
            below = kept[places[identity]]
        made[identity] = _new(item) if below is None else _map(fields, below, item)
    return _ordered(kept, made, [_key_of(item, field.key) for item in kept])


def _sorted_out(key: str, before: list[Any], patch: list[Any]) -> tuple[list[Any], list[Object], bool]:
    """The items that stay, those that the patch brings, and whether these replace all."""
    brought: list[Object] = []
    gone: set[Any] = set()
    replaces = False
    for item in patch:
        if not isinstance(item, dict):
            raise errors.UnreadableError(f"an item of a list that merges by {key} is no object")
        directive = item.get(_DIRECTIVE, _MERGE)
        if directive == _DELETE:
            gone.add(_needed_key(item, key))
        elif directive == _REPLACE:
            replaces = True
        elif directive == _MERGE:
            brought.append({name: value for name, value in item.items() if name != _DIRECTIVE})
        else:
            raise errors.UnreadableError(f"$patch is {str(directive)[:60]!r} (delete, replace or merge)")
    return [item for item in before if _key_of(item, key) not in gone], brought, replaces


def _ordered(kept: list[Any], made: Mapping[Any, Any], identities: list[Any]) -> list[Any]:
    """Lists as the API server merges them: the patch's items in its order, each after what stood before it.

    `identities` are those of `kept`. An item that is new stands before all that is left of the old ones.
    """
    places = {identity: at for at, identity in reversed(list(enumerate(identities)))}
    old = [at for at, identity in enumerate(identities) if identity not in made]
    out: list[Any] = []
    next_old = 0
    for identity, item in made.items():
        place = places.get(identity, -1)
        while next_old < len(old) and old[next_old] < place:
            out.append(kept[old[next_old]])
            next_old += 1
        out.append(item)
    return [*out, *(kept[at] for at in old[next_old:])]


def _key_of(item: Any, key: str) -> Any:
    value = item.get(key) if isinstance(item, dict) else None
    # An item without its key is like no other.
    return (object(),) if value is None or isinstance(value, dict | list) else _identity(value)


def _needed_key(item: Object, key: str) -> Any:
    value = item.get(key)
    if value is None or isinstance(value, dict | list):
        raise errors.UnreadableError(f"an item of a list that merges by {key} has no {key}")
    return _identity(value)


def _identity(value: Any) -> Any:
    """Equal for equal scalars of JSON only: to Python, True is 1."""
    if isinstance(value, dict | list):
        raise errors.UnreadableError("an item of a list of scalars is none")
    return isinstance(value, bool), value
