"""Workloads that become ready after a while, or fail on demand: what kubelets and their controllers would report.

`sandbox.flotilla.gitops/ready-after: "5"` on an object overrides the cluster's time, and
`sandbox.flotilla.gitops/fail: "ImagePullBackOff no such image"` makes it fail with that reason and message.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from agents.sandbox import commits, conditions, patches, pods, writes
from agents.sandbox.admission import Target
from agents.sandbox.cluster import Cluster
from agents.sandbox.schema import Json, Object
from agents.sandbox.store import Event, Key, Name

MANAGER = "kube-controller-manager"
PREFIX = "sandbox.flotilla.gitops/"
REVISION = "deployment.kubernetes.io/revision"


class Trigger(NamedTuple):
    """What a controller acts on: only when this changes does a workload start again."""

    state: str
    fail: str = ""
    ready_after: str = ""


class Workloads:
    """The workload controllers of one cluster: they remember, per object, the last state they acted on."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._seen: dict[str, Trigger] = {}
        self._writing = ""  # the object whose status is being written: that is no news
        self._revisions: dict[str, tuple[int, str]] = {}
        self._kinds: Mapping[Key, Callable[[Key, Name, bool], None]] = {
            ("apps", "deployments"): self._deployment,
            ("apps", "replicasets"): self._replica_set,
            ("apps", "statefulsets"): self._stateful_set,
            ("apps", "daemonsets"): self._daemon_set,
            ("batch", "jobs"): self._job,
            ("", "pods"): self._pod,
            ("", "persistentvolumeclaims"): self._claim,
            ("", "services"): self._service,
        }

    def heard(self, event: Event) -> None:
        """Note what a change asks for."""
        act = self._kinds.get(event.key)
        if act is None or event.record.uid == self._writing:
            return
        uid = event.record.uid
        if event.type == "DELETED":
            self._seen.pop(uid, None)
            self._revisions.pop(uid, None)
            return
        value = event.record.decode()
        trigger = _trigger(value)
        if self._seen.get(uid) == trigger or value["metadata"].get("deletionTimestamp"):
            return
        self._seen[uid] = trigger
        delay_s = _seconds(trigger.ready_after, self._cluster.settings.ready_after_s)
        self._later(event, trigger, 0.0, action=lambda: act(event.key, event.record.name, False))
        self._later(event, trigger, delay_s, action=lambda: act(event.key, event.record.name, True))

    def _later(self, event: Event, trigger: Trigger, delay_s: float, *, action: Callable[[], None]) -> None:
        def due() -> None:
            if self._seen.get(event.record.uid) == trigger:  # else a newer state has its own timers, or it is gone
                action()

        self._cluster.timers.after(delay_s, due)

    def _value(self, key: Key, name: Name) -> Object:
        return self._cluster.store.get(key, name).decode()  # type: ignore[union-attr]  # it is in `_seen`: it is there

    def _status(self, key: Key, name: Name, status: Object, *, annotations: Object | None = None) -> None:
        target = Target(self._cluster.registry.of_key(key), *name, subresource="status")
        self._writing = commits.live(self._cluster, target).uid
        writes.status(self._cluster, target, status, manager=MANAGER, annotations=annotations)
        self._writing = ""

    # One method per kind: what it reports when it starts, and when its time has come.

    def _deployment(self, key: Key, name: Name, done: bool) -> None:
        value = self._value(key, name)
        revision = _hash(value["spec"]["template"])
        failure = failing(value)
        if not done and self._cluster.settings.pods:
            pods.replica_set(self._cluster, value, revision)
        progress = conditions.Progress(revision, done, failure)
        status = conditions.deployment(value, progress, now=self._cluster.now())
        self._status(key, name, status, annotations=self._revised(value, revision))
        if done and not failure:
            pods.retire(self._cluster, value, revision)

    def _revised(self, value: Object, revision: str) -> Object:
        """Count the revisions of a Deployment's template in the annotation that the real controller writes."""
        uid = value["metadata"]["uid"]
        number, last = self._revisions.get(uid, (0, ""))
        if last != revision:
            number += 1
            self._revisions[uid] = (number, revision)
        return {REVISION: str(number)}

    def _patch(self, key: Key, name: Name, patch: Object) -> None:
        target = Target(self._cluster.registry.of_key(key), *name)
        options = commits.Options(manager=MANAGER)
        writes.patch(self._cluster, target, lambda live: patches.merge_patch(live, patch), options=options)

    def _replica_set(self, key: Key, name: Name, done: bool) -> None:
        value = self._value(key, name)
        if not done and self._cluster.settings.pods:
            pods.of_replica_set(self._cluster, value)
        self._status(key, name, conditions.replica_set(value, ready=done and not failing(value)))

    def _stateful_set(self, key: Key, name: Name, done: bool) -> None:
        value = self._value(key, name)
        revision = _hash(value["spec"]["template"])
        if not done and self._cluster.settings.pods:
            pods.ordinals(self._cluster, value, revision)
        ready = done and not failing(value)
        self._status(key, name, conditions.stateful_set(value, revision, ready=ready))

    def _daemon_set(self, key: Key, name: Name, done: bool) -> None:
        value = self._value(key, name)
        self._status(key, name, conditions.daemon_set(value, ready=done and not failing(value)))

    def _job(self, key: Key, name: Name, done: bool) -> None:
        value = self._value(key, name)
        status = conditions.job(value, done=done, failure=failing(value), now=self._cluster.now())
        self._status(key, name, status)

    def _pod(self, key: Key, name: Name, done: bool) -> None:
        value = self._value(key, name)
        status = conditions.pod(value, done=done, failure=failing(value), now=self._cluster.now())
        self._status(key, name, status)

    def _claim(self, key: Key, name: Name, done: bool) -> None:
        if not done:
            return
        value = self._value(key, name)
        self._patch(key, name, {"spec": {"volumeName": f"pvc-{value['metadata']['uid']}"}})
        spec = value["spec"]
        capacity = spec.get("resources", {}).get("requests", {})
        self._status(key, name, {"phase": "Bound", "accessModes": spec.get("accessModes", []), "capacity": capacity})

    def _service(self, key: Key, name: Name, done: bool) -> None:
        value = self._value(key, name)
        if done and value["spec"].get("type") == "LoadBalancer" and not failing(value):
            address = value["spec"]["clusterIP"]
            self._status(key, name, {"loadBalancer": {"ingress": [{"ip": address, "ipMode": "VIP"}]}})


def _trigger(value: Object) -> Trigger:
    meta = value["metadata"]
    annotations = meta.get("annotations") or {}
    state = str(meta.get("generation") or _hash(value.get("spec")))
    return Trigger(state, annotations.get(f"{PREFIX}fail", ""), annotations.get(f"{PREFIX}ready-after", ""))


def _seconds(text: str, otherwise: float) -> float:
    try:
        return max(0.0, float(text)) if text else otherwise
    except ValueError:  # an annotation is free text: what is no number asks for nothing
        return otherwise


def failing(value: Object) -> conditions.Failing | None:
    """Return how an object is asked to fail, if it is."""
    text = (value["metadata"].get("annotations") or {}).get(f"{PREFIX}fail", "").strip()
    if not text:
        return None
    reason, _, message = text.partition(" ")
    return conditions.Failing(reason, message or reason)


def _hash(value: Json) -> str:
    """Return a short stable name for a template, in letters that cannot spell words, as the real controllers do."""
    digest = hashlib.sha256(msgspec.json.encode(value, order="deterministic")).digest()
    return "".join("bcdfghjklmnpqrstvwxz2456789"[byte % 27] for byte in digest[:10])
