"""What commands print of others' words: shown, never obeyed by the terminal."""

from typing import Any

import pytest

from controller.cli import output, rollouts

STEERING = "a\x1b]0;mine\x07\x1b[2Jb\x9b31mc\rd\u202ee\x7f"
SPELT = r"a\x1b]0;mine\x07\x1b[2Jb\x9b31mc\rd\u202ee\x7f"

COLUMNS = (("NAME", output.field("name")),)


@pytest.mark.parametrize("form", [output.Format.TABLE, output.Format.NAME])
def test_no_word_steers_the_terminal(form: output.Format, capsys: pytest.CaptureFixture[str]) -> None:
    output.rows([{"name": STEERING}], form, columns=COLUMNS)
    output.done(STEERING)
    output.screen().print(STEERING, markup=False)

    printed = capsys.readouterr().out
    assert printed.count(SPELT) == 3
    assert "\x1b" not in printed


@pytest.mark.parametrize("word", ["[/x]", "[red]x", r"\[/x]"])
def test_no_word_is_taken_for_layout(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    output.rows([{"name": word}, {"name": [word]}, {"name": {"key": word}}], output.Format.TABLE, columns=COLUMNS)

    lines = [line.strip() for line in capsys.readouterr().out.splitlines()[2:]]
    assert lines == [word, word, f"key={word}"]


def test_lines_and_letters_of_all_tongues_stay() -> None:
    said = "first\n\tsecond: größer, 船, 🚢"

    assert output.plain(said) == said


def test_a_rollout_is_shown_whatever_a_cluster_says(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"id": "shop-1", "phase": "halted", "reason": "budget [/x]", "revision": "abc", "asOf": "now"}
    found: dict[str, Any] = {
        "rollout": row,
        "canary": "",
        "stages": [],
        "health": {"failed": 1},
        "worst": [],
        "failed": [{"cluster": "edge-1", "reason": "said [/red] and [link=x]"}],
        "deferred": [],
    }

    rollouts._summary(found)

    printed = capsys.readouterr().out
    assert "budget [/x]" in printed
    assert "failed edge-1: said [/red] and [link=x]" in printed
