"""The stream of what is new: nobody misses an event, nobody who is slow holds up others."""

import asyncio
import contextlib
import datetime
import socket
from collections.abc import AsyncIterator

import aiohttp
import msgspec
import pytest
from aiohttp import test_utils

from controller.api import access, app, feed
from protocol import reports
from protocol.events import clusters as events
from protocol.events import tokens as token_events
from protocol.events.tokens import Scope
from tests.controller.api import streaming
from tests.controller.api.conftest import TOKEN
from tests.fixtures import hub as hubs

STREAM = "/api/v1/events/stream"

QUICK = feed.Pace(interval_s=0.01, keep_alive_s=0.05, write_s=streaming.TIME_S)
"""In a hurry, save towards who reads: on a busy machine that may take a moment."""

IMPATIENT = msgspec.structs.replace(QUICK, write_s=0.3)


@pytest.fixture
def pace() -> feed.Pace:
    return QUICK


@pytest.fixture
async def server(hub: hubs.Hub, pace: feed.Pace) -> AsyncIterator[test_utils.TestServer]:
    async with test_utils.TestServer(app.make_app(hub, token=TOKEN, pace=pace)) as running:
        yield running


@contextlib.asynccontextmanager
async def stream(
    client: aiohttp.ClientSession, query: str = "", last: str = ""
) -> AsyncIterator[AsyncIterator[streaming.Message]]:
    """An open stream's messages."""
    headers = {"Last-Event-ID": last} if last else {}
    async with client.get(f"{STREAM}{query}", headers=headers) as answer:
        assert (answer.status, answer.content_type) == (200, "text/event-stream")
        async with contextlib.aclosing(streaming.messages(answer)) as messages:
            yield messages


async def the_next(messages: AsyncIterator[streaming.Message], kind: str) -> streaming.Message:
    async for one in messages:
        if one.kind == kind:
            return one
    raise AssertionError("the stream ended")


def id_of(hub: hubs.Hub, place: int) -> str:
    """By which the stream names the event at this place."""
    return f"{place}-{hub.world.hashes[place - 1]}"


async def suspend(hub: hubs.Hub, cluster: str, reason: str = "by command") -> None:
    await hub.write(events.ClusterSuspended(cluster=hubs.ids.ClusterId(cluster), reason=reason))


async def test_events_come_as_they_are_written(client: aiohttp.ClientSession, hub: hubs.Hub) -> None:
    cluster = await hub.add_cluster("edge-1")
    async with stream(client) as messages:
        await suspend(hub, cluster)
        found = await the_next(messages, "log")

    assert (found.id, found.data["type"], found.data["by"]) == (id_of(hub, 4), "ClusterSuspended", "hub")


async def test_a_client_that_comes_back_gets_what_it_missed(client: aiohttp.ClientSession, hub: hubs.Hub) -> None:
    cluster = await hub.add_cluster("edge-1")
    async with stream(client, "?after=0") as messages:
        seen = [(await the_next(messages, "log")).id for _ in range(2)]
    for _ in range(feed.RECENT_MAX + 3):
        await suspend(hub, cluster)

    async with stream(client, last=seen[-1]) as messages:
        again = [(await the_next(messages, "log")).id for _ in range(feed.RECENT_MAX + 4)]

    assert seen + again == [id_of(hub, number + 1) for number in range(feed.RECENT_MAX + 6)]


@pytest.mark.parametrize(
    "last",
    ["4000-" + "a" * 64, "1-" + "a" * 64, "4000", "1"],
    ids=["beyond the log", "another event there", "beyond the log, without a hash", "without a hash"],
)
async def test_an_event_of_another_log_begins_the_stream_anew(
    client: aiohttp.ClientSession, hub: hubs.Hub, last: str
) -> None:
    async with stream(client, last=last) as messages:
        found = await the_next(messages, "reset")
        await hub.add_cluster("edge-1")
        following = await the_next(messages, "log")

    assert (found.data, following.id) == ({"head": 1}, id_of(hub, 2))


async def test_a_client_of_a_log_that_was_restored_and_grew_again_is_told(
    client: aiohttp.ClientSession, hub: hubs.Hub
) -> None:
    await hub.add_cluster("edge-1")
    lost = hubs.Hub()
    await lost.begin()
    for name in ("edge-2", "edge-3"):
        await lost.add_cluster(name)

    async with stream(client, last=id_of(lost, 2)) as messages:
        found = await the_next(messages, "reset")

    assert (found.data, id_of(lost, 1)) == ({"head": len(hub.world.hashes)}, id_of(hub, 1))


