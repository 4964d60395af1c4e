"""Answers that do not end: written a block at a time, each within its time, as long as the client may see it."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Callable

from aiohttp import web

from controller.api import access, face, feed

BLOCK_EVENTS_MAX = 200
BLOCK_BYTES_MAX = 256 * 1024
"""What is written in one go, and so what one client that does not read may hold of the hub's memory."""


async def block(news: feed.Feed, after: int, told: Callable[[face.LoggedEvent], bytes]) -> tuple[bytes, int]:
    """The next events as bytes, and the place after them. `told`: how one is told; empty: it is passed over."""
    parts: list[bytes] = []
    size, place = 0, after
    async with contextlib.aclosing(news.events(after)) as events:
        async for one in events:
            part = told(one)
            place = one.sequence
            parts.append(part)
            size += len(part)
            if len(parts) >= BLOCK_EVENTS_MAX or size >= BLOCK_BYTES_MAX:
                break
    return b"".join(parts), place


async def answer(request: web.Request, media: str, blocks: AsyncGenerator[bytes, None]) -> web.StreamResponse:
    """Write all blocks, until the client goes, is too slow, or may not see them any more."""
    news = request.app[feed.FEED]
    if request.method == "HEAD":
        await blocks.aclose()
        return web.Response(content_type=media)
    with news.following(request[access.PRINCIPAL]):
        # Proxies that gather answers would hold back what is new.
        headers = {"Content-Type": media, "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        _notice_the_dead(request, 2 * news.pace.write_s)  # later than we drop who is there and does not read
        try:
            async with contextlib.aclosing(blocks):
                await _write(request, response, blocks)
        except TimeoutError:
            await news.drop()
            if request.transport is not None:
                request.transport.abort()  # else the end of the answer would wait for a client that does not read
        except ConnectionError:
            pass  # it went: that is how most of these answers end
    return response


async def _write(request: web.Request, response: web.StreamResponse, blocks: AsyncGenerator[bytes, None]) -> None:
    news = request.app[feed.FEED]
    async for one in blocks:
        if news.closed or access.authenticate(request) is None:  # the token is void, or the session is over
            return
        async with asyncio.timeout(news.pace.write_s):
            await response.write(one)


def _notice_the_dead(request: web.Request, time_s: float) -> None:
    """A client that vanished without a word acknowledges nothing: end it in this time, not in the kernel's quarter of
    an hour."""
    peer = request.transport.get_extra_info("socket") if request.transport is not None else None
    if peer is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(time_s * 1000))
