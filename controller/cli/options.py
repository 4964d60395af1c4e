"""Options that every command takes, and the one way in which commands run and end."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from controller.cli import output, session

Output = Annotated[output.Format, typer.Option("--output", "-o", help="table, wide, json, yaml or name")]
Url = Annotated[str, typer.Option(help="the hub (default: FLOTILLA_URL, else the saved context)")]
Token = Annotated[str, typer.Option(help="the hub's token (default: FLOTILLA_TOKEN, else the saved context)")]

TABLE = output.Format.TABLE

CODES = "Exit codes: 0 done, 1 refused or failed, 2 used wrongly, 3 no such name, 4 hub unreachable, 5 unauthorized."


def application(text: str) -> typer.Typer:
    """A group of commands with a help that teaches."""
    return typer.Typer(help=f"{text}\n\n{CODES}", no_args_is_help=True, add_completion=False, rich_markup_mode="rich")


def hub(url: str, token: str) -> session.Hub:
    """The hub that the flags, the environment or the saved context name."""
    return session.Hub(session.find(url, token))


def run(app: typer.Typer, name: str, argv: Sequence[str] | None) -> int:
    """Run a command line; return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        app(args=words, prog_name=f"flotilla {name}".rstrip())
    except SystemExit as end:
        return int(end.code or 0)
    except session.CommandError as error:
        sys.stderr.write(f"flotilla {name}: {output.plain(str(error))}\n")
        return error.code
    except OSError as error:
        if error.filename is None:
            raise
        sys.stderr.write(f"flotilla {name}: {error.filename}: cannot be read or written ({error.strerror})\n")
        return session.USAGE
    return 0


def pairs(given: Sequence[str], what: str) -> dict[str, str]:
    """`key=value` words as a mapping; CommandError if one is none."""
    found = {}
    for word in given:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise session.CommandError(f"{what} {word!r}: not of the form key=value", session.USAGE)
        found[key] = value
    return found
