"""The table of routes: every route that is answered stands in it, with the scope that it needs."""

from aiohttp import web

from controller.api import app, routes, table
from protocol.events.tokens import Scope
from tests.fixtures import hub as hubs

READING = {"GET"}

READ_BY_POST = {"/api/v1/sources/{name}/diff"}
"""They ask for more than a path can say, and change nothing."""

OPERATED = {
    "sync", "accept", "suspend", "resume", "pause", "abort", "retry", "approve", "reject",
}  # fmt: skip
"""The last word of what steers something that is declared."""

FOR_EVERYBODY = {"/healthz", "/readyz", "/api/v1/openapi.json", "/hooks/{source}"} | {
    f"/api/v1/enroll{part}" for part in ("", "/nonce", "/renew", "/ca")
}
"""A hook proves itself by its signature."""

ADMINISTERED = {"/api/v1/tokens", "/api/v1/clusters/{name}/accept"}
"""What only an admin sees or does, whatever its last word is: whoever accepts an agent lets somebody in."""


def meant(route: routes.Route) -> Scope | None:
    """The scope that a route should have, by what it does."""
    if route.path in FOR_EVERYBODY:
        return None
    if route.path in ADMINISTERED:
        return Scope.ADMIN
    if route.method in READING or route.path in READ_BY_POST:
        return Scope.READ
    return Scope.OPERATE if route.path.rpartition("/")[2] in OPERATED else Scope.ADMIN


def test_every_route_needs_the_scope_of_what_it_does() -> None:
    scopes = {f"{route.method} {route.path}": route.scope for route in table.TABLE}

    assert scopes == {f"{route.method} {route.path}": meant(route) for route in table.TABLE}


def test_nothing_is_answered_that_does_not_stand_in_the_table() -> None:
    made = app.make_app(hubs.Hub(), token="a")
    answered = {
        (route.method, route.resource.canonical)
        for route in made.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }

    assert answered == set(made[routes.ROUTES])
    assert len(answered) == len(table.TABLE)


def test_what_needs_a_scope_is_guarded_before_its_handler_runs() -> None:
    made = app.make_app(hubs.Hub(), token="a")
    names = [getattr(one, "__name__", "") for one in made.middlewares]

    assert names.index("guard") < names.index("strict")
    assert isinstance(made, web.Application)


def test_every_operation_has_a_name_and_a_line_that_says_what_it_does() -> None:
    names = [route.name for route in table.TABLE]

    assert sorted(set(names)) == sorted(names)
    assert [route.name for route in table.TABLE if not (route.handler.__doc__ or "").strip()] == []
