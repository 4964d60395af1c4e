"""Options that every command takes, and the one way in which commands run and end."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from controller.cli import output, session, teaching

Output = Annotated[
    output.Format, typer.Option("--output", "-o", metavar="FORM", help="table, wide, json, yaml or name")
]
Url = Annotated[str, typer.Option(metavar="URL", help="the hub (default: FLOTILLA_URL, else the saved context)")]
Token = Annotated[
    str, typer.Option(metavar="TOKEN", help="the hub's token (default: FLOTILLA_TOKEN, else the saved context)")
]

TABLE = output.Format.TABLE


def application(text: str = "", *, codes: str = teaching.CODES) -> teaching.Application:
    """Commands with a help that teaches; `codes`: their exit codes, in words."""
    return teaching.Application(text, codes=codes)


def hub(url: str, token: str) -> session.Hub:
    """The hub that the flags, the environment or the saved context name."""
    return session.Hub(session.find(url, token))


def run(app: teaching.Application, name: str, argv: Sequence[str] | None) -> int:
    """Run a command line; return its exit code. A group without a command prints its help."""
    words = list(sys.argv[1:] if argv is None else argv)
    prog = f"flotilla {name}"
    try:
        return int(app(args=words or ([] if app.is_alone else ["--help"]), prog_name=prog, standalone_mode=False) or 0)
    except typer.TyperException as error:
        return teaching.complain(error, prog)
    except typer.Abort:
        sys.stderr.write(f"{prog}: stopped; nothing was changed\n")
        return session.FAILED
    except session.CommandError as error:
        sys.stderr.write(f"{prog}: {output.plain(str(error))}\n")
        return error.code
    except OSError as error:
        if error.filename is None:
            raise
        sys.stderr.write(f"{prog}: {error.filename}: cannot be read or written ({error.strerror})\n")
        return session.USAGE


def pairs(given: Sequence[str], what: str) -> dict[str, str]:
    """`key=value` words as a mapping; CommandError if one is none."""
    found = {}
    for word in given:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise session.CommandError(f"{what} {word!r}: not of the form key=value", session.USAGE)
        found[key] = value
    return found
