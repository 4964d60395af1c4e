"""Thousands of small clusters in one process: how long they take to start, and what each costs.

`python -m tests.benchmarks.bench_sandbox [--clusters N]` prints one line of JSON for each measurement. The goal is that
a cluster costs the same among thousands as among hundreds (a ratio of 1); the ratio of a fleet's deployment is that of
all clusters to a tenth of them, so 10 is proportional.
"""

import argparse
import asyncio
import contextlib
import json
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import Any

import aiohttp
import msgspec

from tests.benchmarks import processes
from tests.fixtures.sandbox import Endpoint, endpoints

CLUSTERS = 5_000
STEP = 10
"""By which the small run is smaller."""

CONNECTIONS = 16
WATCHES = 500
OBJECTS = 20
"""Per cluster, in a tenth of the clusters."""

READY_S = 0.5

Json = Any


class Sandbox(msgspec.Struct, frozen=True):
    """A running process."""

    pid: int
    start_s: float
    alone_mib: float
    clusters: list[Endpoint]

    @property
    def mib(self) -> float:
        return processes.resident_mib(self.pid)


@contextlib.contextmanager
def running(clusters: int) -> Iterator[Sandbox]:
    """A sandbox of so many clusters, without Pods."""
    with tempfile.TemporaryDirectory(prefix="flotilla-bench-") as directory:
        command = [sys.executable, "-m", "protocol.dispatch", "sandbox", "--dir", directory]
        command += ["--clusters", str(clusters), "--no-pods", "--ready-after", str(READY_S)]
        before = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            start_s = time.perf_counter() - before
            mib = processes.resident_mib(process.pid)
            yield Sandbox(process.pid, start_s, mib, endpoints(pathlib.Path(ready["kubeconfig"])))
            process.terminate()


class Client:
    """Asks many clusters over a few connections."""

    def __init__(self, session: aiohttp.ClientSession, some: Endpoint) -> None:
        self._session, self._trust = session, some.ssl_context()

    def request(self, cluster: Endpoint, method: str, path: str, body: Json = None, **query: str) -> Any:
        headers = {"Authorization": f"Bearer {cluster.token}"}
        given = {"params": query, "headers": headers, "ssl": self._trust}
        if body is not None:
            given |= {"data": json.dumps(body), "headers": {**headers, "Content-Type": "application/apply-patch+yaml"}}
        return self._session.request(method, cluster.server + path, **given)

    async def apply(self, cluster: Endpoint, path: str, body: Json) -> None:
        async with self.request(cluster, "PATCH", path, body, fieldManager="bench") as answer:
            assert answer.status in (200, 201), await answer.text()

    async def first(self, cluster: Endpoint, path: str, **query: str) -> Json:
        """The first event of a watch."""
        async with self.request(cluster, "GET", path, None, watch="1", **query) as answer:
            return json.loads(await answer.content.readline())


@contextlib.asynccontextmanager
async def client(sandbox: Sandbox, connections: int = CONNECTIONS) -> Any:
    connector = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=600)) as session:
        yield Client(session, sandbox.clusters[0])


async def settle(ask: Client, sandbox: Sandbox) -> None:
    """Return when the controllers of the last cluster have made what they make at first."""
    await ask.first(sandbox.clusters[-1], "/api/v1/namespaces/kube-system/serviceaccounts")


def deployment(name: str) -> Json:
    labels = {"app": name}
    pod = {"containers": [{"name": "web", "image": "registry.example/shop/web:1.4.0"}]}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}}
    spec["template"] = {"metadata": {"labels": labels}, "spec": pod}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


async def deploy(ask: Client, clusters: Sequence[Endpoint], *, names: Sequence[str] = ("web",)) -> None:
    """Apply Deployments in clusters, as many at a time as there are connections."""
    pending = iter([(cluster, name) for cluster in clusters for name in names])

    async def work() -> None:
        for cluster, name in pending:
            path = f"/apis/apps/v1/namespaces/default/deployments/{name}"
            await ask.apply(cluster, path, deployment(name))

    async with asyncio.TaskGroup() as tasks:
        for _ in range(CONNECTIONS):
            tasks.create_task(work())


