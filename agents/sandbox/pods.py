"""The ReplicaSets and Pods below a workload: few and small, so that `kubectl get pods` shows something.

Each function looks at what is there and does the next step towards what is wanted; when a Pod of it is ready, has ended
or is gone, the workload is looked at again.
"""

from collections.abc import Iterable

from agents.sandbox import commits, conditions, deletes, patches, statuses, tallies, writes
from agents.sandbox.admission import Target
from agents.sandbox.cluster import Cluster
from agents.sandbox.schema import Object
from agents.sandbox.store import Record
from agents.sandbox.tallies import POD_KEY, PODS_MAX

MANAGER = "kube-controller-manager"
PREFIX = "sandbox.flotilla.gitops/"

_GENERATION = "deprecated.daemonset.template.generation"
_REPLICA_SET_KEY = ("apps", "replicasets")


def _owner(value: Object) -> Object:
    meta = value["metadata"]
    reference = {"apiVersion": value["apiVersion"], "kind": value["kind"], "name": meta["name"], "uid": meta["uid"]}
    return reference | {"controller": True, "blockOwnerDeletion": True}


def _behaviour(value: Object) -> Object:
    """Return the annotations that ask for failure or delay: what is below a workload behaves as it does."""
    annotations = value["metadata"].get("annotations") or {}
    return {name: text for name, text in annotations.items() if name.startswith(PREFIX)}


def put(cluster: Cluster, key: tuple[str, str], value: Object) -> None:
    """Create an object; one that is there already stays."""
    resource = cluster.registry.of_key(key)
    target = Target(resource, value["metadata"]["namespace"])
    try:
        writes.create(cluster, target, value, options=commits.Options(manager=MANAGER))
    except statuses.Failure as failure:
        if failure.reason not in ("AlreadyExists", "Forbidden"):  # Forbidden: its namespace is going
            raise


def replica_set(cluster: Cluster, deployment: Object, revision: str) -> None:
    """Create the ReplicaSet of a Deployment's template, or bring it to the Deployment's size and behaviour."""
    spec, meta = deployment["spec"], deployment["metadata"]
    template = _labelled(spec["template"], {"pod-template-hash": revision})
    selector = {"matchLabels": {**(spec["selector"].get("matchLabels") or {}), "pod-template-hash": revision}}
    value: Object = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{meta['name']}-{revision}",
            "namespace": meta["namespace"],
            "labels": template["metadata"]["labels"],
            "annotations": _behaviour(deployment),
            "ownerReferences": [_owner(deployment)],
        },
        "spec": {"replicas": spec.get("replicas", 1), "selector": selector, "template": template},
    }
    record = cluster.store.get(_REPLICA_SET_KEY, (meta["namespace"], value["metadata"]["name"]))
    if record is None:
        put(cluster, _REPLICA_SET_KEY, value)
        return
    gone = dict.fromkeys(_behaviour(record.decode()))  # null takes a behaviour back
    target = Target(cluster.registry.of_key(_REPLICA_SET_KEY), meta["namespace"], value["metadata"]["name"])
    patch = {"metadata": {"annotations": gone | _behaviour(deployment)}, "spec": {"replicas": spec["replicas"]}}
    options = commits.Options(manager=MANAGER)
    writes.patch(cluster, target, lambda live: patches.merge_patch(live, patch), options=options)


def of_replica_set(cluster: Cluster, owner: Object) -> None:
    """Create the Pods of a ReplicaSet that are missing, and delete those that are too many or behave as it once did."""
    wanted = min(owner["spec"].get("replicas", 1), PODS_MAX)
    template = _annotated(owner["spec"]["template"], _behaviour(owner))
    present = _kept(cluster, owner)
    _expel(cluster, present[wanted:])
    for _ in range(wanted - len(present)):
        _pod(cluster, owner, _generated(owner), template=template)


