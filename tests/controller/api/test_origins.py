"""Where requests come from: nobody's word counts but that of proxies that were named."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import test_utils

from controller.api import app, enrolment, limiting, origins
from tests.controller.api.conftest import TOKEN
from tests.fixtures import hub as hubs

PROXIES = origins.networks("10.0.0.0/24 2001:db8::/64 192.0.2.7")


@pytest.mark.parametrize(
    ("peer", "said", "client"),
    [
        ("198.51.100.1", [], "198.51.100.1"),
        ("198.51.100.1", ["203.0.113.9"], "198.51.100.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["1.1.1.1, 203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["1.1.1.1", "203.0.113.9, 192.0.2.7"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9:4711"], "203.0.113.9"),
        ("2001:db8::1", ["[2001:db8:1::9]:4711, 10.0.0.2"], "2001:db8:1::9"),
        ("::ffff:10.0.0.1", ["::ffff:203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9,"], "10.0.0.1"),
        ("10.0.0.1", ["10.0.0.2, 10.0.0.3"], "10.0.0.2"),
        ("10.0.0.1", ["9.9.9.9," + "10.0.0.2," * origins.HOPS_MAX + "10.0.0.3"], "10.0.0.2"),
        ("", ["203.0.113.9"], ""),
    ],
)
def test_the_first_that_is_no_named_proxy_is_the_client(peer: str, said: list[str], client: str) -> None:
    assert origins.client(peer, said, PROXIES) == client


@pytest.mark.parametrize("text", ["10.0.0.1/24", "proxy.example.com", "10.0.0.0/33", "10.0.0.1,10.0.0.2"])
def test_what_is_no_network_is_not_taken(text: str) -> None:
    with pytest.raises(ValueError, match=r"does not appear|has host bits"):
        origins.networks(text)


@pytest.fixture(params=["", "127.0.0.0/8"])
async def proxied(hub: hubs.Hub, request: pytest.FixtureRequest) -> AsyncIterator[tuple[bool, aiohttp.ClientSession]]:
    """Whether this machine is a named proxy, and a client of the API."""
    made = app.make_app(hub, token=TOKEN)
    made[origins.PROXIES] = origins.networks(request.param)
    made[enrolment.LIMITER] = limiting.Limiter(lambda: 0.0, each=enrolment.EACH, total=enrolment.TOTAL)
    async with (
        test_utils.TestServer(made, host="127.0.0.1") as server,
        aiohttp.ClientSession(server.make_url("/")) as session,
    ):
        yield bool(request.param), session


async def test_clients_of_a_named_proxy_are_limited_each_for_itself(
    proxied: tuple[bool, aiohttp.ClientSession],
) -> None:
    """And clients of any other are one, whatever they say: else one could ask in a thousand names."""
    is_named, client = proxied
    statuses = []
    for number in range(int(enrolment.EACH[1]) * 2):
        headers = {"X-Forwarded-For": f"203.0.113.{number}"}
        async with client.post("/api/v1/enroll/nonce", headers=headers) as answer:
            statuses.append(answer.status)

    assert (set(statuses) == {200}) is is_named
