"""Messages of core NATS that somebody works off one after the other, a bounded number of them waiting."""

import asyncio
import collections
from collections.abc import AsyncGenerator, Callable

from controller.broker import connection


async def messages(
    link: connection.Connection, subject: str, *, pending_max: int, dropped: Callable[[], None] = lambda: None
) -> AsyncGenerator[connection.Message, None]:
    """Every message on a subject from now on; close it (`contextlib.aclosing`). Where more than `pending_max` wait, the
    oldest goes, and `dropped` is told."""
    waiting: collections.deque[connection.Message] = collections.deque()
    arrived = asyncio.Event()

    def receive(message: connection.Message) -> None:
        if len(waiting) == pending_max:
            waiting.popleft()
            dropped()
        waiting.append(message)
        arrived.set()

    subscription = await link.subscribe(subject, receive)
    try:
        while True:
            await arrived.wait()
            while waiting:
                yield waiting.popleft()
            arrived.clear()
    finally:
        await subscription.end()


def token(message: connection.Message) -> str:
    """The last token of its subject, such as the cluster's id."""
    return message.subject.rpartition(".")[2]
