"""A YAML file as a value of a type: every mistake is told with its field and its line."""

import re
from typing import Any, TypeVar

import msgspec

from controller.render import errors, yamls

_AT = re.compile(r" - at (?:`key` in )?`\$(?P<path>[^`]*)`$")
_STEP = re.compile(r"\.(?P<key>[^.\[]+)|\[(?P<index>\d+)\]")
_FIELD = re.compile(r"unknown field `(?P<field>[^`]*)`")
_MISSING = re.compile(r"missing required field `(?P<field>[^`]*)`")

_FREE = ("patch", "values")
"""What stands there goes into rendered objects, where a plain reference may become a number."""

T = TypeVar("T")


def single(data: bytes, *, with_plain: bool = False) -> yamls.Document | None:
    """The one document of a file, None if it is empty; raise UnreadableError if there are more, or it is no mapping.

    With `with_plain`, plain scalars that begin as references to variables are marked; `convert` keeps the marks in
    fields of free form alone.
    """
    documents = yamls.load(data, with_lines=True, with_plain=with_plain)
    if len(documents) > 1:
        raise errors.UnreadableError("more than one document", documents[1].line)
    if not documents:
        return None
    if not isinstance(documents[0].value, dict):
        raise errors.UnreadableError("not a mapping", documents[0].line)
    return msgspec.structs.replace(documents[0], lines=_with_entries(documents[0].lines))


def convert(document: yamls.Document, value: Any, kind: type[T]) -> T:
    """The document's value, or what was made of it, as this type; raise UnreadableError with field and line."""
    try:
        return msgspec.convert(_marked_where_free(value), kind)
    except msgspec.ValidationError as error:
        reason, place = _reading(str(error))
        raise errors.UnreadableError(reason, line(document, place)) from error


def _marked_where_free(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): item if key in _FREE else _marked_where_free(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_marked_where_free(item) for item in value]
    return str(value) if type(value) is yamls.Plain else value


def mistake(document: yamls.Document, place: yamls.Place, reason: str) -> errors.UnreadableError:
    """An error about one field."""
    return errors.UnreadableError(f"{dotted(place)}: {reason}" if place else reason, line(document, place))


def line(document: yamls.Document, place: yamls.Place) -> int:
    """The line of the place, or of the nearest one around it."""
    while place and place not in document.lines:
        place = place[:-1]
    return document.lines.get(place, document.line)


def dotted(place: yamls.Place) -> str:
    """The place as a person writes it: `targets[0].name`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return text.removeprefix(".")[:200]


def _with_entries(lines: dict[yamls.Place, int]) -> dict[yamls.Place, int]:
    """The lines of keys, and of entries of lists: that of the first key in one."""
    found = dict(lines)
    for place, number in lines.items():
        for length in range(1, len(place)):
            if isinstance(place[length - 1], int):
                found.setdefault(place[:length], number)
    return found


def _reading(message: str) -> tuple[str, yamls.Place]:
    """msgspec's message as ours, and the place it is about."""
    at = _AT.search(message)
    text = _AT.sub("", message)
    steps = _STEP.finditer(at["path"]) if at is not None else ()
    place: yamls.Place = tuple(int(step["index"]) if step["index"] else step["key"] for step in steps)
    text = text[:1].lower() + text[1:]
    unknown, missing = _FIELD.search(text), _MISSING.search(text)
    if unknown is not None:
        place, text = (*place, unknown["field"]), "unknown field"
    elif missing is not None:
        place, text = (*place, missing["field"]), "required"
    return f"{dotted(place)}: {text}" if place else text, place
