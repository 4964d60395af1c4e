"""Refusals and failures as `application/problem+json` (RFC 9457).

What is raised on the way decides by its class; nothing here looks at a text. A failure that nobody foresaw tells the
client nothing but its own name: the details are in the hub's log.
"""

import msgspec
import structlog
from aiohttp import typedefs, web

from controller import errors, transact
from controller.domain import rejections
from controller.store import records
from protocol import ids

logger = structlog.get_logger(__name__)

CONTENT_TYPE = "application/problem+json"


class Problem(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What went wrong, for a person (`detail`) and for a program (`type`)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str = ""


class ProblemError(Exception):
    """A request that is answered with this problem."""

    def __init__(self, status: int, name: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.name = name


_REJECTIONS: tuple[tuple[type[Exception], int, str], ...] = (
    (rejections.NotFound, 404, "not-found"),
    (rejections.AlreadyExists, 409, "already-exists"),
    (rejections.Managed, 409, "managed"),
    (rejections.Changed, 409, "changed"),
    (rejections.Rejection, 422, "invalid"),
    (ids.InvalidNameError, 422, "invalid"),
    (errors.Transient, 503, "try-again"),
    (transact.ContendedError, 503, "try-again"),
    (records.StoreError, 503, "try-again"),
    (errors.HubError, 502, "failed"),
)
"""The first that fits counts: a class stands before the one it derives from."""

_TITLES = {
    "not-found": "Nothing has that name",
    "already-exists": "Something else has that name",
    "managed": "The configuration file alone may change it",
    "changed": "It is not what it was any more",
    "invalid": "The request makes no sense",
    "try-again": "It did not work, and may work later",
    "failed": "It did not work",
    "unauthorized": "The request shows no valid token",
    "bad-request": "The request cannot be read",
    "too-large": "The request is too large",
    "too-many": "Too many clients follow the events",
    "access": "The source cannot be reached",
    "internal": "The hub made a mistake",
}


def response(status: int, name: str, detail: str, *, instance: str = "") -> web.Response:
    """A problem as an HTTP response."""
    problem = Problem(
        type=f"urn:flotilla:problem:{name}",
        title=_TITLES.get(name, name),
        status=status,
        detail=detail,
        instance=instance,
    )
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return web.Response(status=status, body=msgspec.json.encode(problem), content_type=CONTENT_TYPE, headers=headers)


@web.middleware
async def middleware(request: web.Request, handler: typedefs.Handler) -> web.StreamResponse:
    """Answer whatever is raised with a problem."""
    try:
        return await handler(request)
    except ProblemError as error:
        return response(error.status, error.name, str(error), instance=request.path)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        name = {404: "not-found", 413: "too-large"}.get(error.status, "bad-request")
        return response(error.status, name, error.reason, instance=request.path)
    except Exception as error:
        for kind, status, name in _REJECTIONS:
            if isinstance(error, kind):
                return response(status, name, str(error), instance=request.path)
        logger.exception("request failed", method=request.method, path=request.path)
        return response(500, "internal", type(error).__name__, instance=request.path)
