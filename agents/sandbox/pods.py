"""The ReplicaSets and Pods below a workload: few and small, so that `kubectl get pods` shows something."""

from agents.sandbox import commits, deletes, patches, statuses, writes
from agents.sandbox.admission import Target
from agents.sandbox.cluster import Cluster
from agents.sandbox.schema import Object

MANAGER = "kube-controller-manager"
PODS_MAX = 10  # per workload: a demo shows ten; ten thousand replicas would only cost memory
PREFIX = "sandbox.flotilla.gitops/"

_POD_KEY = ("", "pods")
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
    template = _hashed(spec["template"], revision)
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
    meta = owner["metadata"]
    for name in [name for key, name in cluster.store.dependents(meta["uid"]) if key == _POD_KEY]:
        record = cluster.store.get(_POD_KEY, name)
        if record is not None and _behaviour(record.decode()) != _behaviour(owner):
            deletes.expel(cluster, _POD_KEY, name)
    present = [name for key, name in cluster.store.dependents(meta["uid"]) if key == _POD_KEY]
    for name in present[wanted:]:
        deletes.expel(cluster, _POD_KEY, name)
    for _ in range(wanted - len(present)):
        _pod(cluster, owner, {"generateName": f"{meta['name']}-"}, template=template)


def _hashed(template: Object, revision: str) -> Object:
    meta = template.get("metadata", {})
    labels = {**(meta.get("labels") or {}), "pod-template-hash": revision}
    return {**template, "metadata": {**meta, "labels": labels}}


def _annotated(template: Object, more: Object) -> Object:
    if not more:
        return template
    meta = template.get("metadata", {})
    return {**template, "metadata": {**meta, "annotations": {**(meta.get("annotations") or {}), **more}}}


def _pod(cluster: Cluster, owner: Object, name: Object, *, template: Object) -> None:
    meta = {**name, "namespace": owner["metadata"]["namespace"], "ownerReferences": [_owner(owner)]}
    kept = {part: value for part, value in template.get("metadata", {}).items() if part in ("labels", "annotations")}
    value = {"apiVersion": "v1", "kind": "Pod", "metadata": {**kept, **meta}, "spec": template["spec"]}
    put(cluster, _POD_KEY, value)


def retire(cluster: Cluster, deployment: Object, revision: str) -> None:
    """Delete the ReplicaSets of older templates, and with them their Pods.

    The real controller keeps some, scaled to nothing, for rollbacks; nobody rolls a sandbox back by them.
    """
    current = f"{deployment['metadata']['name']}-{revision}"
    for key, name in cluster.store.dependents(deployment["metadata"]["uid"]):
        if key == _REPLICA_SET_KEY and name[1] != current:
            deletes.expel(cluster, key, name)


def ordinals(cluster: Cluster, stateful_set: Object, revision: str) -> None:
    """Create the numbered Pods of a StatefulSet, anew when its template has changed."""
    meta, spec = stateful_set["metadata"], stateful_set["spec"]
    wanted = min(spec.get("replicas", 1), PODS_MAX)
    names = [f"{meta['name']}-{number}" for number in range(wanted)]
    mark = {"controller-revision-hash": f"{meta['name']}-{revision}"}
    for key, name in cluster.store.dependents(meta["uid"]):
        record = cluster.store.get(key, name)
        if key == _POD_KEY and record is not None and (name[1] not in names or mark.items() - record.labels.items()):
            deletes.expel(cluster, key, name)
    template = _annotated(spec["template"], _behaviour(stateful_set))
    labelled = {**template["metadata"], "labels": {**(template["metadata"].get("labels") or {}), **mark}}
    for pod in names:
        if cluster.store.get(_POD_KEY, (meta["namespace"], pod)) is None:
            _pod(cluster, stateful_set, {"name": pod}, template={**template, "metadata": labelled})
