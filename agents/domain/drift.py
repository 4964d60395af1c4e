"""What differs from Git and stays so, because the bundle says it: which objects are left alone, and what is told.

An object is left alone once it has the content of Git: new content is applied, the same is not applied again. With
`alert` somebody looks whether it still has that content, with `off` only how it is.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from agents.domain import forecast, ignoring, plan
from protocol import bundles, reports

Object = dict[str, Any]

REASON = "Drifted"

GONE = "the object is not there any more"
REPLACED = "another object stands in its place"

FIELDS_MAX = 5
"""Fields told of one object; the rest are counted."""

MANAGERS_MAX = 3
"""Who changed it; hardly ever more than one."""


def is_left_alone(wanted: plan.Wanted) -> bool:
    """Is the object ours, and not to be applied again as long as it is there?"""
    entry = wanted.entry
    if entry is None or not entry.uid or entry.claim != (wanted.bundle, wanted.written):
        return False
    if ignoring.is_whole(wanted.options, wanted.object):
        return True
    return wanted.options.drift is not bundles.Drift.REVERT and entry.digest == wanted.digest


def is_created_again(wanted: plan.Wanted) -> bool:
    """Of what is left alone: is it to be created if it is gone?"""
    return wanted.options.drift is bundles.Drift.REVERT


def is_compared(wanted: plan.Wanted) -> bool:
    """Of what is left alone: does somebody look whether it is still as Git says?"""
    return wanted.options.drift is bundles.Drift.ALERT and not ignoring.is_whole(wanted.options, wanted.object)


def described(changes: forecast.Changes, managers: Iterable[str], live: Object) -> str:
    """What differs, for people; empty: nothing. `changes` are those that an apply would make in the live object,
    `managers` hold the fields."""
    if not changes:
        return ""
    told = [_field(change) for change in changes.fields[:FIELDS_MAX]]
    more = len(changes.fields) - len(told) + changes.left_out
    text = "; ".join([*told, *([f"and {more} more"] if more else [])])
    by = [_manager(name, live) for name in sorted(set(managers))[:MANAGERS_MAX]]
    return _bounded(f"changed by {', '.join(by)}: {text}" if by else text)


def held(fields: Sequence[tuple[str, str]], live: Object) -> str:
    """What others hold of an object that was theirs before; `fields` are pairs of manager and field."""
    names = list(dict.fromkeys(field for _, field in fields))
    more = len(names) - FIELDS_MAX
    text = ", ".join(names[:FIELDS_MAX]) + (f" and {more} more" if more > 0 else "")
    by = [_manager(name, live) for name in sorted({manager for manager, _ in fields})[:MANAGERS_MAX]]
    return _bounded(f"changed by {', '.join(by)}: {text}")


def _field(change: reports.FieldChange) -> str:
    return f"{change.field} is {change.before or 'not there'}, in Git {change.after or 'not there'}"


def _manager(name: str, live: Object) -> str:
    times = [
        one["time"]
        for one in live["metadata"].get("managedFields") or ()
        if one.get("manager") == name and isinstance(one.get("time"), str)
    ]
    return f"{name} at {max(times)}" if times else name


def _bounded(text: str) -> str:
    most = reports.MESSAGE_CHARS_MAX
    return text if len(text) <= most else f"{text[: most - 1]}…"
