"""`/api/v1/openapi.json`: the API as an OpenAPI 3.1 document, made of the types and of the table of routes.

Nothing in it is written by hand but the words that a type cannot say, so that it cannot tell another story than the
code.
"""

import json
import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from typing import Any

import msgspec
from aiohttp import web

from controller.api import problems, routes
from controller.domain.views import paging

Schema = dict[str, Any]

VERSION = "3.1.0"

DOCUMENT = web.AppKey("document", bytes)

SCHEMAS = "#/components/schemas/"

DESCRIPTION = """\
The hub of a Flotilla: sources, bundles, clusters, rollouts, deletions, and the log that holds every decision.

Every request but those for health shows a token (`flotilla token create`). Lists are paged: ask for `after` what the
page before named as `next`. Answers that follow from the log and from what the clusters said have an `ETag`. What
goes wrong is told as `application/problem+json` (RFC 9457). Unknown parameters and fields are refused.
"""

_PLACEHOLDER = re.compile(r"{(\w+)(?::[^{}]+)?}")


def document(table: Sequence[routes.Route]) -> Schema:
    """The document that describes these routes."""
    kinds = _Kinds(table)
    paths: dict[str, Schema] = {}
    for route in table:
        path = _PLACEHOLDER.sub(r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, kinds)
    return {
        "openapi": VERSION,
        "info": {"title": "Flotilla", "version": metadata.version("flotilla-gitops"), "description": DESCRIPTION},
        "paths": paths,
        "components": {
            "schemas": kinds.components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def encoded(table: Sequence[routes.Route]) -> bytes:
    """The document as JSON."""
    return json.dumps(document(table), ensure_ascii=False).encode()


async def show(request: web.Request) -> web.Response:
    """This document."""
    return web.Response(body=request.app[DOCUMENT], content_type=routes.JSON)


class _Kinds:
    """The schema of every type that some route names."""

    def __init__(self, table: Sequence[routes.Route]) -> None:
        found = [problems.Problem, paging.Listed[Any], *(one for route in table for one in _named(route))]
        kinds = list(dict.fromkeys(found))
        schemas, components = msgspec.json.schema_components(kinds, ref_template=SCHEMAS + "{name}")
        names = {name: _short(name) for name in components}
        assert len(set(names.values())) == len(names), "two types would have one name"
        self.components: dict[str, Schema] = {names[key]: _renamed(one, names) for key, one in components.items()}
        self._schemas: dict[Any, Schema] = {
            kind: _renamed(one, names) for kind, one in zip(kinds, schemas, strict=True)
        }
        self._page = self.components.pop(self.of(paging.Listed[Any])["$ref"].removeprefix(SCHEMAS))

    def of(self, kind: Any) -> Schema:
        """A type's schema; a page of rows is the page's schema with the rows' in it."""
        if kind is not paging.Listed[Any] and typing.get_origin(kind) is paging.Listed:
            row = self._schemas[typing.get_args(kind)[0]]
            items = {"type": "array", "items": row}
            return {**self._page, "properties": {**self._page["properties"], "items": items}}
        return self._schemas[kind]


def _named(route: routes.Route) -> Iterator[Any]:
    for kind in (route.answers, route.takes, *route.also.values(), *(one.kind for one in route.query)):
        if kind is not None:
            yield typing.get_args(kind)[0] if typing.get_origin(kind) is paging.Listed else kind


def _short(name: str) -> str:
    """The last two parts of a name that msgspec wrote in full, because another type has the same: `clusters.Row`."""
    return ".".join(name.split(".")[-2:])


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            key: SCHEMAS + names[one.removeprefix(SCHEMAS)] if key == "$ref" else _renamed(one, names)
            for key, one in value.items()
        }
    return [_renamed(one, names) for one in value] if isinstance(value, list | tuple) else value


def _operation(route: routes.Route, kinds: _Kinds) -> Schema:
    text = " ".join((route.handler.__doc__ or "").split())
    operation: Schema = {
        "operationId": route.name,
        "tags": [route.name.partition(".")[0]],
        "summary": text.partition(". ")[0].rstrip("."),
        "description": text,
        "parameters": [*_placeholders(route), *_query(route, kinds)],
        "responses": _responses(route, kinds),
    }
    if route.scope is not None:
        operation["security"] = [{"token": [route.scope.value]}]
    if route.takes is not None:
        content = {routes.JSON: {"schema": kinds.of(route.takes)}}
        operation["requestBody"] = {"required": _has_required(route.takes), "content": content}
    return operation


def _has_required(kind: Any) -> bool:
    """No body is `{}`: it may be left out where every field may."""
    return any(field.required for field in msgspec.structs.fields(kind))


def _placeholders(route: routes.Route) -> list[Schema]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PLACEHOLDER.findall(route.path)
    ]


def _query(route: routes.Route, kinds: _Kinds) -> list[Schema]:
    found = [
        {"name": one.name, "in": "query", "description": one.text, "schema": kinds.of(one.kind)} for one in route.query
    ]
    if route.tagged:
        found.append({"name": "If-None-Match", "in": "header", "schema": {"type": "string"}})
    return found


def _responses(route: routes.Route, kinds: _Kinds) -> Schema:
    problem = {"content": {problems.CONTENT_TYPE: {"schema": kinds.of(problems.Problem)}}}
    found: Schema = {
        "4XX": {"description": "The request is refused.", **problem},
        "5XX": {"description": "It did not work.", **problem},
    }
    for status, kind in {route.status: route.answers, **route.also}.items():
        found[str(status)] = _response(route, kind, kinds)
    if route.tagged:
        found["304"] = {"description": "What the client has is still what it would get.", "headers": _TAG}
    return found


def _response(route: routes.Route, kind: Any, kinds: _Kinds) -> Schema:
    response: Schema = {"description": "As asked."}
    if kind is not None:
        response["content"] = {route.media: {"schema": kinds.of(kind)}}
    if route.tagged:
        response["headers"] = _TAG
    return response


_TAG = {"ETag": {"schema": {"type": "string"}}}
