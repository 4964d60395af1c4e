"""Command lines of the daemons: what is nearest to a mistake, and help that keeps to its width."""

import pytest

from protocol import arguments

LONG = (
    "flotilla agent run --hub https://hub.example.com:8420 --token secret --kubeconfig edge-1.yaml --state-dir edge-1"
)


@pytest.fixture
def parser() -> arguments.Parser:
    """With one flag."""
    made = arguments.Parser("flotilla x", "Do it.\nAt once.", more=f"Examples:\n  {LONG}\n      Said of it.")
    made.add_argument("--listen", metavar="ADDRESS", help="where")
    return made


def test_flags_are_read(parser: arguments.Parser) -> None:
    assert parser.parse(["--listen", "::1"]).listen == "::1"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--lisen=x"], "there is no '--lisen' (did you mean '--listen'?)"),
        (["--list", "x"], "there is no '--list' (did you mean '--listen'?)"),
        (["word"], "there is no 'word'"),
    ],
)
def test_an_unknown_flag_ends_with_the_nearest_name(
    parser: arguments.Parser, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parser.parse(words)

    assert ended.value.code == 2
    assert capsys.readouterr().err == f"flotilla x: {said}\nTry 'flotilla x --help'.\n"


def test_a_command_is_one_of_those_that_there_are(parser: arguments.Parser, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parser.command(["rnu"], ["run", "doctor"])

    assert parser.command(["run", "--x"], ["run", "doctor"]) == "run"
    assert ended.value.code == 2
    assert "there is no command 'rnu' (did you mean 'run'?)" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["-h"], ["--help"]])
def test_no_command_prints_the_help(
    parser: arguments.Parser, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parser.command(words, ["run"])

    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("Usage: flotilla x [OPTION...]\n\nDo it. At once.\n\nOptions:\n")


@pytest.mark.parametrize("columns", [80, 300])
def test_help_keeps_to_its_width_and_examples_can_be_copied(
    parser: arguments.Parser, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))

    lines = parser.format_help().splitlines()

    assert [line for line in lines if len(line) > 80] == []
    copied = "\n".join(line for line in lines if line.startswith(("  flotilla", "      --")))
    assert " ".join(copied.replace("\\\n", "").split()) == LONG
    assert "      Said of it." in lines


def test_a_list_hangs_below_its_names() -> None:
    rows = arguments.listed({"run": "serve clusters until told to stop", "doctor": "say it"})

    assert arguments.filled(rows, 30).splitlines() == [
        "  run     serve clusters until",
        "          told to stop",
        "  doctor  say it",
    ]
