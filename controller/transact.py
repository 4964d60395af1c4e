"""Load, decide, append, fold: the one way in which the hub's memory grows.

A decision runs on the folded world and is appended with the fences of what it rests on. Whoever else was first makes
the append fail; then the world catches up and the decision is made again.
"""

import asyncio
import datetime
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from controller import errors
from controller.domain import world
from controller.store import records
from protocol import canonical, codec, envelope, streams, tracing
from protocol.events import log

ATTEMPTS_MAX = 8
"""Lost races in a row until a decision is given up: each loss means that another hub writes, which is an error by
itself; eight in a row mean that it writes without pause."""

SOURCE = "/flotilla/hub"

TRACED = envelope.TYPE_PREFIX + "RevisionResolved"
"""The event that begins a commit's way through the fleet: what follows from it goes on in its trace."""

_ATTRIBUTES = {
    **tracing.SYSTEM,
    "messaging.destination.name": streams.LOG.name,
    "messaging.operation.name": "append",
    "messaging.operation.type": "send",
}

Decide = Callable[[world.World], Sequence[log.Event]]


TROUBLE_S = 60.0
"""How long an append that came to nothing makes the hub unready: whoever must write tries again sooner, and a hub that
has nothing to write must not stay unready for ever, for then nobody would ask it to."""


class ContendedError(errors.Transient):
    """The log took none of the attempts: another writer was first, or the server did not store."""


class Store(Protocol):
    """The log, as far as decisions need it."""

    async def append(self, batch: Sequence[records.Pending], *, reads: Mapping[str, int] = {}) -> int:
        """Append all or nothing; return the sequence of the last. Raise records.Conflict if a fence is stale."""

    def read(self, after: int) -> AsyncIterator[records.Stored]:
        """All events after a sequence, in order."""


class Signal:
    """Says "look again" to one waiter; signals that come while nobody waits are one."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        """Let the waiter look again."""
        self._event.set()

    async def wait(self, timeout_s: float | None = None) -> None:
        """Return at the next signal, or after the time at the latest."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._event.wait()
        except TimeoutError:
            return
        finally:
            self._event.clear()


