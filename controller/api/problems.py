"""Refusals and failures as `application/problem+json` (RFC 9457).

What is raised on the way decides by its class; nothing here looks at a text. A failure that nobody foresaw tells the
client nothing but its own name: the details are in the hub's log.
"""

from collections.abc import Mapping

import msgspec
import structlog
from aiohttp import typedefs, web

from controller import errors, transact
from controller.api import faults
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
    errors: tuple[faults.Fault, ...] = ()
    """Where in the request it lies, if that is known."""


class ProblemError(Exception):
    """A request that is answered with this problem."""

    def __init__(
        self,
        status: int,
        name: str,
        detail: str,
        *,
        errors: tuple[faults.Fault, ...] = (),
        headers: Mapping[str, str] = {},
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.name = name
        self.errors = errors
        self.headers = headers


_REJECTIONS: tuple[tuple[type[Exception], int, str], ...] = (
    (rejections.NotFound, 404, "not-found"),
    (rejections.AlreadyExists, 409, "already-exists"),
    (rejections.Managed, 409, "managed"),
    (rejections.Changed, 409, "changed"),
    (rejections.Forbidden, 403, "not-let-in"),
    (rejections.Rejection, 422, "invalid"),
    (ids.InvalidNameError, 422, "invalid"),
    (errors.Transient, 503, "try-again"),
    (transact.ContendedError, 503, "try-again"),
    (records.StoreError, 503, "try-again"),
    (errors.HubError, 502, "failed"),
)
"""The first that fits counts: a class stands before the one it derives from."""

RETRY = {"Retry-After": "2"}
"""Seconds: what is asked to come again is told when."""

TITLES = {
    "not-found": "Nothing has that name",
    "not-kept": "It is not kept any more",
    "taken": "It came before",
    "already-exists": "Something else has that name",
    "managed": "The configuration file alone may change it",
    "changed": "It is not what it was any more",
    "not-let-in": "Whoever asks is not let in",
    "invalid": "The request makes no sense",
    "try-again": "It did not work, and may work later",
    "failed": "It did not work",
    "unauthorized": "The request shows no valid token",
    "forbidden": "The token's scope does not reach so far",
    "bad-request": "The request cannot be read",
    "no-such-method": "This cannot be done with it",
    "not-json": "The request's body is not JSON",
    "too-slow": "The request took too long to come",
    "too-large": "The request is too large",
    "too-often": "The request comes too soon after others",
    "too-many": "Too many clients follow the events",
    "access": "The source cannot be reached",
    "internal": "The hub made a mistake",
}


def response(error: ProblemError, instance: str) -> web.Response:
    """A problem as an HTTP response. `instance`: the path that was asked for."""
    problem = Problem(
        type=f"urn:flotilla:problem:{error.name}",
        title=TITLES[error.name],
        status=error.status,
        detail=str(error),
        instance=instance,
        errors=error.errors,
    )
    headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}
    return web.Response(
        status=error.status,
        body=msgspec.json.encode(problem),
        content_type=CONTENT_TYPE,
        headers={**headers, **error.headers},
    )


@web.middleware
async def middleware(request: web.Request, handler: typedefs.Handler) -> web.StreamResponse:
    """Answer whatever is raised with a problem."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return response(_of_http(error), request.path)
    except Exception as error:
        problem = _of(error)
        if problem is None:
            logger.exception("request failed", method=request.method, path=request.path)
            problem = ProblemError(500, "internal", type(error).__name__)
        return response(problem, request.path)


def _of(error: Exception) -> ProblemError | None:
    """What was raised as a problem; None: nobody foresaw it."""
    if isinstance(error, ProblemError):
        return error
    for kind, status, name in _REJECTIONS:
        if isinstance(error, kind):
            return ProblemError(status, name, str(error), headers=RETRY if status == 503 else {})
    return None


def _of_http(error: web.HTTPException) -> ProblemError:
    name = {404: "not-found", 405: "no-such-method", 413: "too-large"}.get(error.status, "bad-request")
    allowed = error.headers.get("Allow", "")
    return ProblemError(error.status, name, error.reason, headers={"Allow": allowed} if allowed else {})
