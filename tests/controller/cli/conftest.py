"""The command line as a process, against a real HTTP server of the API over a hub in memory."""

import asyncio
import os
import pathlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import test_utils

from controller.api import app
from tests.controller.api import documented
from tests.fixtures import hub as fixtures

TOKEN = "a-token-for-tests"

Run = Callable[..., Awaitable[tuple[int, str, str]]]


@pytest.fixture
async def fleet() -> AsyncIterator[fixtures.Hub]:
    """A hub on a log in memory, with one cluster."""
    hub = fixtures.Hub()
    await hub.begin()
    await hub.add_cluster("edge-1", env="prod")
    return hub


@pytest.fixture
async def address(fleet: fixtures.Hub) -> AsyncIterator[str]:
    """The URL of the hub's API."""
    made = app.make_app(fleet, token=TOKEN)
    made.middlewares.insert(0, documented.middleware)
    async with test_utils.TestServer(made) as server:
        yield str(server.make_url(""))


@pytest.fixture
def run(address: str, tmp_path: pathlib.Path) -> Run:
    """Run `flotilla WORDS…`; its exit code, output and errors."""

    async def command(*words: str, **environment: str) -> tuple[int, str, str]:
        settings = {
            "FLOTILLA_URL": address,
            "FLOTILLA_TOKEN": TOKEN,
            "XDG_CONFIG_HOME": str(tmp_path / "config"),
            "NO_COLOR": "1",
            **environment,
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "protocol.dispatch",
            *words,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.getcwd(), **settings},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
        assert process.returncode is not None
        return process.returncode, output.decode(), errors.decode()

    return command
