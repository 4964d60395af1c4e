"""Deleting: preconditions, finalizers, propagation to dependents, and what the server answers."""

import msgspec

from agents.sandbox import statuses, store
from agents.sandbox.admission import Target
from agents.sandbox.cluster import DEFINITION_KEY, NAMESPACE_KEY, Cluster
from agents.sandbox.schema import Json, Object
from agents.sandbox.store import Key, Name, Record

CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


class DeleteOptions(msgspec.Struct, frozen=True):
    """The body of a DELETE."""

    uid: str = ""
    resource_version: str = ""
    propagation: str = "Background"
    dry_run: bool = False


def options(body: Json, query: dict[str, str]) -> DeleteOptions:
    """Read the options of a delete from its body, or from its query when there is none."""
    given = body if isinstance(body, dict) else {}
    preconditions = given.get("preconditions") or {}
    orphan = "Orphan" if given.get("orphanDependents") else ""
    propagation = given.get("propagationPolicy") or query.get("propagationPolicy") or orphan or "Background"
    return DeleteOptions(
        uid=preconditions.get("uid") or "",
        resource_version=preconditions.get("resourceVersion") or "",
        propagation=propagation,
        dry_run=bool(given.get("dryRun") or query.get("dryRun")),
    )


def delete(cluster: Cluster, target: Target, asked: DeleteOptions) -> Object:
    """Delete an object, or mark it when somebody must finish with it first; return the server's answer."""
    key = store.key_of(target.resource)
    record = cluster.store.get(key, (target.namespace, target.name))
    if record is None:
        raise statuses.not_found(target.resource, target.name)
    value = record.decode()
    _check(target, value, asked)
    if asked.dry_run:
        return _success(target, record)
    marked = _mark(cluster, record, value, propagation=asked.propagation, key=key)
    return _success(target, record) if marked is None else marked


def _check(target: Target, value: Object, asked: DeleteOptions) -> None:
    meta = value["metadata"]
    if asked.uid and asked.uid != meta["uid"]:
        why = (
            f"the UID in the precondition ({asked.uid}) does not match the UID in record ({meta['uid']})."
            " The object might have been deleted and then recreated"
        )
        raise statuses.precondition_failed(target.resource, target.name, why)
    wanted, found = asked.resource_version, meta["resourceVersion"]
    if wanted and wanted != found:
        why = (
            f"the ResourceVersion in the precondition ({wanted}) does not match the ResourceVersion in record"
            f" ({found}). The object might have been modified"
        )
        raise statuses.precondition_failed(target.resource, target.name, why)


def _mark(cluster: Cluster, record: Record, value: Object, *, propagation: str, key: Key) -> Object | None:
    """Remove the object, or mark it for deletion and return it when finalizers stand against it."""
    meta = value["metadata"]
    finalizers = [name for name in meta.get("finalizers", ()) if name not in (FOREGROUND, ORPHAN)]
    if propagation == "Orphan":
        _orphan(cluster, record.uid)
    elif propagation == "Foreground" and cluster.store.dependents(record.uid):
        finalizers.append(FOREGROUND)
    if key == DEFINITION_KEY and CLEANUP not in finalizers and not meta.get("deletionTimestamp"):
        finalizers.append(CLEANUP)
    if not finalizers and key != NAMESPACE_KEY:
        cluster.store.remove(key, record.name)
        return None
    if meta.get("deletionTimestamp"):
        return value
    meta |= {"deletionTimestamp": cluster.now(), "deletionGracePeriodSeconds": 0}
    if finalizers:
        meta["finalizers"] = finalizers
    if key in (NAMESPACE_KEY, DEFINITION_KEY):  # these two leave by a way of their own
        del meta["deletionGracePeriodSeconds"]
    if key == DEFINITION_KEY:
        value["status"] = _terminating(value["status"], cluster.now())
    elif "generation" in meta:
        meta["generation"] += 1
    if key == NAMESPACE_KEY:
        value["status"] = {**value["status"], "phase": "Terminating"}
    return cluster.store.put(key, value).decode()


def _terminating(status: Object, now: str) -> Object:
    message = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"
    condition = {"type": "Terminating", "status": "True", "lastTransitionTime": now}
    condition |= {"reason": "InstanceDeletionPending", "message": message}
    return {**status, "conditions": [*(status.get("conditions") or ()), condition]}


def _orphan(cluster: Cluster, uid: str) -> None:
    for key, name in cluster.store.dependents(uid):
        value = cluster.store.get(key, name).decode()  # type: ignore[union-attr]  # the index names what is there
        owners = [owner for owner in value["metadata"]["ownerReferences"] if owner["uid"] != uid]
        value["metadata"]["ownerReferences"] = owners
        if not owners:
            del value["metadata"]["ownerReferences"]
        cluster.store.put(key, value)


def _success(target: Target, record: Record) -> Object:
    details: Object = {"name": target.name}
    if target.resource.group:
        details["group"] = target.resource.group
    details |= {"kind": target.resource.plural, "uid": record.uid}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def expel(cluster: Cluster, key: Key, name: Name, *, propagation: str = "Background") -> None:
    """Delete an object on the server's own behalf, if it is still there."""
    record = cluster.store.get(key, name)
    if record is not None:
        _mark(cluster, record, record.decode(), propagation=propagation, key=key)


def released(cluster: Cluster, key: Key, name: Name, *, finalizer: str) -> None:
    """Take a finalizer off; an object that was only waiting for it goes."""
    record = cluster.store.get(key, name)
    if record is None:
        return
    value = record.decode()
    meta = value["metadata"]
    rest = [found for found in meta.get("finalizers", ()) if found != finalizer]
    meta["finalizers"] = rest
    if not rest:
        del meta["finalizers"]
    cluster.store.put(key, value)
    if not rest and meta.get("deletionTimestamp"):
        cluster.store.remove(key, name)
