"""What drift costs an agent, in a cluster of many managed objects and in one of few.

`python -m tests.benchmarks.bench_drift [--objects N]` prints one line of JSON for each measurement. A real agent
process serves a cluster of the sandbox; what it should have is published over a real nats-server. Then somebody else
changes one object after the other, and each is told and put right before the next one is changed.

The cost of a change must follow the change: the goal is that it takes at most GOAL times as much processor time among
ten times the objects. Beside that: what the agent takes for a change against a bare client that sends the requests
which that needs, an agent's memory for each object against that object as the API server gives it, and what a list of
metadata alone, which is all that the watches ask for, weighs against the whole one.
"""

import argparse
import asyncio
import contextlib
import datetime
import json
import pathlib
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from agents.kube import access, client
from controller.broker import doors
from controller.demo import processes as children
from protocol import credentials, reports
from protocol.status import Sync
from tests.agents import publisher
from tests.agents.integration import telling
from tests.benchmarks import processes
from tests.fixtures import nats
from tests.fixtures.sandbox import Endpoint, running

OBJECTS = 5_000
STEP = 10
"""By which the small cluster is smaller."""

BUNDLE_OBJECTS = 50
CHANGES = 100
FILLER = "x" * 1000
"""What makes a ConfigMap of ordinary size."""

GOAL = 1.5
NAMESPACE = "default"
COLLECTION = f"/api/v1/namespaces/{NAMESPACE}/configmaps"

Json = dict[str, Any]


class Cluster(msgspec.Struct, frozen=True):
    """One agent, its cluster, and who publishes for it."""

    agent: children.Child
    api: client.Client
    somebody: client.Client
    hub: publisher.Publisher
    objects: int

    @property
    def cpu_s(self) -> float:
        return processes.cpu_seconds_of(self.agent.pid)


def config_map(number: int) -> Json:
    return publisher.config_map(f"object-{number:05}", NAMESPACE, colour="blue", filler=FILLER)


@contextlib.asynccontextmanager
async def serving(directory: pathlib.Path, endpoint: Endpoint, rig: nats.Rig, hub: doors.Doors) -> AsyncIterator[Any]:
    """An agent for a cluster that has nothing yet."""
    now = datetime.datetime.now(datetime.UTC)
    account, user = await hub.tenancy.add(endpoint.name, at=now), nats.new_user()
    held = credentials.Credentials(
        cluster=account,
        name=endpoint.name,
        nats_urls=(rig.url,),
        user_jwt=hub.tenancy.admit(account, user.id, name=endpoint.name, at=now),
        trusted_keys=(rig.ring.signer.public_key,),
        seed=user.seed,
    )
    file = directory / "credentials.json"
    file.write_bytes(msgspec.json.encode(held))
    file.chmod(0o600)
    session = access.Session(access.Access(pathlib.Path(endpoint.kubeconfig), endpoint.name))
    await session.open()
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(session.close)
        api = client.Client(session, client.Limits())
        somebody = client.Client(session, client.Limits(), field_manager="somebody")
        uid = (await api.get("/api/v1/namespaces/kube-system"))["metadata"]["uid"]
        made = publisher.Publisher(hub, rig.ring.signer, held, uid)
        await stack.enter_async_context(publisher.listening(made))
        words = ["agent", "run", "--credentials", str(file), "--kubeconfig", endpoint.kubeconfig]
        words += ["--context", endpoint.name, "--state-dir", str(directory / "state"), "--resync", "3600"]
        child = await children.start(endpoint.name, words, directory=directory)
        stack.push_async_callback(child.stop)
        yield Cluster(child, api, somebody, made, 0)


async def deployed(made: Cluster, objects: int) -> Cluster:
    """The cluster with so many objects, all of them watched."""
    numbers = range(objects)
    parts = [
        publisher.bundle(f"b{first:05}", *(config_map(number) for number in numbers[first : first + BUNDLE_OBJECTS]))
        for first in range(0, objects, BUNDLE_OBJECTS)
    ]
    await made.hub.publish(*parts)
    wanted = {part.id for part in parts}

    def is_whole(_: reports.Applied) -> bool:
        said = {item.bundle: item.sync for report in made.hub.of(reports.Applied) for item in report.bundles}
        return wanted == {name for name, sync in said.items() if sync is Sync.SYNCED}

    await made.hub.hear(reports.Applied, is_whole)
    found = msgspec.structs.replace(made, objects=objects)
    await corrected(found, 0)
    return found


