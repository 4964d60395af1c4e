"""What differs from Git and stays so, because the bundle says it: which objects are left alone, and what is told.

A bundle is left alone once its objects have the content of Git: when some of it is new, the bundle is applied whole,
what drifted included; the same content is not applied again. With `alert` somebody looks whether an object still has
that content, with `off` only how it is.
"""

import datetime
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from agents.domain import forecast, holding, ignoring, inventory, ownership, plan
from protocol import bundles, drifts, ids, reports

Object = dict[str, Any]

REASON = "Drifted"

GONE = "the object is not there any more (who deleted it is not recorded)"
REPLACED = "another object stands in its place"

TOLD_MAX = 5
"""Fields named in a sentence; the rest are counted."""

MANAGERS_MAX = 3
"""Who changed it; hardly ever more than one."""


def renewed(planned: plan.Plan) -> frozenset[ids.BundleId]:
    """Bundles with new content: some of their objects were never applied, or with other content."""
    return frozenset(wanted.bundle for wanted in planned.wanted if not has_content(wanted))


def restated(before: Iterable[bundles.BundleIndex], after: Iterable[bundles.BundleIndex]) -> frozenset[ids.BundleId]:
    """Bundles that say something else of what is drift, and of what happens then, than before."""
    said = {index.bundle: (index.options.drift, index.options.ignore) for index in before}
    saying = {index.bundle: (index.options.drift, index.options.ignore) for index in after}
    return frozenset(name for name, options in saying.items() if said.get(name, options) != options)


def is_left_alone(wanted: plan.Wanted, renewed: frozenset[ids.BundleId]) -> bool:
    """Is the object ours, and not to be applied again as long as it is there?"""
    if not has_content(wanted):
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


def has_content(wanted: plan.Wanted) -> bool:
    """Is it ours with this content, by what the inventory says? Where an object is ignored whole, any will do."""
    entry = wanted.entry
    if entry is None or not entry.uid or entry.claim != (wanted.bundle, wanted.written):
        return False
    return entry.digest == wanted.digest or ignoring.is_whole(wanted.options, wanted.object)


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
    owners, last = ownership.others(live), holding.last_writer(live)
    told = tuple(
        _field(change, ownership.holder(change.field, owners), last) for change in changes.fields[: drifts.FIELDS_MAX]
    )
    left_out = len(changes.fields) - len(told) + changes.left_out
    found = lost(wanted, drifts.Kind.CHANGED, at)
    return msgspec.structs.replace(found, fields=told, left_out=left_out)


def passed(
    wanted: plan.Wanted, taken: Mapping[str, str], live: Object, *, at: datetime.datetime
) -> drifts.Drift | None:
    """Where nothing differs: what somebody changed and somebody changed back, before anybody looked. None: nothing.
    `taken` are the fields that are ours no more, with their values; whoever took one has changed it."""
    owners = ownership.others(live)
    holders = {path: owner for path in taken if (owner := ownership.holder(path, owners)) is not None}
    if not holders:
        return None
    fields = tuple(
        msgspec.structs.replace(_field(reports.FieldChange(path, taken[path], taken[path]), owner, None), passed=True)
        for path, owner in list(holders.items())[: drifts.FIELDS_MAX]
    )
    found = lost(wanted, drifts.Kind.CHANGED, at)
    return msgspec.structs.replace(found, fields=fields, left_out=len(holders) - len(fields))


def has_passed(found: drifts.Drift) -> bool:
    """Was it over when it was noticed?"""
    return bool(found.fields) and all(one.passed for one in found.fields)


def told(found: drifts.Drift) -> str:
    """A drift in a sentence, for people."""
    if found.kind is not drifts.Kind.CHANGED:
        return _fought(found, GONE if found.kind is drifts.Kind.GONE else REPLACED)
    parts = [_told_field(one) for one in found.fields[:TOLD_MAX]]
    more = len(found.fields) - len(parts) + found.left_out
    text = "; ".join([*parts, *([f"and {more} more"] if more else [])])
    by = list(dict.fromkeys(_who(one.manager, one.time) for one in found.fields if one.manager))[:MANAGERS_MAX]
    return _fought(found, f"changed by {', '.join(by)}: {text}" if by else text)


def _stays(wanted: plan.Wanted) -> bool:
    return policy(wanted) is not bundles.Drift.REVERT


def _is_adopted(wanted: plan.Wanted) -> bool:
    """Alerted about though its bundle says revert: new content of other objects changes nothing for this one."""
    return policy(wanted) is not wanted.options.drift


def _field(change: reports.FieldChange, owner: ownership.Owner | None, last: ownership.Owner | None) -> drifts.Field:
    found = drifts.Field(change.field, expected=change.after, actual=change.before)
    if owner is None:
        return (
            found
            if last is None
            else msgspec.structs.replace(found, last_writer=last.manager, last_written=ownership.time_of(last.time))
        )
    return msgspec.structs.replace(
        found,
        manager=owner.manager,
        operation=owner.operation,
        subresource=owner.subresource,
        time=ownership.time_of(owner.time),
    )


def _told_field(one: drifts.Field) -> str:
    if one.passed:
        return f"{one.field} is as in Git again"
    last = f" (last written to by {_who(one.last_writer, one.last_written)})" if one.last_writer else ""
    return f"{one.field} is {one.actual or 'not there'}{last}, in Git {one.expected or 'not there'}"


def _who(manager: str, time: datetime.datetime | None) -> str:
    return f"{manager} at {time:%Y-%m-%dT%H:%M:%SZ}" if time is not None else manager


def _fought(found: drifts.Drift, text: str) -> str:
    if found.fighting is not None:
        who = found.fighting.manager or "somebody"
        text = f"fighting with {who}, reverted {found.fighting.count} times: {text}"
    most = reports.MESSAGE_CHARS_MAX
    return text if len(text) <= most else f"{text[: most - 1]}…"
