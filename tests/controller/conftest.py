"""What tests of the hub's parts share."""

import functools
from collections.abc import Iterator

import pytest

from controller.render import pool, stages, worker


@pytest.fixture(scope="session")
def workers() -> Iterator[pool.Pool]:
    """One render process for all tests: it takes a second to start."""
    tools = stages.Tools()
    started = pool.Pool(functools.partial(worker.Worker, tools), version=tools.version, workers=1)
    yield started
    started.close()
