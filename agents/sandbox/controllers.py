"""What a control plane does by itself: namespaces that empty, garbage that goes, definitions that become served.

Controllers hear of every change while it is made and only note what to do; the work itself is a timer, so that no
request pays for it and a test decides when it happens. Work starts from what is stored then, never from the event.
"""

import functools
from collections.abc import Callable

from agents.sandbox import allocations, crds, deletes, pods, store, workloads, writes
from agents.sandbox.admission import Target
from agents.sandbox.cluster import DEFINITION_KEY, NAMESPACE_KEY, NAMESPACES, Cluster
from agents.sandbox.schema import Object
from agents.sandbox.store import Event, Key, Name

MANAGER = "kube-controller-manager"
DEFINITIONS_MANAGER = "kube-apiserver"


def attach(cluster: Cluster) -> None:
    """Make a cluster react to its own changes."""
    cluster.store.listen(lambda event: _served(cluster, event))
    if cluster.settings.controllers:
        cluster.store.listen(lambda event: _heard(cluster, event))
        for namespace in NAMESPACES:
            _soon(cluster, functools.partial(_furnish, cluster, namespace))
        cluster.store.listen(workloads.Workloads(cluster).heard)


def _heard(cluster: Cluster, event: Event) -> None:
    record = event.record
    if event.type == "DELETED":
        if cluster.store.dependents(record.uid):
            _soon(cluster, lambda: _collect(cluster, record.uid))
        if record.owners:
            _soon(cluster, lambda: _owners_released(cluster, record.owners))
        if record.name[0]:
            _namespace_emptied(cluster, record.name[0])
    elif event.type == "ADDED" and event.key == NAMESPACE_KEY:
        _soon(cluster, lambda: _furnish(cluster, record.name[1]))
    elif store.DELETED_MARK in record.raw:
        if event.key == NAMESPACE_KEY:
            _soon(cluster, lambda: _empty(cluster, record.name[1]))
        if deletes.FOREGROUND.encode() in record.raw:
            _soon(cluster, lambda: _collect_first(cluster, event.key, record.name))
        guard = allocations.GUARDS.get(event.key)
        if guard and guard.encode() in record.raw:
            _soon(cluster, lambda: deletes.released(cluster, event.key, record.name, finalizer=guard))


def _served(cluster: Cluster, event: Event) -> None:
    """React to definitions, which is the API server's own part."""
    if event.key != DEFINITION_KEY:
        return
    if event.type == "DELETED":
        cluster.registry.withdraw(event.record.name[1])
    else:
        _definition_heard(cluster, event.record.name)


def _soon(cluster: Cluster, action: Callable[[], None]) -> None:
    cluster.timers.after(0.0, action)


# Garbage collection


def _collect(cluster: Cluster, uid: str) -> None:
    """Delete the dependents of an object that is gone, but for those that another owner still holds."""
    for key, name in cluster.store.dependents(uid):
        record = cluster.store.get(key, name)
        if record is not None and not any(map(cluster.store.place, record.owners)):
            deletes.expel(cluster, key, name)


def _collect_first(cluster: Cluster, key: Key, name: Name) -> None:
    """Delete the dependents of an object that waits for them (foreground propagation)."""
    record = cluster.store.get(key, name)
    if record is None:
        return
    dependents = cluster.store.dependents(record.uid)
    for dependent in dependents:
        deletes.expel(cluster, *dependent, propagation="Foreground")
    if not cluster.store.dependents(record.uid):
        deletes.released(cluster, key, name, finalizer=deletes.FOREGROUND)


def _owners_released(cluster: Cluster, uids: tuple[str, ...]) -> None:
    """Let the owners go that were waiting for their last dependent."""
    for uid in uids:
        place = cluster.store.place(uid)
        record = cluster.store.get(*place) if place else None
        waits = record is not None and deletes.FOREGROUND.encode() in record.raw
        if place and waits and not cluster.store.dependents(uid):
            deletes.released(cluster, *place, finalizer=deletes.FOREGROUND)


