"""The door to renewals: agents ask on core NATS, and hear at once."""

import contextlib
from collections.abc import AsyncGenerator

import msgspec

from controller.broker import arriving, connection
from protocol import ids, subjects

PENDING_MAX = 20_000
"""Questions that wait: all agents of the largest fleet, twice. Beyond it the oldest are dropped, and asked again."""


class Question(msgspec.Struct, frozen=True):
    """What an agent asked."""

    cluster: ids.ClusterId
    """The subject names it, and the server vouches for that."""
    body: bytes
    reply: str


class Renewals:
    """Hears what agents ask, and answers."""

    def __init__(self, link: connection.Connection) -> None:
        self._link = link

    async def read(self) -> AsyncGenerator[Question, None]:
        """Every question from now on; close it (`contextlib.aclosing`)."""
        async with contextlib.aclosing(
            arriving.messages(self._link, subjects.RENEWALS, pending_max=PENDING_MAX)
        ) as found:
            async for message in found:
                yield Question(ids.ClusterId(arriving.token(message)), message.body, message.reply)

    async def answer(self, question: Question, body: bytes) -> None:
        """Say this to whoever asked; raise Unavailable if it cannot be sent."""
        if question.reply:
            await self._link.send(question.reply, body)
