"""Every route of the API, with the scope that it needs: the one table that the guard and the document are made of.

`read` sees, `operate` steers what is declared, `admin` declares. What a person must not be able to do with a
dashboard's token does not stand under `read`.
"""

from typing import Annotated

import msgspec

from controller.api import (
    clusters,
    deletions,
    events,
    fleet,
    requests,
    rollouts,
    routes,
    sources,
    streams,
    tokens,
)
from controller.domain.views import bundles as bundle_views
from controller.domain.views import clusters as cluster_views
from controller.domain.views import deletions as deletion_views
from controller.domain.views import diffs, overview
from controller.domain.views import rollouts as rollout_views
from controller.domain.views import sources as source_views
from controller.domain.views import tokens as token_views
from protocol import credentials
from protocol.events.tokens import Scope

Parameter, Route, PREFIX, Listed = routes.Parameter, routes.Route, routes.PREFIX, requests.Listed

LIMIT = Parameter(
    "limit", Annotated[int, msgspec.Meta(ge=1, le=requests.LIMIT_MAX)], "Rows of a page; 500 if it is not said."
)
AFTER = Parameter("after", str, "The `next` of the page before.")
PAGED = (LIMIT, AFTER)

FLEET = (
    Route("GET", "/healthz", fleet.healthz, None, answers=fleet.Health),
    Route("GET", "/readyz", fleet.readyz, None, answers=fleet.Readiness, also={503: fleet.Readiness}),
    Route("GET", "/metrics", fleet.metrics_text, Scope.READ, answers=str, media="text/plain"),
    Route("GET", f"{PREFIX}/status", fleet.status, Scope.READ, answers=overview.Overview),
    Route("POST", f"{PREFIX}/apply", fleet.apply, Scope.ADMIN, takes=fleet.Apply, answers=fleet.Outcomes),
    Route("POST", f"{PREFIX}/hub/recover", fleet.recover, Scope.ADMIN, takes=fleet.Recover, answers=overview.Overview),
)

BUNDLES = (
    Route("GET", f"{PREFIX}/bundles", fleet.bundle_index, Scope.READ, answers=Listed[bundle_views.Row], query=PAGED),
    Route("GET", PREFIX + r"/bundles/{bundle:.+}", fleet.bundle_show, Scope.READ, answers=bundle_views.Detail),
)

EVENTS = (
    Route("GET", f"{PREFIX}/events", events.index, Scope.READ, answers=events.Page, query=events.QUERY),
    Route(
        "GET",
        f"{PREFIX}/events/stream",
        streams.stream,
        Scope.READ,
        answers=str,
        query=streams.QUERY,
        media=streams.MEDIA,
    ),
)

SOURCE = PREFIX + "/sources/{name}"

SOURCES = (
    Route("GET", f"{PREFIX}/sources", sources.index, Scope.READ, answers=Listed[source_views.Row], query=PAGED),
    Route(
        "POST",
        f"{PREFIX}/sources",
        sources.declare,
        Scope.ADMIN,
        takes=sources.Declare,
        answers=sources.Declared,
        status=201,
        also={200: sources.Declared},
    ),
    Route("GET", SOURCE, sources.show, Scope.READ, answers=source_views.Detail),
    Route("DELETE", SOURCE, sources.remove, Scope.ADMIN, status=204, query=(sources.PRUNE,)),
    Route("POST", f"{SOURCE}/sync", sources.sync, Scope.OPERATE, answers=source_views.Row, status=202),
    Route("POST", f"{SOURCE}/diff", sources.diff, Scope.READ, takes=sources.Ask, answers=diffs.Diff),
    Route("POST", f"{SOURCE}/accept", sources.accept, Scope.OPERATE, takes=sources.Accept, answers=source_views.Row),
    Route("POST", f"{SOURCE}/suspend", sources.suspend, Scope.OPERATE, takes=sources.Suspend, answers=source_views.Row),
    Route("POST", f"{SOURCE}/resume", sources.resume, Scope.OPERATE, answers=source_views.Row),
)

CLUSTER = PREFIX + "/clusters/{name}"
CLUSTER_ROW = cluster_views.Row

