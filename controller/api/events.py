"""`/api/v1/events`: the log itself, a page at a time or as it grows.

Whoever follows has a place in the log and nothing else: there is no queue per client that could grow. Each is woken and
reads on from its place; one that does not take what it asked for is dropped.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated, Any

import msgspec
from aiohttp import web

from controller import transact
from controller.api import face, problems, requests, routes
from protocol import codec

FOLLOWERS_MAX = 64
"""Open streams: a fleet's people and pages; each costs a connection and a read of what is new."""

WRITE_TIMEOUT_S = 10.0
"""A client that does not take a page within this time is dropped; it may come back and name its place."""

KEEP_ALIVE_S = 15.0
"""An empty line so often shows both sides that the other one is there; below the usual minute of proxies."""

WAIT_S_MAX = 30
"""The longest that a request for one page waits for news."""

PAGE = 200
"""Events that are written in one go."""


class Event(msgspec.Struct, frozen=True, rename="camel"):
    """One event of the log."""

    sequence: int
    subject: str
    type: str
    id: str
    at: str
    by: str
    cause: str
    event: Any


class Page(msgspec.Struct, frozen=True, rename="camel"):
    """A part of the log."""

    items: list[Event]
    next: int
    """Ask for `after` this for what follows."""
    head: int
    """The log's present end."""


QUERY = (
    routes.Parameter("after", Annotated[int, msgspec.Meta(ge=0)], "Events beyond this place in the log."),
    routes.Parameter("limit", Annotated[int, msgspec.Meta(ge=1, le=requests.LIMIT_MAX)], "Events of a page."),
    routes.Parameter("wait", Annotated[int, msgspec.Meta(ge=0, le=WAIT_S_MAX)], "Seconds to wait for news."),
    routes.Parameter("follow", bool, "Lines of JSON as the log grows, in place of a page."),
)


class News:
    """Wakes everybody who waits for the log to grow. One for the whole API: the log's own signals are for ever."""

    def __init__(self) -> None:
        self._changed = asyncio.Condition()
        self.followers = 0
        self.closed = False

    async def run(self, signal: transact.Signal) -> None:
        """Pass the signal on, for ever."""
        while True:
            await signal.wait()
            async with self._changed:
                self._changed.notify_all()

    async def close(self) -> None:
        """Let everybody go: an open stream would hold up the end of the server."""
        self.closed = True
        async with self._changed:
            self._changed.notify_all()

    async def wait(self, hub: face.HubFace, after: int, timeout_s: float) -> None:
        """Return once the log is beyond this place, or after the time."""

        def is_over() -> bool:
            return self.closed or hub.transactor.world.log_head.sequence > after

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(is_over)


NEWS = web.AppKey("news", News)


async def background(app: web.Application) -> AsyncIterator[None]:
    """Keep the news going while the application runs."""
    signal = app[requests.HUB].transactor.subscribe()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(app[NEWS].run(signal))
        yield
        task.cancel()


async def close(app: web.Application) -> None:
    """The application is about to end."""
    await app[NEWS].close()


async def index(request: web.Request) -> web.StreamResponse:
    """`?after=N&limit=N[&wait=SECONDS]` for a page, `?after=N&follow=true` for a stream of lines."""
    after = requests.number(request, "after", 0, least=0, most=2**63 - 1)
    if requests.flag(request, "follow"):
        return await _follow(request, after)
    hub, limit = request.app[requests.HUB], requests.number(request, "limit", PAGE, most=requests.LIMIT_MAX)
    wait_s = requests.number(request, "wait", 0, least=0, most=WAIT_S_MAX)
    if wait_s:
        await request.app[NEWS].wait(hub, after, wait_s)
    items = [one async for one in _read(hub, after, limit)]
    last = items[-1].sequence if items else after
    return requests.answer(Page(items=items, next=last, head=hub.transactor.world.log_head.sequence))


async def _follow(request: web.Request, after: int) -> web.StreamResponse:
    news = request.app[NEWS]
    if news.followers >= FOLLOWERS_MAX:
        raise problems.ProblemError(503, "too-many", f"{FOLLOWERS_MAX} clients follow the events already")
    news.followers += 1
    try:
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson", "Cache-Control": "no-store"})
        await response.prepare(request)
        await _stream(request.app[requests.HUB], news, response, after)
    finally:
        news.followers -= 1
    return response


async def _stream(hub: face.HubFace, news: News, response: web.StreamResponse, after: int) -> None:
    # A client that is gone, or too slow, is no failure of ours: the stream ends.
    with contextlib.suppress(ConnectionError, TimeoutError):
        while not news.closed:
            lines, head = b"", hub.transactor.world.log_head.sequence
            async for one in _read(hub, after, PAGE):
                lines += msgspec.json.encode(one) + b"\n"
                after = one.sequence
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                await response.write(lines or b"\n")
            if after >= head:
                await news.wait(hub, after, KEEP_ALIVE_S)


async def _read(hub: face.HubFace, after: int, limit: int) -> AsyncGenerator[Event, None]:
    async with contextlib.aclosing(hub.events(after)) as events:
        async for one in events:
            yield _event(one)
            limit -= 1
            if not limit:
                return


def _event(one: face.LoggedEvent) -> Event:
    record = one.record
    return Event(
        sequence=one.sequence,
        subject=one.subject,
        type=codec.tag_of(record.event),
        id=record.id,
        at=record.at.isoformat(),
        by=record.by,
        cause=record.cause,
        event=record.event,
    )
