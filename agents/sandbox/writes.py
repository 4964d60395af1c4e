"""Creating, replacing and patching: every write but server-side apply."""

from collections.abc import Callable

from agents.sandbox import admission, commits, merging, ownership
from agents.sandbox.admission import Target
from agents.sandbox.cluster import Cluster
from agents.sandbox.commits import Change, Options, Written
from agents.sandbox.ownership import Entry, Writer
from agents.sandbox.schema import Json, Object, Resource
from agents.sandbox.store import Record


def create(cluster: Cluster, target: Target, body: Json, *, options: Options) -> Written:
    """Create an object that a client has POSTed; its manager owns every field of it, defaults included."""
    resource = target.resource
    value = admission.check_body(resource, body)
    admission.check_place(target, value)
    decoded = admission.decode_body(resource, commits.named(cluster, target, value), strict=options.strict)
    writer = commits.writer(cluster, target, options)
    entries = _owned(resource, commits.nothing(resource), decoded.value, entries=[], writer=writer)
    return commits.create(cluster, target, decoded, entries=entries, dry_run=options.dry_run)


def replace(cluster: Cluster, target: Target, body: Json, *, options: Options) -> Written:
    """Replace an object with a whole new one (PUT)."""
    value = admission.check_body(target.resource, body)
    admission.check_place(target, value)
    return _change(cluster, target, value, options=options, record=commits.live(cluster, target))


def patch(cluster: Cluster, target: Target, change: Callable[[Object], Json], *, options: Options) -> Written:
    """Change an object by a function of it."""
    record = commits.live(cluster, target)
    value = admission.check_kind(target.resource, change(record.decode()))
    admission.check_place(target, value)
    return _change(cluster, target, value, options=options, record=record)


def _change(cluster: Cluster, target: Target, value: Object, *, options: Options, record: Record) -> Written:
    resource = target.resource
    live, entries = commits.opened(record)
    meta = dict(value.get("metadata", {}))
    commits.check_identity(target, live, meta)
    given = meta.pop("managedFields", None)
    kept = entries
    if given is not None and target.subresource == "":
        kept = ownership.decode(entry for entry in given if entry)  # an empty list or item clears the ownership
    meta |= {name: live["metadata"][name] for name in ("namespace", "uid") if name in live["metadata"]}
    decoded = admission.decode_body(resource, {**value, "metadata": meta}, strict=options.strict)
    if kept:
        writer = commits.writer(cluster, target, options)
        kept = _owned(resource, live, decoded.value, entries=kept, writer=writer)
    return commits.replace(cluster, target, Change(live, decoded, entries, kept), dry_run=options.dry_run)


def status(cluster: Cluster, target: Target, given: Object, *, manager: str, annotations: Object | None = None) -> None:
    """Write a status as a controller does: through its own door and under its own name, reading nothing else.

    The Deployment controller writes its annotations through that door too.
    """
    resource = target.resource
    live, entries = commits.opened(commits.live(cluster, target))
    value = {**live, "status": admission.read_status(resource, given)}
    if annotations:
        known = live["metadata"].get("annotations") or {}
        value["metadata"] = {**live["metadata"], "annotations": {**known, **annotations}}
    writer = commits.writer(cluster, target, Options(manager=manager))
    kept = ownership.update(resource.type, live, value, entries=entries, writer=writer)
    change = Change(live, admission.Decoded(value, [], []), entries, kept)
    commits.replace(cluster, target, change, dry_run=False)


def _owned(resource: Resource, live: Object, value: Object, *, entries: list[Entry], writer: Writer) -> list[Entry]:
    try:
        return ownership.update(resource.type, live, value, entries=entries, writer=writer)
    except merging.Unkeyed:  # the real server forgets all owners then; if the value is invalid, validation says so
        return []
