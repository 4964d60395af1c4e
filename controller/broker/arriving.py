"""Messages of core NATS that somebody works off one after the other, a bounded number of them waiting.

Each subject is one cluster's, and clusters take turns: one that sends without end, or sends what is large, delays and
drops nothing of another's, and takes no memory to speak of.
"""

import asyncio
import collections
from collections.abc import AsyncGenerator, Callable

from controller.broker import connection

EACH_MAX = 8
"""Of one subject: what a cluster's agent and those that stand by say while the hub is busy for some rounds."""

BODY_BYTES_MAX = 16 * 1024
"""Heartbeats and renewals have some hundred bytes; nobody waits for a larger one to be read."""


class Waiting:
    """Those that nobody has read yet."""

    def __init__(self, pending_max: int) -> None:
        """`pending_max`: of all subjects together."""
        self._pending_max = pending_max
        self._queues: collections.OrderedDict[str, collections.deque[connection.Message]] = collections.OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, message: connection.Message) -> bool:
        """Let it wait; return whether this cost one: itself where it is too large, or the oldest of its subject, or of
        all."""
        if len(message.body) > BODY_BYTES_MAX:
            return True
        queue = self._queues.setdefault(message.subject, collections.deque())
        is_full = len(queue) == EACH_MAX
        queue.append(message)
        self._count += 1
        if is_full:
            queue.popleft()
            self._count -= 1
        elif self._count > self._pending_max:
            self.take()
            is_full = True
        return is_full

    def take(self) -> connection.Message:
        """The oldest of the subject whose turn it is; there must be one."""
        subject, queue = self._queues.popitem(last=False)
        message = queue.popleft()
        self._count -= 1
        if queue:
            self._queues[subject] = queue
        return message


async def messages(
    link: connection.Connection, subject: str, *, pending_max: int, dropped: Callable[[], None] = lambda: None
) -> AsyncGenerator[connection.Message, None]:
    """Every message on a subject from now on; close it (`contextlib.aclosing`). `dropped` is told of each that will not
    be read because too much waits."""
    waiting = Waiting(pending_max)
    arrived = asyncio.Event()

    def receive(message: connection.Message) -> None:
        if waiting.put(message):
            dropped()
        arrived.set()

    subscription = await link.subscribe(subject, receive)
    try:
        while True:
            await arrived.wait()
            while waiting:
                yield waiting.take()
            arrived.clear()
    finally:
        await subscription.end()


def token(message: connection.Message) -> str:
    """The last token of its subject, such as the cluster's id."""
    return message.subject.rpartition(".")[2]
