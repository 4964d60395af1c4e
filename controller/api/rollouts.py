"""`/api/v1/rollouts`: each source's newest rollout, and its history."""

from collections.abc import Callable

from aiohttp import web

from controller.api import requests, routes
from controller.domain import rollout_state, rollouts, sources
from controller.domain.views import rollouts as views
from controller.domain.world import World
from protocol.events import log

FILTERS = (routes.Parameter("phase", rollout_state.Phase, "How far they are."),)


async def index(request: web.Request) -> web.Response:
    """Each source's newest rollout."""
    view, phase = requests.looking(request), requests.choice(request, "phase", rollout_state.Phase)
    members = [one for one in views.every(view) if one.current is not None and phase in (None, one.current.phase)]
    return requests.listed(request, view, members, key=lambda one: one.source, row=lambda one: views.row(view, one))


async def show(request: web.Request) -> web.Response:
    """A rollout with its stages and clusters."""
    view = requests.looking(request)
    return requests.answer(views.detail(view, views.get(view, request.match_info["source"])))


async def history(request: web.Request) -> web.Response:
    """The rollouts of a source, the newest first."""
    view = requests.looking(request)
    past = views.history(views.get(view, request.match_info["source"]))
    return requests.answer(requests.Listed(items=past, total=len(past), next="", as_of=view.at, event=view.event))


async def pause(request: web.Request) -> web.Response:
    """Admit no more clusters until it is resumed."""
    return await _commanded(request, rollouts.pause, "pause")


async def resume(request: web.Request) -> web.Response:
    """Go on after a pause."""
    return await _commanded(request, rollouts.resume, "resume")


async def abort(request: web.Request) -> web.Response:
    """Admit no more clusters, ever; who has the revision keeps it."""
    return await _commanded(request, rollouts.abort, "abort")


async def retry(request: web.Request) -> web.Response:
    """Judge the failed clusters anew, and go on."""
    at = request.app[requests.HUB].clock()
    return await _commanded(request, lambda state: rollouts.retry(state, at), "retry")


async def _commanded(
    request: web.Request, command: Callable[[rollout_state.State], tuple[log.Event, ...]], verb: str
) -> web.Response:
    name = request.match_info["source"]

    def decide(world: World) -> tuple[log.Event, ...]:
        return command(world.rollout(sources.get(world.sources, name).name))

    await request.app[requests.HUB].transactor.run(decide, by=request[requests.BY], cause=f"rollout {verb}")
    view = requests.looking(request)
    return requests.answer(views.row(view, views.get(view, name)))
