"""The door to REPORTS: what the agents said, from a position on and then as it comes.

Sequences have gaps here: each subject keeps a bounded number of messages.
"""

from collections.abc import AsyncGenerator

from controller.broker import api, connection, pulling
from controller.store import records
from protocol import ids, reports, streams, subjects

_STREAM = streams.REPORTS.name


class Reports:
    """Reads reports."""

    def __init__(self, link: connection.Connection) -> None:
        self._link = link

    def read(self, after: int) -> AsyncGenerator[records.Stored, None]:
        """Every report with a higher sequence, stored or still to come, in order; close it (`contextlib.aclosing`).

        It goes on over reconnects and restarts of the server. Raise Gap if the stream ends before `after`: it is not
        the one that was read before.
        """
        return pulling.follow(self._link, _STREAM, after=after)

    async def forget_plans(self, through: int) -> None:
        """Let go of the answers to questions up to this sequence: they were for whoever asked; nobody folds them."""
        request = {"filter": subjects.report(ids.ClusterId("*"), reports.KINDS[reports.Planned]), "seq": through + 1}
        await api.call(self._link, f"STREAM.PURGE.{_STREAM}", request, what=f"stream {_STREAM}")

    async def last_sequence(self) -> int:
        """The sequence of the last report; 0: there never was one."""
        return (await api.state(self._link, _STREAM)).last_seq
