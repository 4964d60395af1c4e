"""Who owns which fields of an object: server-side apply and the tracking of every other write.

An apply takes what its configuration sets, gives up what the manager set before and no longer does, and refuses to
change what another manager owns unless it is forced. Any other write owns what it has changed. Both are pure: the
live object and its managedFields in, the new ones out.
"""

from collections.abc import Iterable, Sequence

import msgspec

from agents.sandbox import comparison, fieldsets, merging, statuses
from agents.sandbox.comparison import Comparison
from agents.sandbox.fieldsets import FieldSet
from agents.sandbox.schema import Object, Type

UPDATERS_MAX = 10  # the real server's cap: beyond it, the oldest entries of updaters are merged into one
ANCIENT = "ancient-changes"
BEFORE_FIRST_APPLY = "before-first-apply"


class Entry(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One manager's fields: an entry of managedFields."""

    manager: str
    operation: str
    api_version: str
    fields_v1: FieldSet = msgspec.field(name="fieldsV1")
    time: str = ""
    subresource: str = ""

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What makes two writes the same manager; an applier stays the same in another API version."""
        version = "" if self.operation == "Apply" else self.api_version
        return (self.manager, self.operation, version, self.subresource)

    def document(self) -> Object:
        out: Object = {"manager": self.manager, "operation": self.operation, "apiVersion": self.api_version}
        if self.time:
            out["time"] = self.time
        out |= {"fieldsType": "FieldsV1", "fieldsV1": self.fields_v1}
        return out | {"subresource": self.subresource} if self.subresource else out


class Writer(msgspec.Struct, frozen=True):
    """Who writes, through what, and when."""

    manager: str
    api_version: str
    time: str
    subresource: str = ""
    ignored: FieldSet = {}  # fields this door cannot write, so that nobody comes to own them through it
    force: bool = False


class Configuration(msgspec.Struct, frozen=True):
    """What an applier wants, the fields that this names, and those of them that can be owned."""

    value: Object
    fields: FieldSet
    owned: FieldSet


def decode(entries: Iterable[Object]) -> list[Entry]:
    """Read an object's managedFields."""
    return [
        Entry(
            manager=entry.get("manager", ""),
            operation=entry["operation"],
            api_version=entry["apiVersion"],
            fields_v1=entry.get("fieldsV1", {}),
            time=entry.get("time", ""),
            subresource=entry.get("subresource", ""),
        )
        for entry in entries
    ]


def encode(entries: Iterable[Entry]) -> list[Object]:
    """Write managedFields in the server's order: appliers first, then by time and name."""
    order = sorted(entries, key=lambda e: (e.operation, e.time, e.manager, e.api_version, e.subresource))
    return [entry.document() for entry in order]


_STRIPPED: FieldSet = {
    "f:apiVersion": {},
    "f:kind": {},
    "f:metadata": {
        ".": {},
        "f:name": {},
        "f:namespace": {},
        "f:creationTimestamp": {},
        "f:selfLink": {},
        "f:uid": {},
        "f:clusterName": {},
        "f:generation": {},
        "f:managedFields": {},
        "f:resourceVersion": {},
    },
}


def _tracked(fields: FieldSet, ignored: FieldSet) -> FieldSet:
    if ignored:
        fields = fieldsets.without(fields, ignored)
    return fieldsets.difference(fields, _STRIPPED)


def configuration(kind: Type, value: Object) -> Configuration:
    """Work out once what a configuration names: it is the same for every object that it is applied to."""
    fields = merging.field_set(kind, value)
    return Configuration(value, fields, fieldsets.difference(fields, _STRIPPED))


class Applied(msgspec.Struct, frozen=True):
    """What an apply makes of an object: the merged value and who owns it then."""

    value: Object
    entries: list[Entry]
    changed: bool


def apply(kind: Type, live: Object, config: Configuration, *, entries: Sequence[Entry], writer: Writer) -> Applied:
    """Lay a configuration over the live object (both without managedFields) as its manager's whole intent."""
    fresh = Entry(
        manager=writer.manager,
        operation="Apply",
        api_version=writer.api_version,
        subresource=writer.subresource,
        fields_v1=fieldsets.without(config.owned, writer.ignored) if writer.ignored else config.owned,
    )
    others = [entry for entry in entries if entry.identity != fresh.identity]
    last = next((entry for entry in entries if entry.identity == fresh.identity), None)
    value = merging.merge(kind, live, config.value)
    if last is not None and last.fields_v1 != fresh.fields_v1:
        value = _prune(kind, value, last.fields_v1, kept=[config.fields, *(entry.fields_v1 for entry in others)])
    found = _comparison(kind, live, value, ignored=writer.ignored)
    changed = found is not comparison.SAME
    if changed:
        others = _yield_fields(others, found, force=writer.force)
    time = writer.time if changed else last.time if last else ""  # an apply that only takes a share has no time
    mine = [msgspec.structs.replace(fresh, time=time)] if fresh.fields_v1 else []
    return Applied(value=value, entries=mine + others, changed=changed)


def _prune(kind: Type, value: Object, last: FieldSet, *, kept: Iterable[FieldSet]) -> Object:
    """Take out what the manager applied the last time and nobody owns now."""
    owned: FieldSet = {}
    for fields in kept:
        owned = fieldsets.union(owned, fields)
    if not fieldsets.difference(last, owned):
        return value
    last = merging.with_named_fields(kind, last)
    dropped = fieldsets.difference(last, merging.with_named_fields(kind, owned))
    present = merging.with_named_fields(kind, merging.field_set(kind, value))
    dropped = fieldsets.intersection(dropped, present)  # what was below a value that has another form now is gone
    pruned: Object = merging.remove(kind, value, dropped)
    return pruned


def _comparison(kind: Type, before: Object, after: Object, *, ignored: FieldSet) -> Comparison:
    found = comparison.compare(kind, before, after)
    if not ignored or found is comparison.SAME:
        return found
    return Comparison(
        added=fieldsets.without(found.added, ignored),
        modified=fieldsets.without(found.modified, ignored),
        removed=fieldsets.without(found.removed, ignored),
    )


def _yield_fields(others: Sequence[Entry], found: Comparison, *, force: bool) -> list[Entry]:
    """Take changed and removed fields from the other managers, or refuse when they own what changes."""
    written = found.written
    taken = [(entry, fieldsets.intersection(entry.fields_v1, written)) for entry in others]
    conflicts = [(entry, fields) for entry, fields in taken if fields]
    if conflicts and not force:
        raise _refusal(conflicts)
    out = []
    for entry, fields in taken:
        rest = fieldsets.difference(fieldsets.difference(entry.fields_v1, fields), found.removed)
        if rest:
            out.append(entry if rest is entry.fields_v1 else msgspec.structs.replace(entry, fields_v1=rest))
    return out


def _refusal(conflicts: Sequence[tuple[Entry, FieldSet]]) -> statuses.Conflict:
    named = sorted((_manager_text(entry), entry, fields) for entry, fields in conflicts)
    listed = [(text, [fieldsets.text(path) for path in fieldsets.paths(fields)]) for text, _, fields in named]
    causes: list[Object] = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {text}", "field": path}
        for text, paths in listed
        for path in paths
    ]
    if len(causes) == 1:
        text, paths = listed[0]
        return statuses.Conflict(f"Apply failed with 1 conflict: conflict with {text}: {paths[0]}", causes)
    lines = [line for text, paths in listed for line in (f"conflicts with {text}:", *(f"- {path}" for path in paths))]
    return statuses.Conflict(f"Apply failed with {len(causes)} conflicts: " + "\n".join(lines), causes)


