"""What is new, for whoever follows: the log as it grows, and the clusters that are not what they were.

Nobody who follows has a queue. Each has a place in the log and the number of the last change that it was told, and
reads on from there at its own pace; the newest events are read from the store once for all of them. A cluster that
changed ten times since is told once: what counts is that somebody should look.
"""

import asyncio
import collections
import contextlib
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator

import msgspec
import structlog
from aiohttp import web

from controller import errors, transact
from controller.api import access, face, problems, requests
from controller.domain.views import changes, sight
from controller.store import records
from protocol import canonical, desired, ids
from protocol.canonical import Digest

logger = structlog.get_logger(__name__)

FOLLOWERS_MAX = 128
"""Open streams: a fleet's people and pages; each costs a connection and a write of what is new."""

FOLLOWERS_EACH_MAX = 32
"""Of one token, and of all the pages that were opened with it: a program that opens more and more leaves room for
others."""

RECENT_MAX = 500
"""Events kept in memory: who keeps up reads them here; who fell further behind reads the store."""


_ID = re.compile(r"(?P<place>[0-9]{1,19})-(?P<hash>[0-9a-f]{64})")

PLACE_MAX = 2**63 - 1
"""The largest that a place in the log can be."""


class Pace(msgspec.Struct, frozen=True):
    """How fast things go."""

    interval_s: float = 1.0
    """Changes of clusters are looked for, and told, this often: a thousand heartbeats a second make no more of it."""
    keep_alive_s: float = 15.0
    """Something is written at least so often, and access is checked anew; below the usual minute of proxies."""
    write_s: float = 10.0
    """A client that does not take what it is given within this time is dropped; it may come back with its place."""


PACE = Pace()


class Feed:
    """One for the whole API."""

    def __init__(self, hub: face.HubFace, pace: Pace) -> None:
        self.pace = pace
        self.born = hub.clock().isoformat()
        """Tells this feed's numbers from those of a hub that ran before."""
        self.dropped = 0
        """Followers that did not take what they were given, since the start."""
        self.closed = False
        self.changes = 0
        """The number of the newest change of a cluster."""
        self.head = hub.transactor.world.log_head.sequence
        """The newest event that followers can have."""
        self._following: collections.Counter[Digest] = collections.Counter()
        """Those who follow now, by the digests of their tokens."""
        self._hub = hub
        self._news = asyncio.Condition()
        self._recent: collections.deque[face.LoggedEvent] = collections.deque(maxlen=RECENT_MAX)
        self._changed: dict[ids.ClusterId, int] = {}
        """The number of each cluster's last change, in the order of numbers."""
        self._glimpses: changes.Glimpses = {}

    async def run(self) -> None:
        """Notice what is new, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._read_log())
            group.create_task(self._look())

    async def close(self) -> None:
        """Let everybody go: an open stream would hold up the end of the server."""
        self.closed = True
        await self._tell()

    @property
    def followers(self) -> int:
        """Those who follow now."""
        return self._following.total()

    @contextlib.contextmanager
    def following(self, principal: access.Principal) -> Iterator[None]:
        """One more who follows; a ProblemError if there are too many."""
        if self._following[principal.digest] >= FOLLOWERS_EACH_MAX:
            detail = f"token {principal.name!r}: {FOLLOWERS_EACH_MAX} clients follow the events with it already"
            raise problems.ProblemError(429, "too-many", detail, headers=problems.RETRY)
        if self.followers >= FOLLOWERS_MAX:
            detail = f"{FOLLOWERS_MAX} clients follow the events already"
            raise problems.ProblemError(503, "too-many", detail, headers=problems.RETRY)
        self._following[principal.digest] += 1
        try:
            yield
        finally:
            self._following[principal.digest] -= 1
            self._following += collections.Counter()  # forgets those that do not follow any more

    async def drop(self) -> None:
        """One of them was too slow."""
        self.dropped += 1
        await self._tell()

    async def beyond(self, place: int) -> None:
        """Return once there is an event after this place, or it is time to say that there is none."""
        await self.until(lambda: self.head > place, self.pace.keep_alive_s)

    async def until(self, is_so: Callable[[], bool], timeout_s: float) -> None:
        """Return once it is so, or the API ends, or after the time. Looked at whenever something is new."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s), self._news:
                await self._news.wait_for(lambda: self.closed or is_so())

    async def events(self, after: int) -> AsyncGenerator[face.LoggedEvent, None]:
        """The log after this place, up to its end as it is known here."""
        if self._recent and self._recent[0].sequence <= after + 1:
            for one in list(self._recent):
                if one.sequence > after:
                    yield one
            return
        async with contextlib.aclosing(self._hub.events(after)) as stored:
            async for one in stored:
                yield one

    def changed_since(self, number: int) -> Iterator[ids.ClusterId]:
        """The clusters that changed after this change."""
        for cluster, changed in reversed(self._changed.items()):
            if changed <= number:
                return
            yield cluster

    async def compare(self) -> None:
        """Look which clusters are not what they were."""
        hub = self._hub
        facts = sight.Facts(
            observed=hub.observed,
            published=hub.published,
            catalogs=hub.catalogs,
            roots=hub.roots,
            silence=hub.silence,
        )
        now = changes.glimpses(hub.transactor.world, facts, hub.clock())
        found = list(changes.changed(self._glimpses, now))
        for cluster in self._glimpses.keys() - now.keys():
            self._changed.pop(cluster, None)
        self._glimpses = now
        if found:
            self.changes += 1
            for cluster in found:
                self._changed.pop(cluster, None)
                self._changed[cluster] = self.changes
            await self._tell()

    async def _look(self) -> None:
        while True:
            await self.compare()
            await asyncio.sleep(self.pace.interval_s)

    async def _read_log(self) -> None:
        signal = self._hub.transactor.subscribe()
        while True:
            try:
                async with contextlib.aclosing(self._hub.events(self.head)) as stored:
                    async for one in stored:
                        self._recent.append(one)
                        self.head = one.sequence
            except (errors.Transient, records.StoreError) as error:
                logger.warning("log cannot be read for those who follow", reason=str(error))
            await self._tell()
            await signal.wait(self.pace.keep_alive_s)

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()


