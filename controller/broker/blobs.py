"""The door to BLOBS: sealed content by name.

The hub remembers names that it has stored, so that the same index is not written again for every cluster. This memory
is cleared when the connection breaks, for the server may come back with an older store. It is short, for another hub
may delete blobs: what is put is at most KNOWN_S old in the stream, or stored again.
"""

import asyncio
import collections
from collections.abc import Iterable

from controller import errors
from controller.broker import api, connection
from controller.domain import sweeping
from protocol import sealing, streams, subjects
from protocol.canonical import Digest

CONCURRENT_MAX = 32
"""Blobs under way: the server syncs each, so more would only wait there; at most 32 MiB in buffers."""

KNOWN_MAX = 100_000
"""Names remembered, some 15 MB; a forgotten one costs one write of what is there already."""

KNOWN_S = 600.0
"""How long a name is remembered: one pass over the fleet, and a small part of the age that protects a blob."""

ATTEMPTS_MAX = 5
"""Times a blob is sent while the server does not answer; each waits for a reconnect, together half a minute."""

DATA_BYTES_MAX = streams.MESSAGE_BYTES_MAX - 1024
"""A message holds the blob, and headers that something on the way may add."""

_STREAM = streams.BLOBS.name


class BlobTooLarge(errors.Terminal):
    """A sealed blob that no message can hold."""


class Known:
    """Names that were stored lately, by a clock that only goes forward."""

    def __init__(self) -> None:
        self._stored: collections.OrderedDict[Digest, float] = collections.OrderedDict()
        """With the time before each was stored; those that were put last stand last."""

    def holds(self, name: Digest, at: float) -> bool:
        """Was it stored less than KNOWN_S ago? Being asked for makes nothing younger."""
        stored = self._stored.pop(name, None)
        if stored is None or at - stored >= KNOWN_S:
            return False
        self._stored[name] = stored
        return True

    def remember(self, name: Digest, at: float) -> None:
        """It was stored after this."""
        self._stored[name] = at
        if len(self._stored) > KNOWN_MAX:
            self._stored.popitem(last=False)

    def drop(self, name: Digest) -> None:
        """It may not be stored any more."""
        self._stored.pop(name, None)

    def clear(self) -> None:
        """Nothing may be stored any more."""
        self._stored.clear()


class Blobs:
    """Stores and reads sealed blobs."""

    def __init__(self, link: connection.Connection) -> None:
        self._link = link
        self._known = Known()
        link.on_every_reconnect(self.forget)

    async def put(self, blobs: Iterable[sealing.Sealed]) -> None:
        """Store every blob that is not known to be stored; raise BlobTooLarge or Unavailable.

        When this returns, all are stored; when it raises, some may be, which does no harm.
        """
        waiting = iter(blobs)
        failures: list[errors.HubError] = []

        async def work() -> None:
            for blob in waiting:
                try:
                    await self._put(blob)
                except errors.HubError as error:
                    failures.append(error)
                if failures:
                    return

        async with asyncio.TaskGroup() as group:
            for _ in range(CONCURRENT_MAX):
                group.create_task(work())
        if failures:
            raise failures[0]

    async def get(self, name: Digest) -> bytes | None:
        """A sealed blob as the stream's leader has it; None: it is not stored."""
        stored = await api.last(self._link, _STREAM, subjects.blob(name))
        return stored.body if stored else None

    async def held(self) -> sweeping.Holding:
        """How much is stored."""
        state, at = await api.state_then(self._link, _STREAM)
        return sweeping.Holding(blobs=state.messages, size=state.bytes, at=at)

    async def after(self, sequence: int) -> sweeping.Held | None:
        """The oldest blob with a higher sequence; None: there is none."""
        stored = await api.first_after(self._link, _STREAM, subjects.BLOBS, sequence=sequence)
        if stored is None or stored.at is None:
            return None
        name = Digest(stored.subject.rpartition(".")[2])
        return sweeping.Held(name=name, sequence=stored.sequence, at=stored.at, size=len(stored.body))

    async def remove(self, blob: sweeping.Held) -> None:
        """Delete this very storing of it: what was stored under the name since then stays."""
        self._known.drop(blob.name)
        request = {"filter": subjects.blob(blob.name), "seq": blob.sequence + 1}
        await api.call(self._link, f"STREAM.PURGE.{_STREAM}", request, what=f"stream {_STREAM}")

    def forget(self) -> None:
        """Take nothing for stored any more."""
        self._known.clear()

    async def _put(self, blob: sealing.Sealed) -> None:
        began = asyncio.get_running_loop().time()
        if self._known.holds(blob.name, began):
            return
        if len(blob.data) > DATA_BYTES_MAX:
            raise BlobTooLarge(
                f"blob {blob.id[:16]}…: too large to send ({len(blob.data)} bytes compressed of {DATA_BYTES_MAX})"
            )
        await self._store(blob)
        self._known.remember(blob.name, began)

    async def _store(self, blob: sealing.Sealed) -> None:
        for _ in range(ATTEMPTS_MAX - 1):
            try:
                await api.publish(self._link, subjects.blob(blob.name), blob.data, headers={})
            except errors.Unavailable:
                continue  # the same content under the same name: storing it twice is storing it once
            return
        await api.publish(self._link, subjects.blob(blob.name), blob.data, headers={})
