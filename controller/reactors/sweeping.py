"""Deletes the blobs that nothing names any more, a bounded number at a time.

All that is named is collected anew for every sweep, from the log, the desired states and the blobs themselves; whatever
cannot be read ends the sweep before it deletes anything.

A blob goes only when two sweeps in a row found it unnamed. So what a cluster's state named until a moment ago outlives
whoever still reads it: an agent that fetches, another hub that works with it, a backup that took the states first and
takes the blobs last. And no clock alone, whichever jumps, makes a blob go that is about to be named.
"""

import asyncio
import contextlib
import datetime
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Sequence
from typing import Protocol

import msgspec
import structlog

from controller import errors, runtime, transact
from controller.domain import assignments, catalogs, sweeping, world
from controller.store import records
from protocol import bundles, codec, messages, sealing
from protocol.canonical import Digest

logger = structlog.get_logger(__name__)

FIRST_S = 600.0
"""Before the first sweep: a hub that just started has better things to do."""

WALK_MAX = 50_000
"""Blobs looked at by one sweep, each a request: a minute at most. The next sweep goes on from there."""

DELETED_MAX = 10_000
"""Blobs deleted by one sweep: what is left can wait, the stream's clients should not."""

NAMED_MAX = 2_000_000
"""Names held while a sweep runs, some 250 MB; a fleet with more needs a shorter retention, or none of this."""

READS = 32
"""Blobs read at a time, half of what the library reads at once: others want to read, too."""

STEP_EVENTS = 50
"""Events folded in one go: some two milliseconds."""


class TooManyError(errors.Terminal):
    """More is named than one sweep can hold."""


class Log(Protocol):
    """The stored events."""

    def read(self, after: int) -> AsyncGenerator[records.Stored, None]:
        """All events with a higher sequence, in order."""


class Desired(Protocol):
    """The stored desired states."""

    async def all(self) -> Sequence[records.Stored]:
        """Every cluster's present state."""


class Shelf(Protocol):
    """The stored blobs."""

    async def held(self) -> sweeping.Holding:
        """How much is stored."""

    async def after(self, sequence: int) -> sweeping.Held | None:
        """The oldest blob with a higher sequence; None: there is none."""

    async def remove(self, blob: sweeping.Held) -> None:
        """Delete this very storing of it: what was stored under the name since then stays."""


class Keeping(msgspec.Struct, frozen=True, kw_only=True):
    """How long what is kept, and how often that is looked at."""

    retention: datetime.timedelta
    """Zero: nothing is ever deleted. What was in force within the grace stays in any case."""
    interval_s: float
    """What a sweep found unnamed is deleted by the next one."""
    grace: datetime.timedelta = sweeping.GRACE


