"""The `flotilla` dispatcher: what it answers by itself, and that it loads nothing before it must."""

import os
import pathlib
import subprocess
import sys
import tomllib

import pytest

from protocol import dispatch


def test_an_unknown_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert dispatch.main(["statsu"]) == dispatch.USAGE_ERROR
    assert "there is no command 'statsu' (did you mean 'status'?)" in capsys.readouterr().err


def test_no_words_print_the_overview(capsys: pytest.CaptureFixture[str]) -> None:
    assert dispatch.main([]) == 0
    assert "flotilla COMMAND" in capsys.readouterr().out


def test_the_dispatcher_itself_loads_only_the_standard_library() -> None:
    code = "import sys, protocol.dispatch; print([m for m in ('msgspec','aiohttp','nats','typer') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_every_command_is_explained_in_one_line() -> None:
    project = tomllib.loads((pathlib.Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]

    assert sorted(dispatch.ABOUT) == sorted(project["entry-points"][dispatch.GROUP])


def test_a_pipe_that_nobody_reads_any_more_is_no_failure_to_tell() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "protocol.dispatch"], stdout=writer, stderr=subprocess.PIPE, text=True, check=False
        )
    finally:
        os.close(writer)

    assert (done.returncode, done.stderr) == (dispatch.CLOSED, "")
