"""Command lines of the daemons: flags, help and complaints, on the standard library alone.

An agent must not pay for the hub's libraries. The help looks as that of the other commands does.
"""

import argparse
import difflib
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import NoReturn

WIDTH_MAX = 120
"""Columns: longer lines are hard to read, however wide the terminal is."""

EXAMPLE_WIDTH = 76
"""Columns of an example: it can be copied from the narrowest terminal."""

_FOLD = re.compile(r" (?=--?[a-z]|\| |> )")


class Form(argparse.RawDescriptionHelpFormatter):
    """Fills the paragraphs of a description, and leaves alone what is indented."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30)
        self._width = min(self._width, WIDTH_MAX - 2)

    def add_usage(self, usage, actions, groups, prefix=None):  # type: ignore[no-untyped-def]
        super().add_usage(usage, actions, groups, prefix or "Usage: ")

    def start_section(self, heading: str | None) -> None:
        super().start_section(heading.capitalize() if heading else heading)

    def _fill_text(self, text: str, width: int, indent: str) -> str:  # noqa: ARG002 - argparse's own signature
        return "\n\n".join(filled(one, width) for one in text.strip("\n").split("\n\n"))


class Parser(argparse.ArgumentParser):
    """Flags of one command, or the names of several."""

    def __init__(self, prog: str, text: str, *, usage: str = "[OPTION...]", more: str = "") -> None:
        """`usage`: what follows the command's name; `more`: paragraphs below the flags."""
        super().__init__(
            prog, usage=f"{prog} {usage}", description=text, epilog=more, formatter_class=Form, allow_abbrev=False
        )

    def parse(self, words: Sequence[str]) -> argparse.Namespace:
        """The flags; what is none of them ends the process with exit code 2, and the nearest name."""
        found, rest = self.parse_known_args(words)
        if rest:
            self.error(f"there is no {rest[0].partition('=')[0]!r}{near(rest[0], self._option_string_actions)}")
        return found

    def command(self, words: Sequence[str], commands: Iterable[str]) -> str:
        """The one of `commands` that the first word names; without a word the help is printed."""
        if not words or words[0] in ("-h", "--help"):
            self.print_help()
            self.exit()
        if words[0] not in commands:
            self.error(f"there is no command {words[0]!r}{near(words[0], commands)}")
        return words[0]

    def error(self, message: str) -> NoReturn:
        """End with exit code 2."""
        self.exit(2, f"{self.prog}: {message}\nTry '{self.prog} --help'.\n")


def near(word: str, names: Iterable[str]) -> str:
    """` (did you mean …?)`, where one of the names looks like the word; else nothing."""
    found = difflib.get_close_matches(word.partition("=")[0], list(names), n=1)
    return f" (did you mean {found[0]!r}?)" if found else ""


def listed(rows: Mapping[str, str]) -> str:
    """Names and what is said of each, as an indented list."""
    width = max(map(len, rows))
    return "\n".join(f"  {name:<{width}}  {text}" for name, text in rows.items())


def filled(paragraph: str, width: int) -> str:
    """A paragraph with lines of at most `width` columns; indented lines are a list or an example, and stay."""
    lines = paragraph.split("\n")
    plain = [line for line in lines if not line.startswith(" ")]
    if len(plain) == len(lines):
        return textwrap.fill(paragraph, width, break_on_hyphens=False, break_long_words=False)
    return "\n".join(part for line in lines for part in _kept(line, width))


def _kept(line: str, width: int) -> list[str]:
    """A line of an example: a command is folded so that it can be copied, a remark below it at the width."""
    text = line.strip()
    indent = line[: len(line) - len(line.lstrip())]
    if text.startswith("flotilla "):
        return [indent[2:] + part for part in folded(text)]
    head = re.match(r"\S+( \S+)*  +", text)
    hanging = indent + " " * (head.end() if head else 0)
    return textwrap.wrap(
        text, width, initial_indent=indent, subsequent_indent=hanging, break_on_hyphens=False, break_long_words=False
    )


def folded(command: str) -> list[str]:
    """A command as lines of an example, which a shell takes as one."""
    lines: list[str] = []
    for part in _FOLD.split(command):
        if lines and len(lines[-1]) + len(part) + 3 <= EXAMPLE_WIDTH:
            lines[-1] += f" {part}"
        else:
            lines.append(f"      {part}" if lines else f"  {part}")
    return [f"{line} \\" for line in lines[:-1]] + lines[-1:]
