"""Who asks, and what that is good for.

A request is authenticated by a list of authenticators: each says who asks, or nothing. The bearer token is the first;
whatever else lets people in (a session of the page) is one more in the list, and yields a principal that rests on a
token, so that revoking the token ends it.

Which scope a request needs stands in the table of routes, and nowhere else.
"""

import re
from collections.abc import Callable, Sequence

import msgspec
from aiohttp import typedefs, web

from controller.api import face, problems, requests, routes
from controller.domain import tokens
from protocol.canonical import Digest
from protocol.events.tokens import Scope

ADMIN = "admin"
"""Who shows the token of the hub's state directory, in the log: the way in before there is any other token."""

_CLIENT = re.compile(r"[\w.@-]{1,64}")


class Principal(msgspec.Struct, frozen=True):
    """Who asks: a token's name, and what it is good for."""

    name: str
    scope: Scope
    digest: Digest
    """Of the token: what a session remembers, to ask again whether it is still good."""


Authenticator = Callable[[web.Request], Principal | None]
"""Says who sent a request; None: this one cannot tell. Raises problems.ProblemError where the request shows something
that must not go on, such as a session without its proof against forgery."""


class Known:
    """All tokens that are good now: the hub's own, and those of the log."""

    def __init__(self, hub: face.HubFace, token: str) -> None:
        """`token`: the one of the state directory."""
        assert token, "an API without a token would be open to everybody"
        self._hub = hub
        self._own = tokens.Token(name=ADMIN, scope=Scope.ADMIN, digest=tokens.digest(token), expires_at=None)

    def by_secret(self, secret: str) -> Principal | None:
        """Who this token is; None: it is none, or none any more."""
        return self.by_digest(tokens.digest(secret))

    def by_digest(self, digest: Digest) -> Principal | None:
        """Who the token with this digest is; None: there is none, or none any more."""
        found = tokens.find(self._all, digest, self._hub.clock())
        return Principal(name=found.name, scope=found.scope, digest=found.digest) if found is not None else None

    def over(self, secret: str) -> tokens.Token | None:
        """The token that this is, if it is past its end."""
        return tokens.find_over(self._all, tokens.digest(secret), self._hub.clock())

    @property
    def _all(self) -> tokens.Tokens:
        return {ADMIN: self._own, **self._hub.transactor.world.tokens}


KNOWN = web.AppKey("known", Known)
AUTHENTICATORS: web.AppKey[Sequence[Authenticator]] = web.AppKey("authenticators")
PRINCIPAL = web.RequestKey("principal", Principal)


def bearer(request: web.Request) -> Principal | None:
    """Whoever shows a token as `Authorization: Bearer …`."""
    shown = _shown(request)
    return request.app[KNOWN].by_secret(shown) if shown else None


def _shown(request: web.Request) -> str:
    """The bearer token of a request; empty: it shows none."""
    scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
    return shown.strip() if scheme.lower() == "bearer" else ""


def authenticate(request: web.Request) -> Principal | None:
    """Who asks; None: nobody that is known."""
    for ask in request.app[AUTHENTICATORS]:
        found = ask(request)
        if found is not None:
            return found
    return None


def require(request: web.Request, scope: Scope) -> Principal:
    """Who asks, if that is good enough; else a ProblemError: 401 for nobody known, 403 for too small a scope."""
    found = authenticate(request)
    if found is None:
        raise problems.ProblemError(401, "unauthorized", _unknown(request))
    if not tokens.covers(found.scope, scope):
        raise problems.ProblemError(
            403, "forbidden", f"token {found.name!r}: has scope {found.scope.value}, and this needs {scope.value}"
        )
    return found


def _unknown(request: web.Request) -> str:
    """Why nobody is known. That a token has ended is told to whoever holds it alone."""
    shown = _shown(request)
    if not shown:
        return "show a token of the hub as `Authorization: Bearer …`"
    over = request.app[KNOWN].over(shown)
    if over is not None and over.expires_at is not None:
        return f"token {over.name!r}: ended at {over.expires_at:%Y-%m-%dT%H:%M:%SZ}; make another one"
    return "the token is none of this hub's, or was revoked"


@web.middleware
async def guard(request: web.Request, handler: typedefs.Handler) -> web.StreamResponse:
    """Let through who may. What no route answers is told to those alone who may read."""
    route = routes.of(request)
    scope = _scope(request, route)
    if scope is not None:
        principal = require(request, scope)
        request[PRINCIPAL] = principal
        request[requests.BY] = _by(principal, request)
    return await handler(request)


def _scope(request: web.Request, route: routes.Route | None) -> Scope | None:
    """What the request needs; None: nothing."""
    if route is None:
        return Scope.READ
    return None if route.open_if is not None and route.open_if(request.app[requests.HUB]) else route.scope


def _by(principal: Principal, request: web.Request) -> str:
    """The token's name; of the hub's own, which many may hold, with what the client calls its user as a hint."""
    said = request.headers.get("X-Flotilla-User", "")
    is_shared = principal.name == ADMIN and _CLIENT.fullmatch(said)
    return f"{principal.name} ({said})" if is_shared else principal.name
