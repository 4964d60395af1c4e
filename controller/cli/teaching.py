"""How the commands teach: help that keeps to the terminal's width, and complaints that say what to do.

It is plain text, on a terminal as in a pipe, and looks as the help of the daemons does (`protocol.arguments`).
"""

import inspect
import re
import sys
from collections.abc import Callable
from typing import Any

import typer
from typer import core

from protocol import arguments

CODES = "Exit codes: 0 done, 1 refused or failed, 2 used wrongly, 3 no such name, 4 hub unreachable, 5 unauthorized."

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": arguments.WIDTH_MAX}

_EXAMPLE = re.compile(r"(?P<head>[^:`]+): (?P<command>flotilla .+)")
_TYPE = re.compile(r" <[^<>]*>$")
_NOISE = re.compile(r"^Value error, |, unable to parse string as an? \w+$")


class Command(core.TyperCommand):
    """One command: its paragraphs are filled, its examples can be copied, its arguments have no Python types."""

    def __init__(self, name: str | None, **how: Any) -> None:
        text = inspect.cleandoc(how.get("help") or "")
        super().__init__(name, **{**how, "help": shaped(text), "short_help": _sentence(text)})

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return [piece.replace("{", "").replace("}", "") for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        for title, kind in (("Arguments", "argument"), ("Options", "option")):
            found = [one.get_help_record(ctx) for one in self.get_params(ctx) if one.param_type_name == kind]
            rows = [record for record in found if record is not None]
            if kind == "argument":
                rows = [(_TYPE.sub("", name), text.removesuffix("  [required]")) for name, text in rows]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


class Group(core.TyperGroup):
    """Several commands: each is told by its first sentence, whole."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, one.short_help or "") for name, one in self.commands.items()])
        core._typer_format_options(self, ctx=ctx, formatter=formatter)


class Application(typer.Typer):
    """Commands that teach; a single one stands for itself."""

    def __init__(self, text: str = "", *, codes: str = CODES) -> None:
        super().__init__(
            cls=Group, help=text, epilog=codes, context_settings=SETTINGS,
            add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False,
        )  # fmt: skip
        self._codes = codes

    def command(self, name: str | None = None, **how: Any) -> Callable[[Any], Any]:
        """Make a command of a function: its docstring, or `help`, is the help."""
        return super().command(name, **{"cls": Command, "context_settings": SETTINGS, "epilog": self._codes, **how})

    @property
    def is_alone(self) -> bool:
        """One command, which needs no name."""
        return len(self.registered_commands) == 1 and self.registered_callback is None


def shaped(text: str) -> str:
    """A help as the formatter takes it: paragraphs to be filled, but `Example: flotilla …` on lines of its own."""
    return "\n\n".join(_paragraph(" ".join(one.split())) for one in text.split("\n\n"))


def complaint(error: typer.TyperException, prog: str) -> str:
    """What was used wrongly, by which command, and where its use is told."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else prog
    said = error.format_message()
    head, colon, rest = said.partition(": ")
    said = head + colon + _NOISE.sub("", rest) if colon else said
    return f"{path}: {said[:1].lower()}{said[1:].rstrip('.')}\nTry '{path} --help'.\n"


def complain(error: typer.TyperException, prog: str) -> int:
    """Say it on standard error; return the exit code."""
    sys.stderr.write(complaint(error, prog))
    return error.exit_code


def _paragraph(text: str) -> str:
    found = _EXAMPLE.fullmatch(text)
    if found is None:
        return text
    return "\n".join(("\b", f"{found['head']}:", *arguments.folded(found["command"])))


def _sentence(text: str) -> str:
    """The first one, without its full stop."""
    first = " ".join(text.split("\n\n")[0].split())
    return re.split(r"(?<=[a-z)])\. ", first)[0].removesuffix(".")
