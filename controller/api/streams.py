"""`/api/v1/events/stream`: what is new as server-sent events, for pages and programs that must not miss anything.

    event: log       one event of the log; its `id` is its place there and its hash, as `PLACE-HASH`
    event: clusters  names of clusters that are not what they were, gathered: look at them again
    event: reset     the event that was named is not in this log: begin anew

A client that comes back names its last event by `Last-Event-ID`, as browsers do by themselves, and gets every event
since. The hash tells the log from every other one: a hub that was restored, or whose log was lost, has other events at
the same places, and a client that went on there would miss some without a word.
What it is told of clusters is no history, only a reason to look: after a break it looks at all of them.
"""

from collections.abc import AsyncGenerator, Callable

import msgspec
from aiohttp import web

from controller.api import events, face, feed, following, requests, routes
from protocol import canonical, ids
from protocol.canonical import Digest
from protocol.events import log

MEDIA = "text/event-stream"

RETRY_MS = 2000
"""How long a browser waits before it comes back."""

NAMES_MAX = 1000
"""Clusters that one message names; if more changed, it says `all`."""

QUERY = (
    routes.Parameter(
        "after", str, "Begin after this place, or event, in the log; else at its end, or at Last-Event-ID."
    ),
)


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
    news, begun = request.app[feed.FEED], await _begun(request)
    return await following.answer(request, MEDIA, _messages(request, news, begun))


async def _begun(request: web.Request) -> int | None:
    """The place after which the client's events begin; None: what it names is not in our log."""
    transactor = request.app[requests.HUB].transactor
    last, after = request.headers.get("Last-Event-ID", ""), request.query.get("after", "")
    if not last and not after:
        return transactor.world.log_head.sequence
    named = feed.named(last, "Last-Event-ID") if last else feed.named(after, "after")
    return named.sequence if await feed.is_ours(transactor, named, is_exact=bool(last)) else None


async def _messages(request: web.Request, news: feed.Feed, begun: int | None) -> AsyncGenerator[bytes, None]:
    world = request.app[requests.HUB].transactor.world
    told, place = news.changes, begun if begun is not None else world.log_head.sequence
    beginning = b"retry: %d\n" % RETRY_MS
    if begun is None:
        beginning += _message("reset", Reset(head=place))
    # An id at once: who is cut off before the first event would else begin at a later end of the log.
    yield beginning + _id(place, world.hashes[place - 1] if place else canonical.NO_DIGEST) + b"\n"
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
    return _id(one.sequence, log.record_hash(one.subject, one.body)) + _message("log", events.logged(one)) + b"\n"


def _id(place: int, known_by: Digest) -> bytes:
    return b"id: %s\n" % feed.id_of(place, known_by).encode()


def _message(kind: str, data: msgspec.Struct) -> bytes:
    """The lines of one message, but for the empty one that ends it. JSON has no line breaks."""
    return b"event: %s\ndata: %s\n" % (kind.encode(), msgspec.json.encode(data))
