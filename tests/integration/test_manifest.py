"""An agent inside of its cluster: what `flotilla cluster manifest` prints, applied by kubectl to a real API server.

There are no nodes: the agent is the process that the Deployment names, with the arguments that stand there, and with
nothing but the token that the API server gives for its ServiceAccount.
"""

import asyncio
import base64
import contextlib
import json
import os
import pathlib
import sys
import urllib.parse
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
import yaml

from agents import identities
from controller import bootstrap
from controller.demo import processes, repository
from protocol import naming
from tests import requirements
from tests.controlplane.server import ControlPlane
from tests.fixtures import enrolling
from tests.fixtures import processes as supervised
from tests.fixtures.fleet import Site, site_of

pytestmark = [pytest.mark.nats, pytest.mark.kube]

ACCOUNT = f"system:serviceaccount:{naming.NAMESPACE}:flotilla-agent"
SECRET = f"/api/v1/namespaces/{naming.NAMESPACE}/secrets/{identities.SECRET_NAME}"
DEPLOYMENT = f"/apis/apps/v1/namespaces/{naming.NAMESPACE}/deployments/flotilla-agent"


class Inside:
    """A hub, a cluster that it knows as `edge-1`, and kubectl for the cluster."""

    def __init__(
        self, hub: enrolling.Hub, control_plane: ControlPlane, stack: contextlib.AsyncExitStack, kubectl: pathlib.Path
    ) -> None:
        self.hub = hub
        self.control_plane = control_plane
        self.site: Site = site_of(control_plane)
        self.namespace = f"inside-{uuid.uuid4().hex[:8]}"
        self.repository = repository.Repository(hub.directory / "fleet.git")
        self._stack = stack
        self._kubectl = kubectl

    async def manifest(self, *flags: str) -> list[dict[str, Any]]:
        """Print it, and apply it."""
        environment = {"FLOTILLA_URL": self.hub.url, "FLOTILLA_TOKEN": self.hub.token_text}
        words = ["-m", "protocol.dispatch", "cluster", "manifest", "edge-1", *flags]
        text = await _output(sys.executable, *words, environment=environment)
        await self.kubectl("apply", "-f", "-", text=text)
        return list(yaml.safe_load_all(text))

    async def kubectl(self, *words: str, text: str = "") -> str:
        command = [str(self._kubectl), f"--kubeconfig={self.control_plane.kubeconfig}", *words]
        return await _output(*command, text=text)

    async def run(self, manifests: list[dict[str, Any]]) -> processes.Child:
        """The Deployment's container, as a process with the account's token."""
        directory = self.hub.directory / "pod"
        directory.mkdir(exist_ok=True)
        path = f"/api/v1/namespaces/{naming.NAMESPACE}/serviceaccounts/flotilla-agent/token"
        status, answer = await asyncio.to_thread(self.control_plane.client.call, "POST", path, {"spec": {}})
        assert status == 201, answer
        (directory / "token").write_text(answer["status"]["token"])
        (directory / "ca.crt").write_bytes(base64.b64decode(self.control_plane.ca_data))
        [deployment] = [one for one in manifests if one["kind"] == "Deployment"]
        [secret] = [one for one in manifests if one["kind"] == "Secret"]
        (directory / "enrolment").write_text(secret["stringData"]["token"])
        [container] = deployment["spec"]["template"]["spec"]["containers"]
        mounted = {"/etc/flotilla/enrolment/token": directory / "enrolment", "/var/lib/flotilla": directory / "state"}
        words = [str(mounted.get(word, word)) for word in container["args"]]
        server = urllib.parse.urlsplit(self.control_plane.server)
        environment = {"KUBERNETES_SERVICE_HOST": str(server.hostname), "KUBERNETES_SERVICE_PORT": str(server.port)}
        child = await processes.start(
            "agent",
            [*words, "--service-account", str(directory), *enrolling.AGENT_OPTIONS],
            directory=self.hub.directory,
            environment=environment,
        )
        self._stack.push_async_callback(child.stop)
        return child

    async def deploy(self, *manifests: dict[str, Any]) -> None:
        """Merge a bundle with these objects, for the cluster."""
        text = yaml.safe_dump_all(manifests)
        self.repository.merge({"apps/inside/all.yaml": text}, "change", at=bootstrap.utc_now())
        spec = {"url": self.repository.url, "paths": ["apps/*"], "allClusters": True, "intervalS": 1.0}
        await self.hub.api.post("sources", {"name": "fleet", "spec": spec})


async def _output(*command: str, text: str = "", environment: dict[str, str] | None = None) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **(environment or {})},
    )
    output, errors = await process.communicate(text.encode())
    assert process.returncode == 0, errors.decode()
    return output.decode()


