"""Every command teaches: what it does, with which words, and how it ends."""

import importlib.metadata
import itertools
import re

import pytest

from protocol import dispatch

GROUPS = {
    "agent": ["run", "doctor", "keygen"],
    "bundle": ["list", "show"],
    "cluster": [
        "add", "credentials", "list", "show", "objects", "label", "annotate", "values", "suspend", "resume", "remove",
        "token", "manifest", "accept", "revoke", "rotate", "replace",
    ],
    "deletions": ["list", "show", "approve", "reject"],
    "drift": ["list"],
    "hub": ["backup", "restore", "recover"],
    "rollout": ["list", "status", "history", "pause", "resume", "abort", "retry"],
    "source": ["add", "list", "show", "sync", "accept", "suspend", "resume", "remove", "hook"],
    "token": ["create", "list", "revoke"],
}  # fmt: skip


NAMES = sorted(entry.name for entry in importlib.metadata.entry_points(group=dispatch.GROUP))
COMMANDS = [[name, *word] for name in NAMES for word in ([], *([one] for one in GROUPS.get(name, ())))]


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")


def help_of(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    try:
        code = dispatch.main([*words, "--help"])
    except SystemExit as ended:
        code = int(ended.code or 0)
    printed = capsys.readouterr()
    assert (code, printed.err) == (0, "")
    return printed.out


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_help_is_whole(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    text = help_of(words, capsys)
    lines = text.splitlines()

    assert lines[0].startswith(f"Usage: flotilla {' '.join(words)}")
    assert [line for line in lines if len(line) > 80] == []
    assert re.findall(r"<[a-z]+(?:\[[A-Za-z]+\])?>", text.replace("<source>/<path>", "")) == []
    assert "Exit codes: 0 " in text or words == ["agent"]
    flags = text.split("\nOptions:\n")[1].splitlines()
    bare = [line for line, after in itertools.pairwise(flags) if line.startswith("  -") and not _is_told(line, after)]
    assert bare == []


def _is_told(flag: str, after: str) -> bool:
    """What a flag does stands beside it, or below it."""
    return "  " in flag.strip() or after.startswith(" " * 20)


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("group", GROUPS)
def test_a_group_lists_its_commands(group: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = help_of([group], capsys)

    listed = text.split("\nCommands:\n")[1].split("\n\n")[0]
    assert re.findall(r"^  (\w+)  ", listed, re.MULTILINE) == GROUPS[group]


@pytest.mark.usefixtures("narrow")
def test_paragraphs_are_filled_and_an_example_can_be_copied(capsys: pytest.CaptureFixture[str]) -> None:
    text = help_of(["source", "add"], capsys)

    assert (
        "  Example:\n"
        "    flotilla source add shop https://git.example.com/shop.git \\\n"
        "        --path 'apps/*' --target env=prod\n"
    ) in text
    assert "  Follow a repository. Access is tried first; nothing is saved if it fails.\n" in text


def test_help_of_a_command_may_be_asked_for_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert dispatch.main(["help", "source", "add"]) == 0
    assert capsys.readouterr().out.startswith("Usage: flotilla source add ")
