"""One cluster on a clock that the test moves, workloads for it, and a look at what they report."""

import json
from random import Random
from typing import Any

from agents.sandbox import applies, commits, controllers, deletes
from agents.sandbox.admission import Target
from agents.sandbox.cluster import Cluster, Settings
from agents.sandbox.deletes import DeleteOptions
from agents.sandbox.timers import Timers

READY_S = 5.0


class World:
    """One cluster whose time stands still until it is moved."""

    def __init__(self, **settings: Any) -> None:
        self.now = 1_000_000.0
        self.timers = Timers(lambda: self.now)
        given = Settings(ready_after_s=READY_S, **settings)
        self.cluster = Cluster("a", timers=self.timers, settings=given, random=Random(0))
        controllers.attach(self.cluster)

    def pass_s(self, seconds: float) -> None:
        """Let time pass, and everything happen that is due by then."""
        self.now += seconds
        while self.timers.run_due():
            pass

    def target(self, path: str, name: str = "") -> Target:
        group, _, plural = path.rpartition("/")
        resource = self.cluster.registry.find(group, "v1", plural)
        assert resource is not None
        return Target(resource, "default", name)

    def apply(self, path: str, value: dict[str, Any]) -> None:
        target = self.target(path, value["metadata"]["name"])
        applies.apply(self.cluster, target, json.dumps(value).encode(), options=commits.Options(manager="test"))
        self.pass_s(0.0)

    def get(self, path: str, name: str) -> Any:
        return commits.live(self.cluster, self.target(path, name)).decode()

    def names(self, path: str) -> list[str]:
        resource = self.target(path).resource
        return [record.name[1] for record in self.cluster.store.collection((resource.group, resource.plural))]

    def delete(self, path: str, name: str, propagation: str = "Background") -> None:
        deletes.delete(self.cluster, self.target(path, name), DeleteOptions(propagation=propagation))
        self.pass_s(0.0)


def workload(kind: str, *, replicas: int = 2, image: str = "nginx:1", **annotations: str) -> dict[str, Any]:
    labels = {"app": "web"}
    notes = {f"sandbox.flotilla.gitops/{name.replace('_', '-')}": text for name, text in annotations.items()}
    pod = {"containers": [{"name": "web", "image": image}]}
    spec = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}
    if kind != "DaemonSet":
        spec["replicas"] = replicas
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "web", "annotations": notes}, "spec": spec}


def conditions(value: Any) -> dict[str, tuple[str, str]]:
    return {found["type"]: (found["status"], found["reason"]) for found in value["status"]["conditions"]}


def phases(world: World) -> dict[str, str]:
    return {name: world.get("pods", name)["status"]["phase"] for name in world.names("pods")}


def images(world: World) -> list[str]:
    return [world.get("pods", name)["spec"]["containers"][0]["image"] for name in world.names("pods")]


def waiting(world: World, name: str) -> Any:
    return world.get("pods", name)["status"]["containerStatuses"][0]["state"]["waiting"]
