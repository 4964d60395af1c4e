"""The demo's fleet: twelve clusters in three environments, served by four agents, started as separate processes."""

import contextlib
import json
import pathlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from controller import keys
from controller.demo import clients, processes, repository
from protocol import credentials

ENVIRONMENTS = {"dev": 4, "staging": 3, "prod": 5}
AGENTS = 3
ALONE = "prod-5"
"""The cluster with an agent of its own, the last of them."""

SOURCE = "fleet"

POLICY = """\
apiVersion: flotilla.gitops/v1alpha1
kind: RolloutPolicy
metadata: {name: by-environment}
spec:
  stages:
    - {name: dev, selector: {matchLabels: {env: dev}}, maxConcurrency: 100%}
    - {name: staging, selector: {matchLabels: {env: staging}}, maxConcurrency: 50%}
  maxConcurrency: 50%
"""

AGENT_SETTINGS = {"heartbeat": 1.0, "healthInterval": 0.5, "resync": 60.0}
"""Quicker than the defaults: the demo's time is a person's."""


class Fleet(msgspec.Struct, frozen=True):
    """Everything that runs, and how to talk to it."""

    directory: pathlib.Path
    repository: repository.Repository
    hub: clients.HubClient
    clusters: dict[str, clients.ClusterClient]
    children: list[processes.Child]
    hub_url: str
    token_file: pathlib.Path
    kubeconfig: pathlib.Path

    @property
    def lonely(self) -> processes.Child:
        """The agent that serves ALONE and no other cluster."""
        return self.children[-1]

    async def page(self) -> str:
        """The address of the hub's page; it signs in whoever opens it first, within two minutes."""
        found: str = (await self.hub.post("ui/codes", {}))["path"]
        return self.hub_url + found


def environment(name: str) -> str:
    """The environment that a cluster's name begins with."""
    return name.partition("-")[0]


def names() -> list[str]:
    """All clusters, by environment."""
    return [f"{env}-{number}" for env, count in ENVIRONMENTS.items() for number in range(1, count + 1)]


@contextlib.asynccontextmanager
async def started(directory: pathlib.Path) -> AsyncIterator[Fleet]:
    """Start everything, register the clusters, and end it all with the block."""
    async with contextlib.AsyncExitStack() as stack:
        children = await stack.enter_async_context(processes.family())
        sandbox = await _child(children, "sandbox", _sandbox_words(directory), directory)
        nats = await _child(
            children, "nats", ["nats", "--state-dir", str(directory / "hub"), "--port", "0", "--ready-json"], directory
        )
        hub = await _child(children, "hub", _hub_words(directory, nats["url"]), directory)
        kubeconfig, token_file = pathlib.Path(sandbox["kubeconfig"]), pathlib.Path(hub["tokenFile"])
        client = await stack.enter_async_context(clients.hub_client(hub["url"], token_file))
        clusters = await stack.enter_async_context(clients.cluster_clients(kubeconfig))
        await client.post("apply", {"files": [{"name": "policy.yaml", "text": POLICY}]})
        await _register(client, directory, kubeconfig)
        for number in range(AGENTS + 1):
            words = ["agent", "run", "--config", str(_agent_file(directory, number))]
            words += ["--state-dir", str(directory / f"agent-{number + 1}")]
            children.append(await processes.start(f"agent-{number + 1}", words, directory=directory))
        yield Fleet(
            directory=directory,
            repository=repository.Repository(directory / "fleet.git"),
            hub=client,
            clusters=clusters,
            children=children,
            hub_url=hub["url"],
            token_file=token_file,
            kubeconfig=kubeconfig,
        )


async def add_source(fleet: Fleet) -> None:
    """Point the hub at the repository."""
    spec = {
        "url": fleet.repository.url,
        "paths": ["apps/*", "platform/*"],
        "allClusters": True,
        "intervalS": 1.0,
        "rolloutPolicy": "by-environment",
    }
    await fleet.hub.post("sources", {"name": SOURCE, "spec": spec})


async def _child(
    children: list[processes.Child], name: str, words: list[str], directory: pathlib.Path
) -> dict[str, Any]:
    child = await processes.start(name, words, directory=directory)
    children.append(child)
    return await child.ready()


def _sandbox_words(directory: pathlib.Path) -> list[str]:
    words = ["sandbox", "--dir", str(directory / "sandbox"), "--ready-after", "1"]
    for name in names():
        words += ["--cluster", name]
    return words


def _hub_words(directory: pathlib.Path, nats_url: str) -> list[str]:
    state = str(directory / "hub")
    return ["hub", "--state-dir", state, "--nats-url", nats_url, "--port", "0", "--silence-s", "8", "--ready-json"]


async def _register(client: clients.HubClient, directory: pathlib.Path, kubeconfig: pathlib.Path) -> None:
    served: list[list[dict[str, str]]] = [[] for _ in range(AGENTS + 1)]
    decode = msgspec.json.Decoder(credentials.Credentials).decode
    for number, name in enumerate(names()):
        seed, public_key = keys.new_user()
        body = {"name": name, "labels": {"env": environment(name)}, "agentKey": public_key}
        answer = await client.post("clusters", body)
        issued = msgspec.structs.replace(decode(json.dumps(answer["credentials"])), seed=seed)
        file = directory / f"{name}.credentials.json"
        file.touch(mode=0o600)
        file.write_bytes(msgspec.json.encode(issued))
        agent = AGENTS if name == ALONE else number % AGENTS
        served[agent].append({"credentials": str(file), "kubeconfig": str(kubeconfig), "context": name})
    for number, clusters in enumerate(served):
        text = json.dumps({"clusters": clusters, "settings": AGENT_SETTINGS})
        _agent_file(directory, number).write_text(text)


def _agent_file(directory: pathlib.Path, number: int) -> pathlib.Path:
    return directory / f"agent-{number + 1}.json"
