"""Reading built-in objects: fields that no schema declares, values of the wrong type, and the canonical form.

The real server decodes a built-in object into a struct and writes it again: nulls and empty maps and lists vanish,
structs held by value appear, quantities come back in their shortest form.
"""

import base64
import re
from collections.abc import Sequence
from typing import Any, TypeAlias

from agents.sandbox import fieldsets, merging, schema
from agents.sandbox.quantities import canonical_quantity
from agents.sandbox.schema import Json, List, Map, Type

DEPTH_MAX = 200  # deeper than any object; the real server's decoder stops at 10,000, beyond Python's stack

# Where a value is: its parent's path and its own name or index. Text is made of it only for a message.
Path: TypeAlias = "tuple[()] | tuple[Path, str]"

_STRINGS = ("string", "enum", "byte", "microtime")
_MICRO_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)?(\.\d{6}(Z|[-+]\d\d:\d\d)$)?(.*)", re.ASCII)
_LAYOUT = "2006-01-02T15:04:05.000000Z07:00"  # how Go writes that layout
_NUMBERS: dict[str, Any] = {"integer": int, "number": int | float}


class Reader:
    """One reading of a value: its canonical form, and what is wrong with it.

    A configuration is read `typed`, as server-side apply does: the items of keyed lists are told apart, and must be.
    """

    def __init__(self, *, typed: bool = False) -> None:
        self._typed = typed
        self.unknown: list[str] = []
        self.wrong: list[str] = []
        self.unsupported: list[tuple[str, str, Sequence[str]]] = []
        """Values that are not among those that their field allows: path, value, allowed."""

    def read(self, kind: Type, value: Json, *, path: Path = ()) -> Json:
        """Return the canonical form of a value of this type."""
        return self._read(kind, value, path, depth=0)

    def _read(self, kind: Type, value: Json, path: Path, *, depth: int) -> Json:
        if depth > DEPTH_MAX:
            self.wrong.append(f"{_text(path)}: nested too deep")
            return value
        if isinstance(value, dict):
            if kind.map is not None:
                return value if kind is schema.DEDUCED else self._map(kind.map, value, path, depth=depth + 1)
        elif isinstance(value, list):
            if kind.list is not None:
                return value if kind is schema.DEDUCED else self._list(kind.list, value, path, depth=depth + 1)
        elif kind.scalar is not None or value is None:
            return self._scalar(kind, value, path)
        self.wrong.append(f"{_text(path)}: expected {_expected(kind)}, got {_described(value)}")
        return value

    def _map(self, kind: Map, value: dict[str, Json], path: Path, *, depth: int) -> Json:
        out, changed = {}, False
        for name, child in value.items():
            field = kind.fields.get(name) or kind.element
            if field is None:
                self.unknown.append(f"{_text(path)}.{name}")
                changed = True
                continue
            if field.scalar == "string" and child.__class__ is str:  # nearly every scalar is one
                out[name] = child
                continue
            read = self._read(field, child, (path, name), depth=depth)
            if read is None and name not in kind.fields and field.scalar == "string" and not self._typed:
                read = ""  # the value of a map of strings has no null
            if not self._typed and name in kind.fields and _is_left_out(field, read):
                changed = True
                continue
            changed = changed or read is not child
            out[name] = read
        if not self._typed and (kind.embedded or kind.required):
            changed = _completed(kind, out, whole=not path) or changed
        return out if changed else value

    def _list(self, kind: List, value: list[Json], path: Path, *, depth: int) -> Json:
        elements = self._elements(kind, value, path)
        out = [
            self._read(kind.element, item, (path, element), depth=depth)
            for item, element in zip(value, elements, strict=True)
        ]
        return value if all(map(_same, out, value)) else out

    def _elements(self, kind: List, value: list[Json], path: Path) -> list[str]:
        """Return how a message names each item; in a keyed list, that is by its keys."""
        if not self._typed or kind.kind == "atomic":
            return [f"[{index}]" for index in range(len(value))]
        out: list[str] = []
        for index, item in enumerate(value):
            try:
                text = fieldsets.text((merging.item_element(kind, item),))
            except merging.Unkeyed as error:
                self.wrong.append(f"{_text(path)}: element {index}: {error}")
                text = f"[{index}]"
            if text in out:
                self.wrong.append(f"{_text(path)}: duplicate entries for key {text}")
            out.append(text)
        return out

    def _scalar(self, kind: Type, value: Json, path: Path) -> Json:
        if value is None or kind.scalar == "untyped":
            return value
        if kind.scalar == "quantity":
            return canonical_quantity(value)
        if kind.scalar in _STRINGS:
            self._string(kind, value, path)
        elif kind.scalar == "boolean":
            if not isinstance(value, bool):
                self.wrong.append(f"{_text(path)}: expected boolean, got {_described(value)}")
        elif isinstance(value, bool) or not isinstance(value, _NUMBERS.get(kind.scalar or "", int | float)):
            self.wrong.append(f"{_text(path)}: expected numeric (int or float), got {_go_type(value)}")
        return value

    def _string(self, kind: Type, value: Json, path: Path) -> None:
        if not isinstance(value, str):
            self.wrong.append(f"{_text(path)}: expected string, got {_described(value)}")
        elif kind.scalar == "enum" and value and value not in kind.enum:
            self.unsupported.append((_text(path)[1:], value, kind.enum))
        elif kind.scalar == "byte" and not self._typed:
            try:
                base64.b64decode(value, validate=True)
            except ValueError:
                self.wrong.append("illegal base64 data at input byte 0")
        elif kind.scalar == "microtime" and not self._typed:
            found = _MICRO_TIME.match(value)
            if found is None or not found[1] or not found[2]:
                rest = found[4] if found and found[1] else value
                self.wrong.append(f'parsing time "{value}" as "{_LAYOUT}": cannot parse "{rest}" as ".000000"')