def of_stateful_set(cluster: Cluster, owner: Object, revision: str) -> None:
    """Create the next numbered Pod of a StatefulSet, or replace the next one that is of an older revision.

    A Pod that never gets ready stops all that: also the way to a revision in which it would. So it is in reality.
    """
    spec = owner["spec"]
    names = [f"{owner['metadata']['name']}-{number}" for number in range(min(spec.get("replicas", 1), PODS_MAX))]
    present = {record.name[1]: record for record in _kept(cluster, owner)}
    _expel(cluster, [record for name, record in present.items() if name not in names])
    patient = spec.get("podManagementPolicy") != "Parallel"
    for number, name in enumerate(names):
        if name not in present:
            labels = {"apps.kubernetes.io/pod-index": str(number), "statefulset.kubernetes.io/pod-name": name}
            template = _annotated(spec["template"], _behaviour(owner))
            labelled = _labelled(template, {tallies.REVISION: revision} | labels)
            placed = {**labelled["spec"], "hostname": name}
            if spec.get("serviceName"):
                placed["subdomain"] = spec["serviceName"]
            _pod(
                cluster,
                owner,
                {"name": name, "generateName": f"{owner['metadata']['name']}-"},
                template={**labelled, "spec": placed},
            )
        if patient and (name not in present or not tallies.is_ready(present[name].decode())):
            return
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") != "OnDelete":
        partition = (strategy.get("rollingUpdate") or {}).get("partition") or 0
        _expel(cluster, _outdated([present[name] for name in names[partition:] if name in present], revision)[-1:])


def of_daemon_set(cluster: Cluster, owner: Object, revision: str) -> None:
    """Create the Pod of a DaemonSet, anew when its template has changed: a sandbox counts as one node."""
    present = _kept(cluster, owner)
    if (owner["spec"].get("updateStrategy") or {}).get("type") != "OnDelete":
        outdated = _outdated(present, revision)
        _expel(cluster, outdated)
        present = [record for record in present if record not in outdated]
    if not present:
        generation = (owner["metadata"].get("annotations") or {}).get(_GENERATION, "1")
        template = _annotated(owner["spec"]["template"], _behaviour(owner))
        labels = {tallies.REVISION: revision, "pod-template-generation": generation}
        _pod(cluster, owner, _generated(owner), template=_labelled(template, labels))


def of_job(cluster: Cluster, owner: Object) -> None:
    """Create the Pods of a Job that are to run now; a suspended one has none."""
    spec, present = owner["spec"], _kept(cluster, owner)
    phases = [tallies.phase(record.decode()) for record in present]
    active = [record for record, phase in zip(present, phases, strict=True) if phase not in ("Succeeded", "Failed")]
    if spec.get("suspend"):
        _expel(cluster, active)
        return
    left = min(conditions.wanted(spec), PODS_MAX) - phases.count("Succeeded")
    template = _annotated(spec["template"], _behaviour(owner))
    for _ in range(min(spec.get("parallelism", 1), left) - len(active)):
        _pod(cluster, owner, _generated(owner), template=template)


def _generated(owner: Object) -> Object:
    return {"generateName": f"{owner['metadata']['name']}-"}


def _kept(cluster: Cluster, owner: Object) -> list[Record]:
    """Return the Pods of an owner, but for those that behave as it once did: they are deleted."""
    found = tallies.below(cluster, owner["metadata"]["uid"])
    changed = [record for record in found if _behaviour(record.decode()) != _behaviour(owner)]
    _expel(cluster, changed)
    return [record for record in found if record not in changed]


def _outdated(records: Iterable[Record], revision: str) -> list[Record]:
    return [record for record in records if record.labels.get(tallies.REVISION) != revision]


def _expel(cluster: Cluster, records: Iterable[Record]) -> None:
    for record in records:
        deletes.expel(cluster, POD_KEY, record.name)


def _labelled(template: Object, more: Object) -> Object:
    meta = template.get("metadata", {})
    return {**template, "metadata": {**meta, "labels": {**(meta.get("labels") or {}), **more}}}


def _annotated(template: Object, more: Object) -> Object:
    if not more:
        return template
    meta = template.get("metadata", {})
    return {**template, "metadata": {**meta, "annotations": {**(meta.get("annotations") or {}), **more}}}


def _pod(cluster: Cluster, owner: Object, name: Object, *, template: Object) -> None:
    meta = {**name, "namespace": owner["metadata"]["namespace"], "ownerReferences": [_owner(owner)]}
    kept = {part: value for part, value in template.get("metadata", {}).items() if part in ("labels", "annotations")}
    value = {"apiVersion": "v1", "kind": "Pod", "metadata": {**kept, **meta}, "spec": template["spec"]}
    put(cluster, POD_KEY, value)


def retire(cluster: Cluster, deployment: Object, revision: str) -> None:
    """Delete the ReplicaSets of older templates, and with them their Pods.

    The real controller keeps some, scaled to nothing, for rollbacks; nobody rolls a sandbox back by them.
    """
    current = f"{deployment['metadata']['name']}-{revision}"
    for key, name in cluster.store.dependents(deployment["metadata"]["uid"]):
        if key == _REPLICA_SET_KEY and name[1] != current:
            deletes.expel(cluster, key, name)
