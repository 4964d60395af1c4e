"""Structured merge of typed values: which fields a value sets, merging a configuration in, taking fields out.

These are the walks of sigs.k8s.io/structured-merge-diff, which the real server uses, without its version
conversions: field by field in structs and maps, item by item in keyed lists and sets, whole where atomic.
"""

from collections.abc import Iterable
from json import encoder
from typing import Any

import msgspec

from agents.sandbox import fieldsets, schema
from agents.sandbox.fieldsets import FieldSet
from agents.sandbox.schema import Json, List, Map, Type

ABSENT: Any = object()  # told apart from null, which a client may send and own
_MEMBER: FieldSet = {}
_quote = encoder.encode_basestring  # as Go writes JSON strings: UTF-8 as it is


class Unkeyed(ValueError):
    """An item of a keyed list or set that cannot be told apart from others."""


class Duplicate(ValueError):
    """Two items of a keyed list or set are the same item."""


def field_type(owner: Map, name: str) -> Type:
    """Return the type of a key of a map; keys that no schema names are deduced from their value."""
    return owner.fields.get(name) or owner.element or schema.DEDUCED


def item_element(owner: List, item: Json) -> str:
    """Return the path element of a list's item: its value in a set, its key fields (or their defaults) in a map."""
    if owner.kind == "set":
        return "v:" + _scalar(item)
    if not isinstance(item, dict):
        raise Unkeyed("associative list with keys may not have non-map elements")
    if len(owner.keys) == 1 and owner.keys[0] in item:
        return f'k:{{"{owner.keys[0]}":{_scalar(item[owner.keys[0]])}}}'
    defaults = owner.element.map.defaults if owner.element.map else {}
    found = [(key, item.get(key, defaults.get(key))) for key in owner.keys]
    pairs = [f'"{key}":{_scalar(value)}' for key, value in found if value is not None]
    if not pairs:
        raise Unkeyed(
            f'associative list with keys has an element that omits all key fields ["{" ".join(owner.keys)}"]'
            " (and doesn't have default values for any key fields)"
        )
    return "k:{" + ",".join(pairs) + "}"


def _scalar(value: Json) -> str:
    return _quote(value) if isinstance(value, str) else msgspec.json.encode(value).decode()


def field_set(kind: Type, value: Json) -> FieldSet:
    """Return the fields that a configuration sets: what its applier will own."""
    return _fields(kind, value) or {}


def _fields(kind: Type, value: Json) -> FieldSet | None:
    if isinstance(value, dict):
        if kind.map is None or kind.map.atomic or not value:
            return _MEMBER
        return _map_fields(kind.map, value)
    if isinstance(value, list) and kind.list is not None and kind.list.kind != "atomic":
        return _list_fields(kind.list, value)
    return _MEMBER


def _map_fields(kind: Map, value: dict[str, Json]) -> FieldSet | None:
    out: FieldSet = {}
    named = kind.fields
    for name, child in value.items():
        field = named.get(name)
        if field is None:
            out["f:" + name] = fieldsets.member(_fields(kind.element or schema.DEDUCED, child))
            continue
        fields = _fields(field, child)
        if fields is not None:
            out["f:" + name] = fields
    return out or None


def _list_fields(kind: List, value: list[Json]) -> FieldSet | None:
    out: FieldSet = {}
    for item in value:
        element = item_element(kind, item)
        if element in out:
            out[element] = _MEMBER  # a duplicated item is owned as one piece
        else:
            out[element] = fieldsets.member(_fields(kind.element, item))
    return out or None


def merge(kind: Type, live: Json, config: Json) -> Json:
    """Return the live value with the configuration laid over it; the live value itself where nothing changes."""
    if isinstance(config, dict):
        if kind.map is not None and not kind.map.atomic and isinstance(live, dict) and live:
            return _merge_map(kind.map, live, config)
    elif isinstance(config, list):
        if kind.list is not None and kind.list.kind != "atomic" and isinstance(live, list) and live:
            return _merge_list(kind.list, live, config)
    elif config is None and isinstance(live, dict | list) and live and not _is_atomic(kind, live):
        return live  # null is an empty configuration of a map or list: it adds nothing
    return live if live == config else config


def _is_atomic(kind: Type, value: Json) -> bool:
    if isinstance(value, dict):
        return kind.map is None or kind.map.atomic
    return kind.list is None or kind.list.kind == "atomic"


