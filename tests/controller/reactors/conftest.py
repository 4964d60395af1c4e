"""What the tests of polling begin with."""

import pathlib
from collections.abc import AsyncIterator

import pytest

from controller.git import mirrors
from controller.render import pool
from tests.controller import repositories as origins
from tests.controller.reactors import pollers, rig


@pytest.fixture
async def store(tmp_path: pathlib.Path) -> AsyncIterator[mirrors.Mirrors]:
    opened = mirrors.Mirrors(tmp_path / "mirrors", environ={})
    yield opened
    await opened.close()


@pytest.fixture
async def poller(tmp_path: pathlib.Path, store: mirrors.Mirrors, workers: pool.Pool) -> pollers.Poller:
    """With a source on a repository of one commit, which nobody has polled."""
    origin = origins.Origin(tmp_path / "origin.git")
    origin.commit(pollers.FILES)
    hub = await rig.started(rig.Streams())
    await hub.declare(url=origin.url, paths=("apps/*",), interval_s=3600.0)
    return pollers.Poller(hub, origin, store, workers)
