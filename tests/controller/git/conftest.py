"""An origin, and mirrors of it in a directory of their own."""

import pathlib
from collections.abc import AsyncIterator

import pytest

from controller.git import mirrors
from tests.controller import repositories


@pytest.fixture
def origin(tmp_path: pathlib.Path) -> repositories.Origin:
    return repositories.Origin(tmp_path / "origin.git")


@pytest.fixture
async def hub(tmp_path: pathlib.Path) -> AsyncIterator[mirrors.Mirrors]:
    """Mirrors without the `git` command, so that libgit2 does everything."""
    opened = mirrors.Mirrors(tmp_path / "state", environ={})
    yield opened
    await opened.close()
