"""`/api/v1/events/stream`: what is new as server-sent events, for pages and programs that must not miss anything.

    event: log       one event of the log; its `id` is its place there
    event: clusters  names of clusters that are not what they were, gathered: look at them again
    event: reset     the place that was named is beyond the log: this is another log, begin anew

A client that comes back names its place by `Last-Event-ID`, as browsers do by themselves, and gets every event since.
What it is told of clusters is no history, only a reason to look: after a break it looks at all of them.
"""

from collections.abc import AsyncGenerator, Callable

import msgspec
from aiohttp import web

from controller.api import events, face, feed, following, requests, routes
from protocol import ids

MEDIA = "text/event-stream"

RETRY_MS = 2000
"""How long a browser waits before it comes back."""

NAMES_MAX = 1000
"""Clusters that one message names; if more changed, it says `all`."""

QUERY = (routes.Parameter("after", int, "Begin after this place in the log; else at its end, or at Last-Event-ID."),)


class Clusters(msgspec.Struct, frozen=True, rename="camel"):
    """Something else is to be seen of these."""

    names: list[str]
    all: bool
    """More changed than can be named: look at every cluster."""


class Reset(msgspec.Struct, frozen=True, rename="camel"):
    """The stream goes on from here, whatever was told before."""

    head: int


async def stream(request: web.Request) -> web.StreamResponse:
    """Events of the log and changes of clusters, as they come."""
    news = request.app[feed.FEED]
    return await following.answer(request, MEDIA, _messages(request, news, _place(request, news)))


def _place(request: web.Request, news: feed.Feed) -> int:
    last = request.headers.get("Last-Event-ID", "")
    if last:
        return feed.place(last, "Last-Event-ID")
    after = request.query.get("after", "")
    return feed.place(after, "after") if after else news.head


async def _messages(request: web.Request, news: feed.Feed, place: int) -> AsyncGenerator[bytes, None]:
    head = request.app[requests.HUB].transactor.world.log_head.sequence
    told = news.changes
    beginning = b"retry: %d\n" % RETRY_MS
    if place > head:
        place = head
        beginning += _message("reset", Reset(head=head))
    # A place at once: who is cut off before the first event would else begin at a later end of the log.
    yield beginning + b"id: %d\n\n" % place
    while True:
        block, place = await following.block(news, place, _log)
        if news.changes > told:
            block += _message("clusters", _changed(news, told, request.app[requests.HUB])) + b"\n"
            told = news.changes
        yield block or b": nothing new\n\n"
        if place >= news.head:
            await news.until(_is_news(news, place, told), news.pace.keep_alive_s)


def _is_news(news: feed.Feed, place: int, told: int) -> Callable[[], bool]:
    return lambda: news.head > place or news.changes > told


def _changed(news: feed.Feed, told: int, hub: face.HubFace) -> Clusters:
    known = hub.transactor.world.clusters
    found: list[ids.ClusterId] = list(news.changed_since(told))
    return Clusters(
        names=sorted(known[one].name for one in found[:NAMES_MAX]) if len(found) <= NAMES_MAX else [],
        all=len(found) > NAMES_MAX,
    )


def _log(one: face.LoggedEvent) -> bytes:
    return b"id: %d\n" % one.sequence + _message("log", events.logged(one)) + b"\n"


def _message(kind: str, data: msgspec.Struct) -> bytes:
    """The lines of one message, but for the empty one that ends it. JSON has no line breaks."""
    return b"event: %s\ndata: %s\n" % (kind.encode(), msgspec.json.encode(data))
