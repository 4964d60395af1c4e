"""Two hubs on one log: neither overwrites the other, and the fleet converges all the same."""

import contextlib
import pathlib
import shutil
from collections.abc import AsyncIterator

import pytest

from controller import bootstrap, keys
from controller.broker import connection, doors
from protocol import canonical, desired, messages, subjects
from tests.fixtures import content, processes
from tests.integration import test_kill as story

pytestmark = [pytest.mark.nats, pytest.mark.timeout(900)]


async def test_two_hubs_never_give_one_generation_two_contents(tmp_path: pathlib.Path) -> None:
    async with processes.realm(tmp_path) as realm, _second_hub(realm), _watched(realm) as seen:
        await _declare(realm)
        for files in (content.second(), content.third(), content.first()):
            await realm.rolled_out(await realm.merge(files, "one more"))

        contents: dict[tuple[str, int, int], set[str]] = {}
        for state in seen:
            key = (state.cluster, state.epoch, state.generation)
            contents.setdefault(key, set()).add(state.root + state.deletions)
        assert len(contents) >= 2 * len(processes.CLUSTERS)
        assert {key: found for key, found in contents.items() if len(found) > 1} == {}
        assert canonical.encode(await realm.fold()) == canonical.encode(await realm.fold())


async def test_the_other_hub_goes_on_when_one_dies(tmp_path: pathlib.Path) -> None:
    async with processes.realm(tmp_path) as realm, _second_hub(realm):
        await _declare(realm)
        await realm.hub.pause()
        commit = realm.repository.merge(content.second(), "the first hub is dead", at=bootstrap.utc_now())

        async def delivered() -> bool:
            found = await realm.uids({"promotion": story.LEAVING["promotion"]})
            return len(found) == len(processes.CLUSTERS)

        await processes.until("the second hub delivers the commit", delivered)
        await realm.hub.resume()
        await realm.rolled_out(commit)

        assert (await realm.fold()).fleet.recovering == ""


async def _declare(realm: processes.Realm) -> None:
    spec = {**story.SPEC, "url": realm.repository.url}
    first = realm.repository.merge(content.first(), "first", at=bootstrap.utc_now())
    await realm.ask(lambda: realm.api.post("sources", {"name": processes.SOURCE, "spec": spec, "replace": True}))
    await realm.rolled_out(first)


@contextlib.asynccontextmanager
async def _second_hub(realm: processes.Realm) -> AsyncIterator[None]:
    """Another hub with the same keys, a mirror of its own, on the same server."""
    directory = realm.directory / "second-hub"
    shutil.copytree(realm.hub_directory / keys.DIRECTORY, directory / keys.DIRECTORY)
    words = ["hub", "--state-dir", str(directory), "--nats-url", realm.nats_url, "--port", "0", "--silence-s", "6"]
    second = processes.Supervised("second-hub", [*words, "--ready-json"], realm.directory, answers=True)
    await second.start()
    try:
        yield
    finally:
        await second.stop()


@contextlib.asynccontextmanager
async def _watched(realm: processes.Realm) -> AsyncIterator[list[desired.DesiredState]]:
    """Every desired state that is stored from now on, as the server republishes it."""
    seen: list[desired.DesiredState] = []

    def receive(message: connection.Message) -> None:
        seen.append(messages.STATE.decode(messages.SIGNED.decode(message.body).payload))

    ring = keys.KeyRing(realm.hub_directory / keys.DIRECTORY)
    async with doors.opened([realm.nats_url], ring, at=bootstrap.utc_now()) as opened:
        await opened.hub.subscribe(subjects.LIVE, receive)
        yield seen
