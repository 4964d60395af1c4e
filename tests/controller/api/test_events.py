"""The log, a page at a time and as it grows."""

import json

import aiohttp
import pytest

from protocol.events import clusters as events
from tests.fixtures import hub as hubs

EVENTS = "/api/v1/events"


@pytest.fixture
async def busy(hub: hubs.Hub) -> hubs.Hub:
    """A hub with a log of six events."""
    first, second = await hub.add_cluster("edge-1"), await hub.add_cluster("edge-2")
    await hub.write(events.ClusterSuspended(cluster=first, reason="by command"), by="ci")
    await hub.write(events.ClusterSuspended(cluster=second, reason="by command"), by="admin (ann)")
    return hub


async def sequences(client: aiohttp.ClientSession, query: str) -> list[int]:
    async with client.get(f"{EVENTS}?{query}") as answer:
        assert answer.status == 200
        return [one["sequence"] for one in (await answer.json())["items"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("after=5", [6, 7]),
        ("limit=2", [1, 2]),
        ("type=ClusterSuspended", [6, 7]),
        ("about=cluster/edge-1", [2, 3, 6]),
        ("about=cluster/nobody", []),
        ("about=fleet/hub", [1]),
        ("by=ci", [6]),
        ("by=admin", [7]),
        ("by=admin&about=cluster/edge-1", []),
    ],
)
async def test_events_are_filtered(
    client: aiohttp.ClientSession, busy: hubs.Hub, query: str, expected: list[int]
) -> None:
    assert await sequences(client, query) == expected


async def test_a_page_says_how_to_go_on_even_if_nothing_passed_its_filter(
    client: aiohttp.ClientSession, busy: hubs.Hub
) -> None:
    async with client.get(f"{EVENTS}?type=NoSuchType") as answer:
        page = await answer.json()

    assert page == {"items": [], "next": 7, "place": f"7-{busy.world.hashes[6]}", "head": 7}


async def test_a_place_leads_from_page_to_page(client: aiohttp.ClientSession, busy: hubs.Hub) -> None:
    found, after = [], "0"
    for _ in range(5):
        async with client.get(f"{EVENTS}?limit=2&after={after}") as answer:
            page = await answer.json()
        found += [one["sequence"] for one in page["items"]]
        after = page["place"]

    assert (found, after) == ([1, 2, 3, 4, 5, 6, 7], f"7-{busy.world.hashes[6]}")


@pytest.mark.parametrize("after", ["8", "9223372036854775808", "7-" + "a" * 64, "8-" + "a" * 64])
@pytest.mark.parametrize("follow", ["false", "true"])
async def test_a_place_of_another_log_is_refused(
    client: aiohttp.ClientSession, busy: hubs.Hub, after: str, follow: str
) -> None:
    async with client.get(f"{EVENTS}?after={after}&follow={follow}") as answer:
        problem = await answer.json(content_type="application/problem+json")

    assert (answer.status, problem["type"]) == (409, "urn:flotilla:problem:changed")


@pytest.mark.parametrize("query", ["about=edge-1", "about=/x", "after=-1", "after=1-", "after=x", "wait=31"])
async def test_a_senseless_filter_is_refused(client: aiohttp.ClientSession, query: str) -> None:
    async with client.get(f"{EVENTS}?{query}") as answer:
        assert answer.status == 400


async def test_the_log_can_be_followed_as_lines(client: aiohttp.ClientSession, busy: hubs.Hub) -> None:
    async with client.get(f"{EVENTS}?follow=true&after=5&type=ClusterSuspended") as answer:
        lines = [json.loads(await answer.content.readline()) for _ in range(2)]
        await busy.write(events.ClusterResumed(cluster=hubs.account(1)))
        await busy.write(events.ClusterSuspended(cluster=hubs.account(1), reason="again"))
        found = b"\n"
        while not found.strip():
            found = await answer.content.readline()

    assert [line["sequence"] for line in lines] == [6, 7]
    assert json.loads(found)["sequence"] == 9


async def test_a_page_may_wait_for_news(client: aiohttp.ClientSession, busy: hubs.Hub) -> None:
    async with client.get(f"{EVENTS}?after=7&wait=1") as answer:
        assert (await answer.json())["items"] == []
