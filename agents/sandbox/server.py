"""The sandbox's HTTPS server: many clusters behind one port, each below its own path and token."""

import asyncio
import hmac
import urllib.parse
from collections.abc import Mapping
from typing import Any

import msgspec
import structlog
from aiohttp import web

from agents.sandbox import bodies, handlers, statuses
from agents.sandbox.cluster import Cluster
from agents.sandbox.handlers import Handler
from agents.sandbox.timers import Timers

PREFIX = "clusters"
IDLE_S = 3600.0  # how long the pump sleeps when nothing is due; a new timer wakes it

log = structlog.get_logger(__name__)


class Site(msgspec.Struct, frozen=True):
    """One cluster as it is served."""

    cluster: Cluster
    token: str
    handler: Handler


class Server:
    """Routes requests to clusters and lets their timers run. One thread, one event loop."""

    def __init__(self, clusters: Mapping[str, tuple[Cluster, str]], timers: Timers) -> None:
        self._sites = {name: Site(cluster, token, Handler(cluster)) for name, (cluster, token) in clusters.items()}
        self._timers = timers

    def web_server(self) -> web.Server:
        """Return the aiohttp server; it needs a running loop.

        The handler of a client that has gone is cancelled: else a watch would stay until its next event.
        """
        return web.Server(self._handle, request_factory=_request, handler_cancellation=True)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await self._dispatch(request)
        except statuses.Failure as failure:
            return handlers.refusal(failure)
        except Exception:
            log.exception("sandbox request failed", method=request.method, path=request.path)
            return handlers.refusal(statuses.internal("the sandbox failed; its log says why"))

    async def _dispatch(self, request: web.BaseRequest) -> web.StreamResponse:
        parts = [urllib.parse.unquote(part) for part in request.rel_url.raw_path.split("/")[1:]]
        if parts[0] != PREFIX or len(parts) < 2 or parts[1] not in self._sites:
            raise statuses.no_such_page()
        site = self._sites[parts[1]]
        given = request.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {site.token}".encode()):
            raise statuses.unauthorized()
        return await site.handler.handle(request, [part for part in parts[2:] if part])

    async def pump(self) -> None:
        """Run what the clusters do later, for as long as the server lives."""
        changed = asyncio.Event()
        self._timers.on_change(changed.set)
        while True:
            changed.clear()
            if self._timers.run_due():
                await asyncio.sleep(0)  # requests get their turn between two batches of due actions
                continue
            due = self._timers.next_due()
            wait_s = IDLE_S if due is None else max(0.0, due - self._timers.clock())
            try:
                async with asyncio.timeout(min(wait_s, IDLE_S)):
                    await changed.wait()
            except TimeoutError:  # something is due
                continue


def _request(*arguments: Any) -> web.BaseRequest:
    message, payload, protocol, writer, task = arguments
    return web.BaseRequest(
        message, payload, protocol, writer, task, asyncio.get_running_loop(), client_max_size=bodies.BYTES_MAX
    )
