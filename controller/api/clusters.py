"""`/api/v1/clusters`: destinations, their labels, and what lets their agents in."""

from typing import Annotated

import msgspec
from aiohttp import web

from controller.api import requests, routes
from controller.domain import clusters, declarations, documents, rejections
from controller.domain.views import clusters as views
from controller.domain.views import filters, freshness, states
from controller.domain.views import objects as object_views
from controller.domain.world import World
from protocol import credentials, ids, specs, status
from protocol.events import log

COMMAND = specs.ManagedBy.COMMAND

FILTERS = (
    routes.Parameter("labels", str, "A label selector, such as `env=prod,tier in (web, api),!canary`."),
    routes.Parameter("group", str, "In this group."),
    routes.Parameter("bundle", str, "Should have this bundle."),
    routes.Parameter("source", str, "Should have a bundle of this source."),
    routes.Parameter("sync", status.Sync, "Synced, OutOfSync or Unknown."),
    routes.Parameter("health", status.Health, "Its health."),
    routes.Parameter("connection", freshness.Connection, "Whether it is there."),
    routes.Parameter("text", str, "With this text in its name, id, labels or groups, in either case."),
)

HEALTH = routes.Parameter("health", status.Health, "Only objects of this health.")

AgentKey = Annotated[str, msgspec.Meta(description="The public user nkey that the agent made.")]