def _manager_text(entry: Entry) -> str:
    text = f'"{entry.manager}"'
    if entry.subresource:
        text += f' with subresource "{entry.subresource}"'
    return text if entry.operation == "Apply" else f"{text} using {entry.api_version}"


def update(kind: Type, live: Object, value: Object, *, entries: Sequence[Entry], writer: Writer) -> list[Entry]:
    """Return who owns what after any write that is not an apply: the writer owns what it has changed."""
    found = _comparison(kind, live, value, ignored=writer.ignored)
    if found is comparison.SAME:
        return list(entries)
    kept = _yield_fields(entries, found, force=True)
    written = _tracked(found.written, writer.ignored)
    if not written:
        return kept
    fresh = Entry(
        manager=writer.manager,
        operation="Update",
        api_version=writer.api_version,
        subresource=writer.subresource,
        time=writer.time,
        fields_v1=written,
    )
    previous = next((entry for entry in kept if entry.identity == fresh.identity), None)
    if previous is not None:
        fresh = msgspec.structs.replace(fresh, fields_v1=fieldsets.union(written, previous.fields_v1))
    return _capped([*(entry for entry in kept if entry is not previous), fresh])


def _capped(entries: list[Entry]) -> list[Entry]:
    updaters = sorted((e for e in entries if e.operation == "Update"), key=lambda e: (e.time, e.identity))
    surplus = len(updaters) - UPDATERS_MAX
    if surplus <= 0:
        return entries
    old = updaters[: surplus + 1]
    fields: FieldSet = {}
    for entry in old:
        fields = fieldsets.union(fields, entry.fields_v1)
    merged = msgspec.structs.replace(old[-1], manager=ANCIENT, subresource="", fields_v1=fields)
    return [*(entry for entry in entries if entry not in old), merged]
