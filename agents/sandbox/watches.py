"""Watches: a collection's changes as a stream, read from the cluster's bounded memory of them.

A watch keeps only its position. When it falls so far behind that its next change is forgotten, it is told 410 and
must list again, exactly as with the real server; a slow client costs no memory.
"""

import asyncio
from collections.abc import Iterator, Mapping

import msgspec
from aiohttp import web

from agents.sandbox import faults, list_options, reads, statuses, store
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


async def stream(cluster: Cluster, watch: Watch, *, response: web.StreamResponse) -> faults.Fault | None:
    """Write changes until the watch's time is over, or return the fault that ended it.

    Raises what writing raises when the client is gone.
    """
    wake = asyncio.Event()
    cluster.store.watch(watch.key, wake.set)
    cluster.faults.listen(wake.set)
    try:
        return await _Stream(cluster, watch, response, wake).run()
    finally:
        cluster.faults.unlisten(wake.set)
        cluster.store.unwatch(watch.key, wake.set)


class _Stream:
    """One watch as it runs."""

    def __init__(self, cluster: Cluster, watch: Watch, response: web.StreamResponse, wake: asyncio.Event) -> None:
        self._cluster, self._watch, self._response, self._wake = cluster, watch, response, wake
        self._now = asyncio.get_running_loop().time
        self._ends = self._now() + (watch.options.timeout_s or DURATION_S)
        self._due = _next_bookmark(self._now(), self._ends)
        self._position = self._begun = watch.options.version

    async def run(self) -> faults.Fault | None:
        fault = None
        try:
            async with asyncio.timeout_at(self._ends):
                fault = self._fault() or await self._tell()
        except TimeoutError:  # the watch's own time: the normal end
            return None
        except store.TooOld as error:
            await self._fail(statuses.expired(self._watch.options.version, error.oldest))
        except statuses.Failure as failure:
            await self._fail(failure)
        if fault is not None:
            await self._suffer(fault)
        return fault

    async def _tell(self) -> faults.Fault:
        """Write the state, if it is wanted, and the changes as they come."""
        await self._initial()
        while True:
            self._wake.clear()
            await self._changes()
            await self._woken()
            fault = self._fault()
            if fault is not None:
                return fault

    def _fault(self) -> faults.Fault | None:
        return self._cluster.faults.strike_watch(self._watch.how.resource, self._watch.wanted.namespace)

    async def _suffer(self, fault: faults.Fault) -> None:
        """Do to the watch what the fault says; its connection is broken by whoever holds it."""
        if fault.watch == "expire":
            await self._fail(statuses.expired(self._position, self._cluster.store.version))
        elif fault.watch == "silent":
            await self._cluster.faults.freed()

    async def _fail(self, failure: statuses.Failure) -> None:
        await self._response.write(_line("ERROR", store.encode(failure.document())))

    async def _initial(self) -> None:
        """Write the state from which the watch starts, if it wants that, and note from which version it goes on."""
        options, version = self._watch.options, self._cluster.store.version
        self._position = self._begun = options.version or version
        if not options.initial:
            return
        if options.version > version:
            raise statuses.too_large_version(options.version, version)
        lines = list(self._state())
        if options.bookmarks:
            lines.append(_line("BOOKMARK", self._watch.how.bookmark(version, initial=True)))
        self._position = self._begun = version
        await self._response.write(b"".join(lines))

    def _state(self) -> Iterator[bytes]:
        for record in self._cluster.store.collection(self._watch.key, self._watch.wanted.namespace):
            if self._watch.wanted.matches(record):
                yield _line("ADDED", self._watch.how.one(record))

    async def _changes(self) -> None:
        events = self._cluster.store.since(self._watch.key, self._position)
        self._position = max(self._position, self._cluster.store.version)
        lines = [line for line in map(self._watch.line, events) if line]
        if lines:
            await self._response.write(b"".join(lines))

    async def _bookmark(self) -> None:
        """Say how far the watch has seen, if that is further than where it began: else the real server is silent, too.

        So in a cluster where nothing happens no bookmark comes, and its absence is no sign of a broken watch.
        """
        version = self._cluster.store.version
        if version > self._begun:
            await self._response.write(_line("BOOKMARK", self._watch.how.bookmark(version)))

    async def _woken(self) -> None:
        """Wait for a change; a bookmark now and then tells a quiet client how far it has seen."""
        while self._watch.options.bookmarks and not self._wake.is_set():
            try:
                async with asyncio.timeout_at(self._due):
                    await self._wake.wait()
            except TimeoutError:
                if not self._wake.is_set():  # else there is something to tell first, and the bookmark stays due
                    self._due = _next_bookmark(self._now(), self._ends)
                    await self._bookmark()
        await self._wake.wait()


def _next_bookmark(now: float, ends: float) -> float:
    regular, last = now + BOOKMARK_INTERVAL_S, ends - BOOKMARK_BEFORE_END_S
    return last if now < last < regular else regular
