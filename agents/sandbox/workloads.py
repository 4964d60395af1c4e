"""Workloads that become ready after a while, or fail on demand: what kubelets and their controllers would report.

`sandbox.flotilla.gitops/ready-after: "5"` on an object overrides the cluster's time, and
`sandbox.flotilla.gitops/fail: "CrashLoopBackOff no database"` makes it fail with that reason and message: a Deployment
is then past its deadline and a Job at its backoff limit without further ado. An image with `does-not-exist` in it is
never pulled; that is as slow as in reality.

Where workloads have Pods, their statuses count them, and only Pods go by time; else the workloads do.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from agents.sandbox import commits, conditions, deletes, images, patches, pods, tallies, writes
from agents.sandbox.admission import Target
from agents.sandbox.cluster import Cluster
from agents.sandbox.schema import Json, Object
from agents.sandbox.store import Event, Key, Name
from agents.sandbox.tallies import POD_KEY, Tally

MANAGER = "kube-controller-manager"
PREFIX = "sandbox.flotilla.gitops/"
REVISION = "deployment.kubernetes.io/revision"
REPLICA_SET_KEY: Key = ("apps", "replicasets")
DEADLINE_S = 600.0  # of a Deployment's progress, as the real server's default

_COUNTED = (POD_KEY, REPLICA_SET_KEY)  # what the statuses of their owners count


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
        self._due: set[str] = set()  # the workloads whose Pods are about to be counted
        self._writing = ""  # the object whose status is being written: that is no news
        self._revisions: dict[str, tuple[int, str]] = {}
        self._kinds: Mapping[Key, Callable[[Key, Name, bool], None]] = {
            ("apps", "deployments"): self._deployment,
            ("apps", "replicasets"): self._replica_set,
            ("apps", "statefulsets"): self._stateful_set,
            ("apps", "daemonsets"): self._daemon_set,
            ("batch", "jobs"): self._job,
            POD_KEY: self._pod,
            ("", "persistentvolumeclaims"): self._claim,
            ("", "services"): self._service,
        }

    def heard(self, event: Event) -> None:
        """Note what a change asks for."""
        if event.key in _COUNTED and self._cluster.settings.pods:
            for owner in event.record.owners:
                self._look_again(owner)
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
        self._later(event, trigger, 0.0, action=lambda: act(event.key, event.record.name, False))
        delay_s = self._delay_s(value, trigger)
        self._later(event, trigger, delay_s, action=lambda: act(event.key, event.record.name, True))

    def _delay_s(self, value: Object, trigger: Trigger) -> float:
        """Return when the time of a state is over; that of a Deployment that waits for an image is its deadline."""
        if value["kind"] == "Deployment" and not trigger.fail and failing(value):
            return float(value["spec"].get("progressDeadlineSeconds", DEADLINE_S))
        return _seconds(trigger.ready_after, self._cluster.settings.ready_after_s)

    def _look_again(self, uid: str) -> None:
        """Count the Pods of a workload anew, once for all that changes now."""
        if uid in self._due:
            return
        self._due.add(uid)

        def look() -> None:
            self._due.discard(uid)
            place = self._cluster.store.place(uid)
            if place is None or place[0] not in self._kinds or uid not in self._seen:
                return
            if not self._value(*place)["metadata"].get("deletionTimestamp"):
                self._kinds[place[0]](*place, False)

        self._cluster.timers.after(0.0, look)

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
        if self._cluster.settings.pods:
            pods.replica_set(self._cluster, value, revision)
            ready, before = self._ready_below(value, revision)
        else:
            ready = conditions.replicas(value) if done and not failure else 0
            before = 0 if ready else value.get("status", {}).get("availableReplicas", 0)
        late = done and failure is not None
        progress = conditions.Progress(revision, ready, before, late=late)
        status = conditions.deployment(value, progress, now=self._cluster.now())
        self._status(key, name, status, annotations=self._revised(value, revision))
        if ready >= conditions.replicas(value):
            pods.retire(self._cluster, value, revision)

    def _ready_below(self, deployment: Object, revision: str) -> tuple[int, int]:
        """Return how many Pods of a Deployment's revision are ready, and how many of older ones."""
        newest = f"{deployment['metadata']['name']}-{revision}"
        ready = before = 0
        for key, name in self._cluster.store.dependents(deployment["metadata"]["uid"]):
            record = self._cluster.store.get(key, name)
            if key == REPLICA_SET_KEY and record is not None:
                count = int(record.decode().get("status", {}).get("readyReplicas", 0))
                ready, before = (ready + count, before) if name[1] == newest else (ready, before + count)
        return ready, before

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

    def _tally(self, value: Object, revision: str, *, replicas: int, done: bool) -> Tally:
        """Count the Pods of a workload; where there are none, take them for ready when its time has come."""
        if not self._cluster.settings.pods:
            ready = replicas if done and not failing(value) else 0
            return Tally(present=replicas, ready=ready, updated=replicas, current=replicas)
        found = [record.decode() for record in tallies.below(self._cluster, value["metadata"]["uid"])]
        before = value.get("status", {}).get("currentRevision", "")
        return tallies.count(found, revision=revision, before=before).scaled(replicas)

    def _replica_set(self, key: Key, name: Name, done: bool) -> None:
        value = self._value(key, name)
        if self._cluster.settings.pods:
            pods.of_replica_set(self._cluster, value)
        tally = self._tally(value, "", replicas=conditions.replicas(value), done=done)
        self._status(key, name, conditions.replica_set(value, tally))

    def _stateful_set(self, key: Key, name: Name, done: bool) -> None:
        value = self._value(key, name)
        revision = f"{name[1]}-{_hash(value['spec']['template'])}"
        if self._cluster.settings.pods:
            pods.of_stateful_set(self._cluster, value, revision)
        tally = self._tally(value, revision, replicas=conditions.replicas(value), done=done)
        self._status(key, name, conditions.stateful_set(value, revision, tally))

    def _daemon_set(self, key: Key, name: Name, done: bool) -> None:
        value = self._value(key, name)
        revision = _hash(value["spec"]["template"])
        if self._cluster.settings.pods:
            pods.of_daemon_set(self._cluster, value, revision)
        tally = self._tally(value, revision, replicas=1, done=done)
        self._status(key, name, conditions.daemon_set(value, tally))

    def _job(self, key: Key, name: Name, done: bool) -> None:
        value = self._value(key, name)
        failure = failing(value)
        if conditions.ended(value.get("status", {})):
            return
        if _asked_to_fail(value) and failure:
            value = {**value, "spec": {**value["spec"], "backoffLimit": 0}}
        if self._cluster.settings.pods:
            tally = self._tally(value, "", replicas=conditions.wanted(value["spec"]), done=done)
            if tally.failed <= value["spec"].get("backoffLimit", 6):
                pods.of_job(self._cluster, value)
                tally = self._tally(value, "", replicas=conditions.wanted(value["spec"]), done=done)
        else:
            tally = _assumed(value, done=done)
        message = failure.message if failure else conditions.BACKOFF
        status = conditions.job(value, tally, message=message, now=self._cluster.now())
        self._status(key, name, status)
        lifetime_s = value["spec"].get("ttlSecondsAfterFinished")
        if lifetime_s is not None and conditions.ended(status):
            self._cluster.timers.after(float(lifetime_s), lambda: deletes.expel(self._cluster, key, name))

    def _pod(self, key: Key, name: Name, done: bool) -> None:
        value = self._value(key, name)
        owners = value["metadata"].get("ownerReferences") or ()
        ends = any(owner["kind"] == "Job" and owner.get("controller") for owner in owners)
        life = conditions.Life(done, ends, _asked_to_fail(value))
        self._status(key, name, conditions.pod(value, life, now=self._cluster.now()))

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
    """Return how an object fails, if it does: as it is asked to, or because it has an image that is not there."""
    asked = _asked_to_fail(value)
    spec = value.get("spec") or {}
    absent = images.any_problem((spec.get("template") or {}).get("spec") or spec)
    return asked or (conditions.Failing("ImagePullBackOff", absent) if absent else None)


def _asked_to_fail(value: Object) -> conditions.Failing | None:
    text = (value["metadata"].get("annotations") or {}).get(f"{PREFIX}fail", "").strip()
    if not text:
        return None
    reason, _, message = text.partition(" ")
    return conditions.Failing(reason, message or reason)


def _assumed(job: Object, *, done: bool) -> Tally:
    """Return what a Job without Pods would count."""
    spec, wanted = job["spec"], conditions.wanted(job["spec"])
    if done and _asked_to_fail(job):
        return Tally(present=1, failed=1)
    if done and not failing(job):
        return Tally(present=wanted, succeeded=wanted)
    return Tally(present=min(spec.get("parallelism", 1), wanted))


def _hash(value: Json) -> str:
    """Return a short stable name for a template, in letters that cannot spell words, as the real controllers do."""
    digest = hashlib.sha256(msgspec.json.encode(value, order="deterministic")).digest()
    return "".join("bcdfghjklmnpqrstvwxz2456789"[byte % 27] for byte in digest[:10])
