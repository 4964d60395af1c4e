"""The style rules that a machine can hold, held as a test."""

import ast
import pathlib
import re
from collections.abc import Iterator

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PACKAGES = ("protocol", "controller", "agents")

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
PARAMETERS_MAX = 5

COMMAND_LINES = re.compile(
    r"controller/cli/(sources|clusters|deletions|diff|drifts|fleet|render|targets|tokens|validate|enrolment)\.py"
)
"""There a parameter is a flag of a command, declared where it is read: typer's way."""

WIRING_PARAMETERS_MAX = 8
"""Of a constructor, which is called once, where the program is put together."""

GREEDY = {
    "agents/domain/prune.py:survey": "everything that deletions are judged against, by name",
    "agents/kube/client.py:_send": "an HTTP request has that many parts",
}

POLLING = {
    "tests/conformance/kube_api.py": "asks another process' API until it is so, with a deadline",
    "tests/controlplane/server.py": "asks a starting API server whether it is ready, with a deadline",
}

VAGUE = {"utils", "helpers", "common", "manager", "base"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def _files(*folders: str) -> list[pathlib.Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def _name(path: pathlib.Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _functions(path: pathlib.Path) -> Iterator[Function]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, Function):
            yield node


def _parameters(function: Function) -> int:
    given = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return sum(1 for one in given if one.arg not in ("self", "cls"))


def test_files_are_short_enough_to_be_read_at_once() -> None:
    lengths = {_name(path): len(path.read_text().splitlines()) for path in _files(*PACKAGES)}

    assert {name: lines for name, lines in lengths.items() if lines > FILE_LINES_MAX} == {}


def test_functions_fit_on_a_screen() -> None:
    long = {
        f"{_name(path)}:{one.name}": lines
        for path in _files(*PACKAGES)
        for one in _functions(path)
        if (lines := (one.end_lineno or 0) - one.lineno + 1) > FUNCTION_LINES_MAX
    }

    assert long == {}


def test_functions_take_few_parameters() -> None:
    greedy = {
        f"{_name(path)}:{one.name}": count
        for path in _files(*PACKAGES)
        if not COMMAND_LINES.fullmatch(_name(path))
        for one in _functions(path)
        if (count := _parameters(one)) > (WIRING_PARAMETERS_MAX if one.name == "__init__" else PARAMETERS_MAX)
    }

    assert sorted(greedy) == sorted(GREEDY)


def test_modules_are_named_for_what_they_hold() -> None:
    assert [_name(path) for path in _files(*PACKAGES, "tests") if path.stem in VAGUE] == []


@pytest.mark.parametrize("banned", ["unittest" + ".mock", "TO" + "DO", "FIX" + "ME"])
def test_nothing_is_mocked_or_left_behind(banned: str) -> None:
    assert [_name(path) for path in _files(*PACKAGES, "tests") if banned in path.read_text()] == []


def test_nothing_sleeps_where_it_could_wait() -> None:
    sleeping = [_name(path) for path in _files(*PACKAGES, "tests") if "time" + ".sleep(" in path.read_text()]

    assert sorted(sleeping) == sorted(POLLING)


def test_every_module_says_what_it_is() -> None:
    silent = [
        _name(path)
        for path in _files(*PACKAGES)
        if path.read_text().strip() and ast.get_docstring(ast.parse(path.read_text())) is None
    ]

    assert silent == []
