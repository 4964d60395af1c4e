"""The embedded server's life: it starts, tells why it does not, keeps its state, and dies with its parent."""

import asyncio
import datetime
import itertools
import json
import os
import pathlib
import signal
import sys
import textwrap

import pytest

from controller import keys, locks, nats_server
from controller.broker import doors
from tests.fixtures import nats as rigs
from tests.fixtures import ports


def fake(directory: pathlib.Path, script: str) -> pathlib.Path:
    """An executable in place of nats-server."""
    path = directory / "nats-server"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


async def started(directory: pathlib.Path, **settings: object) -> nats_server.Server:
    ring = keys.KeyRing(directory / "keys")
    made = nats_server.Settings(state_dir=directory, **settings)  # type: ignore[arg-type]
    return await nats_server.start(made, ring, at=rigs.NOW)


@pytest.mark.parametrize("version", ["2.15.0", "2.14.9", "1.99.99", "2.9.25"])
async def test_a_version_below_the_floor_is_refused(tmp_path: pathlib.Path, version: str) -> None:
    with pytest.raises(nats_server.ServerError, match=rf"version {version} is too old \(at least 2\.15\.1\)"):
        await nats_server.check_version(fake(tmp_path, f"echo nats-server: v{version}"))


@pytest.mark.parametrize("version", ["2.15.1", "2.15.2-RC.1", "2.16.0", "3.0.0"])
async def test_the_floor_and_what_is_above_are_taken(tmp_path: pathlib.Path, version: str) -> None:
    assert await nats_server.check_version(fake(tmp_path, f"echo nats-server: v{version}")) >= (2, 15, 1)


@pytest.mark.parametrize("script", ["exit 1", "echo hello"])
async def test_something_that_is_no_nats_server_is_refused(tmp_path: pathlib.Path, script: str) -> None:
    with pytest.raises(nats_server.ServerError, match="tells no version"):
        await nats_server.check_version(fake(tmp_path, script))


async def test_a_binary_that_is_not_there_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(nats_server.ServerError, match="does not run"):
        await started(tmp_path, binary=tmp_path / "missing")


async def test_a_server_that_ends_at_start_is_told_with_its_last_words(tmp_path: pathlib.Path) -> None:
    script = 'case "$1" in --version) echo v2.15.1;; *) echo cannot do that; exit 3;; esac'

    with pytest.raises(nats_server.ServerError, match=r"code 3 \(cannot do that\)"):
        await started(tmp_path, binary=fake(tmp_path, script))


def test_the_configuration_holds_no_seed_and_is_private(tmp_path: pathlib.Path) -> None:
    ring = keys.KeyRing(tmp_path / "keys")
    settings = nats_server.Settings(state_dir=tmp_path, port=0)

    path = nats_server.write_configuration(settings, ring, at=rigs.NOW)

    text = path.read_text()
    seeds = [key.read_text().strip() for key in (tmp_path / "keys").glob("*.*")]
    assert seeds
    assert not [seed for seed in seeds if seed in text]
    assert path.stat().st_mode & 0o077 == 0
    written = json.loads(text)
    assert written["host"] == "127.0.0.1"
    assert written["port"] == nats_server.ANY_PORT
    assert written["jetstream"]["sync_interval"] == "always"
    assert "http" not in written


@pytest.mark.nats
async def test_a_second_start_finds_the_state_of_the_first(rig: rigs.Rig) -> None:
    port = rig.server.port
    await rig.server.stop()

    await rig.start()

    assert rig.server.port == port


@pytest.mark.nats
async def test_a_port_that_is_taken_is_told(rig: rigs.Rig, tmp_path: pathlib.Path) -> None:
    with pytest.raises(nats_server.ServerError, match="address already in use"):
        await started(tmp_path / "other", port=rig.server.port)


@pytest.mark.nats
async def test_a_second_server_on_one_store_is_refused(tmp_path: pathlib.Path) -> None:
    ring = keys.KeyRing(tmp_path / "keys")
    made = nats_server.Settings(state_dir=tmp_path, port=nats_server.ANY_PORT)
    async with nats_server.running(made, ring, at=rigs.NOW) as first:
        with pytest.raises(locks.LockedError, match="a nats-server runs on it"):
            async with nats_server.running(made, ring, at=rigs.NOW):
                pytest.fail("two servers on one store")
        assert await nats_server.running_at(tmp_path) == first.url


@pytest.mark.nats
async def test_stopping_twice_is_stopping_once(tmp_path: pathlib.Path) -> None:
    server = await started(tmp_path, port=0)

    await server.stop()
    await server.stop()

    assert await server.wait() is not None


@pytest.mark.nats
async def test_a_server_that_does_not_stop_is_killed(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nats_server, "STOP_TIMEOUT_S", 0.2)
    server = await started(tmp_path, port=0)
    server.signal(signal.SIGSTOP)  # a stopped process takes no SIGTERM

    await server.stop()

    assert await server.wait() == -signal.SIGKILL


@pytest.mark.nats
async def test_a_server_that_crashes_is_started_again_on_its_port(rig: rigs.Rig, hub: doors.Doors) -> None:
    again = asyncio.Event()
    hub.hub.on_every_reconnect(again.set)
    keeping = asyncio.ensure_future(rig.server.keep_running(lambda: rigs.NOW))
    port, pid = rig.server.port, rig.server.pid

    rig.server.signal(signal.SIGKILL)
    async with asyncio.timeout(60):
        await again.wait()
        while rig.server.pid == pid:  # noqa: ASYNC110 - a client may know it before who started it looks again
            await asyncio.sleep(0.005)

    assert rig.server.port == port
    assert await hub.log.last_sequence() == 0
    keeping.cancel()
    await asyncio.wait([keeping])


