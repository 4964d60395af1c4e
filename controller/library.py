"""Catalogs, bundle indexes and roots by digest: read from the blobs once, then held in memory.

What a digest names never changes, so that nothing here is ever stale. What is not needed any more is let go: a catalog
of thousands of bundles has megabytes, and every commit makes one.
"""

import asyncio
from collections.abc import Collection, Iterable
from typing import Protocol, TypeVar

from controller import errors
from controller.domain import catalogs
from protocol import bundles, canonical, messages, sealing
from protocol.canonical import Digest
from protocol.codec import Codec

T = TypeVar("T")

READS_MAX = 64
"""Blobs asked for at once: enough to hide the round trip, far below the client's pending limit."""


class MissingBlobError(errors.Transient):
    """The log names a blob that the stream does not have: nothing may be derived without it."""


class Blobs(Protocol):
    """The sealed blobs of the fleet."""

    async def put(self, blobs: Iterable[sealing.Sealed]) -> None:
        """Store; return when all are durable."""

    async def get(self, name: Digest) -> bytes | None:
        """The sealed bytes of this name."""


class Library:
    """Decoded content by digest."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._reads = asyncio.Semaphore(READS_MAX)
        self.catalogs: dict[Digest, catalogs.Catalog] = {}
        self.indexes: dict[Digest, bundles.BundleIndex] = {}
        self.roots: dict[Digest, bundles.ClusterRoot] = {canonical.NO_DIGEST: bundles.EMPTY_ROOT}
        self._idle: frozenset[Digest] = frozenset()
        """What was not needed when that was looked at last."""

    async def need_catalogs(self, digests: Collection[Digest]) -> None:
        """Have these catalogs; raise MissingBlobError or sealing.BlobError if one cannot be had."""
        await self._need(self.catalogs, digests, bundles.CATALOG_TAG, catalogs.CATALOG)

    async def need_indexes(self, digests: Collection[Digest]) -> None:
        """Have these bundle indexes."""
        await self._need(self.indexes, digests, bundles.INDEX_TAG, messages.INDEX)

    async def need_roots(self, digests: Collection[Digest]) -> None:
        """Have these roots."""
        await self._need(self.roots, digests, bundles.ROOT_TAG, messages.ROOT)

    def let_go(self, needed: Collection[Digest], roots: Collection[Digest]) -> int:
        """Forget what is beside these catalogs and roots and their indexes, was so at the last call, and was asked for
        by nobody in between; return how many. Between two calls there must be more time than anybody takes who has
        asked for something to be done with it."""
        wanted = {canonical.NO_DIGEST, *needed, *roots}
        for digest in self.catalogs.keys() & wanted:
            wanted |= catalogs.indexes_named(self.catalogs[digest])
        for digest in self.roots.keys() & wanted:
            wanted |= {entry.index for entry in self.roots[digest].bundles}
        idle = (self.catalogs.keys() | self.indexes.keys() | self.roots.keys()) - wanted
        going = idle & self._idle
        for digest in going:
            self.catalogs.pop(digest, None)
            self.indexes.pop(digest, None)
            self.roots.pop(digest, None)
        self._idle = frozenset(idle - going)
        return len(going)

    async def store(self, tag: str, plain: bytes) -> Digest:
        """Store one blob; return its digest."""
        sealed = sealing.seal(tag, plain)
        await self._blobs.put([sealed])
        return sealed.id

    async def store_sealed(self, blobs: Iterable[sealing.Sealed]) -> None:
        """Store blobs that are sealed already."""
        await self._blobs.put(blobs)

    async def plain(self, tag: str, digest: Digest) -> bytes:
        """The plain bytes of any blob, not kept in memory."""
        async with self._reads:
            data = await self._blobs.get(sealing.blob_name(digest))
        if data is None:
            raise MissingBlobError(f"{tag} {digest[:16]}…: not among the blobs")
        return sealing.open_blob(digest, tag, data)

    async def _need(self, shelf: dict[Digest, T], digests: Collection[Digest], tag: str, codec: Codec[T]) -> None:
        self._idle -= set(digests)

        async def fetch(digest: Digest) -> None:
            shelf[digest] = codec.decode(await self.plain(tag, digest))

        try:
            async with asyncio.TaskGroup() as group:
                for digest in sorted(set(digests) - set(shelf)):
                    group.create_task(fetch(digest))
        except ExceptionGroup as failures:
            # One missing blob is enough to derive nothing; the callers care which kind of error, not how many.
            raise failures.exceptions[0] from failures
