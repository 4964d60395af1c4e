"""How agents are let in: what operators say of it, and the few paths that an agent may ask before it is anybody.

The open paths are bounded: small bodies, and for each address and all together a rate. What an agent shows there is its
token, or a signature of its key over a nonce; what it gets is of use to the holder of that key alone.
"""

import datetime
import math
import time
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import msgspec
from aiohttp import web

from controller import entrance
from controller.api import limiting, nonces, origins, problems, requests
from controller.domain import clusters, enrolment, rejections
from controller.domain.views import clusters as views
from protocol import codec, messages
from protocol import enrolment as wire

NONCE_KEY_BYTES = 32

EACH = (2.0, 60.0)
"""Requests a second and at once of one address: behind one address a data centre's clusters may start together."""

TOTAL = (100.0, 500.0)
"""Of all together: each costs the hub a millisecond, those with a valid token one append to the log."""

BODY_S_MAX = 10.0
"""How long a stranger's body may take to come; it has some hundred bytes."""

NONCES: web.AppKey[nonces.Nonces] = web.AppKey("nonces", nonces.Nonces)
LIMITER: web.AppKey[limiting.Limiter] = web.AppKey("enrolment limiter", limiting.Limiter)

T = TypeVar("T")

Ttl = Annotated[float, msgspec.Meta(gt=0, le=enrolment.TTL_MAX.total_seconds())]
"""Seconds; without a bound a number of hundreds of digits is no time any more."""


class Offer(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Make a token by which one agent is let in."""

    ttl_s: Ttl = enrolment.TTL_DEFAULT.total_seconds()
    manual: bool = False
    """A person must accept the agent."""


class Authority(msgspec.Struct, frozen=True, rename="camel"):
    """The hub's own certificate authority, for whoever holds its pin."""

    authority: str
    pin: str


class Nonce(msgspec.Struct, frozen=True):
    """To be signed within a minute."""

    nonce: str


def prepare(app: web.Application, randomness: Callable[[int], bytes]) -> None:
    """What the open paths need."""
    app[NONCES] = nonces.Nonces(randomness(NONCE_KEY_BYTES))
    app[LIMITER] = limiting.Limiter(time.monotonic, each=EACH, total=TOTAL)


async def offer(request: web.Request) -> web.Response:
    """A token, told this once."""
    return requests.answer(await _offered(request, request.match_info["name"]), status=201)


async def accept(request: web.Request) -> web.Response:
    """Let the agent in that waits for a person."""
    await request.app[requests.HUB].entrance.accept(request.match_info["name"], by=request[requests.BY])
    return _row(request)


async def revoke(request: web.Request) -> web.Response:
    """What lets the cluster's agents in ends, and so do their connections, before this is answered."""
    await request.app[requests.HUB].entrance.revoke(request.match_info["name"], by=request[requests.BY])
    return _row(request)


async def rotate(request: web.Request) -> web.Response:
    """Have the agent make itself another key."""
    await request.app[requests.HUB].entrance.rotate(request.match_info["name"], by=request[requests.BY])
    return _row(request)


async def replace(request: web.Request) -> web.Response:
    """The name gets an account of its own again, and the old one ends; a token for the new cluster's agent."""
    hub, name = request.app[requests.HUB], request.match_info["name"]
    old = clusters.by_name(hub.transactor.world.clusters, name)
    account = await hub.open_account(old.name, None, anew=True)
    await hub.transactor.run(
        lambda world: enrolment.replaced(world, old.id, account=account),
        by=request[requests.BY],
        cause="cluster replace",
    )
    await hub.close_account(old.id)
    return requests.answer(await _offered(request, old.name), status=201)


async def enrol(request: web.Request) -> web.Response:
    """An agent with a token."""
    asked = messages.ENROL_REQUEST
    answer = await request.app[requests.HUB].entrance.enrol(await _open(request, asked))
    is_waiting = isinstance(answer, wire.EnrolmentWaiting)
    return _said(messages.ENROL_ANSWER.encode(answer), status=202 if is_waiting else 200)


async def nonce(request: web.Request) -> web.Response:
    """Something to sign."""
    _limit(request)
    return requests.answer(Nonce(request.app[NONCES].new(time.monotonic())))


async def renew(request: web.Request) -> web.Response:
    """An agent whose token has ended, or may have."""
    signed = await _open(request, messages.SIGNED_RENEWAL)
    _, asked = entrance.read_renewal(messages.SIGNED_RENEWAL.encode(signed))
    if not request.app[NONCES].is_good(asked.nonce, time.monotonic()):
        raise rejections.Forbidden("renewal: its nonce is not ours, or too old")
    door = request.app[requests.HUB].entrance
    renewed = await door.renew(signed, asked)
    if asked.new_key:
        await door.announce(asked.cluster)
    return _said(messages.RENEW_ANSWER.encode(renewed))


async def authority(request: web.Request) -> web.Response:
    """What an agent that knows only the pin compares with it."""
    _limit(request)
    address = request.app[requests.HUB].entrance.address
    return requests.answer(Authority(authority=address.authority, pin=address.pin))


async def _open(request: web.Request, reader: codec.Codec[T]) -> T:
    """The body of an open request, read within its bounds."""
    _limit(request)
    if (request.content_length or 0) > wire.BODY_BYTES_MAX:
        raise problems.ProblemError(413, "too-large", f"request body: more than {wire.BODY_BYTES_MAX} bytes")
    async with requests.in_time(BODY_S_MAX):
        data = await request.content.read(wire.BODY_BYTES_MAX + 1)
        while len(data) <= wire.BODY_BYTES_MAX and (more := await request.content.read(wire.BODY_BYTES_MAX + 1)):
            data += more
    if len(data) > wire.BODY_BYTES_MAX:
        raise problems.ProblemError(413, "too-large", f"request body: more than {wire.BODY_BYTES_MAX} bytes")
    try:
        return reader.decode(data)
    except codec.DecodeError as error:
        raise problems.ProblemError(400, "bad-request", f"request body: {error}") from error


def _limit(request: web.Request) -> None:
    wait_s = request.app[LIMITER].take(origins.address(request))
    if wait_s:
        again = {"Retry-After": str(math.ceil(wait_s))}
        raise problems.ProblemError(429, "too-often", f"ask again in {wait_s:.1f} s", headers=again)


async def _offered(request: web.Request, name: str) -> entrance.Offered:
    asked = await requests.body(request, Offer)
    return await request.app[requests.HUB].entrance.offer(
        name, ttl=datetime.timedelta(seconds=asked.ttl_s), manual=asked.manual, by=request[requests.BY]
    )


def _row(request: web.Request) -> web.Response:
    view = requests.looking(request)
    return requests.answer(views.row(view, clusters.by_name(view.world.clusters, request.match_info["name"])))


def _said(body: bytes, **more: Any) -> web.Response:
    return web.Response(body=body, content_type="application/json", **more)
