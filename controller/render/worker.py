"""What one render process reads and renders with."""

import contextlib
import pathlib
import threading

from controller.git import library, trees
from controller.render import discovery, stages

MIRRORS_OPEN_MAX = 8
"""Mirrors that stay open in one process: the sources that are resolved at the same time."""


class Worker:
    """The mirrors that were read lately, and the renderers."""

    def __init__(self, tools: stages.Tools) -> None:
        self.stager = stages.Stages(tools)
        self._readers: dict[str, tuple[contextlib.ExitStack, trees.Reader]] = {}

    def reader(self, repository: str) -> discovery.Reader:
        """A reader of the mirror at this path."""
        if repository not in self._readers:
            while len(self._readers) >= MIRRORS_OPEN_MAX:
                stack, _ = self._readers.pop(next(iter(self._readers)))
                stack.close()
            stack = contextlib.ExitStack()
            opened = stack.enter_context(library.opened(pathlib.Path(repository)))
            self._readers[repository] = (stack, trees.Reader(opened, threading.Event()))
        return self._readers[repository][1]
