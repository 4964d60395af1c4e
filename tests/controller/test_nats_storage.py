"""A disk that was full and has room again, under a real nats-server on a small file system of its own."""

import asyncio
import contextlib
import itertools
import pathlib
import subprocess
from collections.abc import AsyncIterator, Iterator

import pytest

from controller import errors, keys, nats_server, nats_storage
from controller.broker import doors
from controller.store import records
from tests.fixtures import nats as rigs
from tests.fixtures import ports

pytestmark = pytest.mark.nats

SIZE_BYTES = 24 * 1024 * 1024
ROOM_BYTES = SIZE_BYTES // 4
LOOK_S = 0.05
BODY_BYTES = 4096
AFTER = 1_000_000


@pytest.fixture
def disk(tmp_path: pathlib.Path) -> Iterator[pathlib.Path]:
    """A file system that can be filled without harm."""
    path = tmp_path / "disk"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_BYTES}", "flotilla-test", str(path)]
    try:
        made = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError as missing:
        pytest.skip(f"no file system can be mounted here ({missing})")
    if made.returncode:
        pytest.skip(f"no file system can be mounted here ({made.stderr.strip()})")
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


@contextlib.asynccontextmanager
async def watched(directory: pathlib.Path) -> AsyncIterator[tuple[nats_server.Server, doors.Doors]]:
    """A server that is kept running and looked after as the hub does it."""
    ring = keys.KeyRing(directory / keys.DIRECTORY)
    settings = nats_server.Settings(state_dir=directory, port=ports.free())
    async with nats_server.running(settings, ring, at=rigs.NOW) as server:
        watch = nats_storage.Watch(server, look_s=LOOK_S, room_bytes=ROOM_BYTES)
        tasks = [
            asyncio.ensure_future(server.keep_running(lambda: rigs.NOW)),
            asyncio.ensure_future(watch.run()),
        ]
        try:
            async with doors.opened([server.url], ring, at=rigs.NOW) as hub:
                yield server, hub
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


async def append(hub: doors.Doors, number: int) -> None:
    body = b"%d " % number + bytes(BODY_BYTES)
    pending = records.Pending(f"flotilla.v1.log.test.{number}", body, {"ce-id": str(number)}, expected=0)
    await hub.log.append([pending])


def fill(ballast: pathlib.Path) -> None:
    """Write until nothing more goes."""
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(BODY_BYTES)):
            pass


async def test_a_server_writes_again_once_there_is_room(disk: pathlib.Path) -> None:
    async with watched(disk) as (server, hub):
        first = server.pid
        await append(hub, 0)
        fill(disk / "ballast")
        acked = await refused(hub)
        while "its disk was full" not in server.problem:  # noqa: ASYNC110 - told by another task; the test is bounded
            await asyncio.sleep(LOOK_S)
        assert server.pid == first

        (disk / "ballast").unlink()
        while server.pid == first or server.problem:  # noqa: ASYNC110 - replaced inside; the test is bounded
            await asyncio.sleep(LOOK_S)
        await written(hub, AFTER)

        stored = [int(event.body.partition(b" ")[0]) async for event in hub.log.read(0)]
        assert stored[: acked + 1] == [*range(acked + 1)]
        assert stored[-1] == AFTER


async def refused(hub: doors.Doors) -> int:
    """Append from 1 on until nothing is acked any more; the last number that was."""
    for number in itertools.count(1):
        try:
            await append(hub, number)
        except errors.Transient:
            return number - 1
    raise AssertionError


async def written(hub: doors.Doors, number: int) -> None:
    """As the hub does it: again, until it is."""
    while True:
        try:
            return await append(hub, number)
        except errors.Transient:
            continue
        except records.Conflict:  # it was stored, and the ack was lost
            return None


async def test_a_server_that_ended_by_itself_meanwhile_is_no_error(tmp_path: pathlib.Path) -> None:
    """A full disk may end it, too: whoever keeps it running starts it, and the hub lives."""
    ring = keys.KeyRing(tmp_path / keys.DIRECTORY)
    settings = nats_server.Settings(state_dir=tmp_path, port=0)
    async with nats_server.running(settings, ring, at=rigs.NOW) as server:
        watching = asyncio.ensure_future(nats_storage.Watch(server, look_s=LOOK_S, room_bytes=0).run())
        await server.kill()
        with server.log_file.open("ab") as log:
            log.write(b"[%d] critical write error\n" % server.pid)
        while not server.problem and not watching.done():  # noqa: ASYNC110 - told by a task; the test is bounded
            await asyncio.sleep(LOOK_S)
        await asyncio.wait([watching], timeout=3 * LOOK_S)

        assert not watching.done()
        watching.cancel()
        await asyncio.wait([watching])
