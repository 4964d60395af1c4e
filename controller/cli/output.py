"""What the commands print: a table for people, the whole answer for programs.

Much of it are words of others: reasons that clusters report, messages of servers, authors of commits. None of them may
steer the terminal of whoever reads them, or pass for a part of the layout.
"""

import enum
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import yaml
from rich import box, console, markup, table
from rich import text as texts

Row = Mapping[str, Any]
Column = tuple[str, Callable[[Row], Any]]

GOOD = frozenset({"Synced", "Healthy", "completed", "free", "approved", "online", "ready"})
BAD = frozenset({"Degraded", "OutOfSync", "halted", "aborted", "failing", "offline", "degraded", "Waiting"})
WAITING = frozenset({"Progressing", "running", "held", "paused", "Unknown", "pending"})


_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""What a terminal obeys rather than shows, or what reorders what it shows."""


_FRACTION = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d+(?=Z|[+-]\d\d:\d\d)")


class Format(enum.StrEnum):
    """How to print."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


def field(name: str) -> Callable[[Row], Any]:
    """The value of a field, as a cell."""
    return lambda row: row.get(name)


def rows(found: Sequence[Row], form: Format, *, columns: Sequence[Column], wide: Sequence[Column] = ()) -> None:
    """Print a list. The first column is what `-o name` prints."""
    if form is Format.NAME:
        for row in found:
            done(str(columns[0][1](row)))
    elif form in (Format.JSON, Format.YAML):
        value(list(found), form)
    elif not found:
        sys.stderr.write("nothing to list\n")
    else:
        screen().print(tabled(found, [*columns, *(wide if form is Format.WIDE else ())]))


def value(found: Any, form: Format, *, name: str = "") -> None:
    """Print one answer whole: YAML, unless JSON or its `name` is asked for."""
    if form is Format.NAME and name:
        done(name)
    elif form is Format.JSON:
        sys.stdout.write(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(yaml.safe_dump(found, sort_keys=False, allow_unicode=True))


def described(facts: Sequence[tuple[str, Any]]) -> None:
    """Print what is said of one thing: a line for each fact that there is."""
    shown = table.Table.grid(padding=(0, 2))
    for name, said in facts:
        if said not in (None, "", [], {}, 0):
            shown.add_row(name, cell(said))
    screen().print(shown)


def complaints(lines: Sequence[str], word: str) -> None:
    """Print what is wrong, a line each."""
    for line in lines:
        screen().print(f"{word}: {line}", markup=False)


def tabled(found: Sequence[Row], columns: Sequence[Column]) -> table.Table:
    """A table without lines, as kubectl prints it."""
    shown = table.Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for heading, _ in columns:
        shown.add_column(heading, overflow="fold")
    for row in found:
        shown.add_row(*(cell(get(row)) for _, get in columns))
    return shown


def cell(found: Any) -> str:
    """A value as a cell, the words of a state in its colour."""
    if found is None or found in ("", [], {}):
        return "-"
    if isinstance(found, dict):
        return literal(",".join(f"{key}={value}" for key, value in sorted(found.items())))
    if isinstance(found, list):
        return literal(", ".join(str(one) for one in found))
    said = moment(str(found))
    for words, colour in ((GOOD, "green"), (BAD, "red"), (WAITING, "yellow")):
        if said in words:
            return f"[{colour}]{said}[/]"
    return literal(said)


def moment(text: str | None) -> str:
    """A text for people: its times to the second. Programs get them whole."""
    return "never" if text is None else _FRACTION.sub(r"\1", text)


def literal(said: str) -> str:
    """Words of others within a layout: brackets in them are brackets."""
    return markup.escape(said)


def plain(said: str) -> str:
    """Words of others for a terminal: what would steer it is spelt out."""
    return _STEERING.sub(lambda found: found[0].encode("unicode_escape").decode(), said)


def count(number: int, noun: str) -> str:
    """How many there are of something."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def ago(seconds: float | None) -> str:
    """How long ago, for people."""
    if seconds is None:
        return "never"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{int(seconds // size)}{unit} ago"
    return f"{int(seconds)}s ago"


class Screen(console.Console):
    """Shows texts, and obeys none."""

    def render_str(self, text: str, **how: Any) -> texts.Text:
        return super().render_str(plain(text), **how)


def screen() -> console.Console:
    """Colours on a terminal; NO_COLOR and pipes have none, and no line of a pipe is folded."""
    return Screen(highlight=False, width=None if sys.stdout.isatty() else 10_000)


def done(text: str) -> None:
    """One line that says what was done."""
    sys.stdout.write(plain(text) + "\n")
