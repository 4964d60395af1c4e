"""`/hooks/<source>`: a forge says that something was pushed, and the hub looks now rather than in a minute.

What a hook says is never believed, whichever repository or ref it names: it wakes the poll of its source, and that is
all it can do. Its body is hashed as it comes, and never held. Wakes that come faster than WAKE_S apart are one, so that
no forge, and nobody who stole its secret, makes the hub ask a remote more often.
"""

import asyncio
import collections
from collections.abc import AsyncIterator

import msgspec
import structlog
from aiohttp import web

from controller import transact
from controller.api import face, limiting, origins, problems, requests
from controller.domain import hooks, rejections, sources
from protocol import ids

logger = structlog.get_logger(__name__)

BODY_BYTES_MAX = 5 * 1024 * 1024
"""A push of the 2,048 commits that GitHub tells at most has some two megabytes."""

BODY_S_MAX = 10.0
"""How long a body may take to come."""

AT_ONCE_MAX = 16
"""Bodies that are hashed at a time; more are asked to come again."""

EACH_AT_ONCE_MAX = 8
"""Of one address: whoever sends slowly what proves nothing leaves room for others."""

WAKE_S = 1.0
"""Between two wakes of one source."""

REMEMBERED_MAX = 256
"""Deliveries of each source that are refused if they come again. One that is older wakes the poll once more."""


class Hook(msgspec.Struct, frozen=True, rename="camel"):
    """What a forge has to know."""

    path: str
    """Below the hub's address."""
    secret: str
    """For the only time: it is the webhook's secret at GitHub, Gitea and Forgejo, and the signing token at GitLab."""


class Hooks:
    """The deliveries that were taken, and the sources to wake."""

    def __init__(self, hub: face.HubFace) -> None:
        self.under_way: collections.Counter[str] = collections.Counter()
        """Bodies that are being hashed, by the addresses that send them."""
        self._hub = hub
        self._signal = transact.Signal()
        self._pending: set[ids.SourceName] = set()
        self._seen: dict[ids.SourceName, collections.deque[str]] = {}

    def is_new(self, source: ids.SourceName, delivery: str) -> bool:
        """Was it not seen before? From now on it was."""
        seen = self._seen.setdefault(source, collections.deque(maxlen=REMEMBERED_MAX))
        if delivery and delivery in seen:
            return False
        seen.append(delivery)
        return True

    def wake(self, source: ids.SourceName) -> None:
        """Poll it soon."""
        self._pending.add(source)
        self._signal.set()

    async def run(self) -> None:
        """Wake the polls, for ever."""
        while True:
            await self._signal.wait()
            for source in sorted(self._pending):
                self._hub.wake(source)
            self._pending.clear()
            await asyncio.sleep(WAKE_S)


HOOKS = web.AppKey("hooks", Hooks)


async def background(app: web.Application) -> AsyncIterator[None]:
    """Wake polls while the application runs."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(app[HOOKS].run())
        yield
        task.cancel()


async def take(request: web.Request) -> web.Response:
    """Look at the source's remote now. Signed as GitHub, GitLab, Gitea or the Standard Webhooks specification do."""
    hub, taken = request.app[requests.HUB], request.app[HOOKS]
    source = sources.get(hub.transactor.world.sources, request.match_info["source"]).name
    secret, shown = hub.hook_secret(source), hooks.claim(request.headers)
    if secret is None:
        raise rejections.NotFound(f"source {source}: takes no hooks; 'flotilla source hook {source}' lets it")
    if shown is None or not hooks.is_timely(shown, hub.clock()):
        raise _unproven(source, "shows no signature, or one of another time")
    digest = await _digest(request, shown, secret)
    if not hooks.is_proof(shown, secret, digest):
        raise _unproven(source, "the signature is not of this hook's secret")
    if not taken.is_new(source, shown.delivery):
        raise problems.ProblemError(409, "taken", f"hook of source {source}: this delivery was taken before")
    taken.wake(source)
    return web.Response(status=202)


async def renew(request: web.Request) -> web.Response:
    """Let a forge say that something was pushed; the secret is new, and the one before is good no more."""
    hub = request.app[requests.HUB]
    source = sources.get(hub.transactor.world.sources, request.match_info["name"]).name
    secret = hub.renew_hook(source)
    logger.info("hook has a new secret", source=source, by=request[requests.BY])
    return requests.answer(Hook(path=f"/hooks/{source}", secret=secret), status=201)


async def forget(request: web.Request) -> web.Response:
    """Take no hooks of the source any more."""
    hub = request.app[requests.HUB]
    source = sources.get(hub.transactor.world.sources, request.match_info["name"]).name
    if not hub.forget_hook(source):
        raise rejections.NotFound(f"source {source}: takes no hooks")
    logger.info("hook was removed", source=source, by=request[requests.BY])
    return web.Response(status=204)


async def _digest(request: web.Request, shown: hooks.Claim, secret: str) -> bytes:
    """Of the body, whose length is looked at before it is read, and counted while it is."""
    taken = request.app[HOOKS]
    too_large = problems.ProblemError(413, "too-large", f"request body: more than {BODY_BYTES_MAX} bytes")
    if request.content_length is not None and request.content_length > BODY_BYTES_MAX:
        raise too_large
    address = limiting.customer(origins.address(request))
    if taken.under_way.total() >= AT_ONCE_MAX or taken.under_way[address] >= EACH_AT_ONCE_MAX:
        raise problems.ProblemError(503, "try-again", "many hooks come at once", headers=problems.RETRY)
    hashed, size = hooks.hasher(shown, secret), 0
    taken.under_way[address] += 1
    try:
        async with requests.in_time(BODY_S_MAX):
            async for chunk in request.content.iter_any():
                size += len(chunk)
                if size > BODY_BYTES_MAX:
                    raise too_large
                hashed.update(chunk)
    finally:
        taken.under_way[address] -= 1
        taken.under_way += collections.Counter()  # forgets those that send nothing any more
    return hashed.digest()


def _unproven(source: ids.SourceName, why: str) -> problems.ProblemError:
    return problems.ProblemError(401, "unauthorized", f"hook of source {source}: {why}")
