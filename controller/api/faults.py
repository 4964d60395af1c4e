"""Which field of a request is wrong, so that a program can point at it."""

import re

import msgspec

_WHERE = re.compile(r"(?P<why>.*?) - at `(?:key` in `)?(?P<path>\$[^`]*)`", re.DOTALL)
_FIELD = re.compile(r"Object (?:missing required|contains unknown) field `(?P<name>[^`]*)`")
_STEP = re.compile(r"\.(?P<name>[^.\[]+)|\[(?P<number>[0-9]+|\.\.\.)\]")


class Fault(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that is wrong with a request."""

    detail: str
    pointer: str = ""
    """JSON pointer into the body as a fragment, such as `#/spec/url`; it ends at a mapping whose entry is wrong."""
    parameter: str = ""
    """Name in the query."""


def of_message(message: str) -> Fault:
    """What msgspec says about a body that does not fit its type."""
    found = _WHERE.fullmatch(message)
    why, path = (found["why"], found["path"]) if found is not None else (message, "$")
    steps: list[str] = []
    for step in _STEP.finditer(path):
        if step["number"] == "...":
            break
        steps.append(step["name"] or step["number"])
    missing = _FIELD.match(why)
    if missing is not None:
        steps.append(missing["name"])
    return Fault(detail=why, pointer="#" + "".join(f"/{_escaped(step)}" for step in steps))


def _escaped(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")