async def test_what_another_hub_wrote_to_the_same_log_is_no_other_log(
    client: aiohttp.ClientSession, hub: hubs.Hub
) -> None:
    other = hubs.transact.Transactor(hub.store, clock=hub.clock, new_id=lambda: "by-another")
    await other.catch_up()
    declared = events.ClusterLabelled(cluster=await hub.add_cluster("edge-1"), labels={"env": "prod"})
    await other.catch_up()
    await other.run(lambda _world: (declared,), by="another hub")
    last = len(other.world.hashes)
    assert last > len(hub.world.hashes)

    async with stream(client, last=f"{last}-{other.world.hashes[-1]}") as messages:
        await hub.write(events.ClusterSuspended(cluster=declared.cluster, reason="by command"))
        found = await the_next(messages, "log")

    assert found.id == id_of(hub, last + 1)


async def test_from_the_beginning_of_a_log_all_of_it_comes(client: aiohttp.ClientSession, hub: hubs.Hub) -> None:
    async with stream(client, last="0") as messages:
        assert (await the_next(messages, "log")).id == id_of(hub, 1)


@pytest.mark.parametrize("last", ["x", "-1", "9" * 5000, "²", "1-", "1-xyz", "1-" + "A" * 64])
async def test_a_place_is_a_number(client: aiohttp.ClientSession, last: str) -> None:
    async with client.get(STREAM, headers={"Last-Event-ID": last.encode().decode("latin-1")}) as answer:
        assert answer.status == 400


async def test_changes_of_clusters_are_told_and_heartbeats_are_not(
    client: aiohttp.ClientSession, server: test_utils.TestServer, hub: hubs.Hub
) -> None:
    catalog = await hub.resolve("shop", "web")
    quiet, loud = await hub.add_cluster("quiet"), await hub.add_cluster("loud")
    for cluster in (quiet, loud):
        hub.publish(cluster, 1, catalog)
        hub.say(cluster)
    await server.app[feed.FEED].compare()
    async with stream(client) as messages:
        hub.observed[quiet] = hubs.observed.beat(
            hub.observed[quiet], reports.Beat(origin=hub.origin(quiet), root=hub.observed[quiet].root)
        )
        hub.say(loud, drifted=1, sync=hubs.status.Sync.OUT_OF_SYNC)
        found = await the_next(messages, "clusters")

    assert found.data == {"names": ["loud"], "all": False}


async def test_a_cluster_that_falls_silent_has_changed(
    client: aiohttp.ClientSession, server: test_utils.TestServer, hub: hubs.Hub
) -> None:
    catalog = await hub.resolve("shop", "web")
    cluster = await hub.add_cluster("edge-1")
    hub.publish(cluster, 1, catalog)
    hub.say(cluster)
    await server.app[feed.FEED].compare()
    async with stream(client) as messages:
        hub.now += hub.silence + datetime.timedelta(seconds=1)
        found = await the_next(messages, "clusters")

    assert found.data["names"] == ["edge-1"]


async def test_something_is_said_even_if_nothing_is_new(client: aiohttp.ClientSession, hub: hubs.Hub) -> None:
    async with client.get(STREAM) as answer:
        lines = [await answer.content.readline() for _ in range(5)]

    id_line = f"id: {id_of(hub, 1)}\n".encode()
    assert lines == [b"retry: 2000\n", id_line, b"\n", b": nothing new\n", b"\n"]


async def test_whoever_asks_for_the_head_alone_follows_nothing(
    client: aiohttp.ClientSession, server: test_utils.TestServer
) -> None:
    async with client.head(STREAM) as answer:
        assert (answer.status, answer.content_type) == (200, "text/event-stream")

    assert server.app[feed.FEED].followers == 0


async def test_a_revoked_token_ends_its_stream(client: aiohttp.ClientSession, hub: hubs.Hub) -> None:
    issued = token_events.TokenIssued(name="ci", scope=Scope.READ, digest=access.tokens.digest("secret"))
    await hub.write(issued)
    async with client.get(STREAM, headers={"Authorization": "Bearer secret"}) as answer:
        await answer.content.readline()
        await hub.write(token_events.TokenRevoked(name="ci", reason="over"))
        rest = await asyncio.wait_for(answer.content.read(), 60)

    assert b"TokenRevoked" not in rest


