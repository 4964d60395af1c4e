"""What requests say, read strictly and within bounds."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from controller import transact
from controller.api import face, problems
from controller.domain.views import sight

T = TypeVar("T")

Decide = transact.Decide

LIMIT_DEFAULT = 500
LIMIT_MAX = 1000
"""Rows of one page: at some 600 bytes each it is well below a megabyte."""

BODY_BYTES_MAX = 16 * 1024 * 1024
"""A request's body: all files of a large configuration in one `apply`."""

HUB = web.AppKey("hub", face.HubFace)
BY = web.RequestKey("by", str)
"""Who asks, as the log will name them."""


class Page(msgspec.Struct, frozen=True):
    """Which part of a list is asked for."""

    after: str
    limit: int


async def body(request: web.Request, kind: type[T]) -> T:
    """The JSON body as this type; unknown fields are refused by the types themselves."""
    try:
        return msgspec.json.decode(await request.read(), type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise problems.ProblemError(400, "bad-request", f"request body: {error}") from error


def page(request: web.Request) -> Page:
    """`?after=NAME&limit=N`."""
    return Page(after=request.query.get("after", ""), limit=number(request, "limit", LIMIT_DEFAULT, most=LIMIT_MAX))


def number(request: web.Request, name: str, default: int, *, least: int = 1, most: int) -> int:
    """A number in the query, within its bounds."""
    text = request.query.get(name, str(default))
    if not text.isdecimal() or not least <= int(text) <= most:
        raise problems.ProblemError(400, "bad-request", f"{name}={text!r}: not a number from {least} to {most}")
    return int(text)


def flag(request: web.Request, name: str) -> bool:
    """A yes or no in the query."""
    text = request.query.get(name, "false")
    if text not in ("true", "false"):
        raise problems.ProblemError(400, "bad-request", f"{name}={text!r}: neither 'true' nor 'false'")
    return text == "true"


def looking(request: web.Request) -> sight.Sight:
    """The fleet at this instant."""
    hub = request.app[HUB]
    facts = sight.Facts(
        observed=hub.observed,
        published=hub.published,
        catalogs=hub.catalogs,
        roots=hub.roots,
        silence=hub.silence,
    )
    return sight.Sight(hub.transactor.world, facts, hub.clock())


def answer(value: Any, *, status: int = 200) -> web.Response:
    """A value as JSON."""
    return web.Response(status=status, body=msgspec.json.encode(value), content_type="application/json")


def listed(
    request: web.Request,
    view: sight.Sight,
    members: Sequence[T],
    *,
    key: Callable[[T], str],
    row: Callable[[T], Any],
) -> web.Response:
    """One page of a list that is in the order of its keys; only the page's rows are made."""
    asked = page(request)
    rest = [one for one in members if key(one) > asked.after] if asked.after else list(members)
    shown = rest[: asked.limit]
    following = key(shown[-1]) if len(rest) > len(shown) else ""
    return answer(paged([row(one) for one in shown], view, total=len(members), following=following))


def paged(items: Sequence[Any], view: sight.Sight, *, total: int, following: str = "") -> Mapping[str, Any]:
    """A page, with what holds for all of its rows. `following`: ask for what comes after it; empty: that was all."""
    return {"items": items, "total": total, "next": following, "asOf": view.at, "event": view.event}