FEED = web.AppKey("feed", Feed)


async def background(app: web.Application) -> AsyncIterator[None]:
    """Keep the feed going while the application runs."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(app[FEED].run())
        yield
        task.cancel()


async def close(app: web.Application) -> None:
    """The application is about to end."""
    await app[FEED].close()


def place(text: str, what: str) -> int:
    """A place in the log that a client names."""
    if len(text) > requests.DIGITS_MAX or not text.isascii() or not text.isdecimal():
        raise requests.bad_parameter(what, f"{text[: requests.SHOWN_CHARACTERS_MAX]!r} is no place in the log")
    return min(int(text), PLACE_MAX)


def named(text: str, what: str) -> desired.LogHead:
    """The event that a client names: a place with its hash or, with an empty one, a place alone."""
    found = _ID.fullmatch(text)
    if found is not None:
        return desired.LogHead(sequence=int(found["place"]), hash=Digest(found["hash"]))
    return desired.LogHead(sequence=place(text, what), hash=canonical.NO_DIGEST)


def id_of(at: int, known_by: Digest) -> str:
    """How clients name the event at this place, and no event of another log."""
    return f"{at}-{known_by}" if at else "0"


async def is_ours(transactor: transact.Transactor, one: desired.LogHead, *, is_exact: bool) -> bool:
    """Is the event that a client names in our log? `is_exact`: a place alone names none: there would be one in any."""
    if one.sequence > transactor.world.log_head.sequence:
        # Another hub on the same log may have told of what this one did not read yet.
        with contextlib.suppress(errors.Transient, records.StoreError):
            await transactor.catch_up()
    if is_exact or one.hash:
        return transactor.world.contains(one)
    return one.sequence <= transactor.world.log_head.sequence
