"""The fleet as a whole: health of the hub, overview, bundles, configuration documents, and the way out of recovery."""

import asyncio
import importlib.metadata
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
from aiohttp import web

from controller import metrics
from controller.api import face, feed, problems, requests, routes
from controller.configuration import applying, reading
from controller.domain import clusters, declarations, documents, fleet, readmission
from controller.domain.views import bundles, filters, gauges, overview
from protocol import credentials, ids

Credentials = credentials.Credentials
Issued = Mapping[str, Credentials | None]


VERSION = importlib.metadata.version("flotilla-gitops")

BUNDLE_FILTERS = (
    routes.Parameter("source", str, "Of this source."),
    routes.Parameter("cluster", str, "That this cluster should have."),
    routes.Parameter("state", bundles.State, "That stand so on that cluster, or on any."),
    routes.Parameter("text", str, "With this text in the id or name, in either case."),
)


class File(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """One file of documents, as it is; its name stands in errors."""

    name: str
    text: str


class Apply(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Make what these files declare true."""

    files: tuple[File, ...]
    dry_run: bool = False


class Outcome(msgspec.Struct, frozen=True, rename="camel"):
    """What became of one document."""

    kind: documents.Kind
    name: str
    action: declarations.Action
    credentials: Credentials | None = None
    """Of a cluster whose document names its agent's key."""


class Outcomes(msgspec.Struct, frozen=True, rename="camel"):
    """What became of all of them, in the order in which they were made true."""

    items: list[Outcome]


class Health(msgspec.Struct, frozen=True, rename="camel"):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Readiness(msgspec.Struct, frozen=True, rename="camel"):
    """Whether the hub does its work."""

    status: Literal["ready", "unready"]
    problems: list[str]
    """What is missing, one line each."""


class Recover(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Take a restored or forked hub back into service."""

    reason: str


async def healthz(_request: web.Request) -> web.Response:
    """The process answers."""
    return requests.answer(Health())


async def readyz(request: web.Request) -> web.Response:
    """It does its work; if not, what is missing."""
    missing = list(request.app[requests.HUB].problems())
    found = Readiness(status="unready" if missing else "ready", problems=missing)
    return requests.answer(found, status=503 if missing else 200)


async def status(request: web.Request) -> web.Response:
    """The fleet on one screen."""
    return _overview(request)


async def metrics_text(request: web.Request) -> web.Response:
    """What Prometheus scrapes."""
    hub, news = request.app[requests.HUB], request.app[feed.FEED]
    body = hub.metrics(
        [
            *gauges.fleet(requests.looking(request), named_max=hub.measures.named_clusters_max),
            *gauges.counted(hub.counts),
            gauges.single("flotilla_stream_clients", "Clients that follow the events.", news.followers),
            gauges.single(
                "flotilla_stream_clients_dropped", "Clients that were too slow.", news.dropped, is_counter=True
            ),
        ]
    )
    return web.Response(body=body, headers={"Content-Type": metrics.CONTENT_TYPE})


async def bundle_index(request: web.Request) -> web.Response:
    """The bundles of every source's latest commit."""
    view, query = requests.looking(request), request.query
    state = requests.choice(request, "state", bundles.State)
    members = [
        one
        for one in bundles.every(view)
        if query.get("source", "") in ("", ids.source_of(one.entry.bundle))
        and filters.matches(query.get("text", ""), (one.entry.bundle, one.entry.name))
        and filters.bundles_in(view, one, state, query.get("cluster", ""))
    ]
    return requests.listed(
        request,
        view,
        members,
        key=lambda found: found.entry.bundle,
        row=lambda found: bundles.row(view, found),
    )


async def bundle_show(request: web.Request) -> web.Response:
    """One bundle with its clusters."""
    view = requests.looking(request)
    found = bundles.get(view, request.match_info["bundle"])
    contents = await request.app[requests.HUB].indexes(bundles.indexes(found))
    return requests.answer(bundles.detail(view, found, contents))


async def apply(request: web.Request) -> web.Response:
    """Make configuration documents true; what they do not name stays."""
    hub, asked = request.app[requests.HUB], await requests.body(request, Apply)
    # Megabytes of YAML take seconds: the hub goes on with its work meanwhile.
    given = await asyncio.to_thread(_declared, asked.files)
    if not given:
        raise problems.ProblemError(422, "invalid", "the files declare nothing")
    if asked.dry_run:
        outcomes = applying.rehearse(hub.transactor.world, given)
        return requests.answer(Outcomes([_outcome(change, action, {}) for change, action in outcomes]))
    outcomes = await applying.apply(hub.transactor, hub, given, who=request[requests.BY])
    for change, action in outcomes:
        if change.document.kind is documents.Kind.SOURCE and action is not declarations.Action.DELETED:
            hub.wake(ids.SourceName(change.document.name))
    issued = {
        change.document.name: await _issue(hub, change.document, by=request[requests.BY])
        for change, _ in outcomes
        if change.document.kind is documents.Kind.CLUSTER
    }
    return requests.answer(Outcomes([_outcome(change, action, issued) for change, action in outcomes]))


async def recover(request: web.Request) -> web.Response:
    """Take a restored or forked hub back into service: clusters whose agents come by accounts that an earlier log knew
    are taken back as they are, then a new epoch begins, without debts."""
    hub, asked = request.app[requests.HUB], await requests.body(request, Recover)
    who = request[requests.BY]
    if hub.transactor.world.fleet.recovering:
        await applying.append_all(
            hub.transactor, lambda world: readmission.all_of(world, hub.strangers), who=who, cause="recover"
        )
    seen = readmission.epoch_seen(hub.published, hub.observed, hub.strangers)
    await hub.transactor.run(lambda world: fleet.recover(world.fleet, asked.reason, seen=seen), by=who, cause="recover")
    return _overview(request)


def _overview(request: web.Request) -> web.Response:
    hub = request.app[requests.HUB]
    found = overview.overview(requests.looking(request), hub.problems(), loop_lag_s=hub.lag_s, version=VERSION)
    return requests.answer(found)


def _declared(files: Sequence[File]) -> list[documents.Document]:
    return [one for file in files for one in reading.parse(file.name, file.text.encode())]


def _outcome(change: declarations.Change, action: declarations.Action, issued: Issued) -> Outcome:
    document = change.document
    is_cluster = document.kind is documents.Kind.CLUSTER
    return Outcome(
        kind=document.kind,
        name=document.name,
        action=action,
        credentials=issued.get(document.name) if is_cluster else None,
    )


async def _issue(hub: face.HubFace, document: documents.Document, *, by: str) -> Credentials | None:
    if not isinstance(document.spec, documents.ClusterSpec) or not document.spec.agent_key:
        return None
    cluster = clusters.by_name(hub.transactor.world.clusters, document.name)
    return await hub.entrance.issue(cluster.id, document.spec.agent_key, by=by)
