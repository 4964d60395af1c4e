"""`ETag` and `If-None-Match`: whoever asks again and again is told in a few bytes that nothing is new.

A tag names the end of the log, what was heard of the clusters and what changed there, and the time in steps of FRESH_S:
the times in an answer (`asOf`, `heardAgoS`) grow old by no more than that. It is known before anything is looked up, so
that an answer of 304 costs next to nothing; and an answer is never older than its tag.
"""

import hashlib

from aiohttp import typedefs, web

from controller.api import feed, requests, routes

FRESH_S = 10
"""How old the times in an answer may be for which a client was told that it is still good: a heartbeat's interval."""

TAGS_MAX = 16
"""That one `If-None-Match` may name; the rest is not looked at."""


@web.middleware
async def middleware(request: web.Request, handler: typedefs.Handler) -> web.StreamResponse:
    """Answer 304 where the client has what it would get."""
    route = routes.of(request)
    if route is None or not route.tagged:
        return await handler(request)
    current = tag(request)
    headers = {"ETag": current, "Cache-Control": "private, no-cache", "Vary": "Authorization, Cookie"}
    if _has(request, current):
        return web.Response(status=304, headers=headers)
    response = await handler(request)
    if response.status == 200:
        response.headers.update(headers)
    return response


def tag(request: web.Request) -> str:
    """Of everything that is to be seen now."""
    hub, news = request.app[requests.HUB], request.app[feed.FEED]
    head = hub.transactor.world.log_head
    step = int(hub.clock().timestamp() // FRESH_S)
    seen = f"{news.born} {head.sequence} {head.hash} {hub.version} {news.changes} {step}"
    return f'W/"{hashlib.sha256(seen.encode()).hexdigest()[:24]}"'


def _has(request: web.Request, current: str) -> bool:
    named = request.headers.get("If-None-Match", "").split(",", TAGS_MAX)[:TAGS_MAX]
    return any(one.strip() == current for one in named)
