"""Connections of whoever says nothing: a thousand that are opened and left would be all that the hub can have.

aiohttp ends what falls silent after a request. Before the first one it waits for ever, and so it does for the end of a
head that comes a letter at a time: here such a connection has HEAD_S_MAX, and of too many the oldest goes at once. Only
who is known keeps a connection for the next request: a stranger's ends with the answer.
"""

import asyncio
import logging
import ssl

import structlog
from aiohttp import http_exceptions, typedefs, web

from controller.api import access

logger = structlog.get_logger(__name__)

HEAD_S_MAX = 10.0
"""From a connection to the end of its first request's head: a slow line needs one."""

KEEP_ALIVE_S = 75.0
"""Between two requests, the second one's head included: a little more than what proxies keep connections for."""

SILENT_MAX = 512
"""Connections that have asked nothing yet: who means to ask does so within a round trip."""

BACKLOG = 128
"""Connections that wait to be taken."""


class Silent:
    """Those that have asked nothing yet, the oldest first."""

    def __init__(self) -> None:
        self._protocols: dict[web.RequestHandler, None] = {}

    def began(self, protocol: web.RequestHandler) -> web.RequestHandler | None:
        """There is one more; return one that has to go for it."""
        oldest = next(iter(self._protocols)) if len(self._protocols) >= SILENT_MAX else None
        if oldest is not None:
            del self._protocols[oldest]
        self._protocols[protocol] = None
        return oldest

    def spoke(self, protocol: web.RequestHandler) -> bool:
        """It is none of them any more; return whether it was."""
        was = protocol in self._protocols
        self._protocols.pop(protocol, None)
        return was


class _Complaints(logging.Handler):
    """What aiohttp says of requests that no handler saw. It quotes the line that it could not read, and that may be the
    one with the token."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, http_exceptions.HttpProcessingError):
            logger.info("request not understood", reason=type(error).__name__)
        else:
            logger.error("connection failed", reason=record.getMessage(), exc_info=record.exc_info)


def complaints() -> logging.Logger:
    """Takes what aiohttp has to say, for the hub's log."""
    found = logging.Logger("flotilla.http", logging.WARNING)  # of its own: nobody else's settings concern it
    found.addHandler(_Complaints())
    return found


SILENT = web.AppKey("silent", Silent)


@web.middleware
async def notice(request: web.Request, handler: typedefs.Handler) -> web.StreamResponse:
    """The connection has asked something."""
    request.app[SILENT].spoke(request.protocol)
    response = await handler(request)
    if not _is_known(request):
        response.force_close()
    return response


def _is_known(request: web.Request) -> bool:
    """Did somebody ask whom we know? On a path that is for everybody a cookie or a token tells, where nothing is
    changed: else a cookie is not enough."""
    if access.PRINCIPAL in request:
        return True
    return request.method in ("GET", "HEAD") and access.authenticate(request) is not None


class Site(web.BaseSite):
    """Where the application listens."""

    def __init__(
        self,
        runner: web.AppRunner,
        listen: str,
        port: int,
        *,
        context: ssl.SSLContext | None = None,
        head_s: float = HEAD_S_MAX,
    ) -> None:
        """`context`: None for plain text."""
        super().__init__(runner, ssl_context=context, backlog=BACKLOG)
        self._silent = runner.app[SILENT]
        self._listen = listen
        self._port = port
        self._head_s = head_s

    @property
    def name(self) -> str:
        """For people."""
        return f"{self._listen}:{self._port}"

    async def start(self) -> None:
        """Listen."""
        await super().start()
        self._server = await asyncio.get_running_loop().create_server(
            self._begin,
            self._listen,
            self._port,
            ssl=self._ssl_context,
            ssl_handshake_timeout=HEAD_S_MAX if self._ssl_context is not None else None,
            backlog=self._backlog,
        )

    def _begin(self) -> asyncio.Protocol:
        made = self._runner.server
        assert made is not None, "a site starts after its runner"
        protocol = made()
        oldest = self._silent.began(protocol)
        if oldest is not None:
            oldest.force_close()
        asyncio.get_running_loop().call_later(self._head_s, self._end, protocol)
        return protocol

    def _end(self, protocol: web.RequestHandler) -> None:
        if self._silent.spoke(protocol):
            protocol.force_close()
