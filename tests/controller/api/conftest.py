"""A real HTTP server over a hub in memory, and a client that shows its token."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import test_utils

from controller.api import app
from tests.controller.api import documented
from tests.fixtures import hub as hubs

TOKEN = "open-sesame"


@pytest.fixture
async def hub() -> hubs.Hub:
    made = hubs.Hub()
    await made.begin()
    return made


@pytest.fixture
async def server(hub: hubs.Hub) -> AsyncIterator[test_utils.TestServer]:
    made = app.make_app(hub, token=TOKEN)
    made.middlewares.insert(0, documented.middleware)
    async with test_utils.TestServer(made) as running:
        yield running


@pytest.fixture
async def stranger(server: test_utils.TestServer) -> AsyncIterator[aiohttp.ClientSession]:
    """A client without a token."""
    async with aiohttp.ClientSession(server.make_url("/")) as session:
        yield session


@pytest.fixture
async def client(server: test_utils.TestServer) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with aiohttp.ClientSession(server.make_url("/"), headers=headers) as session:
        yield session
