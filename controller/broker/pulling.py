"""Reading a stream in order, each message once, by a pull consumer that this module drives itself.

nats-py's ordered consumers can end its read loop, and its `fetch` is slow. The consumer here is a throw-away one with a
start sequence: the reader knows its own position, so nothing has to be acked, and after any trouble (a reconnect, a
restarted server, a lost delivery) a new consumer goes on from there.
"""

import asyncio
import collections
import contextlib
import datetime
from collections.abc import AsyncGenerator
from typing import Any

import msgspec
import structlog

from controller import errors
from controller.broker import api, connection
from controller.store import records

PULL_MESSAGES = 2000
"""Messages under way at most: enough to keep the pipe full at 100,000 a second and 10 ms of latency."""

PULL_BYTES = 32 * 1024 * 1024
"""Bytes of one pull: with two under way below the 128 MiB at which nats-py drops messages."""

PULL_EXPIRES_S = 30
"""How long the server keeps a pull that it cannot fill."""

HEARTBEAT_S = 5
"""How often the server says that a pull is still known; it must be at most half of what a pull lives."""

SILENCE_MAX_S = 12.0
"""Two heartbeats and some: after this the consumer is gone."""

INACTIVE_S = 300
"""After this without a pull the server removes the consumer of a reader that died."""

RETRY_WAIT_S = 0.5
"""Between attempts to go on reading while the server is away."""

ATTEMPTS_MAX = 5
"""Attempts of a bounded read that bring nothing before it gives up."""

_NS = 1_000_000_000
_HEARTBEAT = "100"
_PULL_ENDED = ("404", "408")
_SIZE_EXCEEDED = "Message Size Exceeds MaxBytes"
_BATCH_COMPLETED = "Batch Completed"
_ACK_TOKENS = 9

_log = structlog.get_logger()


class Delivery(msgspec.Struct, frozen=True):
    """A stored message, and how many the stream held after it when it was sent."""

    stored: records.Stored
    left: int


class _Broken(Exception):
    """This consumer gives no more; another one may."""


async def read(link: connection.Connection, stream: str, *, after: int) -> AsyncGenerator[records.Stored, None]:
    """Everything after a sequence up to what was the last at the time of the call.

    Raise Gap if the stream ends before `after`, Unavailable if the server does not answer.
    """
    last = (await api.state(link, stream)).last_seq
    _check_tail(stream, after=after, last=last)
    position, attempts = after, 0
    while position < last:
        attempts += 1
        try:
            async with contextlib.aclosing(_consume(link, stream, after=position)) as deliveries:
                async for delivery in deliveries:
                    position, attempts = delivery.stored.sequence, 0
                    yield delivery.stored
                    if position >= last or not delivery.left:
                        return
                return  # nothing is left after `position`: the rest was removed
        except (_Broken, errors.Unavailable) as error:
            if attempts >= ATTEMPTS_MAX:
                raise errors.Unavailable(f"stream {stream}: cannot be read ({error})") from error
            await asyncio.sleep(RETRY_WAIT_S)


async def follow(link: connection.Connection, stream: str, *, after: int) -> AsyncGenerator[records.Stored, None]:
    """Everything after a sequence, then what comes, for ever; raise Gap if the stream ends before what was read."""
    position = after
    while True:
        try:
            _check_tail(stream, after=position, last=(await api.state(link, stream)).last_seq)
            async with contextlib.aclosing(_consume(link, stream, after=position, forever=True)) as deliveries:
                async for delivery in deliveries:
                    position = delivery.stored.sequence
                    yield delivery.stored
        except (_Broken, errors.Unavailable) as error:
            _log.warning("stream reader starts again", stream=stream, after=position, reason=str(error))
            await asyncio.sleep(RETRY_WAIT_S)


def _check_tail(stream: str, *, after: int, last: int) -> None:
    if last < after:
        raise records.Gap(f"stream {stream}: ends at {last} (message {after} was read before)")


class _Inbox:
    """What arrived and was not taken yet; bounded by what was pulled."""

    def __init__(self) -> None:
        self._messages: collections.deque[connection.Message] = collections.deque()
        self._arrived = asyncio.Event()
        self._reconnected = False

    def receive(self, message: connection.Message) -> None:
        self._messages.append(message)
        self._arrived.set()

    def break_off(self) -> None:
        self._reconnected = True
        self._arrived.set()

    async def take(self) -> collections.deque[connection.Message]:
        """All that arrived, at least one; raise _Broken after a reconnect or a long silence."""
        try:
            async with asyncio.timeout(SILENCE_MAX_S):
                await self._arrived.wait()
        except TimeoutError as error:
            raise _Broken(f"nothing heard for {SILENCE_MAX_S:.0f} s") from error
        if self._reconnected:
            raise _Broken("the connection was lost")
        taken, self._messages = self._messages, collections.deque()
        self._arrived.clear()
        return taken