async def corrected(made: Cluster, number: int) -> None:
    """Somebody changes an object; return once the agent has said that it is put right."""
    heard, name = len(made.hub.heard), f"object-{number:05}"
    await made.somebody.merge(f"{COLLECTION}/{name}", {"data": {"colour": "red"}})
    await telling.corrected(made.hub, name, after=heard)


async def per_change(made: Cluster) -> float:
    """Milliseconds of the agent's processor time for each change that is told and put right."""
    before = made.cpu_s
    for number in range(1, CHANGES + 1):
        await corrected(made, number * made.objects // (CHANGES + 1))
    return (made.cpu_s - before) * 1000 / CHANGES


async def bare(made: Cluster) -> float:
    """The same of a client that reads, tries and applies, as the agent does, and does nothing else."""
    await made.agent.stop()
    sent = {number: config_map(number) for number in range(CHANGES)}
    await asyncio.gather(*(made.api.get(f"{COLLECTION}/object-{number:05}") for number in range(8)))  # connections
    before = time.process_time()
    for number in range(CHANGES):
        path = f"{COLLECTION}/object-{number:05}"
        await made.api.get("/api/v1/namespaces/kube-system")
        await made.api.get(path)
        await made.api.apply(path, sent[number], force=True, dry_run=True)
        await made.api.apply(path, sent[number], force=True)
    return (time.process_time() - before) * 1000 / CHANGES


async def list_bytes(made: Cluster, accept: str) -> int:
    return len(await made.api.read(COLLECTION, {"limit": str(client.PAGE_ITEMS)}, accept=accept))


async def measure(few: Cluster, many: Cluster) -> list[Json]:
    ms_few, ms_many = await per_change(few), await per_change(many)
    mib_few, mib_many = processes.resident_mib(few.agent.pid), processes.resident_mib(many.agent.pid)
    each = (mib_many - mib_few) * 2**20 / (many.objects - few.objects)
    whole, metadata = await list_bytes(many, client.JSON), await list_bytes(many, client.METADATA_ONLY)
    size = whole / client.PAGE_ITEMS
    ms_bare = await bare(few)
    return [
        {
            "what": f"a change among {many.objects} objects against {few.objects}",
            "ratio": ms_many / ms_few,
            "goal": GOAL,
            "cpuMs": [ms_many, ms_few],
        },
        {"what": "a change against a bare client's requests", "ratio": ms_few / ms_bare, "cpuMs": [ms_few, ms_bare]},
        {"what": "memory of an object against its size", "ratio": each / size, "bytes": [each, size]},
        {"what": "a list of metadata against a whole one", "ratio": metadata / whole, "bytes": [metadata, whole]},
    ]


async def run(directory: pathlib.Path, clusters: list[Endpoint], objects: int) -> list[Json]:
    rig = nats.Rig(directory / "hub")
    await rig.start()
    try:
        now = datetime.datetime.now(datetime.UTC)
        async with contextlib.AsyncExitStack() as stack:
            hub = await stack.enter_async_context(doors.opened([rig.url], rig.ring, at=now))
            found = []
            for endpoint, count in zip(clusters, (objects // STEP, objects), strict=True):
                made = await stack.enter_async_context(serving(directory / endpoint.name, endpoint, rig, hub))
                found.append(await deployed(made, count))
            return await measure(*found)
    finally:
        await rig.server.stop()


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bench_drift")
    parser.add_argument("--objects", type=int, default=OBJECTS)
    objects = parser.parse_args(arguments).objects
    with tempfile.TemporaryDirectory(prefix="flotilla-bench-") as name:
        directory = pathlib.Path(name)
        with running(directory / "sandbox", "--clusters", "2", "--no-pods") as clusters:
            for endpoint in clusters:
                (directory / endpoint.name).mkdir()
            for row in asyncio.run(run(directory, clusters, objects)):
                rounded = {key: _rounded(value) for key, value in row.items()}
                print(json.dumps(rounded), flush=True)
    return 0


def _rounded(value: Any) -> Any:
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return round(value, 2) if isinstance(value, float) else value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