async def test_one_token_leaves_places_for_others(
    client: aiohttp.ClientSession, server: test_utils.TestServer, hub: hubs.Hub
) -> None:
    await hub.write(token_events.TokenIssued(name="ci", scope=Scope.READ, digest=access.tokens.digest("secret")))
    ci = {"Authorization": "Bearer secret"}
    async with contextlib.AsyncExitStack() as stack:
        for number in range(feed.FOLLOWERS_EACH_MAX):
            path = STREAM if number else "/api/v1/events?follow=true"
            answer = await stack.enter_async_context(client.get(path, headers=ci))
            assert answer.status == 200
        async with client.get(STREAM, headers=ci) as answer:
            problem = await answer.json(content_type="application/problem+json")
        async with client.get(STREAM) as another:
            assert another.status == 200

    assert (answer.status, problem["detail"]) == (429, "token 'ci': 32 clients follow the events with it already")
    assert answer.headers["Retry-After"] == "2"


async def test_whoever_goes_makes_room(client: aiohttp.ClientSession, server: test_utils.TestServer) -> None:
    news = server.app[feed.FEED]
    async with client.get(STREAM):
        assert news.followers == 1
    async with asyncio.timeout(60):
        while news.followers:  # who went is found by the next write, and nothing tells of it
            await news.until(lambda: not news.followers, QUICK.keep_alive_s)


async def test_there_are_never_too_many_who_follow(
    client: aiohttp.ClientSession, server: test_utils.TestServer
) -> None:
    news = server.app[feed.FEED]
    with contextlib.ExitStack() as stack:
        for number in range(feed.FOLLOWERS_MAX):
            name = f"ci-{number}"
            stack.enter_context(
                news.following(access.Principal(name=name, scope=Scope.READ, digest=access.tokens.digest(name)))
            )
        async with client.get(STREAM) as answer:
            problem = await answer.json(content_type="application/problem+json")

    assert (answer.status, problem["type"], answer.headers["Retry-After"]) == (
        503,
        "urn:flotilla:problem:too-many",
        "2",
    )


@contextlib.asynccontextmanager
async def deaf(server: test_utils.TestServer) -> AsyncIterator[None]:
    """A client that follows and does not read."""
    news = server.app[feed.FEED]
    with contextlib.closing(socket.socket()) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect((server.host, server.port))
        client.sendall(f"GET {STREAM} HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode())
        await news.until(lambda: news.followers == 1, streaming.TIME_S)
        yield


async def say_much(hub: hubs.Hub, cluster: str) -> None:
    """More than the kernel keeps for a client."""
    for number in range(100):
        await suspend(hub, cluster, f"{number}" + "x" * 100_000)


async def test_a_client_that_does_not_read_holds_up_nobody(
    client: aiohttp.ClientSession, server: test_utils.TestServer, hub: hubs.Hub
) -> None:
    cluster, news = await hub.add_cluster("edge-1"), server.app[feed.FEED]
    async with deaf(server), stream(client) as messages:
        await say_much(hub, cluster)
        told = [(await the_next(messages, "log")).id for _ in range(100)]
        still = news.followers

    assert (told[-1], still, news.dropped) == (id_of(hub, 103), 2, 0)


@pytest.mark.parametrize("pace", [IMPATIENT])
async def test_a_client_that_does_not_read_is_dropped(server: test_utils.TestServer, hub: hubs.Hub) -> None:
    cluster, news = await hub.add_cluster("edge-1"), server.app[feed.FEED]
    async with deaf(server):
        await say_much(hub, cluster)
        await news.until(lambda: news.dropped == 1, streaming.TIME_S)

    assert news.dropped == 1


async def test_the_end_of_the_hub_ends_its_streams(hub: hubs.Hub) -> None:
    slow = feed.Pace(interval_s=60, keep_alive_s=60, write_s=60)
    made = test_utils.TestServer(app.make_app(hub, token=TOKEN, pace=slow))
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with (
        made,
        aiohttp.ClientSession(made.make_url("/"), headers=headers) as session,
        session.get(STREAM) as answer,
    ):
        await answer.content.readline()
        await asyncio.wait_for(made.close(), 60)
        assert b"event:" not in await answer.content.read()
