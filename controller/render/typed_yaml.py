"""A YAML file as a value of a type: every mistake is told with its field and its line."""

import re
from typing import Any, TypeVar

import msgspec

from controller.render import errors, yamls

_AT = re.compile(r" - at (?:`key` in )?`\$(?P<path>[^`]*)`$")
_STEP = re.compile(r"\.(?P<key>[^.\[]+)|\[(?P<index>\d+)\]")
_FIELD = re.compile(r"unknown field `(?P<field>[^`]*)`")
_MISSING = re.compile(r"missing required field `(?P<field>[^`]*)`")

T = TypeVar("T")


def single(data: bytes) -> yamls.Document | None:
    """The one document of a file, None if it is empty; raise UnreadableError if there are more, or it is no mapping."""
    documents = yamls.load(data, with_lines=True)
    if len(documents) > 1:
        raise errors.UnreadableError("more than one document", documents[1].line)
    if not documents:
        return None
    if not isinstance(documents[0].value, dict):
        raise errors.UnreadableError("not a mapping", documents[0].line)
    return documents[0]


def convert(document: yamls.Document, value: Any, kind: type[T]) -> T:
    """The document's value, or what was made of it, as this type; raise UnreadableError with field and line."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        reason, place = _reading(str(error))
        raise errors.UnreadableError(reason, line(document, place)) from error


def mistake(document: yamls.Document, place: yamls.Place, reason: str) -> errors.UnreadableError:
    """An error about one field."""
    return errors.UnreadableError(f"{dotted(place)}: {reason}" if place else reason, line(document, place))


def line(document: yamls.Document, place: yamls.Place) -> int:
    """The line of the place (of an entry of a list: of its first key), or of the nearest one around it."""
    while place and place not in document.lines:
        within = [number for at, number in document.lines.items() if at[: len(place)] == place]
        if within:
            return min(within)
        place = place[:-1]
    return document.lines.get(place, document.line)


def dotted(place: yamls.Place) -> str:
    """The place as a person writes it: `targets[0].name`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return text.removeprefix(".")[:200]


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
