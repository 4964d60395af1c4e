"""The door to heartbeats: core NATS, never stored, so that a lost one is a late one."""

import asyncio
import collections
from collections.abc import AsyncGenerator

from controller.broker import connection
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
        waiting: collections.deque[Beat] = collections.deque()
        arrived = asyncio.Event()

        def receive(message: connection.Message) -> None:
            if len(waiting) == PENDING_MAX:
                waiting.popleft()
                self.dropped += 1
            cluster = ids.ClusterId(message.subject.rpartition(".")[2])
            waiting.append((cluster, message.body))
            arrived.set()

        subscription = await self._link.subscribe(subjects.BEATS, receive)
        try:
            while True:
                await arrived.wait()
                while waiting:
                    yield waiting.popleft()
                arrived.clear()
        finally:
            await subscription.end()
