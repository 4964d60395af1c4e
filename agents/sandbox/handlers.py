"""From an HTTP request to an answer: verbs, media types, options, faults."""

import asyncio
from collections.abc import Callable, Mapping
from http import HTTPStatus

import msgspec
from aiohttp import web

from agents.sandbox import (
    applies,
    bodies,
    deletes,
    discovery,
    faults,
    list_options,
    pages,
    patches,
    reads,
    routes,
    scales,
    statuses,
    store,
    strategic,
    watches,
    writes,
)
from agents.sandbox.admission import Target
from agents.sandbox.cluster import Cluster
from agents.sandbox.commits import Options, Written
from agents.sandbox.schema import Json, Object

JSON = "application/json"
PROTOBUF = "application/vnd.kubernetes.protobuf"
MANAGER_MAX = 128  # the real server's bound on a field manager's name
_DOORS = ("", "status", "scale", "finalize")
_HEALTH = (["healthz"], ["livez"], ["readyz"])
_PATCHES: Mapping[str, Callable[[Target, Object, Json], Json]] = {
    "application/merge-patch+json": lambda _, document, patch: patches.merge_patch(document, patch),
    "application/json-patch+json": lambda _, document, patch: patches.json_patch(document, patch),
    "application/strategic-merge-patch+json": lambda target, document, patch: strategic.merge_patch(
        target.resource.type, document, patch
    ),
}
APPLY = "application/apply-patch+yaml"


def answer(body: bytes, code: int = HTTPStatus.OK) -> web.Response:
    return web.Response(body=body, status=code, headers={"Content-Type": JSON})


def refusal(failure: statuses.Failure) -> web.Response:
    if failure.reason == statuses.PLAIN:
        return web.Response(text=str(failure), status=failure.code)
    response = answer(store.encode(failure.document()), failure.code)
    retry_after = (failure.details or {}).get("retryAfterSeconds")
    if retry_after:
        response.headers["Retry-After"] = str(retry_after)
    return response


