"""`/api/v1/events`: the log itself, a page at a time or as it grows.

Whoever follows has a place in the log and nothing else. Each is woken and reads on from its place; one that does not
take what it asked for is dropped.
"""

import contextlib
from collections.abc import AsyncGenerator, Callable
from typing import Annotated, Any

import msgspec
from aiohttp import web

from controller.api import face, feed, following, problems, requests, routes
from controller.domain import clusters, rejections
from protocol import canonical, codec, subjects
from protocol.events import log

WAIT_S_MAX = 30
"""The longest that a request for one page waits for news."""

PAGE = 200
"""Events of a page, if it is not said."""

SCANNED_MAX = 10_000
"""Events that one page looks at, where a filter lets few of them through: some 50 ms of the hub's time."""


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
    place: str
    """The same with the hash of the event there, which is refused where the log is another one by then."""
    head: int
    """The log's present end."""


QUERY = (
    routes.Parameter("after", str, "Events beyond this place in the log: its number, or the `place` of a page."),
    routes.Parameter("limit", Annotated[int, msgspec.Meta(ge=1, le=requests.LIMIT_MAX)], "Events of a page."),
    routes.Parameter("wait", Annotated[int, msgspec.Meta(ge=0, le=WAIT_S_MAX)], "Seconds to wait for news."),
    routes.Parameter("follow", bool, "Lines of JSON as the log grows, in place of a page."),
    routes.Parameter("type", str, "Events of this type, such as RolloutStarted."),
    routes.Parameter("about", str, "Events about this, such as source/shop, cluster/edge-1, rollout/shop or token/ci."),
    routes.Parameter("by", str, "Events by this token, person or reactor."),
)

Wanted = Callable[[face.LoggedEvent], bool]


async def index(request: web.Request) -> web.StreamResponse:
    """The events after a place in the log; with `wait` not before there is one, with `follow` for ever."""
    hub, after = request.app[requests.HUB], await _after(request)
    wanted = _wanted(request)
    if requests.flag(request, "follow"):
        return await _follow(request, after, wanted)
    limit = requests.number(request, "limit", PAGE, most=requests.LIMIT_MAX)
    wait_s = requests.number(request, "wait", 0, least=0, most=WAIT_S_MAX)
    if wait_s:
        news = request.app[feed.FEED]
        await news.until(lambda: news.head > after, wait_s)
    return requests.answer(await _page(hub, after, wanted, limit))


async def _after(request: web.Request) -> int:
    """The place beyond which events are wanted; a ProblemError where it is of another log than ours."""
    transactor = request.app[requests.HUB].transactor
    named = feed.named(request.query.get("after", "0"), "after")
    if not await feed.is_ours(transactor, named, is_exact=False):
        head = transactor.world.log_head.sequence
        detail = f"the log ends at event {head}" if named.sequence > head else "another event stands there"
        raise problems.ProblemError(
            409, "changed", f"after={named.sequence}: {detail}; that place is of another log, or of none: begin anew"
        )
    return named.sequence


async def _page(hub: face.HubFace, after: int, wanted: Wanted, limit: int) -> Page:
    items: list[Event] = []
    hashes = hub.transactor.world.hashes
    last, known_by = after, hashes[after - 1] if after else canonical.NO_DIGEST
    async with contextlib.aclosing(hub.events(after)) as events:
        async for one in events:
            last, known_by = one.sequence, log.record_hash(one.subject, one.body)
            if wanted(one):
                items.append(logged(one))
            if len(items) >= limit or last - after >= SCANNED_MAX:
                break
    return Page(items=items, next=last, place=feed.id_of(last, known_by), head=hub.transactor.world.log_head.sequence)


async def _follow(request: web.Request, after: int, wanted: Wanted) -> web.StreamResponse:
    news = request.app[feed.FEED]

    async def lines() -> AsyncGenerator[bytes, None]:
        place = after
        while True:
            block, place = await following.block(news, place, lambda one: _line(one) if wanted(one) else b"")
            yield block or b"\n"
            if place >= news.head:
                await news.beyond(place)

    return await following.answer(request, "application/x-ndjson", lines())


def _line(one: face.LoggedEvent) -> bytes:
    return msgspec.json.encode(logged(one)) + b"\n"


def _wanted(request: web.Request) -> Wanted:
    kind, by, about = (request.query.get(name, "") for name in ("type", "by", "about"))
    subject = _subject(request, about) if about else ""

    def wanted(one: face.LoggedEvent) -> bool:
        return (
            (not subject or one.subject == subject)
            and (not by or one.record.by == by or one.record.by.startswith(f"{by} ("))
            and (not kind or codec.tag_of(one.record.event) == kind)
        )

    return wanted


def _subject(request: web.Request, about: str) -> str:
    """The aggregate's subject; clusters go by their names, as everywhere else."""
    aggregate, slash, name = about.partition("/")
    if not slash or not aggregate or not name:
        raise requests.bad_parameter(
            "about", f"{about[: requests.SHOWN_CHARACTERS_MAX]!r} is not of the form kind/name"
        )
    if aggregate == "cluster":
        with contextlib.suppress(rejections.NotFound):
            name = clusters.by_name(request.app[requests.HUB].transactor.world.clusters, name).id
    return subjects.log(aggregate, name)


def logged(one: face.LoggedEvent) -> Event:
    """An event as the API tells it."""
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
