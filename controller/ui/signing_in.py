"""`/ui/session`: a token or a code for a session, who is signed in, and the end of it."""

import datetime
import hmac

import msgspec
import structlog
from aiohttp import web

from controller.api import access, origins, problems, requests
from controller.ui import security, sessions
from protocol.events.tokens import Scope

logger = structlog.get_logger(__name__)

BODY_BYTES_MAX = 4096
"""A token or a code, from somebody whom nobody knows yet."""

BODY_S_MAX = 10.0
"""How long it may take to come."""

CSRF_HEADER = "X-Flotilla-CSRF"

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""

SESSIONS: web.AppKey[sessions.Sessions] = web.AppKey("sessions")


class Proof(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What lets somebody in: one of the two."""

    token: str = ""
    code: str = ""
    """Of a sign-in link."""


class Me(msgspec.Struct, frozen=True, rename="camel"):
    """Who is signed in."""

    name: str
    scope: Scope
    csrf: str
    """To be shown as `X-Flotilla-CSRF` with whatever changes something."""
    expires_at: datetime.datetime


class Standing(msgspec.Struct, frozen=True, rename="camel"):
    """Whether somebody is signed in."""

    session: Me | None


class Code(msgspec.Struct, frozen=True, rename="camel"):
    """What a sign-in link carries, to be used once."""

    code: str
    path: str
    """Below the hub's own address."""
    expires_in_s: float


async def show(request: web.Request) -> web.Response:
    """Who is signed in. Nobody is no error: every page begins so."""
    found = _present(request)
    return _answer(Standing(session=_me(*found) if found is not None else None))


async def begin(request: web.Request) -> web.Response:
    """Sign in."""
    security.require_same_origin(request)
    if request.content_length is None or request.content_length > BODY_BYTES_MAX:
        raise problems.ProblemError(413, "too-large", f"request body: larger than {BODY_BYTES_MAX} bytes, or no length")
    async with requests.in_time(BODY_S_MAX):
        proof = await requests.body(request, Proof)
    principal = _proved(request, proof)
    if principal is None:
        reason = "the link was used already, or is too old; ask for a new one" if proof.code else "no such token"
        raise problems.ProblemError(401, "unauthorized", f"sign-in: {reason}")
    kept = request.app[SESSIONS]
    kept.end(request.cookies.get(_cookie(request), ""))
    secret, session = kept.begin(principal.digest)
    logger.info("signed in", token=principal.name, scope=principal.scope.value)
    response = _answer(Standing(session=_me(principal, session)), status=201)
    response.set_cookie(
        _cookie(request),
        secret,
        max_age=int(sessions.LIFETIME.total_seconds()),
        path="/",
        httponly=True,
        samesite="Strict",
        secure=security.is_private(request),
    )
    return response


async def end(request: web.Request) -> web.Response:
    """Sign out."""
    security.require_same_origin(request)
    if authenticate(request) is not None:
        request.app[SESSIONS].end(request.cookies[_cookie(request)])
    response = web.Response(status=204)
    response.del_cookie(
        _cookie(request), path="/", secure=security.is_private(request), httponly=True, samesite="Strict"
    )
    return response


async def issue_code(request: web.Request) -> web.Response:
    """A code for whoever shows a token: a session cannot make itself longer by it."""
    principal = access.bearer(request)
    if principal is None:
        raise problems.ProblemError(401, "unauthorized", "a sign-in link is made for a bearer token")
    code = request.app[SESSIONS].issue_code(principal.digest)
    issued = Code(code=code, path=f"/#/sign-in/{code}", expires_in_s=sessions.CODE_LIFETIME.total_seconds())
    return _answer(issued, status=201)


def authenticate(request: web.Request) -> access.Principal | None:
    """Whoever's browser sent the cookie of a session. What changes something must repeat the session's secret as well:
    raises a ProblemError where it does not."""
    found = _present(request)
    if found is None:
        return None
    principal, session = found
    shown = request.headers.get(CSRF_HEADER, "")
    if request.method not in SAFE and not hmac.compare_digest(
        shown.encode("utf-8", "surrogateescape"), session.csrf.encode()
    ):
        raise problems.ProblemError(403, "forbidden", f"session: {request.method} without its {CSRF_HEADER}")
    return principal


def _present(request: web.Request) -> tuple[access.Principal, sessions.Session] | None:
    secret = request.cookies.get(_cookie(request), "")
    session = request.app[SESSIONS].find(secret) if secret else None
    if session is None:
        return None
    principal = request.app[access.KNOWN].by_digest(session.token)
    if principal is None:
        request.app[SESSIONS].end(secret)
        return None
    return principal, session


def _proved(request: web.Request, proof: Proof) -> access.Principal | None:
    known = request.app[access.KNOWN]
    if not proof.code:
        return known.by_secret(proof.token)
    digest = request.app[SESSIONS].redeem(proof.code)
    return known.by_digest(digest) if digest is not None else None


def _cookie(request: web.Request) -> str:
    """The cookie's name. With TLS no neighbour can set it; without, the port keeps two hubs of one machine apart."""
    return "__Host-flotilla" if origins.is_secure(request) else f"flotilla-{security.port(request)}"


def _me(principal: access.Principal, session: sessions.Session) -> Me:
    return Me(name=principal.name, scope=principal.scope, csrf=session.csrf, expires_at=session.expires_at)


def _answer(value: msgspec.Struct, *, status: int = 200) -> web.Response:
    response = requests.answer(value, status=status)
    response.headers["Cache-Control"] = "no-store"
    return response
