"""`/api/v1/drift`: what differs from Git in the clusters, and who did it."""

from aiohttp import web

from controller.api import requests, routes
from controller.domain import clusters
from controller.domain.views import drifts as views
from protocol import bundles

FILTERS = (
    routes.Parameter("cluster", str, "In this cluster."),
    routes.Parameter("bundle", str, "Of this bundle."),
    routes.Parameter("source", str, "Of this source's bundles."),
    routes.Parameter("manager", str, "With a field that this field manager holds."),
    routes.Parameter("policy", bundles.Drift, "What is done about it."),
    routes.Parameter("ended", bool, "Also what is over, as far as it is remembered."),
)


async def index(request: web.Request) -> web.Response:
    """What differs in the fleet, cluster by cluster and object by object."""
    view, query = requests.looking(request), request.query
    wish = views.Wish(
        cluster=query.get("cluster", ""),
        bundle=query.get("bundle", ""),
        source=query.get("source", ""),
        manager=query.get("manager", ""),
        policy=requests.choice(request, "policy", bundles.Drift),
        ended=requests.flag(request, "ended"),
    )
    return requests.listed(request, view, views.every(view, wish), key=views.key, row=lambda one: one)


async def of_cluster(request: web.Request) -> web.Response:
    """What differs in one cluster, and what did lately."""
    view = requests.looking(request)
    return requests.answer(views.of_cluster(view, clusters.by_name(view.world.clusters, request.match_info["name"])))
