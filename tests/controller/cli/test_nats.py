"""`flotilla nats` as a person runs it."""

import asyncio
import json
import os
import pathlib
import signal
import sys

import pytest

from controller import keys
from controller.broker import doors
from controller.cli import nats as cli
from tests.fixtures import nats as rigs

COMMAND = (sys.executable, "-m", "protocol.dispatch", "nats", "--port", "0", "--ready-json", "--state-dir")


@pytest.mark.nats
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_it_says_when_it_is_ready_and_stops_when_asked(tmp_path: pathlib.Path, number: signal.Signals) -> None:
    process = await asyncio.create_subprocess_exec(*COMMAND, str(tmp_path), stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    ready = json.loads(await process.stdout.readline())

    async with doors.opened([ready["url"]], keys.KeyRing(tmp_path / keys.DIRECTORY), at=rigs.NOW) as hub:
        assert await hub.log.last_sequence() == 0
    process.send_signal(number)

    rest, _ = await process.communicate()
    assert process.returncode == 0
    assert rest == b""


@pytest.mark.nats
async def test_it_ends_when_its_server_does(tmp_path: pathlib.Path) -> None:
    process = await asyncio.create_subprocess_exec(*COMMAND, str(tmp_path), stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    ready = json.loads(await process.stdout.readline())

    os.kill(ready["pid"], signal.SIGKILL)

    await process.communicate()
    assert process.returncode == cli.FAILURE


async def test_what_it_cannot_do_is_one_line(tmp_path: pathlib.Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *COMMAND, str(tmp_path), "--binary", str(tmp_path / "missing"), stderr=asyncio.subprocess.PIPE
    )

    _, told = await process.communicate()

    assert process.returncode == cli.FAILURE
    assert told.decode().startswith("flotilla nats: nats-server")
    assert len(told.splitlines()) == 1