@pytest.fixture
async def inside(tmp_path: pathlib.Path, control_plane: ControlPlane) -> AsyncIterator[Inside]:
    if control_plane.kubectl is None:
        requirements.require("kube", "there is no kubectl")
    async with enrolling.started(tmp_path) as (hub, stack):
        made = Inside(hub, control_plane, stack, control_plane.kubectl)
        await hub.add("edge-1")
        await made.kubectl("create", "namespace", made.namespace)
        yield made
        for kind in ("clusterrolebinding", "clusterrole"):
            await made.kubectl("delete", kind, "--ignore-not-found", "flotilla-agent", "flotilla-agent-bundles")
        await made.kubectl("delete", "secret", "-n", naming.NAMESPACE, "--ignore-not-found", identities.SECRET_NAME)


def config_map(namespace: str, name: str = "settings") -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"colour": "blue"}}


async def test_an_agent_with_its_service_account_alone_enrols_applies_and_reports(inside: Inside) -> None:
    agent = await inside.run(await inside.manifest())
    await inside.hub.online("edge-1")
    custom_role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": inside.namespace},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
    }
    await inside.deploy(config_map(inside.namespace), custom_role)

    async def is_well() -> bool:
        row = await inside.hub.row("edge-1")
        return bool((row["sync"], row["health"]) == ("Synced", "Healthy"))

    await supervised.until("the bundle is applied", is_well)
    found = await inside.site.find(f"/api/v1/namespaces/{inside.namespace}/configmaps/settings")
    assert found is not None
    assert [one["manager"] for one in found["metadata"]["managedFields"]] == [naming.FIELD_MANAGER]
    kept = await inside.site.find(SECRET)
    assert kept is not None
    stored = json.loads(base64.b64decode(kept["data"][identities.SECRET_KEY]))
    assert (stored["seed"][:2], stored["credentials"]["name"]) == ("SU", "edge-1")
    state = inside.hub.directory / "pod" / "state"
    await supervised.until("ready", lambda: _has(state, "alive", "ready"))
    assert not (state / identities.FILE_NAME).exists()

    # A pod that comes up elsewhere has the Secret and nothing else.
    await agent.stop()
    again = await inside.run(await _manifests_without_a_token(inside))
    await supervised.until("heard again", lambda: _said(again, "hub connected"))
    assert len(await inside.hub.events("AgentEnrolled")) == 1
    await inside.kubectl("delete", "clusterrole", inside.namespace)


async def _manifests_without_a_token(inside: Inside) -> list[dict[str, Any]]:
    deployment = await inside.site.find(DEPLOYMENT)
    assert deployment is not None
    return [deployment, {"kind": "Secret", "stringData": {"token": ""}}]


async def _has(state: pathlib.Path, *names: str) -> bool:
    return all((state / name).exists() for name in names)


async def _said(child: processes.Child, text: str) -> bool:
    return text in child.log.read_text()


async def test_the_pod_is_as_restricted_as_kubernetes_strictest_policy_wants(inside: Inside) -> None:
    manifests = await inside.manifest("--image", "registry.example.com/flotilla:1")
    [deployment] = [one for one in manifests if one["kind"] == "Deployment"]
    label = "pod-security.kubernetes.io/enforce=restricted"
    await inside.kubectl("label", "namespace", inside.namespace, label)
    await inside.kubectl("create", "serviceaccount", "flotilla-agent", "-n", inside.namespace)
    template = deployment["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "agent"}, "spec": template["spec"]}

    made = await inside.kubectl("create", "-n", inside.namespace, "-f", "-", text=yaml.safe_dump(pod))

    assert made == "pod/agent created\n"
    assert template["spec"]["containers"][0]["image"] == "registry.example.com/flotilla:1"
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}


async def test_a_right_that_is_missing_is_named_with_object_and_verb(inside: Inside) -> None:
    elsewhere = f"{inside.namespace}-not-ours"
    await inside.kubectl("create", "namespace", elsewhere)
    await inside.run(await inside.manifest("--role", "namespaced", "--namespace", inside.namespace))
    await inside.hub.online("edge-1")
    await inside.deploy(config_map(inside.namespace), config_map(elsewhere))

    async def has_failed() -> bool:
        detail = await inside.hub.api.get("clusters/edge-1")
        return any("Forbidden" in one["reason"] for one in detail["bundles"])

    await supervised.until("the missing right is told", has_failed)
    detail = await inside.hub.api.get("clusters/edge-1")
    told = [one["reason"] for one in detail["bundles"]] + [str(one) for one in detail["ailing"]]
    assert any(f"ConfigMap {elsewhere}/settings" in one for one in told)
    assert any(f'User "{ACCOUNT}" cannot get resource "configmaps"' in one for one in told), told
    assert await inside.site.uid(f"/api/v1/namespaces/{inside.namespace}/configmaps/settings")
    assert not await inside.site.uid(f"/api/v1/namespaces/{elsewhere}/configmaps/settings")
    await inside.kubectl("delete", "namespace", elsewhere, "--wait=false")
