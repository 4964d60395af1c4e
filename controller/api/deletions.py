"""`/api/v1/deletions`: what is or would be taken away, and a person's word on it."""

from collections.abc import Callable

import msgspec
from aiohttp import web

from controller.api import requests, routes
from controller.domain import debts
from controller.domain.views import debts as debt_views
from controller.domain.views import deletions as views
from protocol.events import log

FILTERS = (
    routes.Parameter("all", bool, "Also those with which nothing can happen any more."),
    routes.Parameter("decision", debts.Decision, "What was decided of it; `held` waits for a person."),
    routes.Parameter("source", str, "Of this source."),
)


DEBT_FILTERS = (
    routes.Parameter("cluster", str, "Of this cluster."),
    routes.Parameter("bundle", str, "Of this bundle."),
    routes.Parameter("set", str, "Of this deletion set."),
    routes.Parameter("mayGo", bool, "Whether they may be deleted, or wait for a person."),
)


class Decide(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A word on exactly what this digest names."""

    digest: str


async def index(request: web.Request) -> web.Response:
    """Deletion sets, the newest first: held ones wait for a person."""
    view = requests.looking(request)
    tally, ages = views.Tally(view), views.ages(view)
    source, decision = request.query.get("source", ""), requests.choice(request, "decision", debts.Decision)

    def wanted(one: debts.DeletionSet) -> bool:
        return source in ("", one.source) and decision in (None, one.decision)

    return requests.listed(
        request,
        view,
        [one for one in views.every(view, tally, settled=requests.flag(request, "all")) if wanted(one)],
        key=lambda one: ages[one.id],
        row=lambda one: views.row(view, tally, one),
    )


async def debts_index(request: web.Request) -> web.Response:
    """Objects that clusters should lose, one by one: a deletion waiting to happen, or to be approved."""
    view, query = requests.looking(request), request.query
    wish = debt_views.Wish(
        cluster=query.get("cluster", ""),
        bundle=query.get("bundle", ""),
        set=query.get("set", ""),
        may_go=requests.flag(request, "mayGo") if "mayGo" in query else None,
    )
    return requests.listed(request, view, debt_views.every(view, wish), key=debt_views.key, row=lambda one: one)


async def show(request: web.Request) -> web.Response:
    """One set with every object and cluster in it, and its digest."""
    view = requests.looking(request)
    return requests.answer(views.detail(view, debts.get(view.world.ledger, request.match_info["set"])))


async def approve(request: web.Request) -> web.Response:
    """Let a held set go ahead, on all its clusters."""
    return await _decided(request, debts.approve, "approve")


async def reject(request: web.Request) -> web.Response:
    """Keep the objects of a set: they stay in the clusters as orphans."""
    return await _decided(request, debts.reject, "reject")


async def _decided(
    request: web.Request, decide: Callable[[debts.Ledger, str, str], tuple[log.Event, ...]], verb: str
) -> web.Response:
    hub, set_id, asked = request.app[requests.HUB], request.match_info["set"], await requests.body(request, Decide)
    await hub.transactor.run(
        lambda world: decide(world.ledger, set_id, asked.digest), by=request[requests.BY], cause=f"deletions {verb}"
    )
    view = requests.looking(request)
    return requests.answer(views.row(view, views.Tally(view), debts.get(view.world.ledger, set_id)))
