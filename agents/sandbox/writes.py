"""Every way to change a cluster's objects: create, apply, update, patch and delete, through one door each."""

from collections.abc import Callable

import msgspec

from agents.sandbox import admission, ownership, statuses, store, validation
from agents.sandbox.admission import Target
from agents.sandbox.cluster import Cluster
from agents.sandbox.ownership import Entry, Writer
from agents.sandbox.schema import Json, Object
from agents.sandbox.store import Record

Change = Callable[[Object], Json]


class Options(msgspec.Struct, frozen=True):
    """What a client asks for beside the object itself."""

    manager: str = "unknown"
    dry_run: bool = False
    force: bool = False
    strict: bool = False


class Written(msgspec.Struct, frozen=True):
    """What a write answers: the object as stored, and whether it is new."""

    raw: bytes
    created: bool = False


def _writer(cluster: Cluster, target: Target, options: Options) -> Writer:
    return Writer(
        manager=options.manager,
        api_version=target.resource.api_version,
        time=cluster.now(),
        subresource=target.subresource,
        ignored=admission.ignored(target),
    )


def _open(record: Record) -> tuple[Object, list[Entry]]:
    """Return an object without its managedFields, and those."""
    value = record.decode()
    meta = dict(value["metadata"])
    entries = ownership.decode(meta.pop("managedFields", ()))
    value["metadata"] = meta
    return value, entries


def _close(value: Object, entries: list[Entry]) -> Object:
    if not entries:
        return value
    return {**value, "metadata": {**value["metadata"], "managedFields": ownership.encode(entries)}}


def _live(cluster: Cluster, target: Target) -> Record:
    record = cluster.get(target.resource, (target.namespace, target.name))
    if record is None:
        raise statuses.not_found(target.resource, target.name)
    return record


# Creating


def create(cluster: Cluster, target: Target, body: Json, options: Options) -> Written:
    """Create an object that a client has POSTed; its manager owns every field of it, defaults included."""
    resource = target.resource
    value = admission.check_kind(resource, body)
    admission.check_place(target, value)
    _check_fields(target, value, options)
    value = admission.read(resource, _named(cluster, target, value))
    entries = ownership.update(resource.type, {}, value, entries=(), writer=_writer(cluster, target, options))
    return _create(cluster, target, value, entries=entries, dry_run=options.dry_run)


def _check_fields(target: Target, value: Object, options: Options) -> None:
    if options.strict:
        admission.check_strictly(target.resource, value)
    admission.check_types(target.resource, value)


def _named(cluster: Cluster, target: Target, value: Object) -> Object:
    meta = {name: part for name, part in value.get("metadata", {}).items() if name not in _SERVER_META}
    if not meta.get("name") and meta.get("generateName"):
        meta["name"] = meta["generateName"] + cluster.suffix()
    if target.namespace:
        meta["namespace"] = target.namespace
    if target.resource.kind == "Namespace" and not target.resource.custom and meta.get("name"):
        meta["labels"] = {**(meta.get("labels") or {}), "kubernetes.io/metadata.name": meta["name"]}
    return {**value, "metadata": meta}


_SERVER_META = ("uid", "creationTimestamp", "resourceVersion", "generation", "managedFields", "deletionTimestamp")


def _create(cluster: Cluster, target: Target, value: Object, *, entries: list[Entry], dry_run: bool) -> Written:
    resource = target.resource
    name = value["metadata"].get("name", "")
    admission.check_name(resource, name)
    _check_namespace(cluster, target, name)
    if cluster.get(resource, (target.namespace, name)) is not None:
        raise statuses.already_exists(resource, name)
    value = {**value, "metadata": {**value["metadata"], **cluster.identity()}}
    value = _allocated(cluster, target, admission.for_create(resource, value))
    value = _close(value, entries)
    if dry_run:
        return Written(store.encode(value), created=True)
    return Written(cluster.store.put(store.key_of(resource), value).raw, created=True)


