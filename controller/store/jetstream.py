"""The log on JetStream: atomic appends fenced per aggregate, and reads that notice what is missing.

No message ids (`Nats-Msg-Id`): every append carries a fence, which already makes a repeated one fail, while the
server's window for duplicates is a tenth of a second. What became of an append whose answer is no answer is seen in the
log itself: the first message on the first event's subject after the expected one is either ours or somebody else's.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping, Sequence

from controller import errors
from controller.broker import api, batches, connection, pulling
from controller.store import fences, records
from protocol import streams

APPENDS_MAX = 32
"""Appends under way at a time: the server takes 50 open batches a stream, and other hubs may have some."""

RESOLVE_TIMEOUT_S = 30.0
"""How long to find out what became of an append: a server is back from a crash in seconds."""

RESOLVE_WAIT_S = 0.25
"""Between two attempts to find out."""

STREAM_FENCE_ATTEMPTS_MAX = 8
"""Times that a fence on the whole stream is renewed, because somebody appended elsewhere, before it is a conflict."""

_STREAM = streams.LOG.name
_SERVER_HEADERS = "Nats-"


class JetStreamStore:
    """The log as the stream LOG."""

    def __init__(self, link: connection.Connection) -> None:
        self._link = link
        self._slots = asyncio.Semaphore(APPENDS_MAX)

    async def append(self, batch: Sequence[records.Pending], *, reads: Mapping[str, int] = {}) -> int:
        """Store all events or none, and return the last one's sequence; a batch's sequences are contiguous.

        `reads` are subjects that the decision only looked at, with their last sequences. Raise Conflict if one of the
        expected sequences is not the last any more, BatchTooLarge, or Unavailable if it cannot be found out in time
        whether the events are stored.
        """
        fences.check(batch)
        async with self._slots:
            try:
                return await self._append(batch, reads)
            except (api.Fenced, errors.Unavailable, api.ApiError) as error:
                if isinstance(error, api.ApiError) and error.code != api.BATCH_DUPLICATE:
                    raise
                return await self._resolve(batch, because=error)

    async def read(self, after: int) -> AsyncGenerator[records.Stored, None]:
        """All events with a higher sequence up to the last at the time of the call; raise Gap if one is missing."""
        position = after
        try:
            async with contextlib.aclosing(pulling.read(self._link, _STREAM, after=after)) as events:
                async for event in events:
                    if event.sequence != position + 1:
                        raise records.Gap(f"log: event {position + 1} is missing ({event.sequence} follows {position})")
                    position = event.sequence
                    yield _without_fences(event)
        except errors.Unavailable as error:
            raise records.Unavailable(f"log: cannot be read ({error})") from error

    async def last_sequence(self) -> int:
        """The sequence of the last event; 0: there is none."""
        try:
            return (await api.state(self._link, _STREAM)).last_seq
        except errors.Unavailable as error:
            raise records.Unavailable(f"log: cannot be read ({error})") from error

    async def _append(self, batch: Sequence[records.Pending], reads: Mapping[str, int]) -> int:
        messages, uncarried = fences.fenced(batch, reads)
        if not uncarried:
            return await self._publish(messages)
        for _ in range(STREAM_FENCE_ATTEMPTS_MAX):
            last = await self.last_sequence()
            await self._check_heads(uncarried)
            try:
                return await self._publish(fences.on_stream(messages, last))
            except api.Fenced:
                # Did somebody append elsewhere, or is one of our own fences stale? Only then the log stood still.
                if await self.last_sequence() == last:
                    raise
        raise api.Fenced(
            f"append to {batch[0].subject}: the log did not stand still ({STREAM_FENCE_ATTEMPTS_MAX} times)"
        )

    async def _check_heads(self, reads: Mapping[str, int]) -> None:
        for subject, expected in reads.items():
            head = await api.last(self._link, _STREAM, subject)
            found = head.sequence if head else 0
            if found != expected:
                raise api.Fenced(f"append: {subject} was read at {expected} (it is at {found})")

    async def _publish(self, messages: Sequence[batches.Outgoing]) -> int:
        if len(messages) > 1:
            return await batches.publish(self._link, messages)
        return await api.publish(self._link, messages[0].subject, messages[0].body, headers=messages[0].headers)

    async def _resolve(self, batch: Sequence[records.Pending], *, because: errors.HubError) -> int:
        """The last sequence if the batch is stored after all; raise Conflict if it is not."""
        try:
            async with asyncio.timeout(RESOLVE_TIMEOUT_S):
                sequence = await self._find(batch)
        except TimeoutError as error:
            raise records.Unavailable(
                f"append to {batch[0].subject}: outcome unknown (no answer for {RESOLVE_TIMEOUT_S:.0f} s)"
            ) from error
        if sequence is None:
            raise records.Conflict(f"append to {batch[0].subject}: not stored ({because})") from because
        return sequence

    async def _find(self, batch: Sequence[records.Pending]) -> int | None:
        """The last sequence of the batch if it is in the log, seen by its first and its last event."""
        while True:
            try:
                first = await api.first_after(self._link, _STREAM, batch[0].subject, sequence=batch[0].expected or 0)
                if first is None or not _is(first, batch[0]):
                    return None
                sequence = first.sequence + len(batch) - 1
                last = await api.at_sequence(self._link, _STREAM, sequence)
            except errors.Unavailable:
                await asyncio.sleep(RESOLVE_WAIT_S)
                continue
            if last is None or not _is(last, batch[-1]):
                raise records.Gap(f"log: the batch of {len(batch)} from {first.sequence} on is torn")
            return sequence


def _without_fences(event: records.Stored) -> records.Stored:
    """As it was appended: the server keeps its own headers with the message."""
    headers = {name: value for name, value in event.headers.items() if not name.startswith(_SERVER_HEADERS)}
    return records.Stored(sequence=event.sequence, subject=event.subject, body=event.body, headers=headers)


def _is(stored: records.Stored, event: records.Pending) -> bool:
    return stored.headers.get(records.ID_HEADER) == event.headers[records.ID_HEADER]
