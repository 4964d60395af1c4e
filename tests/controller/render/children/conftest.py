"""Sandboxes of both kinds, hostile children to run in them, and a look at what is left of one."""

import contextlib
import pathlib
import sys
import textwrap
from collections.abc import Iterator

import pytest

from controller.render import children, errors, limits, workplaces

PYTHON = pathlib.Path(sys.executable)

ROOT = pathlib.Path(__file__).parents[4]

SMALL = children.Bounds(wall_s=100.0, memory_bytes=256 * limits.MIB, output_bytes=limits.MIB, processes=16)


@pytest.fixture(scope="module", params=["spawned", "forked"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[children.Sandbox]:
    """A program with the limits of the sandbox is spawned, one with limits of its own is forked."""
    with children.Sandbox(bounds=SMALL if request.param == "spawned" else None) as made:
        yield made


def python(script: str, **fields: object) -> children.Command:
    arguments = ("-I", "-S", "-c", textwrap.dedent(script))
    values = {"name": "child", "program": PYTHON, "arguments": arguments, "bounds": SMALL, **fields}
    return children.Command(**values)  # type: ignore[arg-type]


def failure(sandbox: children.Sandbox, script: str, **fields: object) -> tuple[errors.Cause, str]:
    with pytest.raises(errors.ChildError) as raised:
        sandbox.run(python(script, **fields))
    return raised.value.cause, raised.value.reason


def processes_with(token: str) -> list[int]:
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if token.encode() in path.read_bytes():
                found.append(int(path.parent.name))
    return found


DAEMON = """
    import os, signal, sys
    "{token}"
    if not os.fork():
        os.setsid()
        if not os.fork():
            signal.alarm(60)
            while True:
                signal.pause()
        os._exit(0)
    print("done")
"""


@pytest.fixture
def memory() -> Iterator[pathlib.Path]:
    with workplaces.room_in_memory() as found:
        if found is None:
            pytest.skip(f"{workplaces.MEMORY} is no file system in memory")
        yield found
