"""`flotilla ui`, as a process against a hub's HTTP face."""

import asyncio
import os
import sys

import aiohttp
from aiohttp import test_utils

from tests.controller.ui.conftest import TOKEN


async def test_the_command_prints_a_link_that_signs_in(
    server: test_utils.TestServer, browser: aiohttp.ClientSession
) -> None:
    address = str(server.make_url(""))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "protocol.dispatch",
        "ui",
        env={**os.environ, "FLOTILLA_URL": address, "FLOTILLA_TOKEN": TOKEN},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    link = output.decode().strip()

    assert process.returncode == 0
    assert link.startswith(f"{address.rstrip('/')}/#/sign-in/")
    async with browser.post("/ui/session", json={"code": link.rpartition("/")[2]}) as answer:
        assert answer.status == 201
