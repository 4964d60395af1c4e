"""What the agent's tests stand on: a cluster, a hub, and an agent between them."""

import asyncio
import contextlib
import random
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from opentelemetry import metrics
from opentelemetry.sdk import trace as telemetry_trace
from opentelemetry.sdk.trace import export
from opentelemetry.sdk.trace.export import in_memory_span_exporter

from agents import agent, clock, configuration, inventory_store, settings
from agents.domain import fights, inventory, shards
from agents.kube import access, client
from agents.kube import errors as kube_errors
from controller.broker import doors
from protocol import credentials, naming, tracing
from tests.agents import publisher
from tests.controlplane.server import ControlPlane
from tests.fixtures import sandbox as sandboxes
from tests.fixtures.nats import NewCluster, Rig

FAST = settings.Settings(
    heartbeat=0.2, resync=3600, health_interval=0.1, retry_base=0.05, retry_ceiling=0.5, request_timeout=60
)
"""Nothing waits longer than a test can; no resync happens by itself."""

POLL_S = 0.05
"""How often a test looks at a cluster that changes beside it."""

SYSTEM = f"/api/v1/namespaces/{naming.NAMESPACE}/configmaps"


class Place(msgspec.Struct, frozen=True):
    """A Kubernetes cluster, and a client of the test's own to look into it."""

    access: access.Access
    api: client.Client
    foreign: client.Client
    """Of somebody who is not the agent: another field manager."""
    uid: str
    namespace: str
    """One for this test; nobody has made it yet."""
    has_workloads: bool
    """Somebody makes workloads ready: the sandbox does, a control plane without nodes cannot."""

    async def find(self, path: str) -> dict[str, Any] | None:
        """An object, or None if it is not there."""
        try:
            return await self.api.get(path)
        except (kube_errors.NotFound, kube_errors.NamespaceMissing):
            return None

    async def patience(self, holds: Callable[[], bool]) -> None:
        """Until something that happens beside the test has happened."""
        async with asyncio.timeout(publisher.HEARD_S):
            while not holds():  # noqa: ASYNC110  # what happens in other processes raises no event here
                await asyncio.sleep(POLL_S)

    async def lose_inventory(self) -> None:
        """Delete the agent's inventory, but not its high-water mark."""
        async for shard in self.api.list(SYSTEM, params={"labelSelector": inventory_store.LABEL}):
            metadata = shard["metadata"]
            version = metadata["resourceVersion"]
            await self.api.delete(f"{SYSTEM}/{metadata['name']}", uid=metadata["uid"], resource_version=version)

    async def until(self, path: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The object once it is as it should be; another process changes it, so it is asked for again and again."""
        async with asyncio.timeout(publisher.HEARD_S):
            while True:
                found = await self.find(path)
                if found is not None and holds(found):
                    return found
                await asyncio.sleep(POLL_S)

    async def config_map(self, name: str, namespace: str = "") -> dict[str, Any] | None:
        return await self.find(f"/api/v1/namespaces/{namespace or self.namespace}/configmaps/{name}")

    async def inventory(self) -> list[inventory.Entry]:
        """What the cluster says is ours, tombstones left out."""
        found = [
            shards.decode(key, value)
            async for shard in self.api.list(SYSTEM, params={"labelSelector": inventory_store.LABEL})
            for key, value in (shard.get("data") or {}).items()
        ]
        return sorted((entry for entry in found if entry.settled is None), key=lambda entry: entry.object)


@pytest.fixture(scope="session")
def sandbox_endpoints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[sandboxes.Endpoint]]:
    """Many small clusters of one sandbox: each test takes a fresh one."""
    directory = tmp_path_factory.mktemp("agent-sandbox")
    with sandboxes.running(directory, "--clusters", "200", "--ready-after", "0.1") as found:
        yield found


@pytest.fixture(params=["sandbox", pytest.param("kube", marks=pytest.mark.kube)])
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    """A cluster that no agent has ever served: the sandbox's, then a real one."""
    if request.param == "kube":
        control_plane: ControlPlane = request.getfixturevalue("control_plane")
        async with opened(access.Access(control_plane.kubeconfig), has_workloads=False) as made:
            await forget_agents(made)
            yield made
        return
    endpoints: list[sandboxes.Endpoint] = request.getfixturevalue("sandbox_endpoints")
    endpoint = endpoints.pop()
    async with opened(access.Access(Path(endpoint.kubeconfig), endpoint.name), has_workloads=True) as made:
        yield made


async def forget_agents(place: Place) -> None:
    """Remove what an earlier test's agent wrote down in the cluster."""
    async for found in place.api.list(SYSTEM):
        metadata = found["metadata"]
        if metadata["name"] != "kube-root-ca.crt":
            version = metadata["resourceVersion"]
            await place.api.delete(f"{SYSTEM}/{metadata['name']}", uid=metadata["uid"], resource_version=version)


@contextlib.asynccontextmanager
async def opened(way: access.Access, *, has_workloads: bool) -> AsyncIterator[Place]:
    session = access.Session(way)
    await session.open()
    try:
        api = client.Client(session, client.Limits())
        kube_system = await api.get("/api/v1/namespaces/kube-system")
        foreign = client.Client(session, client.Limits(), field_manager="somebody")
        yield Place(way, api, foreign, kube_system["metadata"]["uid"], f"test-{uuid.uuid4().hex[:12]}", has_workloads)
    finally:
        await session.close()


class Station(msgspec.Struct):
    """An agent that can be started, stopped and started again on the same state directory."""

    identity: configuration.Identity
    directory: Path
    options: settings.Settings
    spans: in_memory_span_exporter.InMemorySpanExporter
    boundary: Callable[[str], None] = lambda _: None
    bounds: fights.Bounds = fights.Bounds()

    def faster(self, **times: float) -> settings.Settings:
        return msgspec.structs.replace(self.options, **times)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The agent runs for the time of the block."""
        provider = telemetry_trace.TracerProvider()
        provider.add_span_processor(export.SimpleSpanProcessor(self.spans))
        around = agent.Surroundings(
            clocks=clock.SystemClock(),
            chance=random.Random(1),  # jitter
            traces=tracing.Tracing(provider.get_tracer("test")),
            meter=metrics.NoOpMeterProvider().get_meter("test"),
            boundary=self.boundary,
            version="test",
            bounds=self.bounds,
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
