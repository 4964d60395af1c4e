"""`GET /clusters` of a fleet of 1,000 against aiohttp that answers the same bytes, in the same run.

`python -m tests.benchmarks.bench_api` prints one line of JSON for each. The ratio is what the API itself costs: making
500 rows and encoding them, or finding that the client has them already. Takes some ten seconds.
"""

import asyncio
import json
import sys
import time
from collections.abc import Mapping

import aiohttp
from aiohttp import test_utils, web

from controller.api import app
from tests.fixtures import hub as hubs

CLUSTERS = 1_000
REQUESTS = 200
QUICK_REQUESTS = 2_000
TOKEN = "a-token-for-benchmarks"
PATH = "/api/v1/clusters"


async def _fleet() -> hubs.Hub:
    hub = hubs.Hub()
    await hub.begin()
    catalog = await hub.resolve("shop", *(f"app-{number:02d}" for number in range(10)))
    for number in range(CLUSTERS):
        cluster = await hub.add_cluster(f"edge-{number:04d}", env="prod", region=f"r{number % 7}")
        hub.publish(cluster, 1, catalog)
        hub.say(cluster)
    return hub


def _raw(body: bytes) -> web.Application:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    made = web.Application()
    made.router.add_get(PATH, answer)
    return made


async def _rate(
    server: test_utils.TestServer, query: str, count: int, *, headers: Mapping[str, str], status: int
) -> float:
    """Requests a second, one after the other on one connection."""
    async with aiohttp.ClientSession(server.make_url("/"), headers=headers) as session:
        start = time.perf_counter()
        for _ in range(count):
            async with session.get(f"{PATH}{query}") as answer:
                await answer.read()
                assert answer.status == status
        return count / (time.perf_counter() - start)


async def measure() -> list[dict[str, object]]:
    """Rows of the table, each with its ratio to raw aiohttp."""
    hub = await _fleet()
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    rows: list[dict[str, object]] = []
    async with test_utils.TestServer(app.make_app(hub, token=TOKEN)) as server:
        for what, query in (("a page of 500 of 1,000 clusters", ""), ("a page of 20", "?limit=20")):
            async with (
                aiohttp.ClientSession(server.make_url("/"), headers=bearer) as session,
                session.get(f"{PATH}{query}") as answer,
            ):
                body, tag = await answer.read(), answer.headers["ETag"]
            async with test_utils.TestServer(_raw(body)) as bare:
                base = await _rate(bare, query, QUICK_REQUESTS, headers={}, status=200)
            whole = await _rate(server, query, REQUESTS, headers=bearer, status=200)
            known = await _rate(server, query, QUICK_REQUESTS, headers={**bearer, "If-None-Match": tag}, status=304)
            rows += [
                {"what": f"raw aiohttp, {what}", "perSecond": round(base), "bytes": len(body), "ratio": 1.0},
                {"what": what, "perSecond": round(whole), "ratio": round(whole / base, 3)},
                {"what": f"{what}, known by its ETag", "perSecond": round(known), "ratio": round(known / base, 3)},
            ]
    return rows


async def main() -> int:
    for row in await measure():
        print(json.dumps(row))
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
