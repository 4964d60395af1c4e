"""Polling a real repository: which moves of its ref reach the log, and which wait."""

import datetime
import pathlib
import random
from collections.abc import AsyncIterator, Iterable

import pytest

from controller import library, repositories, runtime
from controller.domain import sources
from controller.domain.views import sight
from controller.domain.views import sources as views
from controller.git import mirrors
from controller.reactors import polling
from controller.render import pool
from protocol import ids, sealing, specs
from protocol.canonical import Digest
from tests.controller import repositories as origins
from tests.fixtures import hub as hubs

SHOP = ids.SourceName("shop")
COMMAND = specs.ManagedBy.COMMAND


class Shelf:
    """Blobs in memory."""

    def __init__(self) -> None:
        self.held: dict[Digest, bytes] = {}

    async def put(self, blobs: Iterable[sealing.Sealed]) -> None:
        self.held.update({blob.name: blob.data for blob in blobs})

    async def get(self, name: Digest) -> bytes | None:
        return self.held.get(name)


class Followed:
    """One source of a hub on a log in memory, polled by hand."""

    def __init__(self, hub: hubs.Hub, opened: mirrors.Mirrors, origin: origins.Origin, workers: pool.Pool) -> None:
        self.hub = hub
        self.opened = opened
        self.origin = origin
        shared = runtime.Runtime(hub.transactor, library.Library(Shelf()), clock=hub.clock, timing=runtime.Timing())
        self._open = repositories.opener(opened, workers)
        self._polling = polling.Polling(shared, self._open, chance=random.Random(1))

    async def declare(self, origin: origins.Origin) -> None:
        self.origin = origin
        spec = specs.SourceSpec(url=origin.url, all_clusters=True)
        await self.hub.transactor.run(
            lambda world: sources.declare(world.sources.get(SHOP), SHOP, spec, by=COMMAND), by="ada", cause="test"
        )
        self._repository = self._open(SHOP, spec)

    async def poll(self) -> sources.Source:
        await self._polling.poll(SHOP, self.source.spec, self._repository)
        return self.source

    async def accept(self, commit: str) -> None:
        await self.hub.transactor.run(lambda world: sources.accept(world.sources[SHOP], commit), by="ada", cause="test")

    @property
    def source(self) -> sources.Source:
        return self.hub.world.sources[SHOP]


def commit_of(source: sources.Source) -> str:
    assert source.revision is not None
    return source.revision.commit


def files(value: str) -> dict[str, str]:
    return {"a.yaml": origins.config_map("a", value)}


@pytest.fixture
async def followed(tmp_path: pathlib.Path, workers: pool.Pool) -> AsyncIterator[Followed]:
    opened = mirrors.Mirrors(tmp_path / "state", environ={})
    origin = origins.Origin(tmp_path / "origin.git")
    one = Followed(hubs.Hub(), opened, origin, workers)
    origin.commit(files("first"))
    await one.declare(origin)
    yield one
    await opened.close()


async def test_an_amended_commit_counts_when_two_polls_agree(followed: Followed) -> None:
    first = commit_of(await followed.poll())
    followed.origin.commit(files("second"))
    second = commit_of(await followed.poll())
    amended = followed.origin.commit(files("amended"), parents=[first])

    assert commit_of(await followed.poll()) == second
    assert commit_of(await followed.poll()) == amended


async def test_an_unrelated_history_waits_until_it_is_accepted_and_says_so(followed: Followed) -> None:
    first = commit_of(await followed.poll())
    other = followed.origin.commit(files("other"), parents=[])
    for _ in range(3):
        assert commit_of(await followed.poll()) == first

    facts = sight.Facts(observed={}, published={}, catalogs={}, roots={}, silence=datetime.timedelta(seconds=30))
    looking = sight.Sight(followed.hub.world, facts, hubs.START)
    shown = views.row(looking, followed.source)
    await followed.accept(other)
    following = followed.origin.commit(files("following"))

    assert shown.state is views.State.WAITING
    assert f"flotilla source accept shop --commit {other}" in shown.reason
    assert commit_of(await followed.poll()) == following


async def test_an_acceptance_is_of_no_later_unrelated_history(followed: Followed) -> None:
    first = commit_of(await followed.poll())
    other = followed.origin.commit(files("other"), parents=[])
    await followed.poll()
    await followed.accept(other)
    third = followed.origin.commit(files("third"), parents=[])

    assert commit_of(await followed.poll()) == first
    assert commit_of(await followed.poll()) == first
    assert followed.source.unrelated_seen == third


async def test_another_url_with_the_same_history_goes_on_and_with_another_waits(
    followed: Followed, tmp_path: pathlib.Path
) -> None:
    first = commit_of(await followed.poll())
    copied = tmp_path / "moved.git"
    followed.origin.path.rename(copied)
    moved = origins.Origin(copied)
    await followed.declare(moved)
    newer = moved.commit(files("newer"))
    after_move = commit_of(await followed.poll())

    stranger = origins.Origin(tmp_path / "stranger.git")
    strange = stranger.commit(files("strange"))
    await followed.declare(stranger)
    await followed.poll()
    source = await followed.poll()

    assert (after_move, commit_of(source), source.unrelated_seen) == (newer, newer, strange)
    assert first != newer


async def test_a_hub_that_starts_again_still_waits(followed: Followed, workers: pool.Pool) -> None:
    first = commit_of(await followed.poll())
    followed.origin.commit(files("other"), parents=[])
    await followed.poll()

    restarted = Followed(followed.hub, followed.opened, followed.origin, workers)
    await restarted.declare(followed.origin)

    assert commit_of(await restarted.poll()) == first


async def test_a_ref_that_comes_back_ends_the_wait(followed: Followed) -> None:
    first = commit_of(await followed.poll())
    followed.origin.commit(files("other"), parents=[])
    await followed.poll()
    followed.origin.point(origins.MAIN, first)

    source = await followed.poll()

    assert (commit_of(source), source.unrelated_seen) == (first, "")
