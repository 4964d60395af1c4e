"""The door to REPORTS: what the agents said, from a position on and then as it comes.

Sequences have gaps here: each subject keeps a bounded number of messages.
"""

from collections.abc import AsyncGenerator

from controller.broker import api, connection, pulling
from controller.store import records
from protocol import streams

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

    async def last_sequence(self) -> int:
        """The sequence of the last report; 0: there never was one."""
        return (await api.state(self._link, _STREAM)).last_seq
