"""Fixtures that all tests may use."""

from collections.abc import Iterator

import hypothesis
import pytest
import structlog

pytest_plugins = [
    "tests.fixtures.kube",
    "tests.fixtures.nats",
    "tests.fixtures.renderers",
    "tests.fixtures.sandbox",
    "tests.fixtures.fleet",
    "tests.fixtures.browser",
]

# A shared machine stalls now and then for longer than any deadline of an example; pytest-timeout catches real hangs.
hypothesis.settings.register_profile("flotilla", deadline=None)
hypothesis.settings.load_profile("flotilla")


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """A command that runs in this process sets up logging to a stream that is closed with its test."""
    yield
    structlog.reset_defaults()
