"""A whole stream as bytes, taken while others write to it, and put back where there is none: JetStream's own snapshots.

What a snapshot holds is the stream at one instant, with its sequences. The server sends it in chunks and waits for each
to be acknowledged, so that nothing piles up here; the restore goes the other way round.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from controller import errors
from controller.broker import api, connection

CHUNK_BYTES = 128 * 1024
"""The server's own choice; far below its largest message."""

SILENCE_MAX_S = 30.0
"""Between two chunks: the server checks every message of the stream before the first one."""

RESTORE_TIMEOUT_S = 60.0
"""For the last answer of a restore: the server reads the whole stream back before it gives it."""


class SnapshotError(errors.Terminal):
    """A snapshot that broke off, or that the server does not take back."""


class Meta(msgspec.Struct, frozen=True):
    """What a snapshot is of, as the server tells it and wants it back."""

    config: dict[str, Any]
    state: dict[str, Any]

    @property
    def messages(self) -> int:
        return int(self.state.get("messages", 0))

    @property
    def last_sequence(self) -> int:
        return int(self.state.get("last_seq", 0))


class _Deliver(msgspec.Struct, frozen=True):
    deliver_subject: str


async def take(link: connection.Connection, stream: str, write: Callable[[bytes], object]) -> Meta:
    """Hand a stream's bytes to `write`, piece by piece; raise SnapshotError, ApiError or Unavailable."""
    what = f"snapshot of stream {stream}"
    chunks: asyncio.Queue[connection.Message] = asyncio.Queue()
    subject = link.new_inbox()
    subscription = await link.subscribe(subject, chunks.put_nowait)
    try:
        request = {"deliver_subject": subject, "no_consumers": True, "chunk_size": CHUNK_BYTES, "jsck": True}
        meta = msgspec.json.decode(await api.call(link, f"STREAM.SNAPSHOT.{stream}", request, what=what), type=Meta)
        while True:
            async with asyncio.timeout(SILENCE_MAX_S):
                chunk = await chunks.get()
            if not chunk.body:
                break
            write(chunk.body)
            if chunk.reply:
                await link.send(chunk.reply)
    except TimeoutError as error:
        raise SnapshotError(f"{what}: broke off (nothing came for {SILENCE_MAX_S:.0f} s)") from error
    finally:
        await subscription.end()
    if chunk.status:
        raise SnapshotError(f"{what}: broke off ({chunk.status} {chunk.headers.get('Description', '')})")
    return meta


async def put(link: connection.Connection, stream: str, meta: Meta, chunks: Iterable[bytes]) -> None:
    """Make a stream of what `take` gave; raise SnapshotError or ApiError if the server does not take it."""
    what = f"restore of stream {stream}"
    answer = await api.call(link, f"STREAM.RESTORE.{stream}", meta, what=what)
    subject = msgspec.json.decode(answer, type=_Deliver).deliver_subject
    for chunk in chunks:
        api.refused(await link.request(subject, chunk, timeout_s=SILENCE_MAX_S), what=what)
    api.refused(await link.request(subject, b"", timeout_s=RESTORE_TIMEOUT_S), what=what)
    state = await api.state(link, stream)
    if (state.messages, state.last_seq) != (meta.messages, meta.last_sequence):
        raise SnapshotError(
            f"{what}: holds {state.messages} messages up to {state.last_seq}, not {meta.messages} up to "
            f"{meta.last_sequence}"
        )
