"""What differs from Git and stays so, because the bundle says it: which objects are left alone, and what is told.

A bundle is left alone once its objects have the content of Git: when some of it is new, the bundle is applied whole,
what drifted included; the same content is not applied again. With `alert` somebody looks whether an object still has
that content, with `off` only how it is.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from agents.domain import forecast, ignoring, plan
from protocol import bundles, ids, reports

Object = dict[str, Any]

REASON = "Drifted"

GONE = "the object is not there any more"
REPLACED = "another object stands in its place"

FIELDS_MAX = 5
"""Fields told of one object; the rest are counted."""

MANAGERS_MAX = 3
"""Who changed it; hardly ever more than one."""


def renewed(planned: plan.Plan) -> frozenset[ids.BundleId]:
    """Bundles with new content: some of their objects were never applied, or with other content."""
    return frozenset(wanted.bundle for wanted in planned.wanted if not _has_content(wanted))


def is_left_alone(wanted: plan.Wanted, renewed: frozenset[ids.BundleId]) -> bool:
    """Is the object ours, and not to be applied again as long as it is there?"""
    if not _has_content(wanted):
        return False
    return ignoring.is_whole(wanted.options, wanted.object) or (_stays(wanted) and wanted.bundle not in renewed)


def is_applied_whole(wanted: plan.Wanted, renewed: frozenset[ids.BundleId]) -> bool:
    """Of what is not left alone: is it applied with its bundle, though it may have its content already?"""
    return _stays(wanted) and wanted.bundle in renewed


def is_created_again(wanted: plan.Wanted, renewed: frozenset[ids.BundleId]) -> bool:
    """Of what is left alone: is it to be created if it is gone?"""
    return not _stays(wanted) or wanted.bundle in renewed


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


def _stays(wanted: plan.Wanted) -> bool:
    return wanted.options.drift is not bundles.Drift.REVERT


def _has_content(wanted: plan.Wanted) -> bool:
    """By what the inventory says; of an object that is ignored as a whole any content will do."""
    entry = wanted.entry
    if entry is None or not entry.uid or entry.claim != (wanted.bundle, wanted.written):
        return False
    return entry.digest == wanted.digest or ignoring.is_whole(wanted.options, wanted.object)


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
