"""Making a server forget: the sandbox by its control endpoint, the real one by compacting its etcd."""

import base64
import contextlib
import http.client
import json
import socket
from pathlib import Path

from tests.conformance.kube_api import Api, eventually
from tests.controlplane.server import ControlPlane

COMPACTED = "compact_rev_key"
"""Where API servers tell each other up to which revision etcd is compacted, so that their caches forget as well."""


def forget(api: Api, version: str, *, plane: ControlPlane | None) -> None:
    """Return once the state at a version can no longer be listed."""
    if plane is None:
        assert api.call("DELETE", "/sandbox/history").code == 200
    else:
        compact(plane.directory / "etcd.sock", api.get("/api/v1/namespaces")["metadata"]["resourceVersion"])
    path = f"{api.path('secrets')}?resourceVersionMatch=Exact&resourceVersion={version}"
    eventually(lambda: api.call("GET", path).code == 410)


def compact(etcd: Path, revision: str) -> None:
    """Make etcd forget what was before a revision."""
    _ask(etcd, "/v3/kv/put", {"key": _coded(COMPACTED), "value": _coded(revision)})
    _ask(etcd, "/v3/kv/compaction", {"revision": revision, "physical": True})


def _ask(etcd: Path, path: str, body: object) -> None:
    with socket.socket(socket.AF_UNIX) as connected, contextlib.closing(http.client.HTTPConnection("etcd")) as client:
        connected.connect(str(etcd))
        client.sock = connected
        client.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        answer = client.getresponse()
        assert answer.status == 200, answer.read()


def _coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