class Transactor:
    """The folded world and the only writer of its log."""

    def __init__(
        self,
        store: Store,
        *,
        clock: Callable[[], datetime.datetime],
        new_id: Callable[[], str],
        traces: tracing.Tracing = tracing.SILENT,
        boundary: Callable[[str], None] = lambda _name: None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._new_id = new_id
        self._traces = traces
        self._boundary = boundary
        self._lock = asyncio.Lock()
        self._signals: list[Signal] = []
        self._refusal = ""
        """Why the last attempt to append came to nothing."""
        self._refused_at: datetime.datetime | None = None
        """When a decision could not be written; None: the last one was."""
        self.world = world.World()
        self.traceparents: dict[str, str] = {}
        """Of the last TRACED event, by subject: whoever starts anew, or is another hub, goes on in the same trace."""

    def subscribe(self) -> Signal:
        """A signal that is set whenever an event was folded."""
        signal = Signal()
        self._signals.append(signal)
        return signal

    @property
    def trouble(self) -> str:
        """Why nothing was written lately that had to be; empty: nothing was in the way."""
        if self._refused_at is None or self._clock() - self._refused_at > datetime.timedelta(seconds=TROUBLE_S):
            return ""
        return f"log: not written ({self._refusal})"

    async def catch_up(self) -> int:
        """Fold what the log has beyond the world; return how many events that were."""
        async with self._lock:
            return await self._catch_up()

    async def run(
        self,
        decide: Decide,
        *,
        by: str,
        cause: str = "",
        reads: Callable[[world.World], Sequence[str]] | None = None,
        trace: str = "",
    ) -> tuple[log.Record, ...]:
        """Decide and append; return the new records, none if there was nothing to decide.

        `reads` names the aggregates (by subject) that the decision rests on beside those it writes. `trace`: the
        traceparent of what led to it; empty: the span that is open. A Rejection of the decision passes through;
        ContendedError after ATTEMPTS_MAX attempts that came to nothing.
        """
        async with self._lock:
            for _ in range(ATTEMPTS_MAX):
                events = decide(self.world)
                if not events:
                    return ()
                with self._span(events, trace):
                    batch, written = self._batch(events, by=by, cause=cause)
                    last = await self._append(batch, reads(self.world) if reads is not None else ())
                if last is None:
                    await self._catch_up()
                    continue
                self._refused_at = None
                self._boundary("append")
                await self._fold(batch, last)
                self._notify()
                return written
        self._refused_at = self._clock()
        raise ContendedError(f"log: not written in {ATTEMPTS_MAX} attempts (the last: {self._refusal})")

    def _span(self, events: Sequence[log.Event], trace: str) -> AbstractContextManager[object]:
        attributes: tracing.Attributes = {
            **_ATTRIBUTES,
            "messaging.batch.message_count": len(events),
            "flotilla.events": ",".join(sorted({codec.tag_of(event) for event in events})),
        }
        return self._traces.span("append LOG", attributes, origin=tracing.Origin(trace, kind=tracing.PRODUCER))

    async def _append(self, batch: Sequence[records.Pending], reads: Sequence[str]) -> int | None:
        """The sequence of the last; None: somebody else was first."""
        subjects = {pending.subject for pending in batch}
        fences = {subject: self._last(subject) for subject in reads if subject not in subjects}
        try:
            return await self._store.append(batch, reads=fences)
        except records.Conflict as error:
            self._refusal = str(error)
            return None

    async def _fold(self, batch: Sequence[records.Pending], last: int) -> None:
        """Fold what was appended; the fences let another hub's events on other aggregates come in between."""
        before = last - len(batch)
        if before != self.world.log_head.sequence:
            await self._catch_up()
            return
        for offset, pending in enumerate(batch):
            self.world.take(before + 1 + offset, pending.subject, pending.body)
            self._follow(pending)

    async def _catch_up(self) -> int:
        count = 0
        async for stored in self._store.read(self.world.log_head.sequence):
            self.world.take(stored.sequence, stored.subject, stored.body)
            self._follow(stored)
            count += 1
        if count:
            self._notify()
        return count

    def _follow(self, event: records.Pending | records.Stored) -> None:
        if event.headers.get("ce-type") == TRACED and "traceparent" in event.headers:
            self.traceparents[event.subject] = event.headers["traceparent"]

    def _batch(
        self, events: Sequence[log.Event], *, by: str, cause: str
    ) -> tuple[list[records.Pending], tuple[log.Record, ...]]:
        heads: dict[str, canonical.Digest] = {}
        batch, written = [], []
        for event in events:
            subject = world.subject_of(event)
            first = subject not in heads
            known = self.world.heads.get(subject)
            previous = heads.get(subject, known.hash if known is not None else canonical.NO_DIGEST)
            record = log.Record(id=self._new_id(), at=self._clock(), by=by, previous=previous, event=event, cause=cause)
            body = log.RECORD.encode(record)
            heads[subject] = log.record_hash(subject, body)
            batch.append(
                records.Pending(
                    subject=subject,
                    body=body,
                    headers=self._headers(record),
                    expected=self._last(subject) if first else None,
                )
            )
            written.append(record)
        return batch, tuple(written)

    def _headers(self, record: log.Record) -> dict[str, str]:
        return envelope.to_headers(
            envelope.Envelope(
                id=record.id,
                type=codec.tag_of(record.event),
                source=SOURCE,
                time=record.at,
                traceparent=tracing.current(),
            )
        )

    def _last(self, subject: str) -> int:
        head = self.world.heads.get(subject)
        return head.sequence if head is not None else 0

    def _notify(self) -> None:
        for signal in self._signals:
            signal.set()
