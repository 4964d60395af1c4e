"""Keeps the hub's memory from growing with every commit: what nothing needs any more is let go."""

import structlog

from controller import library, runtime, transact
from controller.domain import assignments

logger = structlog.get_logger(__name__)

LOOK_S = 600.0
"""Between two looks; what both find needless goes. No derivation and no request takes so long."""


class Forgetting:
    """Looks through the contents that are held in memory."""

    def __init__(self, shared: runtime.Runtime, shelves: library.Library) -> None:
        self._shared = shared
        self._shelves = shelves

    async def run(self) -> None:
        """Look at intervals, for ever."""
        pause = transact.Signal()
        while True:
            await pause.wait(LOOK_S)
            gone = self.look()
            if gone:
                logger.debug("contents were forgotten", contents=gone)

    def look(self) -> int:
        """Forget what this look and the one before it found needless; return how many."""
        published = {one.root for one in self._shared.published.values()}
        held = {one.root for one in self._shared.observed.values()}
        return self._shelves.let_go(assignments.catalog_digests(self._shared.world), published | held)
