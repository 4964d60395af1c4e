"""Reports to the hub: in order, bounded, each kept until JetStream has acknowledged it.

They wait in an outbox on the disk, so that a restart loses none: those of earlier boots go first, and order lower. What
an outage pushes out of it is made up for: every report tells how things are, and all of it is said again once the rest
is delivered.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import msgspec
import structlog

from agents import clock, errors, hub, outbox, signals
from agents.domain import acceptance, retry
from protocol import canonical, codec, crashpoints, envelope, ids, messages, reports, subjects
from protocol.canonical import Digest

RETRY_BASE_S = 1.0
RETRY_CEILING_S = 30.0
"""A hub that is back is noticed at once by the connection; this is for one that answers with errors."""

BODY_BYTES_MAX = 900 * 1024
"""Under the stream's largest message with its headers; whoever has more to say splits it."""

BEAT_TEXT_CHARS_MAX = 500
"""Of each text in a heartbeat. Who holds a lease is written by whoever may write it: four of them, with six bytes for
each character, are well below BEAT_BYTES_MAX."""

T = TypeVar("T", bound=msgspec.Struct)


def parts(items: Sequence[T]) -> list[tuple[T, ...]]:
    """Split so that each part fits into a report; nothing has no parts."""
    found: list[tuple[T, ...]] = []
    part: list[T] = []
    size = 0
    for item in items:
        length = len(canonical.encode(item))
        if part and size + length > BODY_BYTES_MAX:
            found.append(tuple(part))
            part, size = [], 0
        part.append(item)
        size += length
    return [*found, tuple(part)] if part else found


def beat_body(message: reports.Beat | reports.Standby) -> bytes:
    """A heartbeat as it is sent: its texts cut, with a note of that, for a hub does not read what is larger."""
    texts = {
        field: _cut(value) for field in message.__struct_fields__ if isinstance(value := getattr(message, field), str)
    }
    body = messages.BEAT.encode(msgspec.structs.replace(message, **texts))
    assert len(body) <= reports.BEAT_BYTES_MAX, "a heartbeat that no hub reads"
    return body


def _cut(text: str) -> str:
    if len(text) <= BEAT_TEXT_CHARS_MAX:
        return text
    note = f"… (cut, it has {len(text)} characters)"
    return text[: BEAT_TEXT_CHARS_MAX - len(note)] + note


