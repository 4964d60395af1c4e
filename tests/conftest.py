"""Fixtures that all tests may use."""

import os
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

# A property is not a measurement: on a busy machine an example, or the making of ten, may take any time.
hypothesis.settings.register_profile(
    "searching", deadline=None, max_examples=50, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
# A build that fails by chance says nothing of what was built: there, the examples are the same in every run.
hypothesis.settings.register_profile(
    "repeatable", hypothesis.settings.get_profile("searching"), derandomize=True, database=None, max_examples=100
)
hypothesis.settings.load_profile("repeatable" if os.environ.get("CI") else "searching")


def pytest_configure(config: pytest.Config) -> None:
    """What is left open is told when garbage is collected, by chance in some other test: a build shows it as a warning,
    and everybody else's run fails by it."""
    if os.environ.get("CI"):
        config.addinivalue_line("filterwarnings", "default::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """A command that runs in this process sets up logging to a stream that is closed with its test."""
    yield
    structlog.reset_defaults()