CLUSTERS = (
    Route("GET", f"{PREFIX}/clusters", clusters.index, Scope.READ, answers=Listed[CLUSTER_ROW], query=PAGED),
    Route(
        "POST",
        f"{PREFIX}/clusters",
        clusters.add,
        Scope.ADMIN,
        takes=clusters.Add,
        answers=clusters.Added,
        status=201,
    ),
    Route("GET", CLUSTER, clusters.show, Scope.READ, answers=cluster_views.Detail),
    Route("DELETE", CLUSTER, clusters.remove, Scope.ADMIN, status=204),
    Route("POST", f"{CLUSTER}/labels", clusters.label, Scope.ADMIN, takes=clusters.Edit, answers=CLUSTER_ROW),
    Route("POST", f"{CLUSTER}/annotations", clusters.annotate, Scope.ADMIN, takes=clusters.Edit, answers=CLUSTER_ROW),
    Route("POST", f"{CLUSTER}/values", clusters.values, Scope.ADMIN, takes=clusters.Edit, answers=CLUSTER_ROW),
    Route(
        "POST",
        f"{CLUSTER}/credentials",
        clusters.issue,
        Scope.ADMIN,
        takes=clusters.Issue,
        answers=credentials.Credentials,
    ),
    Route("POST", f"{CLUSTER}/suspend", clusters.suspend, Scope.OPERATE, takes=clusters.Suspend, answers=CLUSTER_ROW),
    Route("POST", f"{CLUSTER}/resume", clusters.resume, Scope.OPERATE, answers=CLUSTER_ROW),
)

ROLLOUT = PREFIX + "/rollouts/{source}"
ROLLOUT_ROW = rollout_views.Row

ROLLOUTS = (
    Route("GET", f"{PREFIX}/rollouts", rollouts.index, Scope.READ, answers=Listed[ROLLOUT_ROW], query=PAGED),
    Route("GET", ROLLOUT, rollouts.show, Scope.READ, answers=rollout_views.Detail),
    Route("GET", f"{ROLLOUT}/history", rollouts.history, Scope.READ, answers=Listed[rollout_views.Past]),
    Route("POST", f"{ROLLOUT}/pause", rollouts.pause, Scope.OPERATE, answers=ROLLOUT_ROW),
    Route("POST", f"{ROLLOUT}/resume", rollouts.resume, Scope.OPERATE, answers=ROLLOUT_ROW),
    Route("POST", f"{ROLLOUT}/abort", rollouts.abort, Scope.OPERATE, answers=ROLLOUT_ROW),
    Route("POST", f"{ROLLOUT}/retry", rollouts.retry, Scope.OPERATE, answers=ROLLOUT_ROW),
)

DELETION = PREFIX + "/deletions/{set}"
DELETION_ROW = deletion_views.Row

DELETIONS = (
    Route(
        "GET",
        f"{PREFIX}/deletions",
        deletions.index,
        Scope.READ,
        answers=Listed[DELETION_ROW],
        query=(*PAGED, deletions.ALL),
    ),
    Route("GET", DELETION, deletions.show, Scope.READ, answers=deletion_views.Detail),
    Route(
        "POST", f"{DELETION}/approve", deletions.approve, Scope.OPERATE, takes=deletions.Decide, answers=DELETION_ROW
    ),
    Route("POST", f"{DELETION}/reject", deletions.reject, Scope.OPERATE, takes=deletions.Decide, answers=DELETION_ROW),
)

TOKENS = (
    Route("GET", f"{PREFIX}/tokens", tokens.index, Scope.ADMIN, answers=Listed[token_views.Row], query=PAGED),
    Route(
        "POST", f"{PREFIX}/tokens", tokens.create, Scope.ADMIN, takes=tokens.Create, answers=tokens.Created, status=201
    ),
    Route("DELETE", PREFIX + "/tokens/{name}", tokens.revoke, Scope.ADMIN, status=204),
)

TABLE: tuple[routes.Route, ...] = (
    *FLEET,
    *BUNDLES,
    *EVENTS,
    *SOURCES,
    *CLUSTERS,
    *ROLLOUTS,
    *DELETIONS,
    *TOKENS,
)
