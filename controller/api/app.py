"""The application: the table of routes, and what every request passes before its handler.

Problems are made of whatever is raised; then the guard lets through who may; then what the route does not know is
refused.
"""

import asyncio
import functools
import secrets
from collections.abc import Sequence

from aiohttp import web

from controller.api import (
    access,
    conditions,
    connections,
    enrolment,
    face,
    feed,
    history,
    hooks,
    openapi,
    origins,
    problems,
    requests,
    routes,
    table,
    tokens,
)


def make_app(
    hub: face.HubFace,
    *,
    token: str,
    authenticators: Sequence[access.Authenticator] = (),
    more: Sequence[routes.Route] = (),
    pace: feed.Pace = feed.PACE,
) -> web.Application:
    """The API over this hub. `token`: the one that lets its holder do everything, before there is another one.

    `authenticators` are asked after the bearer token; `more` routes stand under the same guard as the API's own.
    """
    app = web.Application(
        middlewares=[connections.notice, problems.middleware, access.guard, requests.strict, conditions.middleware],
        client_max_size=requests.BODY_BYTES_MAX,
    )
    app[connections.SILENT] = connections.Silent()
    app[origins.PROXIES] = ()
    app[requests.HUB] = hub
    app[access.KNOWN] = access.Known(hub, token)
    app[access.AUTHENTICATORS] = (access.bearer, *authenticators)
    app[openapi.DOCUMENT] = _document()
    app[history.FOLDING] = asyncio.Lock()
    app[tokens.RANDOMNESS] = secrets.token_bytes
    app[feed.FEED] = feed.Feed(hub, pace)
    app[hooks.HOOKS] = hooks.Hooks(hub)
    app.cleanup_ctx.append(feed.background)
    app.cleanup_ctx.append(hooks.background)
    app.on_shutdown.append(feed.close)
    enrolment.prepare(app, secrets.token_bytes)
    routes.add(app, (*table.TABLE, *more))
    return app


@functools.cache
def _document() -> bytes:
    """Made once: the table is the same for every hub of a process."""
    return openapi.encoded(table.TABLE)