def _check_namespace(cluster: Cluster, target: Target, name: str) -> None:
    if not target.resource.namespaced:
        return
    namespace = cluster.namespace(target.namespace)
    if namespace is None:
        raise statuses.not_found(cluster.registry.of_key(("", "namespaces")), target.namespace)
    if namespace.decode()["status"]["phase"] == "Terminating":
        space = target.namespace
        why = f"unable to create new content in namespace {space} because it is being terminated"
        message = f"namespace {space} is being terminated"
        cause = {"reason": "NamespaceTerminating", "message": message, "field": "metadata.namespace"}
        raise statuses.forbidden(target.resource, name, why, causes=[cause])


def _allocated(cluster: Cluster, target: Target, value: Object) -> Object:
    """Give a Service its address."""
    if target.resource.kind != "Service" or target.resource.custom or not value.get("spec"):
        return value
    spec = value["spec"]
    if spec.get("type") == "ExternalName":
        return value
    address = spec.get("clusterIP") or cluster.address()
    given = {"clusterIP": address, "clusterIPs": [address], "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"}
    return {**value, "spec": {**spec, **{name: spec.get(name) or part for name, part in given.items()}}}


# Server-side apply


def apply(cluster: Cluster, target: Target, config: Json, options: Options) -> Written:
    """Apply a configuration: create the object, or lay the configuration over it."""
    value = admission.check_kind(target.resource, config)
    admission.check_place(target, value)
    if value.get("metadata", {}).get("managedFields") is not None:
        raise statuses.bad_request("metadata.managedFields must be nil")
    if options.strict:
        admission.check_strictly(target.resource, value)
    _check_typed(target, value)
    record = cluster.get(target.resource, (target.namespace, target.name))
    if record is None:
        return _apply_new(cluster, target, value, options)
    return _apply_live(cluster, target, value, options=options, record=record)


def _check_typed(target: Target, value: Object) -> None:
    reader = validation.Reader(builtin=False)
    reader.read(target.resource.type, value)
    problems = [f"{path}: field not declared in schema" for path in reader.unknown] + reader.wrong
    if problems:
        resource = target.resource
        listed = problems[0] if len(problems) == 1 else "errors:\n  " + "\n  ".join(problems)
        where = f"{target.namespace}/{target.name}; {resource.api_version}, Kind={resource.kind}"
        raise statuses.Failure(500, "", f"failed to create typed patch object ({where}): {listed}")


def _apply_new(cluster: Cluster, target: Target, config: Object, options: Options) -> Written:
    if target.subresource or config.get("metadata", {}).get("uid"):
        raise statuses.not_found(target.resource, target.name)
    writer = _writer(cluster, target, options)
    config = {**config, "metadata": {**config.get("metadata", {}), "name": target.name}}
    applied = ownership.apply(target.resource.type, {}, config, entries=(), writer=writer)
    value = admission.read(target.resource, _named(cluster, target, applied.value))
    return _create(cluster, target, value, entries=applied.entries, dry_run=options.dry_run)


def _apply_live(cluster: Cluster, target: Target, config: Object, *, options: Options, record: Record) -> Written:
    live, entries = _open(record)
    _check_identity(target, live, config.get("metadata", {}))
    config = _without_identity(config)
    writer = _writer(cluster, target, options)
    if not entries:
        first = msgspec.structs.replace(writer, manager=ownership.BEFORE_FIRST_APPLY)
        entries = ownership.update(target.resource.type, {}, live, entries=(), writer=first)
    kind = target.resource.type
    applied = ownership.apply(kind, live, config, entries=entries, writer=writer, force=options.force)
    if not applied.changed and _same_owners(applied.entries, entries):
        return Written(record.raw)
    value = admission.read(target.resource, applied.value) if applied.changed else live
    change = _Change(live, value, entries, applied.entries)
    return _replace(cluster, target, change, dry_run=options.dry_run)


