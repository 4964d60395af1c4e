"""Webhooks: who proves itself wakes the poll, and can do nothing else."""

import asyncio
import base64
import hashlib
import hmac
import io
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import test_utils

from controller.api import hooks as api
from protocol import ids
from tests.fixtures import hub as hubs

SHOP = ids.SourceName("shop")
BODY = b'{"ref": "refs/heads/other", "repository": {"clone_url": "https://evil.example/x.git"}}'
TIME_S = 60.0


@pytest.fixture
async def shop(hub: hubs.Hub) -> hubs.Hub:
    """A source with a hook."""
    await hub.resolve("shop", "web")
    hub.renew_hook(SHOP)
    return hub


def github(hub: hubs.Hub, body: bytes = BODY) -> dict[str, str]:
    return {"X-Hub-Signature-256": "sha256=" + hmac.new(hub.hooks[SHOP].encode(), body, hashlib.sha256).hexdigest()}


def standard(hub: hubs.Hub, delivery: str) -> dict[str, str]:
    at = str(int(hub.now.timestamp()))
    key = base64.b64decode(hub.hooks[SHOP].removeprefix("whsec_"))
    signed = hmac.new(key, f"{delivery}.{at}.".encode() + BODY, hashlib.sha256).digest()
    signature = "v1," + base64.b64encode(signed).decode()
    return {"webhook-id": delivery, "webhook-timestamp": at, "webhook-signature": signature}


async def send(client: aiohttp.ClientSession, headers: dict[str, str], body: bytes = BODY, to: str = "shop") -> int:
    async with client.post(f"/hooks/{to}", data=body, headers=headers) as answer:
        return answer.status


async def woken(hub: hubs.Hub, count: int) -> list[str]:
    """The sources that were woken, once there are so many."""
    async with asyncio.timeout(TIME_S):
        while len(hub.woken) < count:
            hub.was_woken.clear()
            await hub.was_woken.wait()
    return hub.woken


async def test_each_forge_wakes_the_poll_of_the_source_and_nothing_else(
    stranger: aiohttp.ClientSession, shop: hubs.Hub
) -> None:
    events = shop.world.log_head
    gitea = {"X-Gitea-Signature": hmac.new(shop.hooks[SHOP].encode(), b"{}", hashlib.sha256).hexdigest()}

    assert await send(stranger, github(shop)) == 202
    assert await send(stranger, gitea, b"{}") == 202
    assert await send(stranger, {"X-Gitlab-Token": shop.hooks[SHOP]}) == 202
    assert await send(stranger, standard(shop, "msg_1")) == 202
    assert set(await woken(shop, 1)) == {"shop"}
    assert shop.world.log_head == events


async def test_hooks_that_come_at_once_wake_the_poll_once_and_the_last_is_not_lost(
    stranger: aiohttp.ClientSession, shop: hubs.Hub
) -> None:
    started = asyncio.get_running_loop().time()
    for number in range(20):
        assert await send(stranger, standard(shop, f"msg_{number}")) == 202
    burst_s = asyncio.get_running_loop().time() - started
    before = len(shop.woken)
    assert await send(stranger, standard(shop, "last")) == 202
    await woken(shop, before + 1)

    assert before <= 2 + burst_s / api.WAKE_S


@pytest.mark.parametrize("headers", [{}, {"X-Gitlab-Token": "guess"}, {"X-Hub-Signature-256": "sha256=" + "00" * 32}])
async def test_whoever_proves_nothing_wakes_nobody(
    stranger: aiohttp.ClientSession, shop: hubs.Hub, headers: dict[str, str]
) -> None:
    assert await send(stranger, headers) == 401
    assert shop.woken == []


async def test_a_delivery_that_comes_again_is_refused(stranger: aiohttp.ClientSession, shop: hubs.Hub) -> None:
    first = [await send(stranger, headers) for headers in (github(shop), standard(shop, "a"))]
    again = [await send(stranger, headers) for headers in (github(shop), standard(shop, "a"))]

    assert (first, again) == ([202, 202], [409, 409])


async def test_what_is_remembered_is_bounded(shop: hubs.Hub) -> None:
    taken = api.Hooks(shop)
    news = [taken.is_new(SHOP, str(number)) for number in range(api.REMEMBERED_MAX + 1)]

    assert (all(news), taken.is_new(SHOP, "0"), taken.is_new(SHOP, str(api.REMEMBERED_MAX))) == (True, True, False)


@pytest.mark.parametrize("to", ["nothing", "tools", "Not%20a%20name", "..%2Fsigning"])
async def test_a_source_without_a_hook_is_not_found(stranger: aiohttp.ClientSession, shop: hubs.Hub, to: str) -> None:
    await shop.resolve("tools", "dns")

    assert await send(stranger, github(shop), to=to) == 404


async def test_a_body_that_says_it_is_too_large_is_not_read(stranger: aiohttp.ClientSession, shop: hubs.Hub) -> None:
    body = io.BytesIO(b" " * (api.BODY_BYTES_MAX + 1))
    async with stranger.post("/hooks/shop", data=body, headers=github(shop)) as answer:
        assert answer.status == 413


async def test_a_body_that_does_not_say_it_is_too_large_is_not_read_to_its_end(
    stranger: aiohttp.ClientSession, shop: hubs.Hub
) -> None:
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 20 * api.BODY_BYTES_MAX:
            sent += 65_536
            yield b" " * 65_536

    async with stranger.post("/hooks/shop", data=body(), headers=github(shop)) as answer:
        assert answer.status == 413
    assert sent < 20 * api.BODY_BYTES_MAX


async def test_few_bodies_are_read_at_a_time(
    stranger: aiohttp.ClientSession, server: test_utils.TestServer, shop: hubs.Hub
) -> None:
    under_way = server.app[api.HOOKS].under_way
    under_way["192.0.2.1"] = api.AT_ONCE_MAX - 1
    assert await send(stranger, github(shop)) == 202
    assert under_way == {"192.0.2.1": api.AT_ONCE_MAX - 1}, "what came to its end is forgotten"

    under_way["192.0.2.2"] = 1
    assert await send(stranger, github(shop)) == 503


async def test_one_address_does_not_take_all_the_room(
    stranger: aiohttp.ClientSession, server: test_utils.TestServer, shop: hubs.Hub
) -> None:
    under_way = server.app[api.HOOKS].under_way
    under_way["127.0.0.1"] = api.EACH_AT_ONCE_MAX

    assert api.EACH_AT_ONCE_MAX < api.AT_ONCE_MAX
    assert await send(stranger, github(shop)) == 503


async def test_a_hook_is_given_and_taken_by_an_admin(
    client: aiohttp.ClientSession, stranger: aiohttp.ClientSession, hub: hubs.Hub
) -> None:
    await hub.resolve("shop", "web")
    async with client.post("/api/v1/sources/shop/hook") as answer:
        made = await answer.json()
        assert answer.status == 201
    accepted = await send(stranger, github(hub))
    async with client.delete("/api/v1/sources/shop/hook") as answer:
        assert answer.status == 204
    async with client.delete("/api/v1/sources/shop/hook") as answer:
        assert answer.status == 404

    hub.renew_hook(SHOP)
    async with client.delete("/api/v1/sources/shop") as answer:
        assert (answer.status, hub.hooks) == (204, {})
    assert (made["path"], made["secret"].startswith("whsec_"), accepted) == ("/hooks/shop", True, 202)
    assert await send(stranger, {}) == 404
    stored = [one.body async for one in hub.store.read(0)]
    assert all(made["secret"].encode() not in one for one in stored)
