"""What differs between two typed values, as sets of fields."""

import msgspec

from agents.sandbox import fieldsets, merging
from agents.sandbox.fieldsets import FieldSet
from agents.sandbox.schema import Json, List, Map, Type

_MEMBER: FieldSet = {}


class Comparison(msgspec.Struct, frozen=True):
    """The fields that the second value has added, changed and lost."""

    added: FieldSet = {}
    modified: FieldSet = {}
    removed: FieldSet = {}

    @property
    def written(self) -> FieldSet:
        return fieldsets.union(self.modified, self.added)


SAME = Comparison()


def compare(kind: Type, before: Json, after: Json) -> Comparison:
    """Compare two values of one type; what is atomic differs as a whole."""
    if before is after or before == after:
        return SAME
    if _both(dict, before, after) and kind.map is not None and not kind.map.atomic and (before or after):
        return _compare_map(kind.map, before or {}, after or {})
    if _both(list, before, after) and kind.list is not None and kind.list.kind != "atomic" and (before or after):
        return _compare_list(kind.list, before or [], after or [])
    return Comparison(modified=_MEMBER)


def _both(form: type, before: Json, after: Json) -> bool:
    """Null stands for an empty map or list beside one that is there."""
    return (isinstance(before, form) or before is None) and (isinstance(after, form) or after is None)


class _Differences:
    """The three sets of one level while its children are compared."""

    def __init__(self) -> None:
        self.added: FieldSet = {}
        self.modified: FieldSet = {}
        self.removed: FieldSet = {}

    def child(self, kind: Type, element: str, values: tuple[Json, Json]) -> None:
        before, after = values
        if before is merging.ABSENT:
            self.added[element] = whole(kind, after)
        elif after is merging.ABSENT:
            self.removed[element] = whole(kind, before)
        elif before is not after and before != after:
            self._nested(element, compare(kind, before, after), leaf=_is_leaf(kind, before, after))

    def _nested(self, element: str, found: Comparison, *, leaf: bool) -> None:
        if leaf:
            self.modified[element] = _MEMBER
            return
        for mine, theirs in (
            (self.added, found.added),
            (self.modified, found.modified),
            (self.removed, found.removed),
        ):
            if theirs:
                mine[element] = theirs

    def frozen(self) -> Comparison:
        return Comparison(added=self.added, modified=self.modified, removed=self.removed)


def _is_leaf(kind: Type, before: Json, after: Json) -> bool:
    if not before and not after:
        return True
    if _both(dict, before, after) and kind.map is not None:
        return kind.map.atomic
    if _both(list, before, after) and kind.list is not None:
        return kind.list.kind == "atomic"
    return True


def _compare_map(kind: Map, before: dict[str, Json], after: dict[str, Json]) -> Comparison:
    found = _Differences()
    for name in before.keys() | after.keys():
        values = before.get(name, merging.ABSENT), after.get(name, merging.ABSENT)
        found.child(merging.field_type(kind, name), "f:" + name, values)
    return found.frozen()


def _compare_list(kind: List, before: list[Json], after: list[Json]) -> Comparison:
    found = _Differences()
    old, new = _index(kind, before), _index(kind, after)
    for element in old.keys() | new.keys():
        was, now = old.get(element, []), new.get(element, [])
        if len(was) <= 1 and len(now) <= 1:
            values = (was[0] if was else merging.ABSENT), (now[0] if now else merging.ABSENT)
            found.child(kind.element, element, values)
        elif was != now:
            found.modified[element] = _MEMBER  # duplicates are compared as one piece
    return found.frozen()


def _index(kind: List, items: list[Json]) -> dict[str, list[Json]]:
    out: dict[str, list[Json]] = {}
    for item in items:
        out.setdefault(merging.item_element(kind, item), []).append(item)
    return out


def whole(kind: Type, value: Json) -> FieldSet:
    """Return the node of a value that is there on one side only: every level of it is a member."""
    if isinstance(value, dict) and value and kind.map is not None and not kind.map.atomic:
        out = {"f:" + name: whole(merging.field_type(kind.map, name), child) for name, child in value.items()}
    elif isinstance(value, list) and value and kind.list is not None and kind.list.kind != "atomic":
        out = {merging.item_element(kind.list, item): whole(kind.list.element, item) for item in value}
    else:
        return _MEMBER
    out["."] = _MEMBER
    return out
