"""The last steps of every write: checks against the cluster, what the server adds, and the store."""

import msgspec

from agents.sandbox import admission, allocations, ownership, rules, schema, statuses, store
from agents.sandbox.admission import Decoded, Target
from agents.sandbox.cluster import NAMESPACE_KEY, Cluster
from agents.sandbox.ownership import Entry, Writer
from agents.sandbox.schema import Object, Resource
from agents.sandbox.store import Record


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


class Change(msgspec.Struct, frozen=True):
    """A change on its way into the store: the object and its owners, before and after."""

    live: Object
    decoded: Decoded
    owned_before: list[Entry]
    owned_after: list[Entry]


def writer(cluster: Cluster, target: Target, options: Options) -> Writer:
    """Return who writes through this door, as managedFields will name it."""
    return Writer(
        manager=options.manager,
        api_version=target.resource.api_version,
        time=cluster.now(),
        subresource=target.subresource,
        ignored=admission.ignored(target),
        force=options.force,
    )


def nothing(resource: Resource) -> Object:
    """Return the live object before a creation: a built-in type writes some structs even then, owned by nobody."""
    return {} if resource.custom else schema.zero(resource.type)


def opened(record: Record) -> tuple[Object, list[Entry]]:
    """Return an object without its managedFields, and those."""
    value = record.decode()
    meta = dict(value["metadata"])
    entries = ownership.decode(meta.pop("managedFields", ()))
    value["metadata"] = meta
    return value, entries


def _closed(value: Object, entries: list[Entry]) -> Object:
    if not entries:
        return value
    return {**value, "metadata": {**value["metadata"], "managedFields": ownership.encode(entries)}}


def live(cluster: Cluster, target: Target) -> Record:
    """Return what a request is about, or refuse it."""
    record = cluster.get(target.resource, (target.namespace, target.name))
    if record is None:
        raise statuses.not_found(target.resource, target.name)
    return record


_SERVER_META = ("uid", "creationTimestamp", "resourceVersion", "generation", "managedFields", "deletionTimestamp")


def named(cluster: Cluster, target: Target, value: Object) -> Object:
    """Return a new object with the name it will have, and without metadata that only the server gives."""
    meta = {name: part for name, part in value.get("metadata", {}).items() if name not in _SERVER_META}
    if not meta.get("name") and meta.get("generateName"):
        meta["name"] = meta["generateName"] + cluster.suffix()
    if target.namespace:
        meta["namespace"] = target.namespace
    if target.resource.kind == "Namespace" and not target.resource.custom and meta.get("name"):
        meta["labels"] = {**(meta.get("labels") or {}), "kubernetes.io/metadata.name": meta["name"]}
    return {**value, "metadata": meta}


def create(cluster: Cluster, target: Target, decoded: Decoded, *, entries: list[Entry], dry_run: bool) -> Written:
    """Store a new object."""
    resource, value = target.resource, decoded.value
    name = value["metadata"].get("name", "")
    _check_namespace(cluster, target)
    admission.check_name(resource, name)
    rules.check(resource, value, decoded.causes)
    if cluster.get(resource, (target.namespace, name)) is not None:
        raise statuses.already_exists(resource, name)
    value = {**value, "metadata": {**value["metadata"], **cluster.identity()}}
    value = allocations.allocated(cluster, resource, admission.for_create(resource, value))
    value = _closed(value, entries)
    if dry_run:
        return Written(store.encode(value), created=True)
    return Written(cluster.store.put(store.key_of(resource), value).raw, created=True)


def _check_namespace(cluster: Cluster, target: Target) -> None:
    if not target.resource.namespaced:
        return
    namespace = cluster.namespace(target.namespace)
    if namespace is None:
        raise statuses.not_found(cluster.registry.of_key(NAMESPACE_KEY), target.namespace)
    if store.DELETED_MARK in namespace.raw:
        space = target.namespace
        why = f"unable to create new content in namespace {space} because it is being terminated"
        message = f"namespace {space} is being terminated"
        cause = {"reason": "NamespaceTerminating", "message": message, "field": "metadata.namespace"}
        raise statuses.forbidden(target.resource, target.name, why, causes=[cause])


def check_identity(target: Target, live_object: Object, given: Object) -> None:
    """Refuse a write that names another UID or resource version than the object has."""
    meta = live_object["metadata"]
    if given.get("uid") and given["uid"] != meta["uid"]:
        key = "/".join(filter(None, ("/registry", target.resource.plural, target.namespace, target.name)))
        why = (
            f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition"
            f" failed: UID in precondition: {given['uid']}, UID in object meta: {meta['uid']}"
        )
        raise statuses.conflict(target.resource, target.name, why)
    if given.get("resourceVersion") and given["resourceVersion"] != meta["resourceVersion"]:
        raise statuses.conflict(target.resource, target.name, statuses.MODIFIED)


def replace(cluster: Cluster, target: Target, change: Change, *, dry_run: bool) -> Written:
    """Store the new state of an object, unless nothing changes; the last finalizer to go takes it away."""
    before, resource = change.live, target.resource
    value = admission.for_update(target, before, change.decoded.value)
    value = allocations.allocated(cluster, resource, value, live=before)
    value["metadata"]["resourceVersion"] = before["metadata"]["resourceVersion"]
    if not target.subresource:
        rules.check(resource, value, change.decoded.causes)
        admission.check_changes(resource, before, value)
    if value == before and same_owners(change.owned_after, change.owned_before):
        return Written(store.encode(_closed(before, change.owned_before)))
    value = _closed(value, change.owned_after)
    if dry_run:
        return Written(store.encode(value))
    key = store.key_of(resource)
    record = cluster.store.put(key, value)
    meta = value["metadata"]
    if meta.get("deletionTimestamp") and not meta.get("finalizers") and key != NAMESPACE_KEY:
        cluster.store.remove(key, record.name)
    return Written(record.raw)


def same_owners(left: list[Entry], right: list[Entry]) -> bool:
    """Compare entries but for their times: a change of nothing else is no change."""
    if len(left) != len(right):
        return False
    before = {entry.identity: entry.fields_v1 for entry in right}
    return all(before.get(entry.identity) == entry.fields_v1 for entry in left)