class Sweeping:
    """Keeps the blobs' stream from growing for ever."""

    def __init__(
        self,
        shared: runtime.Runtime,
        log: Log,
        *,
        desired: Desired,
        shelf: Shelf,
        keeping: Keeping,
    ) -> None:
        self._shared = shared
        self._log = log
        self._desired = desired
        self._shelf = shelf
        self._keeping = keeping
        self._position = 0
        """Blobs up to this sequence were looked at, by the sweeps of this round through the stream."""
        self._found: tuple[sweeping.Held, ...] = ()
        """What the last sweep found to be old and unnamed."""
        self.told: Callable[[sweeping.Swept, sweeping.Holding], None] = lambda _swept, _holding: None
        """Called after each sweep."""

    async def run(self) -> None:
        """Sweep at intervals, for ever."""
        pause_s = min(FIRST_S, self._keeping.interval_s)
        while True:
            if await self._rest(pause_s):
                await self._try()
            pause_s = self._keeping.interval_s

    async def _rest(self, pause_s: float) -> bool:
        """Wait; return whether the clock says as much. A machine that slept for days may be between storing blobs and
        naming them, and their age tells nothing then."""
        began = self._shared.clock()
        await transact.Signal().wait(pause_s)
        return self._shared.clock() - began < datetime.timedelta(seconds=pause_s) + self._keeping.grace / 2

    async def _try(self) -> None:
        try:
            swept = await self.sweep()
            self.told(swept, await self._shelf.held())
        except (errors.HubError, sealing.BlobError, codec.DecodeError, world.BrokenChainError) as error:
            self._shared.counts["sweeps", "failed"] += 1
            logger.warning("blobs are not swept", reason=str(error))
            return
        self._shared.counts["sweeps", "done"] += 1
        if swept.blobs:
            logger.info("blobs swept", blobs=swept.blobs, bytes=swept.size)

    async def sweep(self) -> sweeping.Swept:
        """One sweep; raise whatever kept it from knowing all that is named."""
        # Whoever is in recovery knows of a log that is not the fleet's.
        if not self._keeping.retention or self._shared.world.fleet.recovering:
            return sweeping.Swept()
        # Of two clocks that disagree, the earlier one keeps more.
        at = min(self._shared.clock(), (await self._shelf.held()).at)
        before = at - self._keeping.grace
        await self._shared.transactor.catch_up()
        # What an agent fetches, or a hub derives from, may have ceased to be in force a moment ago.
        named = await self._named(at - max(self._keeping.retention, self._keeping.grace))
        swept = await self._delete(sweeping.decide(self._found, named, before=before))
        self._found = sweeping.decide(await self._walk(before=before), named, before=before)[:DELETED_MAX]
        if len(self._found) == DELETED_MAX:
            self._position = self._found[-1].sequence
        return swept

    async def _delete(self, going: Sequence[sweeping.Held]) -> sweeping.Swept:
        blobs = size = 0
        for blob in going:
            if self._shared.world.fleet.recovering:
                break  # a cluster showed just now that it knows of a log that is not ours
            await self._shelf.remove(blob)
            blobs, size = blobs + 1, size + blob.size
        return sweeping.Swept(blobs=blobs, size=size)

    async def _walk(self, *, before: datetime.datetime) -> list[sweeping.Held]:
        """The next ones in the order in which they were stored, as far as they are old."""
        found: list[sweeping.Held] = []
        while len(found) < WALK_MAX:
            blob = await self._shelf.after(self._position)
            if blob is None or blob.at >= before:
                self._position = 0  # the next sweep begins anew
                break
            self._position = blob.sequence
            found.append(blob)
        return found

    async def _named(self, since: datetime.datetime) -> frozenset[Digest]:
        """The public names of all blobs that are needed, now or since then."""
        ids: set[Digest] = set()
        roots: set[Digest] = set()
        for stored in await self._desired.all():
            payload = messages.SIGNED.decode(stored.body).payload
            ids |= sweeping.blobs_named(payload)
            roots.add(messages.STATE.decode(payload).root)
        given = await self._retained(since) | assignments.catalog_digests(self._shared.world)
        ids |= given
        indexes: set[Digest] = set()
        async for plain in self._plain(bundles.ROOT_TAG, roots):
            ids |= sweeping.blobs_named(plain)
            indexes |= {one.index for one in messages.ROOT.decode(plain).bundles}
        async for plain in self._plain(bundles.CATALOG_TAG, given):
            # A catalog of thousands of bundles has megabytes.
            indexes |= catalogs.indexes_named(await asyncio.to_thread(catalogs.CATALOG.decode, plain))
        ids |= indexes
        async for plain in self._plain(bundles.INDEX_TAG, indexes):
            ids |= sweeping.blobs_named(plain)
            if len(ids) > NAMED_MAX:
                raise TooManyError(f"blobs: more than {NAMED_MAX} are named (a shorter retention names fewer)")
        return frozenset(map(sealing.blob_name, ids))

    async def _retained(self, since: datetime.datetime) -> frozenset[Digest]:
        retained = sweeping.Retained(since)
        async with contextlib.aclosing(self._log.read(0)) as events:
            async for stored in events:
                retained.take(stored.sequence, stored.subject, stored.body)
                if stored.sequence % STEP_EVENTS == 0:
                    await asyncio.sleep(0)
        return retained.catalogs()

    async def _plain(self, tag: str, digests: Collection[Digest]) -> AsyncGenerator[bytes, None]:
        """The content of each; raise what kept one from being read."""
        wanted = sorted(digests)
        for start in range(0, len(wanted), READS):
            for plain in await self._read(tag, wanted[start : start + READS]):
                yield plain

    async def _read(self, tag: str, digests: Iterable[Digest]) -> list[bytes]:
        try:
            async with asyncio.TaskGroup() as group:
                reading = [group.create_task(self._shared.library.plain(tag, digest)) for digest in digests]
        except ExceptionGroup as failures:
            # One that cannot be read is enough to delete nothing.
            raise failures.exceptions[0] from failures
        return [task.result() for task in reading]