class Add(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Have a cluster."""

    name: str
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    values: dict[str, str] = {}
    agent_key: AgentKey = ""
    """Empty: no credentials are issued yet."""
    rebuilt: bool = False
    """A cluster of this name was removed, and this is another one: it begins anew, with an account of its own."""


class Added(msgspec.Struct, frozen=True, rename="camel"):
    """The cluster, and what lets its agent in."""

    cluster: views.Row
    credentials: credentials.Credentials | None
    taken_back: bool = False
    """Its agent is there, by the account that it had by an earlier log: it needs nothing new."""


class Edit(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Change its labels, annotations or registered values; those that are not named stay."""

    set: dict[str, str] = {}
    remove: tuple[str, ...] = ()


class Issue(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Let the holder of this key in as the cluster's agent."""

    agent_key: AgentKey = ""
    """Empty: the key that the configuration file names."""


class Suspend(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Give it nothing new; what it has stays."""

    reason: str = "by command"


async def index(request: web.Request) -> web.Response:
    """The clusters, in the order of names."""
    view, wish = requests.looking(request), _wish(request)
    members = filters.members(view, wish)
    return requests.listed(request, view, members, key=lambda one: one.name, row=lambda one: views.row(view, one))


async def show(request: web.Request) -> web.Response:
    """One cluster with all that is known of it."""
    view = requests.looking(request)
    return requests.answer(views.detail(view, clusters.by_name(view.world.clusters, request.match_info["name"])))


async def desired(request: web.Request) -> web.Response:
    """What it should hold: revisions, bundles with their digests, and every object."""
    hub, view = request.app[requests.HUB], requests.looking(request)
    cluster = clusters.by_name(view.world.clusters, request.match_info["name"])
    digests = states.named(view, cluster)
    indexes = dict(zip(sorted(digests), await hub.indexes(digests), strict=True))
    return requests.answer(states.wanted(view, cluster, indexes))


async def observed(request: web.Request) -> web.Response:
    """What its agent said, bundle by bundle."""
    view = requests.looking(request)
    return requests.answer(states.said(view, clusters.by_name(view.world.clusters, request.match_info["name"])))


async def objects(request: web.Request) -> web.Response:
    """The objects of a bundle on a cluster: how each is, and why."""
    view, health = requests.looking(request), requests.choice(request, "health", status.Health)
    cluster = clusters.by_name(view.world.clusters, request.match_info["name"])
    where = object_views.place(view, cluster, request.match_info["bundle"])
    rows = [
        row
        for content in await request.app[requests.HUB].indexes({where.index})
        for row in object_views.every(view, where, content, health)
    ]
    return requests.listed(request, view, rows, key=lambda one: one.object, row=lambda one: one)


async def add(request: web.Request) -> web.Response:
    """The account comes first: what the log names must exist. A decision that will fail makes none."""
    hub, asked = request.app[requests.HUB], await requests.body(request, Add)
    what = f"cluster {asked.name!r}"
    documents.agent_key(asked.agent_key, what)
    labels = documents.labels(asked.labels, what)

    def decide(account: ids.ClusterId) -> requests.Decide:
        new = clusters.Cluster(
            id=account,
            name=asked.name,
            labels=labels,
            annotations=documents.annotations(asked.annotations, what),
            values=documents.values(asked.values, what),
            managed_by=COMMAND,
        )
        return lambda world: clusters.add(world.clusters, new)

    world = hub.transactor.world
    decide(declarations.SOMEBODY)(world)
    former = None if asked.rebuilt else declarations.former(world, asked.name)
    account = await hub.open_account(asked.name, former, anew=asked.rebuilt)
    is_heard = account in hub.strangers
    await hub.transactor.run(decide(account), by=request[requests.BY], cause="cluster add")
    issued = await _issued(request, account, asked.agent_key) if asked.agent_key else None
    view = requests.looking(request)
    row = views.row(view, clusters.by_name(view.world.clusters, account))
    return requests.answer(Added(cluster=row, credentials=issued, taken_back=is_heard), status=201)


async def issue(request: web.Request) -> web.Response:
    """A token for the agent's own key; the hub never sees the seed."""
    hub, asked = request.app[requests.HUB], await requests.body(request, Issue)
    cluster = clusters.by_name(hub.transactor.world.clusters, request.match_info["name"])
    what = f"cluster {cluster.name!r}"
    key = documents.agent_key(asked.agent_key, what) or hub.agent_keys.get(cluster.name, "")
    if not key:
        raise rejections.Invalid(f"{what}: say which agentKey; the configuration file names none")
    return requests.answer(await _issued(request, cluster.id, key))


async def label(request: web.Request) -> web.Response:
    """Change labels; bundles that no longer match leave the cluster only once approved."""
    name, asked = request.match_info["name"], await requests.body(request, Edit)

    def decide(world: World) -> tuple[log.Event, ...]:
        cluster = clusters.by_name(world.clusters, name)
        kept = documents.labels(_edited(cluster.labels, asked), f"cluster {name!r}")
        return clusters.label(cluster, kept, by=COMMAND)

    return await _changed(request, decide, "label")


async def annotate(request: web.Request) -> web.Response:
    """Change annotations."""
    name, asked = request.match_info["name"], await requests.body(request, Edit)

    def decide(world: World) -> tuple[log.Event, ...]:
        cluster = clusters.by_name(world.clusters, name)
        kept = documents.annotations(_edited(cluster.annotations, asked), f"cluster {name!r}")
        return clusters.describe(cluster, kept, dict(cluster.values), by=COMMAND)

    return await _changed(request, decide, "annotate")


async def values(request: web.Request) -> web.Response:
    """Change registered values."""
    name, asked = request.match_info["name"], await requests.body(request, Edit)

    def decide(world: World) -> tuple[log.Event, ...]:
        cluster = clusters.by_name(world.clusters, name)
        kept = documents.values(_edited(cluster.values, asked), f"cluster {name!r}")
        return clusters.describe(cluster, dict(cluster.annotations), kept, by=COMMAND)

    return await _changed(request, decide, "values")


async def suspend(request: web.Request) -> web.Response:
    """Give it nothing new; what it has stays."""
    name, asked = request.match_info["name"], await requests.body(request, Suspend)
    return await _changed(
        request,
        lambda world: clusters.suspend(clusters.by_name(world.clusters, name), asked.reason, by=COMMAND),
        "suspend",
    )


async def resume(request: web.Request) -> web.Response:
    """Let it take part again."""
    name = request.match_info["name"]
    return await _changed(request, lambda world: declarations.resume_cluster(world, name), "resume")


async def remove(request: web.Request) -> web.Response:
    """First the fact, then the account: a hub that stops in between ends it at its next start."""
    hub, name = request.app[requests.HUB], request.match_info["name"]
    cluster = clusters.by_name(hub.transactor.world.clusters, name)
    await hub.transactor.run(
        lambda world: declarations.remove_cluster(world, cluster.id, by=COMMAND),
        by=request[requests.BY],
        cause="cluster remove",
    )
    await hub.close_account(cluster.id)
    return web.Response(status=204)


def _wish(request: web.Request) -> filters.Wish:
    labels, query = request.query.get("labels", ""), request.query
    try:
        chosen = filters.selector(labels) if labels else None
    except rejections.Invalid as error:
        raise requests.bad_parameter("labels", str(error)) from error
    return filters.Wish(
        labels=chosen,
        group=query.get("group", ""),
        bundle=query.get("bundle", ""),
        source=query.get("source", ""),
        text=query.get("text", ""),
        sync=requests.choice(request, "sync", status.Sync),
        health=requests.choice(request, "health", status.Health),
        connection=requests.choice(request, "connection", freshness.Connection),
    )


async def _issued(request: web.Request, cluster: ids.ClusterId, key: str) -> credentials.Credentials:
    return await request.app[requests.HUB].entrance.issue(cluster, key, by=request[requests.BY])


def _edited(present: dict[str, str], asked: Edit) -> dict[str, str]:
    return {key: value for key, value in {**present, **asked.set}.items() if key not in asked.remove}


async def _changed(request: web.Request, decide: requests.Decide, verb: str) -> web.Response:
    await request.app[requests.HUB].transactor.run(decide, by=request[requests.BY], cause=f"cluster {verb}")
    view = requests.looking(request)
    return requests.answer(views.row(view, clusters.by_name(view.world.clusters, request.match_info["name"])))
