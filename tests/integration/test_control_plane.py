"""The real control plane that other tests stand on: what it can do, and that it is as real as it says."""

import json
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_asyncio
import pytest

from tests import requirements
from tests.controlplane.client import Client
from tests.controlplane.server import ControlPlane
from tests.fixtures.kube import ControlPlanes

pytestmark = pytest.mark.kube

KUBECTL_S = 180.0


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """A namespace of its own for each test; that it is finalised is a test of its own."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    status, answer = control_plane.client.call("POST", "/api/v1/namespaces", _object("v1", "Namespace", name))
    assert status == 201, answer
    yield name
    control_plane.client.call("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture
def controlled(control_plane: ControlPlane) -> ControlPlane:
    """A cluster in which kube-controller-manager runs."""
    if not control_plane.controllers:
        requirements.require("kube", f"{control_plane.assets.directory} has no kube-controller-manager")
    return control_plane


@pytest.fixture
def kubectl(control_plane: ControlPlane) -> Path:
    """A kubectl, compiled or installed."""
    if control_plane.kubectl is None:
        requirements.require("kube", "there is no kubectl")
    return control_plane.kubectl


def _object(version: str, kind: str, name: str, **fields: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **fields}


def _deployment(name: str) -> dict[str, Any]:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "example/web:1"}]}}
    return _object("apps/v1", "Deployment", name, spec={"selector": {"matchLabels": labels}, "template": template})


def test_it_serves_the_version_that_it_was_compiled_as(control_plane: ControlPlane) -> None:
    assert control_plane.assets.version() == control_plane.client.get("/version")["gitVersion"]


def test_server_side_apply_records_who_owns_a_field(control_plane: ControlPlane, namespace: str) -> None:
    config = _object("v1", "ConfigMap", "settings", data={"colour": "blue"})

    applied = control_plane.client.apply(
        f"/api/v1/namespaces/{namespace}/configmaps/settings", config, manager="flotilla"
    )

    (entry,) = applied["metadata"]["managedFields"]
    assert (entry["manager"], entry["operation"]) == ("flotilla", "Apply")
    assert entry["fieldsV1"] == {"f:data": {"f:colour": {}}}


def test_kubectl_works_with_the_kubeconfig(control_plane: ControlPlane, kubectl: Path, namespace: str) -> None:
    config = json.dumps(_object("v1", "ConfigMap", "settings", data={"colour": "blue"}))
    options = ["apply", "--server-side", "--field-manager=somebody", "--namespace", namespace, "--filename=-"]
    command = [str(kubectl), f"--kubeconfig={control_plane.kubeconfig}", *options]

    done = subprocess.run(command, input=config, capture_output=True, text=True, timeout=KUBECTL_S)

    assert (done.returncode, done.stdout) == (0, "configmap/settings serverside-applied\n"), done.stderr
    stored = control_plane.client.get(f"/api/v1/namespaces/{namespace}/configmaps/settings")
    assert [entry["manager"] for entry in stored["metadata"]["managedFields"]] == ["somebody"]


async def test_kubernetes_asyncio_works_with_the_kubeconfig(control_plane: ControlPlane) -> None:
    await kubernetes_asyncio.config.load_kube_config(config_file=str(control_plane.kubeconfig))

    async with kubernetes_asyncio.client.ApiClient() as api:
        namespaces = await kubernetes_asyncio.client.CoreV1Api(api).list_namespace()

    assert "kube-system" in {namespace.metadata.name for namespace in namespaces.items}


def test_a_deployment_gets_a_replica_set_and_that_gets_pods(controlled: ControlPlane, namespace: str) -> None:
    deployments = f"/apis/apps/v1/namespaces/{namespace}/deployments"

    status, answer = controlled.client.call("POST", deployments, _deployment("web"))

    assert status == 201, answer
    _, pod = next(controlled.client.watch(f"/api/v1/namespaces/{namespace}/pods"))
    assert [owner["kind"] for owner in pod["metadata"]["ownerReferences"]] == ["ReplicaSet"]
    assert pod["status"]["phase"] == "Pending"


def test_what_an_object_owned_is_collected(controlled: ControlPlane, namespace: str) -> None:
    base = f"/apis/apps/v1/namespaces/{namespace}"
    controlled.client.call("POST", f"{base}/deployments", _deployment("web"))
    events = controlled.client.watch(f"{base}/replicasets")
    assert next(events)[0] == "ADDED"

    controlled.client.call("DELETE", f"{base}/deployments/web")

    assert any(kind == "DELETED" for kind, _ in events)


def test_the_deletion_of_a_namespace_finishes(controlled: ControlPlane, namespace: str) -> None:
    controlled.client.call("POST", f"/api/v1/namespaces/{namespace}/configmaps", _object("v1", "ConfigMap", "settings"))
    events = controlled.client.watch("/api/v1/namespaces")
    next(events)  # from here on nothing is missed

    controlled.client.call("DELETE", f"/api/v1/namespaces/{namespace}")

    assert any((kind, it["metadata"]["name"]) == ("DELETED", namespace) for kind, it in events)


def test_a_service_account_may_only_what_it_is_granted(controlled: ControlPlane, namespace: str) -> None:
    account = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    next(controlled.client.watch(account))
    status, answer = controlled.client.call("POST", f"{account}/default/token", {"spec": {}})
    assert status == 201, answer
    limited = Client(controlled.server, answer["status"]["token"], controlled.directory / "ca.crt")

    assert limited.call("GET", f"/api/v1/namespaces/{namespace}/secrets")[0] == 403
    assert limited.call("GET", "/version")[0] == 200


def test_a_wrong_token_is_turned_away(control_plane: ControlPlane) -> None:
    stranger = Client(control_plane.server, "made-up", control_plane.directory / "ca.crt")

    assert stranger.call("GET", "/api/v1/namespaces")[0] == 401


def test_each_api_server_is_another_cluster(control_planes: ControlPlanes) -> None:
    one, other = control_planes(2)

    assert one.uid != other.uid
    assert control_planes(1) == [one]
