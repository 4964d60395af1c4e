"""`/api/v1/sources`: Git repositories and what of them goes where."""

import msgspec
from aiohttp import web

from controller import errors
from controller.api import face, problems, requests, routes
from controller.domain import declarations, rejections, sources
from controller.domain.views import filters
from controller.domain.views import sources as views
from controller.domain.world import World
from protocol import ids, specs
from protocol.events import log

TIME_S_MAX = 45.0
"""Less than the commands wait for the hub; whoever needs longer asks for one cluster at a time."""

COMMAND = specs.ManagedBy.COMMAND


FILTERS = (
    routes.Parameter("state", views.State, "What it says now."),
    routes.Parameter("text", str, "With this text in its name or URL, in either case."),
)
PRUNE = routes.Parameter("prune", bool, "Delete its workloads too; they are held until approved.")


class Declare(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Have a source."""

    name: str
    spec: specs.SourceSpec
    replace: bool = False
    """Change it where there is one of this name with another spec."""
    skip_test: bool = False
    """Do not try whether the remote can be reached."""
    suspended: bool = False
    """Suspend it in the same breath: nothing of it is rolled out until it is resumed."""


class Declared(msgspec.Struct, frozen=True, rename="camel"):
    """The source, and what its remote answered."""

    source: views.Row
    access: face.Access | None


class Ask(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What would it change?"""

    cluster: str = ""
    """On this cluster alone; empty: on all that it is for."""
    time_s: float = 20.0
    """How long the clusters may take to answer."""


class Suspend(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Stop without taking anything away."""

    reason: str = "by command"


class Accept(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Go on with an unrelated history."""

    commit: str
    """The one that was seen, in full: no later one is accepted by mistake."""


async def index(request: web.Request) -> web.Response:
    """The sources, in the order of names."""
    view = requests.looking(request)
    state, text = requests.choice(request, "state", views.State), request.query.get("text", "")
    rows = [views.row(view, one) for one in view.world.sources.values() if not one.removed]
    members = [one for one in rows if state in (None, one.state) and filters.matches(text, (one.name, one.url))]
    members.sort(key=lambda one: one.name)
    return requests.listed(request, view, members, key=lambda one: one.name, row=lambda one: one)


async def show(request: web.Request) -> web.Response:
    """One source with its spec and everything that is wrong with it."""
    view = requests.looking(request)
    return requests.answer(views.detail(view, sources.get(view.world.sources, request.match_info["name"])))


async def declare(request: web.Request) -> web.Response:
    """Access is tried before anything is saved: a source that cannot be read helps nobody."""
    hub, asked = request.app[requests.HUB], await requests.body(request, Declare)

    def decide(world: World) -> tuple[log.Event, ...]:
        present = world.sources.get(ids.SourceName(asked.name))
        if present is not None and not present.removed and present.spec != asked.spec and not asked.replace:
            raise rejections.AlreadyExists(
                f"source {asked.name!r}: there is one with another spec (replace; --replace)"
            )
        return declarations.declare_source(world, asked.name, asked.spec, by=COMMAND, suspended=asked.suspended)

    decide(hub.transactor.world)
    access = None if asked.skip_test else await _tested(hub, asked.spec)
    written = await hub.transactor.run(decide, by=request[requests.BY], cause="source add")
    hub.wake(ids.SourceName(asked.name))
    view = requests.looking(request)
    row = views.row(view, sources.get(view.world.sources, asked.name))
    return requests.answer(Declared(source=row, access=access), status=201 if written else 200)


async def sync(request: web.Request) -> web.Response:
    """Poll it now, whatever its interval says."""
    hub = request.app[requests.HUB]
    source = sources.get(hub.transactor.world.sources, request.match_info["name"])
    if source.suspended:
        raise rejections.Invalid(f"source {source.name}: suspended ({source.suspended}); resume it first")
    hub.wake(source.name)
    return requests.answer(views.row(requests.looking(request), source), status=202)


async def diff(request: web.Request) -> web.Response:
    """What it would change, before anything is touched."""
    hub, asked = request.app[requests.HUB], await requests.body(request, Ask)
    if not 1 <= asked.time_s <= TIME_S_MAX:
        raise rejections.Invalid(f"timeS={asked.time_s:g}: not a time from 1 to {TIME_S_MAX:g} seconds")
    return requests.answer(await hub.diff(request.match_info["name"], asked.cluster, time_s=asked.time_s))


async def suspend(request: web.Request) -> web.Response:
    """Neither poll nor roll out; the clusters keep what they have."""
    name, asked = request.match_info["name"], await requests.body(request, Suspend)
    return await _changed(
        request, lambda world: sources.suspend(sources.get(world.sources, name), asked.reason, by=COMMAND), "suspend"
    )


async def resume(request: web.Request) -> web.Response:
    """Poll and roll out again."""
    name = request.match_info["name"]
    answer = await _changed(request, lambda world: declarations.resume_source(world, name), "resume")
    request.app[requests.HUB].wake(ids.SourceName(name))
    return answer


async def accept(request: web.Request) -> web.Response:
    """Let an unrelated history count, from exactly the commit that was seen on."""
    name, asked = request.match_info["name"], await requests.body(request, Accept)
    answer = await _changed(
        request, lambda world: sources.accept(sources.get(world.sources, name), asked.commit), "accept"
    )
    request.app[requests.HUB].wake(ids.SourceName(name))
    return answer


async def remove(request: web.Request) -> web.Response:
    """Forget the source; its workloads stay, unowned, unless they are to be pruned."""
    name, prune = request.match_info["name"], requests.flag(request, "prune")
    hub = request.app[requests.HUB]
    await hub.transactor.run(
        lambda world: sources.remove(sources.get(world.sources, name), prune=prune, by=COMMAND),
        by=request[requests.BY],
        cause="source remove",
    )
    hub.forget_hook(ids.SourceName(name))  # one that is added again under this name is another source
    return web.Response(status=204)


async def _changed(request: web.Request, decide: requests.Decide, verb: str) -> web.Response:
    await request.app[requests.HUB].transactor.run(decide, by=request[requests.BY], cause=f"source {verb}")
    view = requests.looking(request)
    return requests.answer(views.row(view, sources.get(view.world.sources, request.match_info["name"])))


async def _tested(hub: face.HubFace, spec: specs.SourceSpec) -> face.Access:
    try:
        return await hub.test_access(spec)
    except errors.HubError as error:
        raise problems.ProblemError(422, "access", str(error)) from error