@pytest.mark.nats
async def test_a_server_that_does_not_stay_up_is_given_up(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nats_server, "RESTARTS_MAX", 1)
    server = await started(tmp_path, port=ports.free())
    keeping = asyncio.ensure_future(server.keep_running(lambda: rigs.NOW))
    first = server.pid
    server.signal(signal.SIGKILL)
    while server.pid == first:  # noqa: ASYNC110 - the process is replaced inside; the test's time-out bounds it
        await asyncio.sleep(0.005)

    server.signal(signal.SIGKILL)

    with pytest.raises(nats_server.ServerError, match="does not stay up"):
        await keeping


def breakable(directory: pathlib.Path) -> pathlib.Path:
    """The real server behind a script that ends at start, once for each line of the file `broken`."""
    return fake(
        directory,
        f"""\
if [ "$1" != --version ] && [ -s {directory}/broken ]; then
    sed -i 1d {directory}/broken
    echo no room left
    exit 7
fi
exec {nats_server.find(None)} "$@\"""",
    )


@pytest.mark.nats
async def test_starting_again_is_tried_again(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nats_server, "RESTART_PAUSES_S", (0.0,))
    server = await started(tmp_path, port=ports.free(), binary=breakable(tmp_path))
    port, pid = server.port, server.pid
    (tmp_path / "broken").write_text("once\ntwice\n")
    keeping = asyncio.ensure_future(server.keep_running(lambda: rigs.NOW))

    server.signal(signal.SIGKILL)
    while server.pid == pid:  # noqa: ASYNC110 - the process is replaced inside; the test's time-out bounds it
        await asyncio.sleep(0.005)

    assert (tmp_path / "broken").read_text() == ""
    assert (server.port, server.problem) == (port, "")
    assert await nats_server.running_at(tmp_path) == server.url
    keeping.cancel()
    await asyncio.wait([keeping])
    await server.stop()


@pytest.mark.nats
async def test_a_server_that_cannot_come_up_is_given_up_with_its_words(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nats_server, "RESTART_PAUSES_S", (0.0,))
    server = await started(tmp_path, port=0, binary=breakable(tmp_path))
    (tmp_path / "broken").write_text("for ever\n" * 100)
    server.signal(signal.SIGKILL)

    with pytest.raises(
        nats_server.ServerError, match=r"does not stay up \(.*code 7 \(no room left\).*; 5 times before"
    ):
        await server.keep_running(lambda: rigs.NOW)

    assert "code 7" in server.problem
    assert len((tmp_path / "broken").read_text().splitlines()) == 100 - nats_server.RESTARTS_MAX


@pytest.mark.nats
async def test_a_disk_that_takes_no_file_counts_as_a_server_that_does_not_come_up(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nats_server, "RESTART_PAUSES_S", (0.0,))
    server = await started(tmp_path, port=0)
    configuration = tmp_path / "nats" / "nats-server.conf"
    configuration.unlink()
    configuration.mkdir()
    server.signal(signal.SIGKILL)

    with pytest.raises(
        nats_server.ServerError, match=r"does not stay up \(nats-server: not started \(.*nats-server.conf"
    ):
        await server.keep_running(lambda: rigs.NOW)


@pytest.mark.nats
async def test_ends_long_ago_do_not_count(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nats_server, "RESTARTS_MAX", 1)
    times = itertools.count(0, nats_server.RESTARTS_WINDOW.total_seconds())
    server = await started(tmp_path, port=ports.free())
    keeping = asyncio.ensure_future(server.keep_running(lambda: rigs.NOW + datetime.timedelta(seconds=next(times))))

    for _ in range(3):
        pid = server.pid
        server.signal(signal.SIGKILL)
        while server.pid == pid:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.005)

    keeping.cancel()
    await asyncio.wait([keeping])
    await server.stop()


@pytest.mark.nats
async def test_reloading_a_server_that_ended_is_nothing(tmp_path: pathlib.Path) -> None:
    server = await started(tmp_path, port=0)
    await server.kill()

    server.reload()


PARENT = textwrap.dedent(
    """
    import asyncio, pathlib, sys
    from controller import keys, nats_server
    from tests.fixtures import nats as rigs

    async def main(directory):
        ring = keys.KeyRing(directory / "keys")
        server = await nats_server.start(nats_server.Settings(state_dir=directory, port=0), ring, at=rigs.NOW)
        print(server.pid, flush=True)
        await server.wait()

    asyncio.run(main(pathlib.Path(sys.argv[1])))
    """
)


@pytest.mark.nats
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells a child of its parent's death")
async def test_it_ends_when_its_parent_is_killed(tmp_path: pathlib.Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    lines = [await parent.stdout.readline(), await parent.stdout.readline()]
    pid = int(next(line for line in lines if line.strip().isdigit()))
    child = os.pidfd_open(pid)

    parent.kill()
    await parent.wait()

    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(child, ended.set)
    async with asyncio.timeout(60):
        await ended.wait()
    asyncio.get_running_loop().remove_reader(child)
    os.close(child)
