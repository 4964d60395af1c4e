"""`/api/v1/clusters/{name}/past`: what a cluster was given at a place in the log, at a time, or with a commit.

The log is folded again up to there: one fold at a time, in steps that let the hub go on with its work.
"""

import asyncio
import contextlib
import datetime
import re
from collections.abc import AsyncIterator

import msgspec
from aiohttp import web

from controller import library
from controller.api import face, feed, problems, requests, routes
from controller.domain import clusters, derivation, rejections
from controller.domain.views import history as views
from controller.domain.views import trail
from controller.domain.world import World

FOLD_S_MAX = 30.0
"""A log of a million events takes longer; whoever needs more than this should fold a backup of it."""

STEP_EVENTS = 50
"""Events folded in one go: some two milliseconds."""

FOLDING = web.AppKey("folding", asyncio.Lock)

QUERY = (
    routes.Parameter(
        "at",
        str,
        "A place in the log; a time with its offset from UTC, such as 2026-11-05T12:00Z; or a commit, or how it "
        "begins: the moment when the cluster was first given it.",
    ),
)

COMMIT = re.compile(r"(?:\S*@)?(?:sha1:)?([0-9a-f]{7,40})")
"""A commit as Git shortens it, alone or as part of a revision. Digits alone are a place in the log."""


class When(msgspec.Struct, frozen=True):
    """The last event that may count."""

    place: int
    time: datetime.datetime | None = None
    """None does that was written later."""
    commit: str = ""
    """None does after the one that gave the cluster this commit."""


async def past(request: web.Request) -> web.Response:
    """What a cluster was given at a place in the log, at a time or with a commit, told by the log alone."""
    hub, name = request.app[requests.HUB], request.match_info["name"]
    when = _asked(request, hub)
    async with _one_at_a_time(request):
        then = await _fold(hub, name, when)
    cluster = clusters.by_name(then.world.clusters, name)
    try:
        looked_at = views.view(then, cluster, await hub.catalogs_named(views.catalogs_of(then, cluster)))
        digests = derivation.index_digests(looked_at)
        indexes = dict(zip(sorted(digests), await hub.indexes(digests), strict=True))
    except library.MissingBlobError as error:
        detail = f"what was given then is not kept any more ({error}; the hub's blobRetentionDays)"
        raise problems.ProblemError(410, "not-kept", detail) from error
    return requests.answer(views.past(then, looked_at, indexes))


def _asked(request: web.Request, hub: face.HubFace) -> When:
    text, head = request.query.get("at", ""), hub.transactor.world.log_head.sequence
    if text.isascii() and text.isdecimal():
        place = feed.place(text, "at")
        if not 1 <= place <= head:
            raise requests.bad_parameter("at", f"the log has events 1 to {head}")
        return When(place)
    if commit := COMMIT.fullmatch(text):
        return When(head, commit=commit[1])
    try:
        # In a query a plus sign is a blank.
        time = datetime.datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        raise requests.bad_parameter("at", "neither a place in the log, nor a time, nor a commit") from None
    if time.tzinfo is None:
        raise requests.bad_parameter("at", "a time without its offset from UTC, such as Z or +01:00")
    return When(head, time)


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


async def _fold(hub: face.HubFace, name: str, when: When) -> views.Then:
    world, at, noted = World(), hub.clock(), trail.Trail(name, when.commit)
    async with contextlib.aclosing(hub.events(0)) as events:
        async for one in events:
            if one.sequence > when.place or (when.time is not None and one.record.at > when.time) or noted.arrived:
                break
            noted.note(world, one.sequence, world.take(one.sequence, one.subject, one.body))
            at = one.record.at
            if one.sequence % STEP_EVENTS == 0:
                await asyncio.sleep(0)
    if not world.hashes:
        raise rejections.NotFound("the log begins later")
    if when.commit and not noted.arrived:
        raise rejections.NotFound(f"cluster {name!r}: it was never given commit {when.commit}")
    return views.Then(world=world, trail=noted, at=at, head=hub.transactor.world.log_head.sequence)
