"""`/api/v1/clusters/{name}/past`: what a cluster was given at a place in the log, or at a time.

The log is folded again up to there: one fold at a time, in steps that let the hub go on with its work.
"""

import asyncio
import contextlib
import datetime
from collections.abc import AsyncIterator

from aiohttp import web

from controller.api import face, feed, problems, requests, routes
from controller.domain import clusters, derivation, rejections
from controller.domain.views import history as views
from controller.domain.world import World

FOLD_S_MAX = 30.0
"""A log of a million events takes longer; whoever needs more than this should fold a backup of it."""

STEP_EVENTS = 50
"""Events folded in one go: some two milliseconds."""

FOLDING = web.AppKey("folding", asyncio.Lock)

QUERY = (
    routes.Parameter("at", str, "A place in the log, or a time with its offset from UTC, such as 2026-11-05T12:00Z."),
)


async def past(request: web.Request) -> web.Response:
    """What a cluster was given at a place in the log or at a time, told by the log alone."""
    hub, name = request.app[requests.HUB], request.match_info["name"]
    place, time = _asked(request, hub)
    async with _one_at_a_time(request):
        then = await _fold(hub, place, time)
    cluster = clusters.by_name(then.world.clusters, name)
    looked_at = views.view(then, cluster, await hub.catalogs_named(views.catalogs_of(then, cluster)))
    digests = derivation.index_digests(looked_at)
    indexes = dict(zip(sorted(digests), await hub.indexes(digests), strict=True))
    return requests.answer(views.past(then, looked_at, indexes))


def _asked(request: web.Request, hub: face.HubFace) -> tuple[int, datetime.datetime | None]:
    """The last event that may count, and the time after which none does."""
    text, head = request.query.get("at", ""), hub.transactor.world.log_head.sequence
    if text.isascii() and text.isdecimal():
        place = feed.place(text, "at")
        if not 1 <= place <= head:
            raise requests.bad_parameter("at", f"the log has events 1 to {head}")
        return place, None
    try:
        # In a query a plus sign is a blank.
        time = datetime.datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        raise requests.bad_parameter("at", "neither a place in the log nor a time") from None
    if time.tzinfo is None:
        raise requests.bad_parameter("at", "a time without its offset from UTC, such as Z or +01:00")
    return head, time


@contextlib.asynccontextmanager
async def _one_at_a_time(request: web.Request) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(FOLD_S_MAX), request.app[FOLDING]:
            yield
    except TimeoutError as error:
        raise problems.ProblemError(
            503,
            "try-again",
            f"the log takes more than {FOLD_S_MAX:g} s to fold, or others fold it",
            headers=problems.RETRY,
        ) from error


async def _fold(hub: face.HubFace, place: int, time: datetime.datetime | None) -> views.Then:
    world, at = World(), hub.clock()
    async with contextlib.aclosing(hub.events(0)) as events:
        async for one in events:
            if one.sequence > place or (time is not None and one.record.at > time):
                break
            world.take(one.sequence, one.subject, one.body)
            at = one.record.at
            if one.sequence % STEP_EVENTS == 0:
                await asyncio.sleep(0)
    if not world.hashes:
        raise rejections.NotFound("the log begins later")
    return views.Then(world=world, at=at, head=hub.transactor.world.log_head.sequence)