async def _consume(
    link: connection.Connection, stream: str, *, after: int, forever: bool = False
) -> AsyncGenerator[Delivery, None]:
    """The life of one consumer; without `forever` it ends where nothing is left."""
    inbox, subject = _Inbox(), link.new_inbox()
    name = subject.rpartition(".")[2]
    with link.on_reconnect(inbox.break_off):
        subscription = await link.subscribe(subject, inbox.receive)
        try:
            left = await _create(link, stream, name=name, after=after)
            if left or forever:
                async for delivery in _pull(link, f"{stream}.{name}", inbox=inbox, reply=subject):
                    yield delivery
        finally:
            await subscription.end()
            with contextlib.suppress(errors.Unavailable):  # it goes by itself, only later
                await link.send(f"$JS.API.CONSUMER.DELETE.{stream}.{name}")


async def _create(link: connection.Connection, stream: str, *, name: str, after: int) -> int:
    """Make the consumer; returns how many messages wait for it."""
    config = {
        "name": name,
        "deliver_policy": "by_start_sequence",
        "opt_start_seq": after + 1,
        "ack_policy": "none",
        "max_waiting": 8,
        "inactive_threshold": INACTIVE_S * _NS,
        "num_replicas": 1,
        "mem_storage": True,
    }
    request = {"stream_name": stream, "config": config, "action": "create"}
    answer = await api.call(link, f"CONSUMER.CREATE.{stream}.{name}", request, what=f"stream {stream}: consumer")
    return int(msgspec.json.decode(answer).get("num_pending", 0))


async def _pull(
    link: connection.Connection, consumer: str, *, inbox: _Inbox, reply: str
) -> AsyncGenerator[Delivery, None]:
    """Keep pulls under way and yield what they bring."""
    asked, delivered = 0, 0
    while True:
        if asked <= PULL_MESSAGES // 2:
            await _ask(link, consumer, reply=reply)
            asked += PULL_MESSAGES
        for message in await inbox.take():
            if message.status:
                asked -= _unfilled(message)
                continue
            asked -= 1
            delivery, number = _delivery(message)
            if number != delivered + 1:
                raise _Broken(f"delivery {delivered + 1} was lost on the way")
            delivered = number
            yield delivery


async def _ask(link: connection.Connection, consumer: str, *, reply: str) -> None:
    request: dict[str, Any] = {
        "batch": PULL_MESSAGES,
        "max_bytes": PULL_BYTES,
        "expires": PULL_EXPIRES_S * _NS,
        "idle_heartbeat": HEARTBEAT_S * _NS,
    }
    await link.send(f"$JS.API.CONSUMER.MSG.NEXT.{consumer}", msgspec.json.encode(request), reply=reply)


def _unfilled(message: connection.Message) -> int:
    """How many messages of a pull will not come any more, by a status of the server; raise _Broken if none will."""
    description = message.headers.get("Description", "")
    if message.status == _HEARTBEAT:
        return 0
    if message.status in _PULL_ENDED or description in (_SIZE_EXCEEDED, _BATCH_COMPLETED):
        return int(message.headers.get("Nats-Pending-Messages", "0"))
    raise _Broken(f"the consumer ended: {message.status} {description}".strip())


def _delivery(message: connection.Message) -> tuple[Delivery, int]:
    """A message and its number in the deliveries of the consumer, by its ack subject (ADR-15).

    `$JS.ACK.<stream>.<consumer>.<times>.<sequence>.<number>.<time>.<left>`; or with domain and account before these.
    """
    tokens = message.reply.split(".")
    first = 2 if len(tokens) == _ACK_TOKENS else 4
    stored = records.Stored(
        sequence=int(tokens[first + 3]),
        subject=message.subject,
        body=message.body,
        headers=message.headers,
        at=datetime.datetime.fromtimestamp(int(tokens[first + 5]) / _NS, datetime.UTC),
    )
    return Delivery(stored=stored, left=int(tokens[first + 6])), int(tokens[first + 4])
