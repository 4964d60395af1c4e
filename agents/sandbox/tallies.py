"""The Pods below a workload, counted: what the statuses of workloads are made of."""

from collections.abc import Iterable
from typing import NamedTuple

from agents.sandbox.cluster import Cluster
from agents.sandbox.schema import Object
from agents.sandbox.store import Record

POD_KEY = ("", "pods")
PODS_MAX = 10  # per workload: a demo shows ten; ten thousand replicas would only cost memory

REVISION = "controller-revision-hash"


class Tally(NamedTuple):
    """How many Pods there are, are ready, are of the revision wanted and of the one before, and have ended how."""

    present: int = 0
    ready: int = 0
    updated: int = 0
    current: int = 0
    succeeded: int = 0
    failed: int = 0

    def scaled(self, wanted: int) -> "Tally":
        """Let the few Pods that there are stand for the many that are wanted."""
        if wanted <= PODS_MAX:
            return self
        return Tally(*(wanted if count >= PODS_MAX else count for count in self))


def below(cluster: Cluster, uid: str) -> list[Record]:
    """Return the Pods of an owner."""
    found = (cluster.store.get(key, name) for key, name in cluster.store.dependents(uid) if key == POD_KEY)
    return [record for record in found if record is not None]


def is_ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(found["type"] == "Ready" and found["status"] == "True" for found in conditions)


def phase(pod: Object) -> str:
    return str((pod.get("status") or {}).get("phase", "Pending"))


def count(pods: Iterable[Object], *, revision: str = "", before: str = "") -> Tally:
    """Count Pods; `before` is the revision that is being replaced."""
    found = list(pods)
    marks = [(pod["metadata"].get("labels") or {}).get(REVISION, "") for pod in found]
    phases = [phase(pod) for pod in found]
    return Tally(
        present=len(found),
        ready=sum(map(is_ready, found)),
        updated=marks.count(revision),
        current=marks.count(before),
        succeeded=phases.count("Succeeded"),
        failed=phases.count("Failed"),
    )
