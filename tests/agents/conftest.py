"""What the agent's tests stand on: a cluster, a hub, and an agent between them."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from opentelemetry.sdk import trace as telemetry_trace
from opentelemetry.sdk.trace import export
from opentelemetry.sdk.trace.export import in_memory_span_exporter

from agents import agent, clock, configuration, settings
from agents.kube import access, client
from agents.kube import errors as kube_errors
from controller.broker import doors
from protocol import credentials, naming
from tests.agents import publisher
from tests.fixtures import sandbox as sandboxes
from tests.fixtures.nats import NewCluster, Rig

FAST = settings.Settings(
    heartbeat=0.2, resync=3600, health_interval=0.1, retry_base=0.05, retry_ceiling=0.5, request_timeout=5
)
"""Nothing waits longer than a test can; no resync happens by itself."""

SYSTEM = f"/api/v1/namespaces/{naming.NAMESPACE}/configmaps"


class Place(msgspec.Struct, frozen=True):
    """A Kubernetes cluster, and a client of the test's own to look into it."""

    access: access.Access
    api: client.Client
    uid: str

    async def find(self, path: str) -> dict[str, Any] | None:
        """An object, or None if it is not there."""
        try:
            return await self.api.get(path)
        except (kube_errors.NotFound, kube_errors.NamespaceMissing):
            return None

    async def config_map(self, name: str, namespace: str = "default") -> dict[str, Any] | None:
        return await self.find(f"/api/v1/namespaces/{namespace}/configmaps/{name}")


@pytest.fixture(scope="session")
def sandbox_endpoints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[sandboxes.Endpoint]]:
    """Many small clusters of one sandbox: each test takes a fresh one."""
    directory = tmp_path_factory.mktemp("agent-sandbox")
    with sandboxes.running(directory, "--clusters", "200", "--ready-after", "0.1") as found:
        yield found


@pytest.fixture
async def place(sandbox_endpoints: list[sandboxes.Endpoint]) -> AsyncIterator[Place]:
    """A cluster that nothing was ever done to."""
    endpoint = sandbox_endpoints.pop()
    way = access.Access(Path(endpoint.kubeconfig), endpoint.name)
    async with opened(way) as made:
        yield made


@contextlib.asynccontextmanager
async def opened(way: access.Access) -> AsyncIterator[Place]:
    session = access.Session(way)
    await session.open()
    try:
        api = client.Client(session, client.Limits())
        kube_system = await api.get("/api/v1/namespaces/kube-system")
        yield Place(way, api, kube_system["metadata"]["uid"])
    finally:
        await session.close()


class Station(msgspec.Struct):
    """An agent that can be started, stopped and started again on the same state directory."""

    identity: configuration.Identity
    directory: Path
    options: settings.Settings
    spans: in_memory_span_exporter.InMemorySpanExporter
    boundary: Callable[[str], None] = lambda _: None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The agent runs for the time of the block."""
        provider = telemetry_trace.TracerProvider()
        provider.add_span_processor(export.SimpleSpanProcessor(self.spans))
        around = agent.Surroundings(
            clocks=clock.SystemClock(),
            chance=random.Random(1),  # jitter
            tracer=provider.get_tracer("test"),
            boundary=self.boundary,
            version="test",
        )
        made = agent.Agent(self.identity, self.directory, options=self.options, around=around)
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(made.run())
            try:
                yield
            finally:
                task.cancel()


@pytest.fixture
async def held(new_cluster: NewCluster) -> credentials.Credentials:
    return await new_cluster("edge-1")


@pytest.fixture
def station(held: credentials.Credentials, place: Place, tmp_path: Path) -> Station:
    identity = configuration.Identity(msgspec.structs.replace(held, seed=""), held.seed.encode(), place.access)
    return Station(identity, tmp_path / "agent", FAST, in_memory_span_exporter.InMemorySpanExporter())


@pytest.fixture
async def hub_of_test(
    hub: doors.Doors, rig: Rig, held: credentials.Credentials, place: Place
) -> AsyncIterator[publisher.Publisher]:
    """The hub that publishes for the cluster and hears its reports."""
    made = publisher.Publisher(hub, rig.ring.signer, held, place.uid)
    async with publisher.listening(made):
        yield made