async def rolled_out(ask: Client, cluster: Endpoint) -> None:
    """Return when a cluster's Deployment is available."""
    path = "/apis/apps/v1/namespaces/default/deployments"
    async with ask.request(cluster, "GET", path, None, watch="1") as answer:
        async for line in answer.content:
            if json.loads(line)["object"].get("status", {}).get("availableReplicas") == 2:
                return


class Cost(msgspec.Struct, frozen=True):
    """What a sandbox has cost until its last cluster was complete."""

    mib: float
    cpu_s: float


async def cost(sandbox: Sandbox) -> Cost:
    async with client(sandbox) as ask:
        await settle(ask, sandbox)
    return Cost(sandbox.mib, processes.cpu_seconds_of(sandbox.pid))


async def watched(sandbox: Sandbox) -> float:
    """KiB for each open watch, its TLS connection included."""
    async with client(sandbox, WATCHES + CONNECTIONS) as ask, contextlib.AsyncExitStack() as stack:
        before = sandbox.mib
        for cluster in sandbox.clusters[:WATCHES]:
            words = {"watch": "1", "fieldSelector": "metadata.name=default"}
            answer = await stack.enter_async_context(ask.request(cluster, "GET", "/api/v1/namespaces", None, **words))
            await answer.content.readline()
        return (sandbox.mib - before) * 1024 / WATCHES


async def measure(large: Sandbox, small: Sandbox, least: Sandbox) -> Iterator[Json]:
    count, few = len(large.clusters), len(small.clusters)
    alone, some, many = await cost(least), await cost(small), await cost(large)
    kib, kib_few = (many.mib - alone.mib) * 1024 / (count - 1), (some.mib - alone.mib) * 1024 / (few - 1)
    ms, ms_few = (many.cpu_s - alone.cpu_s) * 1000 / (count - 1), (some.cpu_s - alone.cpu_s) * 1000 / (few - 1)
    rows = [
        {"what": f"memory of a cluster, of {count} against {few}", "ratio": kib / kib_few, "goal": 1, "kib": kib},
        {"what": f"start of a cluster, of {count} against {few}", "ratio": ms / ms_few, "goal": 1, "cpuMs": ms},
        {"what": "start of the process", "s": large.start_s, "alone": least.start_s},
        {"what": "memory of the process", "mib": large.mib, "alone": least.mib},
    ]
    async with client(large) as ask:
        times = []
        for clusters in (large.clusters[-few:], large.clusters[:-few]):
            before = time.perf_counter()
            await deploy(ask, clusters)
            await rolled_out(ask, clusters[-1])
            times.append(time.perf_counter() - before)
        rows.append(
            {
                "what": f"a Deployment in {count - few} clusters against {few}",
                "ratio": times[1] / times[0],
                "goal": STEP,
                "perSecond": (count - few) / times[1],
            }
        )
        before_mib = large.mib
        await deploy(ask, large.clusters[:few], names=[f"web-{number}" for number in range(OBJECTS)])
        await rolled_out(ask, large.clusters[few - 1])
        rows.append({"what": "memory of a Deployment", "kib": (large.mib - before_mib) * 1024 / few / OBJECTS})
    rows.append({"what": "memory of an open watch", "kib": await watched(large)})
    return iter(rows)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bench_sandbox")
    parser.add_argument("--clusters", type=int, default=CLUSTERS)
    clusters = parser.parse_args(arguments).clusters
    with running(1) as least, running(clusters // STEP) as small, running(clusters) as large:
        for row in asyncio.run(measure(large, small, least)):
            rounded = {name: round(value, 2) if isinstance(value, float) else value for name, value in row.items()}
            print(json.dumps(rounded), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
