"""What requests say, read strictly and within bounds."""

import asyncio
import base64
import binascii
import contextlib
import enum
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Annotated, Any, TypeVar

import msgspec
from aiohttp import typedefs, web

from controller import transact
from controller.api import face, faults, problems, routes
from controller.domain.views import paging, sight

T = TypeVar("T")
E = TypeVar("E", bound=enum.StrEnum)

Decide = transact.Decide

LIMIT_DEFAULT = 500
LIMIT_MAX = 1000
"""Rows of one page: at some 600 bytes each it is well below a megabyte."""

BODY_BYTES_MAX = 16 * 1024 * 1024
"""A request's body: all files of a large configuration in one `apply`."""

BODY_S_MAX = 60.0
"""How long a body may take to come: the largest one at two megabits a second."""

QUERY_CHARACTERS_MAX = 4096
"""Of everything behind the `?`: a long label selector has some hundreds."""

DIGITS_MAX = 19
"""Of a number: the largest that a place in the log can have. Python refuses to read one of more than 4,300."""

SHOWN_CHARACTERS_MAX = 100
"""Of what a request said, in the answer that refuses it."""

HUB = web.AppKey("hub", face.HubFace)
BY = web.RequestKey("by", str)
"""Who asks, as the log will name them."""

Listed = paging.Listed

LIMIT = routes.Parameter(
    "limit", Annotated[int, msgspec.Meta(ge=1, le=LIMIT_MAX)], f"Rows of a page; {LIMIT_DEFAULT} if it is not said."
)
AFTER = routes.Parameter("after", str, "The `next` of the page before.")
PAGED = (LIMIT, AFTER)

_METHODS_WITH_BODIES = frozenset({"POST", "PUT", "PATCH"})


@web.middleware
async def strict(request: web.Request, handler: typedefs.Handler) -> web.StreamResponse:
    """Refuse what the route does not know: a filter that is spelt wrong would show everything."""
    route = routes.of(request)
    if len(request.query_string) > QUERY_CHARACTERS_MAX:
        raise problems.ProblemError(414, "too-large", f"query: longer than {QUERY_CHARACTERS_MAX} characters")
    encoding = request.headers.get("Content-Encoding", "identity")
    if encoding.lower() != "identity":
        raise problems.ProblemError(415, "not-json", f"request body: encoded as {encoding[:SHOWN_CHARACTERS_MAX]!r}")
    if route is not None:
        _check_query(request, route)
        if route.takes is not None and request.method in _METHODS_WITH_BODIES:
            _check_type(request)
    return await handler(request)


def _check_query(request: web.Request, route: routes.Route) -> None:
    known = {one.name for one in route.query}
    for name in request.query:
        if name not in known:
            told = f"there is none of this name ({', '.join(sorted(known)) or 'none at all'})"
            raise bad_parameter(name[:SHOWN_CHARACTERS_MAX], told)
        if len(request.query.getall(name)) > 1:
            raise bad_parameter(name, "given more than once")


def _check_type(request: web.Request) -> None:
    if request.can_read_body and request.content_type != routes.JSON:
        raise problems.ProblemError(415, "not-json", f"request body: {request.content_type}, and only JSON is read")
    if request.content_length is not None and request.content_length > BODY_BYTES_MAX:
        raise problems.ProblemError(413, "too-large", f"request body: more than {BODY_BYTES_MAX} bytes")


def bad_parameter(name: str, why: str) -> problems.ProblemError:
    """A parameter of the query that makes no sense."""
    return problems.ProblemError(
        400, "bad-request", f"query: {name}: {why}", errors=(faults.Fault(detail=why, parameter=name),)
    )


async def body(request: web.Request, kind: type[T]) -> T:
    """The JSON body as this type; unknown fields are refused by the types themselves. No body is `{}`."""
    async with in_time(BODY_S_MAX):
        raw = await request.read()
    try:
        return msgspec.json.decode(raw or b"{}", type=kind)
    except msgspec.ValidationError as error:
        fault = faults.of_message(str(error))
        raise problems.ProblemError(422, "invalid", f"request body: {error}", errors=(fault,)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise problems.ProblemError(400, "bad-request", f"request body: {error}") from error


@contextlib.asynccontextmanager
async def in_time(time_s: float) -> AsyncIterator[None]:
    """A body that is read in this block comes within the time; else a ProblemError."""
    try:
        async with asyncio.timeout(time_s):
            yield
    except TimeoutError as error:
        raise problems.ProblemError(408, "too-slow", f"request body: not here in {time_s:g} seconds") from error


def number(request: web.Request, name: str, default: int, *, least: int = 1, most: int) -> int:
    """A number in the query, within its bounds."""
    text = request.query.get(name, str(default))
    is_short = len(text) <= DIGITS_MAX and text.isascii() and text.isdecimal()
    if not is_short or not least <= int(text) <= most:
        raise bad_parameter(name, f"{text[:SHOWN_CHARACTERS_MAX]!r} is not a number from {least} to {most}")
    return int(text)


def flag(request: web.Request, name: str) -> bool:
    """A yes or no in the query."""
    text = request.query.get(name, "false")
    if text not in ("true", "false"):
        raise bad_parameter(name, f"{text[:SHOWN_CHARACTERS_MAX]!r} is neither 'true' nor 'false'")
    return text == "true"


def choice(request: web.Request, name: str, kind: type[E]) -> E | None:
    """One word of these in the query; None: it says nothing."""
    text = request.query.get(name, "")
    if not text:
        return None
    try:
        return kind(text)
    except ValueError:
        words = ", ".join(kind)
        raise bad_parameter(name, f"{text[:SHOWN_CHARACTERS_MAX]!r} is none of {words}") from None


def looking(request: web.Request) -> sight.Sight:
    """The fleet at this instant."""
    hub = request.app[HUB]
    facts = sight.Facts(
        observed=hub.observed,
        published=hub.published,
        catalogs=hub.catalogs,
        roots=hub.roots,
        silence=hub.silence,
        polled=hub.polled,
        tried_again=hub.tried_again,
        strangers=hub.strangers,
    )
    return sight.Sight(hub.transactor.world, facts, hub.clock())


def answer(value: Any, *, status: int = 200) -> web.Response:
    """A value as JSON."""
    return web.Response(status=status, body=msgspec.json.encode(value), content_type=routes.JSON)


def listed(
    request: web.Request,
    view: sight.Sight,
    members: Sequence[T],
    *,
    key: Callable[[T], str],
    row: Callable[[T], Any],
) -> web.Response:
    """One page of a list that is in the order of its keys; only the page's rows are made."""
    limit = number(request, "limit", LIMIT_DEFAULT, most=LIMIT_MAX)
    part = paging.part(members, key=key, after=_cursor(request), limit=limit)
    cursor = base64.urlsafe_b64encode(part.following.encode()).decode().rstrip("=") if part.following else ""
    page = Listed(
        items=[row(one) for one in part.members], total=len(members), next=cursor, as_of=view.at, event=view.event
    )
    response = answer(page)
    if cursor:
        response.headers["Link"] = f'<{request.rel_url.update_query(after=cursor)}>; rel="next"'
    return response


def _cursor(request: web.Request) -> str:
    """The key of the last row that was seen; empty: from the beginning."""
    text = request.query.get("after", "")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise bad_parameter("after", "not a cursor that an answer named as `next`") from None
