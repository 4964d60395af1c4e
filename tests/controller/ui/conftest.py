"""The hub's whole HTTP face over a hub in memory, and a browser's way of asking it."""

from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
from aiohttp import test_utils

from controller.ui import serving
from tests.fixtures import hub as hubs

TOKEN = "open-sesame"

SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}

NewToken = Callable[[str, str], Awaitable[str]]


@pytest.fixture
async def hub() -> hubs.Hub:
    made = hubs.Hub()
    await made.begin()
    return made


@pytest.fixture
async def server(hub: hubs.Hub) -> AsyncIterator[test_utils.TestServer]:
    async with test_utils.TestServer(serving.make_app(hub, token=TOKEN)) as running:
        yield running


@pytest.fixture
async def browser(server: test_utils.TestServer) -> AsyncIterator[aiohttp.ClientSession]:
    """Keeps cookies, and says of every request that the page itself sent it."""
    jar = aiohttp.CookieJar(unsafe=True)  # of an address without a name
    async with aiohttp.ClientSession(server.make_url("/"), headers=SAME_ORIGIN, cookie_jar=jar) as session:
        yield session


@pytest.fixture
async def program(server: test_utils.TestServer) -> AsyncIterator[aiohttp.ClientSession]:
    """Shows a bearer token, and keeps nothing."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with aiohttp.ClientSession(server.make_url("/"), headers=headers) as session:
        yield session


@pytest.fixture
def new_token(program: aiohttp.ClientSession) -> NewToken:
    """Makes a token of a name and a scope."""

    async def make(name: str, scope: str) -> str:
        async with program.post("/api/v1/tokens", json={"name": name, "scope": scope}) as answer:
            assert answer.status == 201, await answer.text()
            return str((await answer.json())["secret"])

    return make
