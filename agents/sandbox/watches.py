"""Watches: a collection's changes as a stream, read from the cluster's bounded memory of them.

A watch keeps only its position. When it falls so far behind that its next change is forgotten, it is told 410 and
must list again, exactly as with the real server; a slow client costs no memory.
"""

import asyncio
from collections.abc import Iterator, Mapping

import msgspec
from aiohttp import web

from agents.sandbox import list_options, reads, statuses, store
from agents.sandbox.admission import Target
from agents.sandbox.cluster import Cluster
from agents.sandbox.list_options import WatchOptions
from agents.sandbox.reads import Rendering, Selection
from agents.sandbox.store import Event, Key

BOOKMARK_INTERVAL_S = 60.0  # the real server's interval
BOOKMARK_BEFORE_END_S = 2.0  # and its last one, so that the next watch begins at what this one has seen
DURATION_S = 1800.0  # the real server ends a watch without a time-out after 30 to 60 minutes


class Watch(msgspec.Struct, frozen=True):
    """What one watch wants to see, and how."""

    key: Key
    wanted: Selection
    how: Rendering
    options: WatchOptions

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
    options = list_options.of_watch(query)
    return Watch(key=store.key_of(target.resource), wanted=reads.selection(target, query), how=how, options=options)


async def stream(cluster: Cluster, watch: Watch, *, response: web.StreamResponse) -> None:
    """Write changes until the watch's time is over; raises what writing raises when the client is gone."""
    wake = asyncio.Event()
    ends = asyncio.get_running_loop().time() + (watch.options.timeout_s or DURATION_S)
    cluster.store.watch(watch.key, wake.set)
    try:
        async with asyncio.timeout_at(ends):
            position = await _initial(cluster, watch, response=response)
            while True:
                wake.clear()
                position = await _changes(cluster, watch, position, response=response)
                if watch.options.bookmarks:
                    await _marked(cluster, watch, wake, ends=ends, response=response)
                else:
                    await wake.wait()
    except TimeoutError:  # the watch's own time: the normal end
        pass
    except store.TooOld as error:
        await response.write(_error(statuses.expired(watch.options.version, error.oldest)))
    except statuses.Failure as failure:
        await response.write(_error(failure))
    finally:
        cluster.store.unwatch(watch.key, wake.set)


def _error(failure: statuses.Failure) -> bytes:
    return _line("ERROR", store.encode(failure.document()))


async def _initial(cluster: Cluster, watch: Watch, *, response: web.StreamResponse) -> int:
    """Write the state from which the watch starts, if it wants that; return the version from which it goes on."""
    options, version = watch.options, cluster.store.version
    if not options.initial:
        return options.version or version
    if options.version > version:
        raise statuses.too_large_version(options.version, version)
    lines = list(_state(cluster, watch))
    if options.bookmarks:
        lines.append(_line("BOOKMARK", watch.how.bookmark(version, initial=True)))
    await response.write(b"".join(lines))
    return version


def _state(cluster: Cluster, watch: Watch) -> Iterator[bytes]:
    for record in cluster.store.collection(watch.key, watch.wanted.namespace):
        if watch.wanted.matches(record):
            yield _line("ADDED", watch.how.one(record))


async def _changes(cluster: Cluster, watch: Watch, position: int, *, response: web.StreamResponse) -> int:
    events, seen = cluster.store.since(watch.key, position), max(position, cluster.store.version)
    lines = [line for line in map(watch.line, events) if line]
    if lines:
        await response.write(b"".join(lines))
    return seen


async def _marked(
    cluster: Cluster, watch: Watch, wake: asyncio.Event, *, ends: float, response: web.StreamResponse
) -> None:
    """Wait for a change; a bookmark now and then tells a quiet client how far it has seen."""
    while not wake.is_set():
        try:
            async with asyncio.timeout_at(_next_bookmark(asyncio.get_running_loop().time(), ends)):
                await wake.wait()
        except TimeoutError:
            if not wake.is_set():  # else there is something before the version that the bookmark would name
                await response.write(_line("BOOKMARK", watch.how.bookmark(cluster.store.version)))


def _next_bookmark(now: float, ends: float) -> float:
    regular, last = now + BOOKMARK_INTERVAL_S, ends - BOOKMARK_BEFORE_END_S
    return last if now < last < regular else regular