class Handler:
    """Answers the requests of one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def handle(self, request: web.BaseRequest, parts: list[str]) -> web.StreamResponse:
        """Answer a request for a path below the cluster."""
        if parts in _HEALTH:
            return web.Response(text="ok")
        if parts == ["sandbox", "faults"]:
            return await self._faults(request)
        if parts == ["sandbox", "history"] and request.method == "DELETE":
            self._cluster.store.forget()  # so that a test sees its watches told to list again
            return answer(b"{}")
        if request.method == "GET":
            aggregated = discovery.AGGREGATED in request.headers.get("Accept", "").replace(" ", "")
            document = discovery.rendered(self._cluster.registry, parts, aggregated=aggregated)
            if document is not None:
                await self._strike(faults.DISCOVER)
                response = answer(document)
                if aggregated and parts in (["api"], ["apis"]):
                    response.headers["Content-Type"] = discovery.AGGREGATED
                return response
        if not parts or not parts[-1]:
            raise statuses.no_such_page()
        return await self._resource(request, routes.resource_route(self._cluster.registry, parts))

    async def _resource(self, request: web.BaseRequest, route: routes.Route) -> web.StreamResponse:
        query = dict(request.rel_url.query)
        verb = _verb(request.method, route, query)
        door = route.target.resource.door(route.target.subresource)
        if verb not in (door.verbs if door else route.target.resource.verbs):
            raise statuses.method_not_allowed()
        await self._strike(verb, route.target)
        if verb in ("get", "list", "watch"):
            return await self._read(request, route, verb, query=query)
        body = await _body(request)
        return self._write(request, route, query, verb=verb, body=body)

    async def _read(
        self, request: web.BaseRequest, route: routes.Route, verb: str, *, query: Mapping[str, str]
    ) -> web.StreamResponse:
        accept = request.headers.get("Accept", "")
        how = reads.rendering(route.target.resource, accept, query, at=self._cluster.timers.clock())
        if verb == "list":
            options = list_options.of_list(query)
            return answer(pages.listing(self._cluster, reads.selection(route.target, query), options, how=how))
        if verb == "watch":
            return await self._watch(request, route.target, query, how=how)
        if route.target.subresource == "log":
            return web.Response(text="the sandbox runs no containers\n")
        if route.target.subresource not in _DOORS:
            raise statuses.method_not_allowed()
        if route.target.subresource == "scale":
            return answer(store.encode(scales.scale(reads.live(self._cluster, route.target))))
        list_options.check_version(query.get("resourceVersion", ""), self._cluster.store.version)
        return answer(reads.get(self._cluster, route.target, how))

    async def _watch(
        self, request: web.BaseRequest, target: Target, query: Mapping[str, str], *, how: reads.Rendering
    ) -> web.StreamResponse:
        watch = watches.open_watch(target, query, how)
        response = web.StreamResponse(headers={"Content-Type": JSON})
        await response.prepare(request)
        try:
            fault = await watches.stream(self._cluster, watch, response=response)
            if fault is not None and fault.watch == "drop" and request.transport is not None:
                request.transport.abort()
            else:
                await response.write_eof()
        except ConnectionError:  # the client went away: the normal end of a watch
            pass
        return response

    def _write(
        self, request: web.BaseRequest, route: routes.Route, query: Mapping[str, str], *, verb: str, body: bytes
    ) -> web.Response:
        target = route.target
        if request.headers.get("Content-Type", "").startswith(PROTOBUF):
            raise statuses.unsupported_media_type(target.resource)
        if verb == "create":
            return self._create(target, bodies.decode(body), _options(request, query))
        if verb in ("delete", "deletecollection"):
            asked = deletes.options(bodies.decode(body) if body else None, dict(query))
            return answer(self._delete(route, query, asked))
        if target.subresource == "scale":
            return self._rescale(request, target, query, verb=verb, body=body)
        if target.subresource not in _DOORS:
            raise statuses.method_not_allowed()
        if verb == "update":
            written = writes.replace(self._cluster, target, bodies.decode(body), options=_options(request, query))
        else:
            written = self._patch(request, target, query, body=body)
        return _written(written)

    def _rescale(
        self, request: web.BaseRequest, target: Target, query: Mapping[str, str], *, verb: str, body: bytes
    ) -> web.Response:
        """Write the number of replicas through the `scale` door."""
        given = bodies.decode(body)
        if verb == "patch":
            given = patches.merge_patch(scales.scale(reads.live(self._cluster, target)), given)
        change = scales.change(given)
        written = writes.patch(self._cluster, target, change, options=_options(request, query))
        return answer(store.encode(scales.scale(store.decode(written.raw))))

    def _create(self, target: Target, body: Json, options: Options) -> web.Response:
        if target.resource.verbs == ("create",):
            return answer(store.encode(_review(body)), HTTPStatus.CREATED)
        return _written(writes.create(self._cluster, target, body, options=options))

    def _patch(self, request: web.BaseRequest, target: Target, query: Mapping[str, str], *, body: bytes) -> Written:
        options = _options(request, query)
        media = request.headers.get("Content-Type", "").partition(";")[0].strip()
        if media == APPLY:
            if not query.get("fieldManager"):
                cause = ("FieldValueRequired", "Required value: is required for apply patch", "fieldManager")
                raise statuses.invalid_options("PatchOptions", [cause])
            return applies.apply(self._cluster, target, body, options=options)
        change = _PATCHES.get(media)
        if change is None or (target.resource.custom and media.startswith("application/strategic")):
            raise statuses.unsupported_media_type(target.resource)
        patch = bodies.decode(body)
        return writes.patch(self._cluster, target, lambda document: change(target, document, patch), options=options)

    def _delete(self, route: routes.Route, query: Mapping[str, str], asked: deletes.DeleteOptions) -> bytes:
        if not route.collection:
            return store.encode(deletes.delete(self._cluster, route.target, asked))
        wanted = reads.selection(route.target, query)
        resource = route.target.resource
        found = self._cluster.store.collection(store.key_of(resource), route.target.namespace)
        doomed = [record for record in found if wanted.matches(record)]
        for record in doomed:
            target = msgspec.structs.replace(route.target, namespace=record.name[0], name=record.name[1])
            deletes.delete(self._cluster, target, asked)
        return reads.Rendering(resource).many(doomed, str(self._cluster.store.version))

    async def _strike(self, verb: str, target: Target | None = None) -> None:
        """Let a request suffer the fault that waits for it, if one does."""
        resource, namespace, name = (target.resource, target.namespace, target.name) if target else (None, "", "")
        fault = self._cluster.faults.strike(verb, resource, namespace, name=name)
        if fault is None:
            return
        await asyncio.sleep(fault.delay_s)
        if fault.hang:
            await self._cluster.faults.freed()
        if fault.status:
            raise fault.failure()

    async def _faults(self, request: web.BaseRequest) -> web.Response:
        """Serve the control of faults: GET lists them, POST adds one, DELETE clears them and frees what hangs."""
        if request.method == "POST":
            try:
                fault = msgspec.json.decode(await _body(request), type=faults.Fault)
            except msgspec.DecodeError as error:
                raise statuses.bad_request(f"fault: {error}") from error
            self._cluster.faults.add(fault)
        elif request.method == "DELETE":
            self._cluster.faults.clear()
        return answer(store.encode(self._cluster.faults.pending()))


def _verb(method: str, route: routes.Route, query: Mapping[str, str]) -> str:
    match method:
        case "GET" if route.collection:
            return "watch" if list_options.flag(query, "watch") else "list"
        case "GET":
            return "get"
        case "POST" if route.collection:
            return "create"
        case "PUT" if not route.collection:
            return "update"
        case "PATCH" if not route.collection:
            return "patch"
        case "DELETE":
            return "deletecollection" if route.collection else "delete"
    raise statuses.method_not_allowed()


async def _body(request: web.BaseRequest) -> bytes:
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise statuses.too_large(bodies.BYTES_MAX) from error


def _options(request: web.BaseRequest, query: Mapping[str, str]) -> Options:
    manager = query.get("fieldManager") or request.headers.get("User-Agent", "").partition("/")[0] or "unknown"
    return Options(
        manager=manager[:MANAGER_MAX],
        dry_run=query.get("dryRun") == "All",
        force=query.get("force", "").lower() in ("1", "true"),
        strict=query.get("fieldValidation") == "Strict",
    )


def _written(written: Written) -> web.Response:
    return answer(written.raw, HTTPStatus.CREATED if written.created else HTTPStatus.OK)


def _review(body: Json) -> Object:
    """Answer an access review: whoever has the token may do everything."""
    if not isinstance(body, dict):
        raise statuses.bad_request("expected a JSON object")
    if body.get("kind") == "SelfSubjectReview":
        user = {"username": "sandbox-admin", "groups": ["system:masters", "system:authenticated"]}
        return {**body, "status": {"userInfo": user}}
    return {**body, "status": {"allowed": True}}
