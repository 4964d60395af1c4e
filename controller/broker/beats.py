"""The door to heartbeats: core NATS, never stored, so that a lost one is a late one."""

import contextlib
from collections.abc import AsyncGenerator

from controller.broker import arriving, connection
from protocol import ids, subjects

PENDING_MAX = 20_000
"""Beats that wait to be read: two rounds of the largest fleet. Beyond it the oldest are dropped: a newer one of
the same cluster says all that they said."""


Beat = tuple[ids.ClusterId, bytes]
"""The cluster that the subject names, which the server vouches for, and the body as it came."""


class Beats:
    """Hears heartbeats."""

    def __init__(self, link: connection.Connection) -> None:
        self._link = link
        self.dropped = 0
        """Beats that were never read because too many waited."""

    async def read(self) -> AsyncGenerator[Beat, None]:
        """Every beat from now on; close it (`contextlib.aclosing`)."""
        async with contextlib.aclosing(
            arriving.messages(self._link, subjects.BEATS, pending_max=PENDING_MAX, dropped=self._drop)
        ) as found:
            async for message in found:
                yield ids.ClusterId(arriving.token(message)), message.body

    def _drop(self) -> None:
        self.dropped += 1
