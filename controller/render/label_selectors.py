"""Label selectors as one string, as kubectl and Kustomize take them: `a=b,c!=d,e in (f,g),h notin (i),j,!k`."""

import re

from controller.domain import inputs, placements
from controller.render import errors
from protocol import selectors
from protocol.selectors import Expression, Operator

CHARACTERS_MAX = 4096
"""Forty requirements with the longest key and value that labels may have would not fit; nobody has ten."""

_KEY = r"[A-Za-z0-9](?:[A-Za-z0-9._/-]*[A-Za-z0-9])?"
_VALUE = r"[A-Za-z0-9._-]*"
_EQUAL = re.compile(rf"({_KEY})\s*(!=|==|=)\s*({_VALUE})")
_IN = re.compile(rf"({_KEY})\s+(in|notin)\s*\(([^()]*)\)")
_EXISTS = re.compile(rf"(!?)\s*({_KEY})")


def parse(text: str) -> selectors.Selector:
    """The selector; an empty text selects all. Raises UnreadableError with the requirement that is none."""
    if len(text) > CHARACTERS_MAX:
        raise errors.UnreadableError(f"label selector: longer than {CHARACTERS_MAX} characters")
    parts = _parts(text) if text.strip() else []
    return selectors.Selector(match_expressions=tuple(_expression(part.strip()) for part in parts))


def selects(selector: selectors.Selector, labels: dict[str, str]) -> bool:
    """Does an object with these labels match?"""
    return placements.selects(selector, inputs.Facts(name="", labels=labels))


def _parts(text: str) -> list[str]:
    """Between the commas that stand in no parentheses."""
    parts = [""]
    inside = False
    for character in text:
        if character == "," and not inside:
            parts.append("")
            continue
        inside = character == "(" or (inside and character != ")")
        parts[-1] += character
    return parts


def _expression(part: str) -> Expression:
    if (found := _EQUAL.fullmatch(part)) is not None:
        return Expression(found[1], Operator.NOT_IN if found[2] == "!=" else Operator.IN, (found[3],))
    if (found := _IN.fullmatch(part)) is not None:
        values = tuple(value.strip() for value in found[3].split(","))
        if all(re.fullmatch(_VALUE, value) for value in values):
            return Expression(found[1], Operator.IN if found[2] == "in" else Operator.NOT_IN, values)
    elif (found := _EXISTS.fullmatch(part)) is not None:
        return Expression(found[2], Operator.DOES_NOT_EXIST if found[1] else Operator.EXISTS)
    raise errors.UnreadableError(f"label selector: {part[:60]!r} is no requirement (a=b, a!=b, a in (b,c), a, !a)")