class Reporter:
    """What one agent says."""

    def __init__(
        self,
        cluster: ids.ClusterId,
        connection: hub.Hub,
        *,
        box: outbox.Outbox,
        clocks: clock.Clock,
        chance: random.Random,
        boundary: crashpoints.Boundary,
    ) -> None:
        self._cluster = cluster
        self._hub = connection
        self._clock = clocks
        self._chance = chance
        self._box = box
        self._boundary = boundary
        self._number = 0
        self._reported = 0
        self._boot = 0
        self._standing = acceptance.NOWHERE
        self._unsaved = signals.Signal()
        self._stirred = signals.Signal()
        self._arrived = False
        self._dropped = False
        self._log = structlog.get_logger().bind(cluster=cluster)
        self.relieved: Callable[[], None] = lambda: None
        """Called once all is delivered after reports had to be dropped: everything has to be said again."""

    @property
    def lost(self) -> int:
        """Reports that were ever dropped for want of room."""
        return self._box.lost

    def arrived(self) -> None:
        """The hub is there again: try at once."""
        self._arrived = True
        self._stirred.raise_()

    @property
    def waiting(self) -> int:
        """Reports that are not delivered yet."""
        return len(self._box)

    def begin(self, boot: int) -> None:
        """From now on we act: reports count from 1, and come after those of every lower boot."""
        assert boot > self._boot, "reports come in the order of their boots"
        self._boot, self._number, self._reported = boot, 0, 0

    def stand_at(self, standing: acceptance.Standing) -> None:
        """From now on every report rests on this, the newest verified desired state."""
        self._standing = standing

    def say(self, make: Callable[[reports.Origin], reports.Report], *, traceparent: str = "") -> None:
        """Put a report into the outbox; `make` completes it with its origin."""
        assert self._boot, "who does not act has nothing to report"
        self._number += 1
        origin = self._origin()
        report = make(origin)
        if not isinstance(report, reports.Planned):  # answers are for whoever asked, and are not kept
            self._reported = self._number
        body = messages.REPORT.encode(report)
        subject = subjects.report(self._cluster, reports.KINDS[type(report)])
        letter = outbox.Letter(subject, body, self._headers(origin, codec.tag_of(report), traceparent))
        if self._box.add(letter):
            self._dropped = True
        self._unsaved.raise_()
        self._stirred.raise_()

    async def beat(self, root: Digest, agent: str) -> None:
        """Send one heartbeat; its number is that of the last report, so that a listener sees what it has missed."""
        origin = self._origin()
        beat = reports.Beat(origin=origin, root=root, agent=agent, reported=self._reported)
        await self._hub.send(
            subjects.beat(self._cluster), beat_body(beat), self._headers(origin, codec.tag_of(beat), "")
        )

    async def stand_by(self, message: reports.Standby) -> None:
        """Send one heartbeat of an agent that does not act."""
        headers = self._headers(self._origin(), codec.tag_of(message), "")
        await self._hub.send(subjects.beat(self._cluster), beat_body(message), headers)

    async def run(self) -> None:
        """Keep and deliver, for ever."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._keep(), name="keep reports")
                tasks.create_task(self._deliver(), name="deliver reports")
        finally:
            await self._box.save()

    async def _keep(self) -> None:
        while True:
            await self._unsaved.wait()
            await self._box.save()

    async def _deliver(self) -> None:
        attempt = 0
        while True:
            letter = await self._box.next()
            if letter is None:
                self._relieve()
                await self._box.rest()
                # What the disk did not give is asked for again.
                await self._stirred.wait(RETRY_CEILING_S if len(self._box) else None)
            elif await self._send(letter):
                attempt = 0
                self._box.delivered(letter)
                self._boundary("report")
            else:
                delay = retry.backoff(
                    attempt, base_s=RETRY_BASE_S, ceiling_s=RETRY_CEILING_S, chance=self._chance.random()
                )
                attempt += 1
                await self._pause(delay)

    async def _send(self, letter: outbox.Letter) -> bool:
        """Is it off our hands?"""
        try:
            await self._hub.store(letter.subject, letter.body, letter.headers)
        except errors.Transient:
            return False
        except errors.HubRefused as error:
            # It would be refused again, and everything behind it would wait for ever.
            self._log.error("report refused", subject=letter.subject, reason=str(error))
        return True

    async def _pause(self, delay_s: float) -> None:
        """Until the hub is there again, or the time is over."""
        until = self._clock.monotonic() + delay_s
        while not self._arrived and (left_s := until - self._clock.monotonic()) > 0:
            await self._stirred.wait(left_s)
        self._arrived = False

    def _relieve(self) -> None:
        if self._dropped and not len(self._box):
            self._dropped = False
            self._log.warning("reports were dropped, all is said again", lost=self.lost)
            self.relieved()

    def _origin(self) -> reports.Origin:
        return reports.Origin(
            cluster=self._cluster,
            boot=self._boot,
            number=self._number,
            at=self._clock.now(),
            epoch=self._standing.mark.epoch,
            generation=self._standing.mark.generation,
            log_head=self._standing.log_head,
        )

    def _headers(self, origin: reports.Origin, tag: str, traceparent: str) -> Mapping[str, str]:
        return envelope.to_headers(
            envelope.Envelope(
                id=f"{self._boot}-{origin.number}",
                type=tag,
                source=f"/flotilla/clusters/{self._cluster}",
                time=origin.at,
                traceparent=traceparent,
            )
        )