def _merge_map(kind: Map, live: dict[str, Json], config: dict[str, Json]) -> dict[str, Json]:
    out = None
    for name, value in config.items():
        before = live.get(name, ABSENT)
        after = value if before is ABSENT else merge(field_type(kind, name), before, value)
        if after is not before:
            if out is None:
                out = dict(live)
            out[name] = after
    return live if out is None else out


def _merge_list(kind: List, live: list[Json], config: list[Json]) -> list[Json]:
    theirs = [(item_element(kind, item), item) for item in live]
    ours = _unique(kind, config)
    known: dict[str, Json] = {}
    for element, item in theirs:
        known[element] = ABSENT if element in known else item  # duplicates are never merged with
    order = [element for element, _ in theirs]
    out: list[Json] = []
    if order == list(ours):  # nearly always: nobody has added, dropped or moved an item
        out = [merge(kind.element, item, ours[element]) for element, item in theirs]
        return live if all(map(_same, out, live)) else out
    for element, before in _interleave(order, ours):
        if element not in ours:
            out.append(theirs[before][1])
        else:
            old = known.get(element, ABSENT)
            out.append(ours[element] if old is ABSENT else merge(kind.element, old, ours[element]))
    return live if len(out) == len(live) and all(map(_same, out, live)) else out


def _same(left: Json, right: Json) -> bool:
    return left is right


def _unique(kind: List, items: Iterable[Json]) -> dict[str, Json]:
    out: dict[str, Json] = {}
    for item in items:
        element = item_element(kind, item)
        if element in out:
            raise Duplicate(f"duplicate entries for key {fieldsets.text((element,))}")
        out[element] = item
    return out


def _interleave(live: list[str], config: dict[str, Json]) -> Iterable[tuple[str, int]]:
    """Yield the items of both lists, by element and live index, in the server's order.

    The configuration's own order wins among the items it names; the others keep their place between them.
    """
    order, present = list(config), set(live)
    shared = iter([element for element in order if element in present])
    wanted = next(shared, None)
    merged: set[str] = set()
    left = right = 0
    while left < len(live) or right < len(order):
        if left < len(live):
            element = live[left]
            if element not in config:
                yield element, left
                left += 1
                continue
            both = right < len(order) and element == order[right]
            if not both and right < len(order) and wanted not in (None, element):
                left += 1  # an item of both, but not the one whose turn it is
                continue
            if both or element in merged:
                left += 1
        if right < len(order):
            merged.add(order[right])
            yield order[right], left
            wanted = next(shared, None) if wanted == order[right] else wanted
            right += 1


def remove(kind: Type, value: Json, fields: FieldSet) -> Json:
    """Return the value without the given fields; what becomes empty by it becomes null, as in the real server."""
    if isinstance(value, dict) and kind.map is not None:
        return (None if kind.map.atomic else _remove_map(kind.map, value, fields)) if value else None
    if isinstance(value, list) and kind.list is not None:
        return (None if kind.list.kind == "atomic" else _remove_list(kind.list, value, fields)) if value else None
    return value


def _remove_map(kind: Map, value: dict[str, Json], fields: FieldSet) -> Json:
    out: dict[str, Json] = {}
    for name, child in value.items():
        node = fields.get("f:" + name)
        if node is None:
            out[name] = child
        elif not fieldsets.is_member(node):
            out[name] = remove(field_type(kind, name), child, node)
    return out or None


def _remove_list(kind: List, value: list[Json], fields: FieldSet) -> Json:
    out: list[Json] = []
    for item in value:
        node = fields.get(item_element(kind, item))
        if node is None:
            out.append(item)
        elif not fieldsets.is_member(node):
            out.append(remove(kind.element, item, node))
    return out or None


def with_named_fields(kind: Type, fields: FieldSet) -> FieldSet:
    """Return the set with every struct field on the way to a member as a member too; map keys and items are not.

    A struct field is owned through what is in it, so it stays for as long as anybody owns something in it.
    """
    out: FieldSet = {}
    named = kind.map.fields if kind.map is not None else {}
    for element, node in fields.items():
        if element == "." or not node:
            out[element] = node
            continue
        children = with_named_fields(_child_type(kind, element), node)
        out[element] = fieldsets.member(children) if element[:2] == "f:" and element[2:] in named else children
    return out


def _child_type(kind: Type, element: str) -> Type:
    if element[:2] == "f:" and kind.map is not None:
        return field_type(kind.map, element[2:])
    return kind.list.element if kind.list is not None else schema.DEDUCED
