"""Messages of core NATS that somebody works off one after the other, a bounded number of them waiting.

Each subject is one cluster's, and clusters take turns: one that sends without end, or sends what is large, delays and
drops nothing of another's, and takes no memory to speak of.
"""

import asyncio
import collections
from collections.abc import AsyncGenerator, Callable

import structlog

from controller.broker import connection
from protocol import reports

EACH_MAX = 8
"""Of one subject: what a cluster's agent and those that stand by say while the hub is busy for some rounds."""

SUBJECTS_TOLD_MAX = 1000
"""Of those that sent something too large, each is told once."""

logger = structlog.get_logger(__name__)


class Waiting:
    """Those that nobody has read yet."""

    def __init__(self, pending_max: int) -> None:
        """`pending_max`: of all subjects together."""
        self._pending_max = pending_max
        self._queues: collections.OrderedDict[str, collections.deque[connection.Message]] = collections.OrderedDict()
        self._count = 0
        self._told: set[str] = set()
        """Subjects with something too large."""

    def __len__(self) -> int:
        return self._count

    def put(self, message: connection.Message) -> bool:
        """Let it wait; return whether this cost one: itself where it is too large, or the oldest of its subject, or of
        all."""
        if len(message.body) > reports.BEAT_BYTES_MAX:
            self._tell(message)
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

    def _tell(self, message: connection.Message) -> None:
        """Say once that somebody sends what nobody reads: else it looks like silence."""
        if message.subject not in self._told and len(self._told) < SUBJECTS_TOLD_MAX:
            self._told.add(message.subject)
            logger.warning(
                "message is too large to be read",
                subject=message.subject, bytes=len(message.body), bytes_max=reports.BEAT_BYTES_MAX,
            )  # fmt: skip

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
