"""Blobs by their ids: from the disk, else from the hub. Whatever is handed out has been verified against its id."""

import asyncio
from collections.abc import Iterable
from typing import Protocol

from agents import disk, errors, hub
from protocol import bundles, sealing, streams, subjects
from protocol.canonical import Digest

BATCH_BLOBS = 256
"""Blobs fetched before they are written to disk together: at a few KB each, about a megabyte in memory."""

FETCH_ATTEMPTS_MAX = 3
"""A direct get may come from a replica that lags by milliseconds; what is missing three times is missing."""


class Source(Protocol):
    """Where blobs come from."""

    async def last(self, subject: str) -> hub.Message | None:
        """The last message of a subject."""


class Library:
    """The blobs of one cluster."""

    def __init__(self, store: disk.Disk, source: Source, *, fetches_max: int) -> None:
        self._disk = store
        self._source = source
        self._slots = asyncio.Semaphore(fetches_max)

    async def plain(self, blob: Digest, tag: str) -> bytes:
        """The plain bytes of a blob; raise BlobMissing or HubUnavailable if it cannot be had now."""
        data = await self._disk.get(sealing.blob_name(blob))
        if data is not None:
            try:
                return sealing.open_blob(blob, tag, data)
            except sealing.BlobError:
                # The disk damaged it, or it is of another type, which the fetch will tell.
                await self._disk.drop(sealing.blob_name(blob))
        name, data = await self._fetch(blob, tag)
        await self._disk.put([(name, data)])
        return _opened(blob, tag, data)

    async def plain_all(self, blobs: Iterable[Digest], tag: str) -> dict[Digest, bytes | errors.AgentError]:
        """Many blobs at once; where one cannot be had, its error stands in its place and harms no other."""
        wanted = sorted(set(blobs))
        sealed = await self._disk.get_all(sealing.blob_name(blob) for blob in wanted)
        found: dict[Digest, bytes | errors.AgentError] = {}
        for blob in wanted:
            data = sealed.get(sealing.blob_name(blob), b"")
            try:
                found[blob] = sealing.open_blob(blob, tag, data) if data else await self.plain(blob, tag)
            except sealing.BlobError:
                found[blob] = await self._again(blob, tag)
            except errors.AgentError as error:
                found[blob] = error
        return found

    async def _again(self, blob: Digest, tag: str) -> bytes | errors.AgentError:
        """A damaged one, from the hub."""
        try:
            return await self.plain(blob, tag)
        except errors.AgentError as error:
            return error

    async def ensure(self, blobs: Iterable[Digest], tag: str) -> int:
        """Bring all these blobs to the disk; the number that had to be fetched."""
        by_name = {sealing.blob_name(blob): blob for blob in blobs}
        missing = await self._disk.missing(by_name)
        for start in range(0, len(missing), BATCH_BLOBS):
            part = missing[start : start + BATCH_BLOBS]
            try:
                async with asyncio.TaskGroup() as tasks:
                    fetches = [tasks.create_task(self._fetch(by_name[name], tag)) for name in part]
            except* errors.AgentError as group:
                raise _first(group) from group
            await self._disk.put([fetch.result() for fetch in fetches])
        return len(missing)

    async def keep(self, tagged: Iterable[bytes]) -> None:
        """Keep plain blobs that came along with a message. They are nobody's word: each goes under the id of its
        content."""
        sealed = []
        for body in tagged:
            tag, separator, plain = body.partition(b"\0")
            if separator and tag.decode(errors="replace") in (
                bundles.MANIFEST_TAG,
                bundles.INDEX_TAG,
                bundles.ROOT_TAG,
            ):
                blob = sealing.seal(tag.decode(), plain)
                sealed.append((blob.name, blob.data))
        if sealed:
            await self._disk.put(sealed)

    async def _fetch(self, blob: Digest, tag: str) -> tuple[Digest, bytes]:
        name = sealing.blob_name(blob)
        subject = subjects.direct_get(streams.BLOBS.name, subjects.blob(name))
        async with self._slots:
            for _ in range(FETCH_ATTEMPTS_MAX):
                message = await self._source.last(subject)
                if message is not None:
                    _opened(blob, tag, message.data)
                    return name, message.data
        raise errors.BlobMissing(f"{tag} {blob[:16]}…: the hub has no such blob")


def _opened(blob: Digest, tag: str, data: bytes) -> bytes:
    try:
        return sealing.open_blob(blob, tag, data)
    except sealing.BlobError as error:
        raise errors.Unreadable(str(error)) from error


def _first(group: BaseExceptionGroup[errors.AgentError]) -> errors.AgentError:
    """One error for all of a group that failed together; what is wrong for good outranks what may pass."""
    leaves = list(_leaves(group))
    return next((error for error in leaves if isinstance(error, errors.Terminal)), leaves[0])


def _leaves(group: BaseExceptionGroup[errors.AgentError]) -> Iterable[errors.AgentError]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def name_of(blob: Digest) -> Digest:
    """The name under which a blob is stored, here and at the hub."""
    return sealing.blob_name(blob)
