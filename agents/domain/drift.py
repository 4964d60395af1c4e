"""What differs from Git and stays so, because the bundle says it: which objects are left alone, and what is told.

A bundle is left alone once its objects have the content of Git: when some of it is new, the bundle is applied whole,
what drifted included; the same content is not applied again. With `alert` somebody looks whether an object still has
that content, with `off` only how it is.
"""

import datetime
from typing import Any

import msgspec

from agents.domain import forecast, ignoring, inventory, ownership, plan
from protocol import bundles, drifts, ids, reports

Object = dict[str, Any]

REASON = "Drifted"

GONE = "the object is not there any more"
REPLACED = "another object stands in its place"

TOLD_MAX = 5
"""Fields named in a sentence; the rest are counted."""

MANAGERS_MAX = 3
"""Who changed it; hardly ever more than one."""


def renewed(planned: plan.Plan) -> frozenset[ids.BundleId]:
    """Bundles with new content: some of their objects were never applied, or with other content."""
    return frozenset(wanted.bundle for wanted in planned.wanted if not _has_content(wanted))


def is_left_alone(wanted: plan.Wanted, renewed: frozenset[ids.BundleId]) -> bool:
    """Is the object ours, and not to be applied again as long as it is there?"""
    if not _has_content(wanted):
        return False
    if ignoring.is_whole(wanted.options, wanted.object) or _is_adopted(wanted):
        return True
    return _stays(wanted) and wanted.bundle not in renewed


def is_applied_whole(wanted: plan.Wanted, renewed: frozenset[ids.BundleId]) -> bool:
    """Of what is not left alone: is it applied with its bundle, though it may have its content already?"""
    return _stays(wanted) and wanted.bundle in renewed and not _is_adopted(wanted)


def is_created_again(wanted: plan.Wanted, renewed: frozenset[ids.BundleId]) -> bool:
    """Of what is left alone: is it to be created if it is gone?"""
    return not _stays(wanted) or wanted.bundle in renewed


def is_compared(wanted: plan.Wanted) -> bool:
    """Does anybody care whether it is still as Git says?"""
    return policy(wanted) is not bundles.Drift.OFF and not ignoring.is_whole(wanted.options, wanted.object)


def policy(wanted: plan.Wanted) -> bundles.Drift:
    """What happens when it drifts. What was adopted is alerted about until Git changes it: the fields have the values
    that others gave them."""
    said, entry = wanted.options.drift, wanted.entry
    if said is bundles.Drift.REVERT and entry is not None and not inventory.forced(entry, wanted.digest):
        return bundles.Drift.ALERT
    return said


def lost(wanted: plan.Wanted, kind: drifts.Kind, at: datetime.datetime) -> drifts.Drift:
    """An object that is gone, or another one."""
    return drifts.Drift(wanted.written, wanted.bundle, policy(wanted), kind, at)


def changed(wanted: plan.Wanted, changes: forecast.Changes, live: Object, at: datetime.datetime) -> drifts.Drift | None:
    """What differs; None: nothing. `changes` are those that an apply would make in the live object."""
    if not changes:
        return None
    owners = ownership.others(live)
    told = tuple(
        _field(change, ownership.holder(change.field, owners)) for change in changes.fields[: drifts.FIELDS_MAX]
    )
    left_out = len(changes.fields) - len(told) + changes.left_out
    found = lost(wanted, drifts.Kind.CHANGED, at)
    return msgspec.structs.replace(found, fields=told, left_out=left_out)


def told(found: drifts.Drift) -> str:
    """A drift in a sentence, for people."""
    if found.kind is not drifts.Kind.CHANGED:
        return _fought(found, GONE if found.kind is drifts.Kind.GONE else REPLACED)
    parts = [_told_field(one) for one in found.fields[:TOLD_MAX]]
    more = len(found.fields) - len(parts) + found.left_out
    text = "; ".join([*parts, *([f"and {more} more"] if more else [])])
    by = list(dict.fromkeys(_manager(one) for one in found.fields if one.manager))[:MANAGERS_MAX]
    return _fought(found, f"changed by {', '.join(by)}: {text}" if by else text)


def _stays(wanted: plan.Wanted) -> bool:
    return policy(wanted) is not bundles.Drift.REVERT


def _is_adopted(wanted: plan.Wanted) -> bool:
    """Alerted about though its bundle says revert: new content of other objects changes nothing for this one."""
    return policy(wanted) is not wanted.options.drift


def _has_content(wanted: plan.Wanted) -> bool:
    """By what the inventory says; of an object that is ignored as a whole any content will do."""
    entry = wanted.entry
    if entry is None or not entry.uid or entry.claim != (wanted.bundle, wanted.written):
        return False
    return entry.digest == wanted.digest or ignoring.is_whole(wanted.options, wanted.object)


def _field(change: reports.FieldChange, owner: ownership.Owner | None) -> drifts.Field:
    found = drifts.Field(change.field, expected=change.after, actual=change.before)
    if owner is None:
        return found
    return msgspec.structs.replace(
        found,
        manager=owner.manager,
        operation=owner.operation,
        subresource=owner.subresource,
        time=_time(owner.time),
    )


def _time(text: str) -> datetime.datetime | None:
    try:
        found = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None  # whoever wrote the managedFields by hand
    return found if found.tzinfo is not None else found.replace(tzinfo=datetime.UTC)


def _told_field(one: drifts.Field) -> str:
    return f"{one.field} is {one.actual or 'not there'}, in Git {one.expected or 'not there'}"


def _manager(one: drifts.Field) -> str:
    return f"{one.manager} at {one.time:%Y-%m-%dT%H:%M:%SZ}" if one.time is not None else one.manager


def _fought(found: drifts.Drift, text: str) -> str:
    if found.fighting is not None:
        who = found.fighting.manager or "somebody"
        text = f"fighting with {who}, reverted {found.fighting.count} times: {text}"
    most = reports.MESSAGE_CHARS_MAX
    return text if len(text) <= most else f"{text[: most - 1]}…"
