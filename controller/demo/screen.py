"""What the demo shows: a line per cluster while a commit is on its way, and a table of what happened at the end."""

from collections.abc import Sequence

import msgspec
from rich import console, live, progress_bar, table


class Standing(msgspec.Struct, frozen=True):
    """One cluster at this moment."""

    name: str
    environment: str
    generation: int
    desired_generation: int
    sync: str
    health: str


class Chapter(msgspec.Struct, frozen=True):
    """One step of the story, once it is told."""

    title: str
    found: str
    seconds: float | None
    """None: it came with the step before."""


_COLOURS = {"Healthy": "green", "Synced": "green", "Progressing": "yellow", "OutOfSync": "yellow", "Degraded": "red"}


class Screen:
    """Prints to a terminal, or plainly to a file."""

    def __init__(self, output: console.Console) -> None:
        self._output = output

    def say(self, text: str) -> None:
        """One line of the story."""
        # An address or a command that is broken into two lines is of no use to whoever copies it.
        self._output.print(text, highlight=False, soft_wrap=True)

    def title(self, text: str) -> None:
        """The heading of a chapter."""
        self._output.print()
        self._output.rule(f"[bold]{text}", align="left")

    def watch(self) -> live.Live:
        """A display that is replaced as the clusters change; a terminal shows it, a file only its last state."""
        return live.Live(console=self._output, refresh_per_second=8, transient=False)

    def fleet(self, standings: Sequence[Standing], target: str) -> table.Table:
        """The fleet as a table: one line per cluster."""
        shown = table.Table(box=None, padding=(0, 2), title=f"[dim]{target}", title_justify="left")
        for heading in ("cluster", "env", "generation", "", "sync", "health"):
            shown.add_column(heading, justify="left")
        for one in standings:
            bar = progress_bar.ProgressBar(total=max(one.desired_generation, 1), completed=one.generation, width=12)
            shown.add_row(
                one.name,
                one.environment,
                f"{one.generation} of {one.desired_generation}",
                bar,
                _coloured(one.sync),
                _coloured(one.health),
            )
        return shown

    def summary(self, chapters: Sequence[Chapter]) -> None:
        """All chapters, with what was checked in the clusters themselves."""
        shown = table.Table(title="What happened", title_justify="left")
        shown.add_column("step")
        shown.add_column("checked in the clusters")
        shown.add_column("seconds", justify="right")
        for chapter in chapters:
            shown.add_row(chapter.title, chapter.found, "" if chapter.seconds is None else f"{chapter.seconds:.1f}")
        self._output.print()
        self._output.print(shown)


def _coloured(word: str) -> str:
    return f"[{_COLOURS[word]}]{word}[/]" if word in _COLOURS else word
