"""A hub that is killed: nothing that rendered for it goes on, and the next one clears up."""

import asyncio
import contextlib
import os
import pathlib
import select
import signal

import pytest

from tests.fixtures import processes

pytestmark = [pytest.mark.nats, pytest.mark.timeout(900)]

SPEC = {"paths": ["apps/*"], "allClusters": True, "intervalS": 1.0}
FILES = {
    "apps/web/flotilla.yaml": "defaultNamespace: shop\n",
    "apps/web/web.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n",
}
ENDS_S = 60.0


async def test_a_killed_hub_leaves_no_process_and_no_file(tmp_path: pathlib.Path) -> None:
    async with processes.realm(tmp_path) as realm:
        spec = {**SPEC, "url": realm.repository.url}
        commit = realm.repository.merge(FILES, "web", at=processes.bootstrap.utc_now())
        await realm.ask(lambda: realm.api.post("sources", {"name": processes.SOURCE, "spec": spec}))
        await realm.rolled_out(commit)
        hub, rendering = int(realm.hub.said["pid"]), realm.hub_directory / "rendering"
        watched = [found for pid in _below(hub) for found in _opened(pid)]
        [place] = rendering.iterdir()
        assert watched  # a worker at least

        os.kill(hub, signal.SIGKILL)

        assert await asyncio.to_thread(_all_end, watched)
        await realm.rolled_out(await realm.merge(FILES | {"apps/web/more.yaml": _again()}, "more"))
        [fresh] = rendering.iterdir()
        assert fresh != place


def _again() -> str:
    return FILES["apps/web/web.yaml"].replace("name: web", "name: more")


def _below(ancestor: int) -> list[int]:
    """Every process below another; a Git of a poll, or a thread, may end while it is looked at."""
    found = [ancestor]
    for parent in found:
        with contextlib.suppress(FileNotFoundError):
            tasks = list(pathlib.Path(f"/proc/{parent}/task").iterdir())
            for task in tasks:
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    found += map(int, (task / "children").read_text().split())
    return found[1:]


def _opened(pid: int) -> list[int]:
    """What tells the end of a process; nothing, if it has ended already."""
    try:
        return [os.pidfd_open(pid)]
    except ProcessLookupError:
        return []


def _all_end(watched: list[int]) -> bool:
    poll = select.poll()
    for one in watched:
        poll.register(one, select.POLLIN)
    try:
        while watched:
            ready = poll.poll(ENDS_S * 1000)
            if not ready:
                return False
            for one, _ in ready:
                poll.unregister(one)
                watched.remove(one)
                os.close(one)
        return True
    finally:
        for one in watched:
            os.close(one)
