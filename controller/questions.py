"""Questions to clusters that somebody waits for, and what came in answer so far.

Each cluster is asked under an id of its own that nobody else knows; what another cluster says under it, what comes
twice, too late or in more parts than an answer has, changes nothing.
"""

import asyncio
from collections.abc import Mapping

from protocol import ids, reports

PARTS_MAX = 16
"""Parts of one answer: more than the agent's bound for all of them together fills."""


class Question:
    """One question to several clusters."""

    def __init__(self, asked: Mapping[str, ids.ClusterId]) -> None:
        """`asked`: whom each id was made for."""
        self._asked = dict(asked)
        self._parts: dict[ids.ClusterId, dict[int, reports.Planned]] = {}
        self._open = set(self._asked.values())
        """Clusters whose answers are not whole."""
        self._whole = asyncio.Event()
        self._look()

    @property
    def names(self) -> tuple[str, ...]:
        """The ids that answers name."""
        return tuple(self._asked)

    def take(self, report: reports.Planned) -> None:
        """A part of an answer."""
        cluster = self._asked.get(report.request)
        if (
            cluster != report.origin.cluster
            or cluster not in self._open
            or not 1 <= report.part <= report.parts <= PARTS_MAX
        ):
            return
        parts = self._parts.setdefault(cluster, {})
        parts.setdefault(report.part, report)
        if _is_whole(parts):
            self._open.discard(cluster)
        self._look()

    async def answered(self, time_s: float) -> None:
        """Return once every cluster has answered whole, or when the time is over."""
        try:
            async with asyncio.timeout(time_s):
                await self._whole.wait()
        except TimeoutError:
            return

    def answers(self) -> dict[ids.ClusterId, tuple[reports.Planned, ...]]:
        """The parts of each cluster's answer, in order; only of clusters that answered whole."""
        return {
            cluster: tuple(parts[number] for number in sorted(parts))
            for cluster, parts in self._parts.items()
            if cluster not in self._open
        }

    def _look(self) -> None:
        if not self._open:
            self._whole.set()


def _is_whole(parts: Mapping[int, reports.Planned]) -> bool:
    """All parts are there, and agree on how many there are."""
    wanted = {part.parts for part in parts.values()}
    return wanted == {len(parts)}
