"""Watches: a collection's changes as a stream, read from the cluster's bounded memory of them.

A watch keeps only its position. When it falls so far behind that its next change is forgotten, it is told 410 and
must list again, exactly as with the real server; a slow client costs no memory.
"""

import asyncio
from collections.abc import Iterator, Mapping

import msgspec
from aiohttp import web

from agents.sandbox import reads, statuses, store
from agents.sandbox.admission import Target
from agents.sandbox.cluster import Cluster
from agents.sandbox.reads import Rendering, Selection
from agents.sandbox.store import Event, Key

BOOKMARK_INTERVAL_S = 60.0  # the real server's interval
DURATION_S = 1800.0  # the real server ends a watch without a time-out after 30 to 60 minutes


class Watch(msgspec.Struct, frozen=True):
    """What one watch wants to see, and how."""

    key: Key
    wanted: Selection
    how: Rendering
    bookmarks: bool
    duration_s: float

    def line(self, event: Event) -> bytes | None:
        """Return an event as this watch sees it: an object that leaves the selection is deleted for it."""
        now = event.type != "DELETED" and self.wanted.matches(event.record)
        before = event.previous is not None and self.wanted.matches(event.previous)
        if not now and not before:
            return None
        kind = "DELETED" if not now else "MODIFIED" if before else "ADDED"
        return _line(kind, self.how.one(event.record))


def _line(kind: str, document: bytes) -> bytes:
    return b'{"type":"%s","object":%s}\n' % (kind.encode(), document)


def open_watch(target: Target, query: Mapping[str, str], how: Rendering) -> Watch:
    """Read what a watch request asks for."""
    return Watch(
        key=store.key_of(target.resource),
        wanted=reads.selection(target, query),
        how=how,
        bookmarks=query.get("allowWatchBookmarks", "").lower() in ("1", "true"),
        duration_s=float(query.get("timeoutSeconds") or DURATION_S),
    )


async def stream(cluster: Cluster, watch: Watch, query: Mapping[str, str], *, response: web.StreamResponse) -> None:
    """Write changes until the watch's time is over; raises what writing raises when the client is gone."""
    wake = asyncio.Event()
    cluster.store.watch(watch.key, wake.set)
    try:
        async with asyncio.timeout(watch.duration_s):
            position = await _initial(cluster, watch, query, response=response)
            while True:
                position = await _changes(cluster, watch, position, response=response)
                await _woken(wake, watch, cluster.store.version, response=response)
    except TimeoutError:  # the watch's own time: the normal end
        if watch.bookmarks:
            await response.write(_line("BOOKMARK", watch.how.bookmark(cluster.store.version)))
    except store.TooOld:
        gone = statuses.expired(int(query.get("resourceVersion") or 0), cluster.store.version)
        await response.write(_line("ERROR", store.encode(gone.document())))
    finally:
        cluster.store.unwatch(watch.key, wake.set)


async def _initial(cluster: Cluster, watch: Watch, query: Mapping[str, str], *, response: web.StreamResponse) -> int:
    """Write the state from which the watch starts, when it names no version to start from."""
    asked = query.get("resourceVersion", "")
    initial_events = query.get("sendInitialEvents", "").lower() == "true"
    if asked not in ("", "0") and not initial_events:
        return int(asked)
    version = cluster.store.version
    for line in list(_state(cluster, watch)):
        await response.write(line)
    if initial_events:
        await response.write(_line("BOOKMARK", watch.how.bookmark(version, initial=True)))
    return version


def _state(cluster: Cluster, watch: Watch) -> Iterator[bytes]:
    for record in cluster.store.collection(watch.key, watch.wanted.namespace):
        if watch.wanted.matches(record):
            yield _line("ADDED", watch.how.one(record))


async def _changes(cluster: Cluster, watch: Watch, position: int, *, response: web.StreamResponse) -> int:
    events = cluster.store.since(watch.key, position)
    lines = [line for line in map(watch.line, events) if line]
    if lines:
        await response.write(b"".join(lines))
    return events[-1].record.version if events else position


async def _woken(wake: asyncio.Event, watch: Watch, version: int, *, response: web.StreamResponse) -> None:
    """Wait for a change; a bookmark now and then tells a quiet client how far it has seen."""
    while not wake.is_set():
        try:
            async with asyncio.timeout(BOOKMARK_INTERVAL_S):
                await wake.wait()
        except TimeoutError:
            if watch.bookmarks:
                await response.write(_line("BOOKMARK", watch.how.bookmark(version)))
    wake.clear()
