"""One cluster of the sandbox: its objects, what it serves, and what it reacts with."""

import datetime
import functools
import uuid
from random import Random

import msgspec

from agents.sandbox import crds, faults, store
from agents.sandbox.schema import Object, Resource
from agents.sandbox.store import Key, Name, Record, Store
from agents.sandbox.timers import Timers

NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")  # what every real cluster starts with
NAMESPACE_KEY: Key = ("", "namespaces")
DEFINITION_KEY: Key = ("apiextensions.k8s.io", "customresourcedefinitions")


@functools.lru_cache(maxsize=4)  # many writes of many clusters share a second
def _written(second: int) -> str:
    return datetime.datetime.fromtimestamp(second, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Settings(msgspec.Struct, frozen=True):
    """How a cluster behaves."""

    ready_after_s: float = 1.0
    """Seconds until a workload is ready, a job done, a claim bound; long enough for a demo to show Progressing."""
    controllers: bool = True
    """Whether there is what kube-controller-manager does; without, it is an API server by itself."""
    pods: bool = True
    """Whether Deployments and StatefulSets get Pods; a scale run saves their memory."""
    authority_pem: str = ""
    """The certificate authority that every namespace of a real cluster holds in a ConfigMap."""
    established_after_s: float = 0.05
    """Seconds until a new definition is served; a real server needs some too, and clients must wait for it."""


class Cluster:
    """The state of one cluster. Everything in it happens in one thread, one request at a time."""

    def __init__(self, name: str, *, timers: Timers, settings: Settings, random: Random) -> None:
        self.name = name
        self.timers = timers
        self.settings = settings
        self.store = Store()
        self.registry = crds.Registry()
        self.faults = faults.Faults()
        self._random = random
        self._addresses = 0
        self._node_ports = 0
        for namespace in NAMESPACES:
            self._create_namespace(namespace)

    def _create_namespace(self, name: str) -> None:
        meta = {"name": name, "labels": {"kubernetes.io/metadata.name": name}} | self.identity()
        value = {"kind": "Namespace", "apiVersion": "v1", "metadata": meta, "spec": {"finalizers": ["kubernetes"]}}
        self.store.put(NAMESPACE_KEY, value | {"status": {"phase": "Active"}})

    def identity(self) -> Object:
        """Return the metadata that a new object gets from the server."""
        return {"uid": self.uid(), "creationTimestamp": self.now()}

    def uid(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def suffix(self) -> str:
        """Return the five letters that the server appends to a generateName."""
        return "".join(self._random.choices("bcdfghjklmnpqrstvwxz2456789", k=5))

    def address(self) -> str:
        """Return the next address of the service network, 10.96.0.0/12."""
        self._addresses += 1
        number = 1 + self._addresses
        return f"10.{96 + (number >> 16) % 16}.{(number >> 8) & 255}.{number & 255}"

    def node_port(self) -> int:
        """Return the next port of the node port range, which begins at 30000."""
        self._node_ports += 1
        return 30000 + self._node_ports % 2768

    def now(self) -> str:
        """Return the time as the API writes it."""
        return _written(int(self.timers.clock()))

    @property
    def uid_of_cluster(self) -> str:
        """The UID of kube-system, which names the cluster by convention."""
        return self.namespace("kube-system").uid  # type: ignore[union-attr]  # made with the cluster, never deleted

    def namespace(self, name: str) -> Record | None:
        return self.store.get(NAMESPACE_KEY, ("", name))

    def get(self, resource: Resource, name: Name) -> Record | None:
        return self.store.get(store.key_of(resource), name)
