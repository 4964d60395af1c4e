"""The one node of a cluster: the sandbox plays it itself, for the real control plane the test does."""

from tests.conformance.kube_api import MERGE, Api, Json

NAME = "sandbox"
NODE = {
    "capacity": {"pods": "110"},
    "allocatable": {"pods": "110"},
    "conditions": [{"type": "Ready", "status": "True"}],
}


class Node:
    """Runs the Pods of a namespace: every look at them is a step."""

    def __init__(self, api: Api, *, played: bool) -> None:
        self.api = api
        self._played = played

    def join(self) -> None:
        """Be a node that DaemonSets know of."""
        if self._played:
            self.api.call("POST", "/api/v1/nodes", {"metadata": {"name": NAME}})
            self.api.call("PATCH", f"/api/v1/nodes/{NAME}/status", {"status": NODE}, content_type=MERGE)

    def leave(self) -> None:
        if self._played:
            self.api.call("DELETE", f"/api/v1/nodes/{NAME}")

    def pods(self) -> list[Json]:
        """What runs, once it does; Pods of Jobs end at once."""
        found = self.api.get(self.api.path("pods"))["items"]
        for pod in found if self._played else ():
            self._step(pod)
        return sorted(found, key=lambda pod: pod["metadata"]["name"])

    def _step(self, pod: Json) -> None:
        path = self.api.path("pods", pod["metadata"]["name"])
        if pod["metadata"].get("deletionTimestamp"):
            self.api.call("DELETE", f"{path}?gracePeriodSeconds=0")
        elif pod["status"]["phase"] == "Pending":
            runs = pod["spec"]["restartPolicy"] == "Always"
            ready = {"type": "Ready", "status": "True" if runs else "False"}
            status = {"phase": "Running" if runs else "Succeeded", "conditions": [ready]}
            self.api.call("PATCH", f"{path}/status", {"status": status}, content_type=MERGE)
