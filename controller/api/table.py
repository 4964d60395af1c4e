"""Every route of the API, with the scope that it needs: the one table that the guard and the document are made of.

`read` sees, `operate` steers what is declared, `admin` declares. What a person must not be able to do with a
dashboard's token does not stand under `read`.
"""

from typing import Any

from aiohttp import typedefs

from controller import entrance
from controller.api import (
    clusters,
    deletions,
    drifts,
    enrolment,
    events,
    fleet,
    history,
    hooks,
    openapi,
    requests,
    rollouts,
    routes,
    sources,
    streams,
    tokens,
)
from controller.domain.views import bundles as bundle_views
from controller.domain.views import clusters as cluster_views
from controller.domain.views import debts as debt_views
from controller.domain.views import deletions as deletion_views
from controller.domain.views import diffs, overview, states
from controller.domain.views import drifts as drift_views
from controller.domain.views import history as history_views
from controller.domain.views import objects as object_views
from controller.domain.views import rollouts as rollout_views
from controller.domain.views import sources as source_views
from controller.domain.views import tokens as token_views
from protocol import credentials
from protocol import enrolment as wire
from protocol.events.tokens import Scope

Route, PREFIX, Listed = routes.Route, routes.PREFIX, requests.Listed

READ, OPERATE, ADMIN = Scope.READ, Scope.OPERATE, Scope.ADMIN


def _view(path: str, handler: typedefs.Handler, answers: Any) -> routes.Route:
    """Something to look at, tagged."""
    return Route("GET", PREFIX + path, handler, READ, answers=answers, tagged=True)


def _list(path: str, handler: typedefs.Handler, row: Any, *filters: routes.Parameter) -> routes.Route:
    """A list of rows, a page at a time."""
    query = (*requests.PAGED, *filters)
    return Route("GET", PREFIX + path, handler, READ, answers=Listed[row], query=query, tagged=True)


def _act(path: str, handler: typedefs.Handler, scope: Scope, answers: Any, takes: Any = None) -> routes.Route:
    """Something to do."""
    return Route("POST", PREFIX + path, handler, scope, answers=answers, takes=takes)


FLEET = (
    Route("GET", "/healthz", fleet.healthz, None, answers=fleet.Health),
    Route("GET", "/readyz", fleet.readyz, None, answers=fleet.Readiness, also={503: fleet.Readiness}),
    Route(
        "GET",
        "/metrics",
        fleet.metrics_text,
        READ,
        answers=str,
        media="text/plain",
        open_if=lambda hub: hub.measures.open,
    ),
    Route("GET", f"{PREFIX}/openapi.json", openapi.show, None, answers=dict[str, Any]),
    _view("/status", fleet.status, overview.Overview),
    _act("/apply", fleet.apply, ADMIN, fleet.Outcomes, fleet.Apply),
    _act("/hub/recover", fleet.recover, ADMIN, overview.Overview, fleet.Recover),
)

BUNDLES = (
    _list("/bundles", fleet.bundle_index, bundle_views.Row, *fleet.BUNDLE_FILTERS),
    _view(r"/bundles/{bundle:.+}", fleet.bundle_show, bundle_views.Detail),
)

EVENTS = (
    Route("GET", f"{PREFIX}/events", events.index, READ, answers=events.Page, query=events.QUERY),
    Route(
        "GET",
        f"{PREFIX}/events/stream",
        streams.stream,
        READ,
        answers=str,
        query=streams.QUERY,
        media=streams.MEDIA,
    ),
)

SOURCE = "/sources/{name}"
SOURCE_ROW = source_views.Row

SOURCES = (
    _list("/sources", sources.index, SOURCE_ROW, *sources.FILTERS),
    Route(
        "POST",
        f"{PREFIX}/sources",
        sources.declare,
        ADMIN,
        takes=sources.Declare,
        answers=sources.Declared,
        status=201,
        also={200: sources.Declared},
    ),
    _view(SOURCE, sources.show, source_views.Detail),
    Route("DELETE", PREFIX + SOURCE, sources.remove, ADMIN, status=204, query=(sources.PRUNE,)),
    Route("POST", f"{PREFIX}{SOURCE}/sync", sources.sync, OPERATE, answers=SOURCE_ROW, status=202),
    _act(f"{SOURCE}/diff", sources.diff, READ, diffs.Diff, sources.Ask),
    _act(f"{SOURCE}/accept", sources.accept, OPERATE, SOURCE_ROW, sources.Accept),
    _act(f"{SOURCE}/suspend", sources.suspend, OPERATE, SOURCE_ROW, sources.Suspend),
    _act(f"{SOURCE}/resume", sources.resume, OPERATE, SOURCE_ROW),
)

CLUSTER = "/clusters/{name}"
CLUSTER_ROW = cluster_views.Row

