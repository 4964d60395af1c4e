"""What libraries log comes as lines of our own."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from controller import logs
from protocol import complaints


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Leave the logging of the other tests as it was."""
    root = logging.getLogger()
    before = list(root.handlers)
    yield
    root.handlers = before
    structlog.reset_defaults()


def test_a_library_is_heard_once_and_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        logs.configure("json")
    logging.getLogger("some.library").warning("it is %s", "late")
    logging.getLogger("some.library").info("not this")

    (line,) = capsys.readouterr().err.splitlines()
    said = json.loads(line)
    assert (said["event"], said["library"], said["level"]) == ("it is late", "some.library", "warning")


def test_an_error_comes_with_its_trace(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json")
    error = ValueError("odd")
    logging.getLogger("some.library").error("failed", exc_info=error)

    said = json.loads(capsys.readouterr().err)
    assert (said["event"], said["level"], "ValueError: odd" in said["exception"]) == ("failed", "error", True)


@pytest.mark.parametrize("text", complaints.HARMLESS)
def test_what_means_nothing_is_left_out(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json")
    logging.getLogger("asyncio").warning(text)

    assert capsys.readouterr().err == ""
