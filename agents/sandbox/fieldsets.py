"""Sets of field paths in the form that managedFields has on the wire (FieldsV1), and the algebra over them.

A set is a trie: a key is a path element (`f:spec`, `k:{"name":"web"}`, `v:"a"`), an empty value is a member, and a
member with children says so by a `.` key. Working on the wire form itself means that ownership is never decoded or
encoded. Sets are values: every operation returns a new one and shares what did not change.
"""

import json
from collections.abc import Iterator
from typing import TypeAlias

FieldSet: TypeAlias = dict[str, "FieldSet"]

_MEMBER: FieldSet = {}


def is_member(node: FieldSet) -> bool:
    """Say whether a node inside a set is itself in the set, not only on the way to something."""
    return not node or "." in node


def member(node: FieldSet | None) -> FieldSet:
    """Return the node as a member, with the children it has."""
    if not node:
        return _MEMBER
    return node if "." in node else {".": _MEMBER, **node}


def has(fields: FieldSet, path: tuple[str, ...]) -> bool:
    """Say whether a path is in the set."""
    node = fields
    for element in path:
        if element not in node:
            return False
        node = node[element]
    return is_member(node)


def union(left: FieldSet, right: FieldSet) -> FieldSet:
    """Return what is in either set."""
    if not left or left is right:
        return right
    if not right:
        return left
    out = dict(left)
    for element, theirs in right.items():
        ours = out.get(element)
        if ours is None:
            out[element] = theirs
        elif ours is not theirs:
            out[element] = _union_node(ours, theirs)
    return out


def _union_node(ours: FieldSet, theirs: FieldSet) -> FieldSet:
    if not ours:
        return member(theirs)
    if not theirs:
        return member(ours)
    return union(ours, theirs)


def difference(left: FieldSet, right: FieldSet) -> FieldSet:
    """Return what is in the first set and not in the second; a parent's membership does not cover its children."""
    if not left or not right:
        return left
    out: FieldSet = {}
    for element, ours in left.items():
        theirs = right.get(element)
        rest = ours if theirs is None else _difference_node(ours, theirs)
        if rest is not None:
            out[element] = rest
    return out


def _difference_node(ours: FieldSet, theirs: FieldSet) -> FieldSet | None:
    if not ours:
        return None if is_member(theirs) else ours
    if not theirs:
        rest = {element: node for element, node in ours.items() if element != "."}
    else:
        rest = difference(ours, theirs)
    return _shrink(rest, stays=is_member(ours) and not is_member(theirs))


def _shrink(children: FieldSet, *, stays: bool) -> FieldSet | None:
    """Give a node its one form: a lone `.` is an empty node, nothing at all is no node."""
    if stays:
        return _MEMBER if len(children) <= 1 else children
    return children or None


def intersection(left: FieldSet, right: FieldSet) -> FieldSet:
    """Return what is in both sets."""
    out: FieldSet = {}
    small, large = (left, right) if len(left) <= len(right) else (right, left)
    for element, ours in small.items():
        theirs = large.get(element)
        if theirs is not None:
            both = _intersection_node(ours, theirs)
            if both is not None:
                out[element] = both
    return out


def _intersection_node(ours: FieldSet, theirs: FieldSet) -> FieldSet | None:
    if not ours or not theirs:
        return _MEMBER if is_member(ours) and is_member(theirs) else None
    return _shrink(intersection(ours, theirs), stays="." in ours and "." in theirs)


def without(fields: FieldSet, excluded: FieldSet) -> FieldSet:
    """Return the set without the members of `excluded` and everything below them."""
    out: FieldSet = {}
    for element, node in fields.items():
        cut = excluded.get(element)
        if cut is None:
            out[element] = node
        elif cut and not is_member(cut):
            rest = without(node, cut)
            if rest or not node:
                out[element] = rest
    return out


def paths(fields: FieldSet) -> Iterator[tuple[str, ...]]:
    """Yield every path in the order in which the server lists conflicts: a level's members before what is below."""
    return _paths(fields, ())


def _paths(fields: FieldSet, prefix: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    elements = sorted(element for element in fields if element != ".")
    for element in elements:
        if is_member(fields[element]):
            yield (*prefix, element)
    for element in elements:
        yield from _paths(fields[element], (*prefix, element))


def text(path: tuple[str, ...]) -> str:
    """Return a path as the server prints it: `.spec.containers[name="web"].image`."""
    return "".join(map(_element_text, path))


def _element_text(element: str) -> str:
    form, _, content = element.partition(":")
    if form == "f":
        return f".{content}"
    if form == "k":
        keys = sorted(json.loads(content).items())
        return "[" + ",".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in keys) + "]"
    return f"[={content}]" if form == "v" else f"[{content}]"
