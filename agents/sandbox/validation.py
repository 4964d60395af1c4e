"""Typed reading of objects: fields that no schema declares, values of the wrong type, and the canonical form.

The real server decodes a built-in object into a struct and writes it again: nulls and empty maps and lists vanish,
quantities come back in their shortest form. A custom resource keeps what its schema knows, as it was written.
"""

import re
from typing import Any

from agents.sandbox import schema
from agents.sandbox.quantities import canonical_quantity
from agents.sandbox.schema import Json, List, Map, Type

DEPTH_MAX = 200  # deeper than any object; the real server's decoder stops at 10,000, beyond Python's stack

_NUMBERS = {"integer": int, "number": int | float}
_DROPPED: Any = object()


class Reader:
    """One reading of an object: its canonical form, and what is wrong with it."""

    def __init__(self, *, builtin: bool) -> None:
        self._builtin = builtin
        self.unknown: list[str] = []
        self.wrong: list[str] = []

    def read(self, kind: Type, value: Json) -> Json:
        """Return the canonical form of an object of this type."""
        return self._read(kind, value, "", depth=0)

    def _read(self, kind: Type, value: Json, path: str, *, depth: int) -> Json:
        if depth > DEPTH_MAX:
            self.wrong.append(f"{path}: nested too deep")
            return value
        if isinstance(value, dict):
            if kind.map is not None:
                return value if kind is schema.DEDUCED else self._map(kind.map, value, path, depth=depth + 1)
        elif isinstance(value, list):
            if kind.list is not None:
                return value if kind is schema.DEDUCED else self._list(kind.list, value, path, depth=depth + 1)
        elif kind.scalar is not None or value is None:
            return self._scalar(kind.scalar, value, path)
        self.wrong.append(f"{path}: expected {_expected(kind)}, got {_described(value)}")
        return value

    def _map(self, kind: Map, value: dict[str, Json], path: str, *, depth: int) -> Json:
        out, changed = {}, False
        for name, child in value.items():
            field = kind.fields.get(name) or kind.element
            if field is None:
                self.unknown.append(f"{path}.{name}")
                changed = True
                continue
            read = self._read(field, child, f"{path}.{name}", depth=depth)
            if self._builtin and name not in kind.required and _is_empty(field, read):
                changed = True
                continue
            changed = changed or read is not child
            out[name] = read
        return out if changed else value

    def _list(self, kind: List, value: list[Json], path: str, *, depth: int) -> Json:
        out = [self._read(kind.element, item, f"{path}[{index}]", depth=depth) for index, item in enumerate(value)]
        return value if all(map(_same, out, value)) else out

    def _scalar(self, scalar: str | None, value: Json, path: str) -> Json:
        if value is None or scalar == "untyped":
            return value
        if scalar == "quantity":
            return canonical_quantity(value)
        if scalar == "string":
            if isinstance(value, str):
                return value
            self.wrong.append(f"{path}: expected string, got {_described(value)}")
        elif scalar == "boolean":
            if not isinstance(value, bool):
                self.wrong.append(f"{path}: expected boolean, got {_described(value)}")
        elif isinstance(value, bool) or not isinstance(value, _NUMBERS.get(scalar or "", int | float)):
            self.wrong.append(f"{path}: expected numeric (int or float), got {_go_type(value)}")
        return value


def _same(left: Json, right: Json) -> bool:
    return left is right


def _is_empty(kind: Type, value: Json) -> bool:
    """Say whether a struct field is left out when it is written: null, an empty list, an empty map of keys."""
    if value is None:
        return True
    if value == [] and isinstance(value, list):
        return True
    return value == {} and isinstance(value, dict) and kind.map is not None and not kind.map.fields


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
