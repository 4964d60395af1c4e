"""The application: who may ask, and which handler answers.

`/healthz` and `/readyz` are for everybody; all else needs the bearer token. What is compared are digests, in a time
that tells nothing of where they differ.
"""

import hashlib
import hmac
import re

from aiohttp import typedefs, web

from controller.api import clusters, deletions, events, face, fleet, problems, requests, rollouts, sources

OPEN_PATHS = frozenset({"/healthz", "/readyz"})

ADMIN = "admin"
"""Who a command is by, in the log: the only token there is so far."""

PREFIX = "/api/v1"

_CLIENT = re.compile(r"[\w.@-]{1,64}")


def make_app(hub: face.HubFace, *, token: str) -> web.Application:
    """The API over this hub, for whoever shows this token."""
    assert token, "an API without a token would be open to everybody"
    app = web.Application(
        middlewares=[problems.middleware, _guard(token)],
        client_max_size=requests.BODY_BYTES_MAX,
    )
    app[requests.HUB] = hub
    app[events.NEWS] = events.News()
    app.cleanup_ctx.append(events.background)
    app.on_shutdown.append(events.close)
    app.add_routes([web.get("/healthz", fleet.healthz), web.get("/readyz", fleet.readyz)])
    app.add_routes([web.get("/metrics", fleet.metrics_text)])
    app.add_routes([*_fleet_routes(), *_source_routes(), *_cluster_routes(), *_rollout_routes(), *_deletion_routes()])
    return app


def _guard(token: str) -> typedefs.Middleware:
    wanted = hashlib.sha256(token.encode()).digest()

    @web.middleware
    async def guard(request: web.Request, handler: typedefs.Handler) -> web.StreamResponse:
        if request.path not in OPEN_PATHS:
            scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
            digest = hashlib.sha256(shown.strip().encode("utf-8", "surrogateescape")).digest()
            if scheme.lower() != "bearer" or not hmac.compare_digest(digest, wanted):
                raise problems.ProblemError(401, "unauthorized", "show the hub's token as `Authorization: Bearer …`")
            request[requests.BY] = _by(request)
        return await handler(request)

    return guard


def _by(request: web.Request) -> str:
    """The token's name and, as a hint, what the client calls its user: there is one token, but many people."""
    said = request.headers.get("X-Flotilla-User", "")
    return f"{ADMIN} ({said})" if _CLIENT.fullmatch(said) else ADMIN


def _fleet_routes() -> list[web.RouteDef]:
    return [
        web.get(f"{PREFIX}/status", fleet.status),
        web.get(f"{PREFIX}/bundles", fleet.bundle_index),
        web.get(PREFIX + r"/bundles/{bundle:.+}", fleet.bundle_show),
        web.get(f"{PREFIX}/events", events.index),
        web.post(f"{PREFIX}/apply", fleet.apply),
        web.post(f"{PREFIX}/hub/recover", fleet.recover),
    ]


def _source_routes() -> list[web.RouteDef]:
    one = PREFIX + "/sources/{name}"
    return [
        web.get(f"{PREFIX}/sources", sources.index),
        web.post(f"{PREFIX}/sources", sources.declare),
        web.get(one, sources.show),
        web.delete(one, sources.remove),
        web.post(f"{one}/sync", sources.sync),
        web.post(f"{one}/diff", sources.diff),
        web.post(f"{one}/accept", sources.accept),
        web.post(f"{one}/suspend", sources.suspend),
        web.post(f"{one}/resume", sources.resume),
    ]


def _cluster_routes() -> list[web.RouteDef]:
    one = PREFIX + "/clusters/{name}"
    return [
        web.get(f"{PREFIX}/clusters", clusters.index),
        web.post(f"{PREFIX}/clusters", clusters.add),
        web.get(one, clusters.show),
        web.delete(one, clusters.remove),
        web.post(f"{one}/labels", clusters.label),
        web.post(f"{one}/annotations", clusters.annotate),
        web.post(f"{one}/values", clusters.values),
        web.post(f"{one}/credentials", clusters.issue),
        web.post(f"{one}/suspend", clusters.suspend),
        web.post(f"{one}/resume", clusters.resume),
    ]


def _rollout_routes() -> list[web.RouteDef]:
    one = PREFIX + "/rollouts/{source}"
    return [
        web.get(f"{PREFIX}/rollouts", rollouts.index),
        web.get(one, rollouts.show),
        web.get(f"{one}/history", rollouts.history),
        web.post(f"{one}/pause", rollouts.pause),
        web.post(f"{one}/resume", rollouts.resume),
        web.post(f"{one}/abort", rollouts.abort),
        web.post(f"{one}/retry", rollouts.retry),
    ]


def _deletion_routes() -> list[web.RouteDef]:
    one = PREFIX + "/deletions/{set}"
    return [
        web.get(f"{PREFIX}/deletions", deletions.index),
        web.get(one, deletions.show),
        web.post(f"{one}/approve", deletions.approve),
        web.post(f"{one}/reject", deletions.reject),
    ]