def _text(path: Path) -> str:
    parts: list[str] = []
    while path:
        path, name = path
        parts.append(name if name[:1] == "[" else f".{name}" if name else "")
    return "".join(reversed(parts))


def _same(left: Json, right: Json) -> bool:
    return left is right


def _is_left_out(kind: Type, value: Json) -> bool:
    """Say whether a field is not written: null, an empty list, an empty map of keys; an empty struct is written."""
    if value is None or (value == [] and isinstance(value, list)):
        return True
    if value != {} or not isinstance(value, dict) or kind.map is None:
        return False
    return not kind.map.fields and kind.map.element is not schema.DEDUCED  # that is how a struct without fields looks


def _completed(kind: Map, out: dict[str, Json], *, whole: bool) -> bool:
    """Add what a struct writes even when it is empty; say whether anything was added."""
    before = len(out)
    if not whole:  # the parts of a whole object are the business of the strategies
        for name in kind.embedded:
            if name not in out:
                out[name] = schema.zero(kind.fields[name])
    for name in kind.required:
        if name not in out and kind.fields[name].scalar is None:
            out[name] = None
    return len(out) != before


def _expected(kind: Type) -> str:
    return "map" if kind.map is not None else "list" if kind.list is not None else str(kind.scalar)


def _described(value: Json) -> str:
    return f"&value.valueUnstructured{{Value:{value!r}}}"


def _go_type(value: Json) -> str:
    for kind, name in ((bool, "bool"), (str, "string"), (dict, "map[string]interface {}"), (list, "[]interface {}")):
        if isinstance(value, kind):
            return name
    return type(value).__name__


_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and"
    " end with an alphanumeric character (e.g. 'example.com', regex used for validation is"
    r" '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with"
    " an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is"
    " '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
NAME_MAX = 253
LABEL_MAX = 63


def name_problem(name: str, *, label: bool) -> str | None:
    """Return what is wrong with an object's name, in the server's words."""
    limit, pattern = (LABEL_MAX, re.compile(_LABEL)) if label else (NAME_MAX, _SUBDOMAIN)
    if len(name) > limit:
        return f"must be no more than {limit} characters"
    if not pattern.fullmatch(name):
        return _LABEL_TEXT if label else _SUBDOMAIN_TEXT
    return None