CLUSTERS = (
    _list("/clusters", clusters.index, CLUSTER_ROW, *clusters.FILTERS),
    Route("POST", f"{PREFIX}/clusters", clusters.add, ADMIN, takes=clusters.Add, answers=clusters.Added, status=201),
    _view(CLUSTER, clusters.show, cluster_views.Detail),
    _view(f"{CLUSTER}/desired", clusters.desired, states.Desired),
    _view(f"{CLUSTER}/observed", clusters.observed, states.Observed),
    Route("GET", f"{PREFIX}{CLUSTER}/past", history.past, READ, answers=history_views.Past, query=history.QUERY),
    _list(CLUSTER + r"/bundles/{bundle:.+}/objects", clusters.objects, object_views.Row, clusters.HEALTH),
    Route("DELETE", PREFIX + CLUSTER, clusters.remove, ADMIN, status=204),
    _act(f"{CLUSTER}/labels", clusters.label, ADMIN, CLUSTER_ROW, clusters.Edit),
    _act(f"{CLUSTER}/annotations", clusters.annotate, ADMIN, CLUSTER_ROW, clusters.Edit),
    _act(f"{CLUSTER}/values", clusters.values, ADMIN, CLUSTER_ROW, clusters.Edit),
    _act(f"{CLUSTER}/credentials", clusters.issue, ADMIN, credentials.Credentials, clusters.Issue),
    _act(f"{CLUSTER}/suspend", clusters.suspend, OPERATE, CLUSTER_ROW, clusters.Suspend),
    _act(f"{CLUSTER}/resume", clusters.resume, OPERATE, CLUSTER_ROW),
)

OFFERED = entrance.Offered

ENROLMENT = (
    Route(
        "POST", f"{PREFIX}{CLUSTER}/token", enrolment.offer, ADMIN, takes=enrolment.Offer, answers=OFFERED, status=201
    ),
    _act(f"{CLUSTER}/accept", enrolment.accept, ADMIN, CLUSTER_ROW),
    _act(f"{CLUSTER}/revoke", enrolment.revoke, ADMIN, CLUSTER_ROW),
    _act(f"{CLUSTER}/rotate", enrolment.rotate, ADMIN, CLUSTER_ROW),
    Route(
        "POST",
        f"{PREFIX}{CLUSTER}/replace",
        enrolment.replace,
        ADMIN,
        takes=enrolment.Offer,
        answers=OFFERED,
        status=201,
    ),
    # For everybody: an agent has no token of the API. Each of them is bounded in size and rate.
    Route(
        "POST",
        f"{PREFIX}/enroll",
        enrolment.enrol,
        None,
        takes=wire.EnrolRequest,
        answers=credentials.Credentials,
        also={202: wire.EnrolmentWaiting},
    ),
    Route("POST", f"{PREFIX}/enroll/nonce", enrolment.nonce, None, answers=enrolment.Nonce),
    Route("POST", f"{PREFIX}/enroll/renew", enrolment.renew, None, takes=wire.SignedRenewal, answers=wire.Renewed),
    Route("GET", f"{PREFIX}/enroll/ca", enrolment.authority, None, answers=enrolment.Authority),
)

DRIFTS = (
    _list("/drift", drifts.index, drift_views.Row, *drifts.FILTERS),
    _view(f"{CLUSTER}/drift", drifts.of_cluster, drift_views.OfCluster),
)

ROLLOUT = "/rollouts/{source}"
ROLLOUT_ROW = rollout_views.Row

ROLLOUTS = (
    _list("/rollouts", rollouts.index, ROLLOUT_ROW, *rollouts.FILTERS),
    _view(ROLLOUT, rollouts.show, rollout_views.Detail),
    _view(f"{ROLLOUT}/history", rollouts.history, Listed[rollout_views.Past]),
    _act(f"{ROLLOUT}/pause", rollouts.pause, OPERATE, ROLLOUT_ROW),
    _act(f"{ROLLOUT}/resume", rollouts.resume, OPERATE, ROLLOUT_ROW),
    _act(f"{ROLLOUT}/abort", rollouts.abort, OPERATE, ROLLOUT_ROW),
    _act(f"{ROLLOUT}/retry", rollouts.retry, OPERATE, ROLLOUT_ROW),
)

DELETION = "/deletions/{set}"
DELETION_ROW = deletion_views.Row

DELETIONS = (
    _list("/deletions", deletions.index, DELETION_ROW, *deletions.FILTERS),
    _list("/debts", deletions.debts_index, debt_views.Row, *deletions.DEBT_FILTERS),
    _view(DELETION, deletions.show, deletion_views.Detail),
    _act(f"{DELETION}/approve", deletions.approve, OPERATE, DELETION_ROW, deletions.Decide),
    _act(f"{DELETION}/reject", deletions.reject, OPERATE, DELETION_ROW, deletions.Decide),
)

HOOK = f"{PREFIX}/sources/{{name}}/hook"

HOOKS = (
    Route("POST", "/hooks/{source}", hooks.take, None, status=202),
    Route("POST", HOOK, hooks.renew, ADMIN, answers=hooks.Hook, status=201),
    Route("DELETE", HOOK, hooks.forget, ADMIN, status=204),
)

TOKENS = (
    Route("GET", f"{PREFIX}/tokens", tokens.index, ADMIN, answers=Listed[token_views.Row], query=requests.PAGED),
    Route("POST", f"{PREFIX}/tokens", tokens.create, ADMIN, takes=tokens.Create, answers=tokens.Created, status=201),
    Route("DELETE", PREFIX + "/tokens/{name}", tokens.revoke, ADMIN, status=204),
)

TABLE: tuple[routes.Route, ...] = (
    *FLEET,
    *BUNDLES,
    *EVENTS,
    *SOURCES,
    *CLUSTERS,
    *ENROLMENT,
    *DRIFTS,
    *ROLLOUTS,
    *DELETIONS,
    *HOOKS,
    *TOKENS,
)