def _same_owners(left: list[Entry], right: list[Entry]) -> bool:
    """Compare entries but for their times: a change of nothing else is no change."""
    if len(left) != len(right):
        return False
    before = {entry.identity: entry.fields_v1 for entry in right}
    return all(before.get(entry.identity) == entry.fields_v1 for entry in left)


def _check_identity(target: Target, live: Object, given: Object) -> None:
    """Refuse a write that names another UID or resource version than the object has."""
    meta = live["metadata"]
    if given.get("uid") and given["uid"] != meta["uid"]:
        why = f"Precondition failed: UID in precondition: {given['uid']}, UID in object meta: {meta['uid']}"
        raise statuses.conflict(target.resource, target.name, why)
    if given.get("resourceVersion") and given["resourceVersion"] != meta["resourceVersion"]:
        raise statuses.conflict(target.resource, target.name, statuses.MODIFIED)


_IDENTITY = ("uid", "resourceVersion", "creationTimestamp", "generation", "selfLink")


def _without_identity(config: Object) -> Object:
    meta = config.get("metadata", {})
    if not any(name in meta for name in _IDENTITY):
        return config
    return {**config, "metadata": {name: part for name, part in meta.items() if name not in _IDENTITY}}


# Updating and patching


def replace(cluster: Cluster, target: Target, body: Json, options: Options) -> Written:
    """Replace an object with a whole new one (PUT)."""
    value = admission.check_kind(target.resource, body)
    admission.check_place(target, value)
    _check_fields(target, value, options)
    return _change(cluster, target, value, options=options, record=_live(cluster, target))


def patch(cluster: Cluster, target: Target, change: Change, options: Options) -> Written:
    """Change an object by a function of it."""
    record = _live(cluster, target)
    value = admission.check_kind(target.resource, change(record.decode()))
    admission.check_place(target, value)
    _check_fields(target, value, options)
    return _change(cluster, target, value, options=options, record=record)


def _change(cluster: Cluster, target: Target, value: Object, *, options: Options, record: Record) -> Written:
    live, entries = _open(record)
    meta = dict(value.get("metadata", {}))
    _check_identity(target, live, meta)
    given = meta.pop("managedFields", None)
    kept = entries
    if given is not None and target.subresource == "":
        kept = ownership.decode(entry for entry in given if entry)  # an empty list or item clears the ownership
    meta |= {name: live["metadata"][name] for name in ("namespace", "uid") if name in live["metadata"]}
    value = admission.for_update(target, live, admission.read(target.resource, {**value, "metadata": meta}))
    if kept or given is None:
        writer = _writer(cluster, target, options)
        kept = ownership.update(target.resource.type, live, value, entries=kept, writer=writer)
    return _replace(cluster, target, _Change(live, value, entries, kept), dry_run=options.dry_run)


class _Change(msgspec.Struct, frozen=True):
    """A change on its way into the store: the object and its owners, before and after."""

    live: Object
    value: Object
    owned_before: list[Entry]
    owned_after: list[Entry]


def _replace(cluster: Cluster, target: Target, change: _Change, *, dry_run: bool) -> Written:
    """Store the new state of an object, unless nothing changes; the last finalizer to go takes it away."""
    live = change.live
    value = admission.for_update(target, live, change.value)
    value["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
    admission.check_changes(target.resource, live, value)
    if value == live and _same_owners(change.owned_after, change.owned_before):
        return Written(store.encode(_close(live, change.owned_before)))
    value = _close(value, change.owned_after)
    if dry_run:
        return Written(store.encode(value))
    key = store.key_of(target.resource)
    record = cluster.store.put(key, value)
    meta = value["metadata"]
    if meta.get("deletionTimestamp") and not meta.get("finalizers") and not _is_namespace(target):
        cluster.store.remove(key, record.name)
    return Written(record.raw)


def _is_namespace(target: Target) -> bool:
    return target.resource.kind == "Namespace" and not target.resource.custom
