"""`/api/v1/tokens`: who may ask, and for what. A token is told once, when it is made; then the hub knows its digest."""

import base64
import datetime
from collections.abc import Callable
from typing import Annotated

import msgspec
from aiohttp import web

from controller.api import requests
from controller.domain import tokens
from controller.domain.views import tokens as views
from protocol.events.tokens import Scope

SECRET_BYTES = 32
"""256 bits: nobody guesses one, so that a plain hash is enough to keep."""

PREFIX = "flt_"
"""So that scanners of repositories and logs recognize a token that was left lying about."""

Randomness = Callable[[int], bytes]

RANDOMNESS: web.AppKey[Randomness] = web.AppKey("randomness")


class Create(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Let the holder of a new token in."""

    name: str
    scope: Scope
    ttl_s: Annotated[float, msgspec.Meta(ge=1.0, le=tokens.TTL_S_MAX)] | None = None
    """Seconds until it is over; None: not before it is revoked."""


class Created(msgspec.Struct, frozen=True, rename="camel"):
    """The token itself, for the only time."""

    token: views.Row
    secret: str


async def index(request: web.Request) -> web.Response:
    """Every token's name, scope and end."""
    view = requests.looking(request)
    return requests.listed(
        request, view, views.every(view), key=lambda one: one.name, row=lambda one: views.row(view, one)
    )


async def create(request: web.Request) -> web.Response:
    """Make a token. It is in the answer and nowhere else."""
    hub, asked = request.app[requests.HUB], await requests.body(request, Create)
    at = hub.clock()
    secret = PREFIX + base64.urlsafe_b64encode(request.app[RANDOMNESS](SECRET_BYTES)).decode().rstrip("=")
    new = tokens.Token(
        name=asked.name,
        scope=asked.scope,
        digest=tokens.digest(secret),
        expires_at=at + datetime.timedelta(seconds=asked.ttl_s) if asked.ttl_s is not None else None,
    )
    await hub.transactor.run(
        lambda world: tokens.issue(world.tokens, new, at), by=request[requests.BY], cause="token create"
    )
    view = requests.looking(request)
    return requests.answer(Created(token=views.row(view, new), secret=secret), status=201)


async def revoke(request: web.Request) -> web.Response:
    """Let nobody in with it any more, from now on."""
    hub, name = request.app[requests.HUB], request.match_info["name"]
    await hub.transactor.run(
        lambda world: tokens.revoke(world.tokens, name, "by command"),
        by=request[requests.BY],
        cause="token revoke",
    )
    return web.Response(status=204)
