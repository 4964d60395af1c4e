"""What a route is: the method and path, the scope that it needs, what it takes and what it answers.

The guard, the document that describes the API, and the router read the same table.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from aiohttp import typedefs, web

from controller.api import face
from protocol.events.tokens import Scope

PREFIX = "/api/v1"

JSON = "application/json"


class Parameter(msgspec.Struct, frozen=True):
    """Something that the query may say."""

    name: str
    kind: Any
    """Its type, with its bounds."""
    text: str


class Route(msgspec.Struct, frozen=True):
    """One method of one path."""

    method: str
    path: str
    handler: typedefs.Handler
    scope: Scope | None
    """None: for everybody."""
    answers: Any = None
    """Type of the body; None: it has none."""
    takes: Any = None
    """Type of the request's body; None: what it says is not looked at."""
    query: tuple[Parameter, ...] = ()
    status: int = 200
    also: Mapping[int, Any] = {}
    """Other answers that are no problems: status and type of the body."""
    media: str = JSON
    open_if: Callable[[face.HubFace], bool] | None = None
    """Whether the hub's settings open it for everybody; None: they cannot."""
    tagged: bool = False
    """Whether the answer follows from the log and what was observed alone: then it has an ETag."""

    @property
    def name(self) -> str:
        """Of the operation: the resource and what is done with it, such as `clusters.suspend`."""
        module = self.handler.__module__.rpartition(".")[2]
        return f"{module}.{self.handler.__name__}"


Routes = Mapping[tuple[str, str], Route]
"""By method and path, as the router spells it."""

ROUTES = web.AppKey("routes", Routes)


def add(app: web.Application, table: Sequence[Route]) -> None:
    """Have the application answer all of these."""
    known: dict[tuple[str, str], Route] = {}
    for route in table:
        added = app.router.add_resource(route.path)
        added.add_route(route.method, route.handler)
        if route.method == "GET":
            added.add_route("HEAD", route.handler)
        key = (route.method, added.canonical)
        assert key not in known, f"{route.method} {route.path}: stands in the table twice"
        known[key] = route
    app[ROUTES] = known


def of(request: web.Request) -> Route | None:
    """The route that answers the request; None: there is none, and the answer is a 404 or a 405."""
    resource = request.match_info.route.resource
    if resource is None:
        return None
    method = "GET" if request.method == "HEAD" else request.method
    return request.app[ROUTES][method, resource.canonical]
