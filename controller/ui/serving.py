"""The hub's whole HTTP face: the API, and the page on top of it."""

import secrets

from aiohttp import web

from controller.api import app, face, origins, routes
from controller.ui import assets, security, sessions, signing_in
from protocol.events.tokens import Scope

ROUTES = (
    routes.Route("GET", "/", assets.index, None),
    routes.Route("GET", "/ui/session", signing_in.show, None, answers=signing_in.Standing),
    routes.Route(
        "POST", "/ui/session", signing_in.begin, None, takes=signing_in.Proof, answers=signing_in.Standing, status=201
    ),
    routes.Route("DELETE", "/ui/session", signing_in.end, None, status=204),
    routes.Route("GET", "/ui/{path:.+}", assets.asset, None),
    routes.Route(
        "POST",
        f"{routes.PREFIX}/ui/codes",
        signing_in.issue_code,
        Scope.READ,
        answers=signing_in.Code,
        status=201,
    ),
)


def make_app(hub: face.HubFace, *, token: str, proxies: origins.Networks = ()) -> web.Application:
    """The application that the hub serves. `token`: the one that lets its holder do everything. `proxies`: those whose
    word of their clients is believed."""
    made = app.make_app(hub, token=token, authenticators=(signing_in.authenticate,), more=ROUTES)
    made[origins.PROXIES] = proxies
    made[assets.ASSETS] = assets.load()
    made[signing_in.SESSIONS] = sessions.Sessions(clock=hub.clock, randomness=secrets.token_bytes)
    made.on_response_prepare.append(security.harden)
    return made
