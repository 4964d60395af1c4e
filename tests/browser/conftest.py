"""A hub in memory with a page, for what needs neither clusters nor Git."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import test_utils

from controller.ui import serving
from tests.fixtures import hub as hubs

TOKEN = "open-sesame"


@pytest.fixture
async def hub() -> hubs.Hub:
    made = hubs.Hub()
    await made.begin()
    return made


@pytest.fixture
async def address(hub: hubs.Hub) -> AsyncIterator[str]:
    """Where the page of the hub in memory is."""
    async with test_utils.TestServer(serving.make_app(hub, token=TOKEN)) as server:
        yield str(server.make_url(""))
