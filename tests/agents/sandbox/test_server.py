"""The server in this process: watches that end, and a clock that moves them along."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from agents.sandbox import controllers, faults, watches
from agents.sandbox.cluster import Cluster, Settings
from agents.sandbox.server import Server
from agents.sandbox.timers import Timers

TOKEN = "token"


class Running:
    """A served cluster and a client of it."""

    def __init__(self, cluster: Cluster, client: aiohttp.ClientSession) -> None:
        self.cluster = cluster
        self.client = client

    def watch(self, **query: str) -> Any:
        return self.client.get("configmaps", params={"watch": "1", **query})

    async def create(self, name: str) -> None:
        value = {"metadata": {"name": name}}
        async with self.client.post("namespaces/default/configmaps", json=value) as answer:
            assert answer.status == 201


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    timers = Timers(asyncio.get_running_loop().time)
    seeded = Random(0)
    cluster = Cluster("a", timers=timers, settings=Settings(controllers=False), random=seeded)
    controllers.attach(cluster)
    server = Server({"a": (cluster, TOKEN)}, timers)
    runner = web.ServerRunner(server.web_server(), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    base = f"http://127.0.0.1:{runner.addresses[0][1]}/clusters/a/api/v1/"
    pump = asyncio.ensure_future(server.pump())
    async with aiohttp.ClientSession(base, headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        yield Running(cluster, client)
    pump.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await pump
    await runner.cleanup()


async def test_a_watch_goes_with_its_client(running: Running) -> None:
    async with running.watch(resourceVersion="1") as answer:
        assert answer.status == 200
        assert running.cluster.store.watching() == 1
        answer.close()
    while running.cluster.store.watching():  # noqa: ASYNC110 - the end of a connection takes some turns of the loop
        await asyncio.sleep(0)


async def test_a_watch_hears_of_what_happens_while_it_waits(running: Running) -> None:
    async with running.watch(resourceVersion=str(running.cluster.store.version)) as answer:
        await running.create("a")
        first = json.loads(await answer.content.readline())
        await running.create("b")
        second = json.loads(await answer.content.readline())

    assert [event["object"]["metadata"]["name"] for event in (first, second)] == ["a", "b"]


async def test_a_watch_of_what_is_forgotten_is_told_to_list_again(running: Running) -> None:
    await running.create("a")
    async with running.client.delete("../../sandbox/history") as answer:
        assert answer.status == 200
    async with running.watch(resourceVersion="1") as answer:
        event = json.loads(await answer.content.readline())
        rest = await answer.content.read()

    assert event["type"] == "ERROR"
    assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")
    assert event["object"]["message"].startswith("too old resource version: 1 (")
    assert rest == b""


async def test_a_dropped_watch_breaks_off(running: Running) -> None:
    async with running.watch(resourceVersion=str(running.cluster.store.version)) as answer:
        await running.create("a")
        await answer.content.readline()
        running.cluster.faults.add(faults.Fault(watch="drop", resource="configmaps"))
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.content.read()


async def test_a_bookmark_never_runs_ahead_of_what_was_told(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Changes without end while a bookmark is due: it comes after those that it speaks of."""
    monkeypatch.setattr(watches, "BOOKMARK_INTERVAL_S", 0.5)  # not before the end, which may come on a busy machine
    started = running.cluster.store.version
    told: list[int] = []
    async with running.watch(resourceVersion=str(started), allowWatchBookmarks="1") as answer:
        creating = asyncio.ensure_future(_create_without_end(running))
        async for line in answer.content:
            event = json.loads(line)
            version = int(event["object"]["metadata"]["resourceVersion"])
            if event["type"] == "BOOKMARK":
                break
            told.append(version)
        creating.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await creating

    assert event["type"] == "BOOKMARK"
    assert told == list(range(started + 1, version + 1))


async def _create_without_end(running: Running) -> None:
    for number in itertools.count():
        await running.create(f"burst-{number}")