# Namespaces


def _furnish(cluster: Cluster, namespace: str) -> None:
    """Create what every namespace of a real cluster holds from its first moments."""
    if cluster.namespace(namespace) is None:
        return
    meta = {"namespace": namespace}
    account: Object = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"} | meta}
    authority: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kube-root-ca.crt"} | meta}
    authority["data"] = {"ca.crt": cluster.settings.authority_pem}
    pods.put(cluster, ("", "serviceaccounts"), account)
    pods.put(cluster, ("", "configmaps"), authority)


def _empty(cluster: Cluster, namespace: str) -> None:
    """Delete everything in a terminating namespace, then the namespace itself."""
    if cluster.namespace(namespace) is None:
        return
    for key in cluster.store.occupied():
        for record in list(cluster.store.collection(key, namespace)):
            deletes.expel(cluster, key, record.name)
    _finish_namespace(cluster, namespace)


def _namespace_emptied(cluster: Cluster, namespace: str) -> None:
    record = cluster.namespace(namespace)
    if record is not None and store.DELETED_MARK in record.raw:
        _soon(cluster, lambda: _finish_namespace(cluster, namespace))


def _finish_namespace(cluster: Cluster, namespace: str) -> None:
    record = cluster.namespace(namespace)
    if record is None or any(cluster.store.collection(key, namespace) for key in cluster.store.occupied()):
        return
    if not record.decode()["metadata"].get("finalizers"):
        cluster.store.remove(NAMESPACE_KEY, record.name)


# CustomResourceDefinitions


def _definition_heard(cluster: Cluster, name: Name) -> None:
    value = cluster.store.get(DEFINITION_KEY, name).decode()  # type: ignore[union-attr]  # it was just stored
    if value["metadata"].get("deletionTimestamp"):
        _soon(cluster, lambda: _clean_up(cluster, name))
    elif not _established(value):
        cluster.timers.after(cluster.settings.established_after_s, lambda: _establish(cluster, name))
    else:
        resources = crds.resources(value)
        cluster.registry.serve(name[1], resources)
        for resource in resources:
            cluster.store.begin(store.key_of(resource))


def _established(value: Object) -> bool:
    conditions = value.get("status", {}).get("conditions") or ()
    return any(found["type"] == "Established" and found["status"] == "True" for found in conditions)


def _establish(cluster: Cluster, name: Name) -> None:
    record = cluster.store.get(DEFINITION_KEY, name)
    if record is None:
        return
    value = record.decode()
    if _established(value) or value["metadata"].get("deletionTimestamp"):
        return
    now, named = cluster.now(), "the initial names have been accepted"
    conditions = [
        _condition("NamesAccepted", "NoConflicts", message="no conflicts found", now=now),
        _condition("Established", "InitialNamesAccepted", message=named, now=now),
    ]
    versions = [version["name"] for version in value["spec"]["versions"] if version.get("storage")]
    status = {"conditions": conditions, "acceptedNames": value["spec"]["names"], "storedVersions": versions}
    target = Target(cluster.registry.of_key(DEFINITION_KEY), *name, subresource="status")
    writes.status(cluster, target, status, manager=DEFINITIONS_MANAGER)


def _condition(kind: str, reason: str, *, message: str, now: str) -> Object:
    found = {"type": kind, "status": "True", "lastTransitionTime": now}
    return found | {"reason": reason, "message": message}


def _clean_up(cluster: Cluster, name: Name) -> None:
    """Delete the custom resources of a definition that is being deleted, then let it go."""
    record = cluster.store.get(DEFINITION_KEY, name)
    if record is None:
        return
    spec = record.decode()["spec"]
    key = (spec["group"], spec["names"]["plural"])
    for found in list(cluster.store.collection(key)):
        deletes.expel(cluster, key, found.name)
    if not cluster.store.collection(key):
        deletes.released(cluster, DEFINITION_KEY, name, finalizer=deletes.CLEANUP)
