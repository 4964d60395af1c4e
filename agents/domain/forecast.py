"""What an apply would change in an object, for people: fields, with their values before and after.

The two sides are the live object and what a dry run of our apply made of it. Lists whose items have names are compared
name by name, as people read them, others place by place. Everything is bounded, and of a Secret only the fields are
told.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from protocol import canonical, reports

Object = dict[str, Any]

CHANGES_MAX = 40
"""Fields told of one object; a person reads the first few, the others are counted."""

VALUE_CHARS_MAX = 200
"""Longest value that is told whole: an image, a command, a label; not a certificate."""

FIELD_CHARS_MAX = 300
"""Keys of maps are as long as whoever wrote them liked."""

HIDDEN = "(hidden)"

Veil = Callable[[str], str]
"""What is told in place of a value that is secret."""

_SERVER_SIDE = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp")
"""Fields of the metadata that the server writes by itself."""

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


class _Absent(msgspec.Struct, frozen=True):
    """Stands where a side has no such field: not the same as `null`."""


_ABSENT = _Absent()


class Changes(msgspec.Struct, frozen=True):
    """The fields that differ, in their order."""

    fields: tuple[reports.FieldChange, ...]
    left_out: int = 0

    def __bool__(self) -> bool:
        return bool(self.fields)


def hidden(_value: str) -> str:
    """The veil that lets nothing through."""
    return HIDDEN


def open_(value: str) -> str:
    """No veil at all."""
    return value


def changes(before: Object, after: Object, *, veil: Veil, with_status: bool = False) -> Changes:
    """What differs. The status is somebody else's, unless the manifest itself has one (`with_status`)."""
    found: list[reports.FieldChange] = []
    left_out = 0
    for path, old, new in _differences(_told(before, with_status), _told(after, with_status), ""):
        if len(found) < CHANGES_MAX:
            found.append(reports.FieldChange(_shortened(path, FIELD_CHARS_MAX), text(old, veil), text(new, veil)))
        else:
            left_out += 1
    return Changes(tuple(found), left_out)


def _told(whole: Object, with_status: bool) -> Object:
    metadata = {name: value for name, value in whole["metadata"].items() if name not in _SERVER_SIDE}
    return {
        **{name: value for name, value in whole.items() if name != "status" or with_status},
        "metadata": metadata,
    }


def _differences(before: Any, after: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in sorted(before.keys() | after.keys()):
            yield from _differences(before.get(name, _ABSENT), after.get(name, _ABSENT), path + step(name))
        return
    if isinstance(before, list) and isinstance(after, list):
        sides = _named(before), _named(after)
        if sides[0] is not None and sides[1] is not None:
            for name in sorted(sides[0].keys() | sides[1].keys()):
                here = f"{path}[name={name}]"
                yield from _differences(sides[0].get(name, _ABSENT), sides[1].get(name, _ABSENT), here)
            if before != after and list(sides[0]) != list(sides[1]) and sides[0] == sides[1]:
                yield path, before, after  # only their order
            return
        if len(before) == len(after):
            for place, (one, other) in enumerate(zip(before, after, strict=True)):
                yield from _differences(one, other, f"{path}[{place}]")
            return
    if not _same(before, after):
        yield path or ".", before, after


def _same(before: Any, after: Any) -> bool:
    """Python takes True for 1, and 1.0 for 1; JSON does not."""
    return type(before) is type(after) and bool(before == after)


def _named(items: list[Any]) -> dict[str, Any] | None:
    """The items by their names; None if not each has one of its own."""
    found = {item["name"]: item for item in items if isinstance(item, dict) and isinstance(item.get("name"), str)}
    return found if len(found) == len(items) else None


def step(name: str) -> str:
    """A field's name as a part of a path."""
    return f".{name}" if _PLAIN.fullmatch(name) else f"[{canonical.encode(name).decode()}]"


def text(value: Any, veil: Veil) -> str:
    """A value as it is told: JSON, shortened; of what is not there nothing."""
    return "" if isinstance(value, _Absent) else _shortened(veil(canonical.encode(value).decode()), VALUE_CHARS_MAX)


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
