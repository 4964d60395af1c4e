"""Reports to the hub: in order, bounded, each kept until JetStream has acknowledged it.

The outbox is in memory. What a crash loses is said again, because every report tells how things are, and a fresh start
reports all of it; what an outage pushes out of the outbox is said again once the hub is back.
"""

import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import msgspec
import structlog

from agents import clock, errors, hub, signals
from agents.domain import acceptance, retry
from protocol import canonical, codec, crashpoints, envelope, ids, messages, reports, subjects
from protocol.canonical import Digest

RETRY_BASE_S = 1.0
RETRY_CEILING_S = 30.0
"""A hub that is back is noticed at once by the connection; this is for one that answers with errors."""

BODY_BYTES_MAX = 900 * 1024
"""Under the stream's largest message with its headers; whoever has more to say splits it."""


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


class _Letter(msgspec.Struct, frozen=True):
    subject: str
    body: bytes
    headers: Mapping[str, str]


class Reporter:
    """What one agent says."""

    def __init__(
        self,
        cluster: ids.ClusterId,
        connection: hub.Hub,
        *,
        clocks: clock.Clock,
        chance: random.Random,
        outbox_max: int,
        boundary: crashpoints.Boundary,
    ) -> None:
        self._cluster = cluster
        self._hub = connection
        self._clock = clocks
        self._chance = chance
        self._outbox: deque[_Letter] = deque()
        self._outbox_max = outbox_max
        self._boundary = boundary
        self._number = 0
        self.boot = 0
        """Set before the first report."""
        self._standing = acceptance.NOWHERE
        self._filled = signals.Signal()
        self._log = structlog.get_logger().bind(cluster=cluster)
        self.arrived = signals.Signal()
        """Raised when the hub is there again: try at once."""
        self.lost = False
        """Reports were dropped: everything has to be said again."""

    @property
    def waiting(self) -> int:
        """Reports that are not delivered yet."""
        return len(self._outbox)

    def stand_at(self, standing: acceptance.Standing) -> None:
        """From now on every report rests on this, the newest verified desired state."""
        self._standing = standing

    def say(self, make: Callable[[reports.Origin], reports.Report], *, traceparent: str = "") -> None:
        """Put a report into the outbox; `make` completes it with its origin."""
        assert self.boot, "reports come in the order of their boots"
        self._number += 1
        origin = self._origin()
        report = make(origin)
        body = messages.REPORT.encode(report)
        if len(self._outbox) >= self._outbox_max:
            self._outbox.popleft()
            self.lost = True
        subject = subjects.report(self._cluster, reports.KINDS[type(report)])
        self._outbox.append(_Letter(subject, body, self._headers(origin, codec.tag_of(report), traceparent)))
        self._filled.raise_()

    async def beat(self, root: Digest) -> None:
        """Send one heartbeat; its number is that of the last report, so that a listener sees what it has missed."""
        origin = self._origin()
        beat = reports.Beat(origin=origin, root=root)
        body = messages.BEAT.encode(beat)
        await self._hub.send(subjects.beat(self._cluster), body, self._headers(origin, codec.tag_of(beat), ""))

    async def run(self) -> None:
        """Deliver, for ever."""
        while True:
            await self._filled.wait()
            attempt = 0
            while self._outbox:
                letter = self._outbox[0]
                try:
                    await self._hub.store(letter.subject, letter.body, letter.headers)
                except errors.Transient:
                    delay = retry.backoff(
                        attempt, base_s=RETRY_BASE_S, ceiling_s=RETRY_CEILING_S, chance=self._chance.random()
                    )
                    attempt += 1
                    await self.arrived.wait(delay)
                    continue
                except errors.HubRefused as error:
                    # It would be refused again, and everything behind it would wait for ever.
                    self._log.error("report refused", subject=letter.subject, reason=str(error))
                attempt = 0
                if self._outbox and self._outbox[0] is letter:
                    self._outbox.popleft()
                self._boundary("report")

    def _origin(self) -> reports.Origin:
        return reports.Origin(
            cluster=self._cluster,
            boot=self.boot,
            number=self._number,
            at=self._clock.now(),
            epoch=self._standing.mark.epoch,
            generation=self._standing.mark.generation,
            log_head=self._standing.log_head,
        )

    def _headers(self, origin: reports.Origin, tag: str, traceparent: str) -> Mapping[str, str]:
        return envelope.to_headers(
            envelope.Envelope(
                id=f"{self.boot}-{origin.number}",
                type=tag,
                source=f"/flotilla/clusters/{self._cluster}",
                time=origin.at,
                traceparent=traceparent,
            )
        )
