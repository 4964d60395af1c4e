"""Holds what the API really answers against the document that describes it."""

import json
import re
from typing import Any

import jsonschema
from aiohttp import typedefs, web

from controller.api import openapi, problems, routes, table

DOCUMENT = openapi.document(table.TABLE)

PARTS = {"components": DOCUMENT["components"]}


def errors(schema: dict[str, Any], value: Any) -> list[str]:
    """In what a value is not what its schema says."""
    validator = jsonschema.Draft202012Validator({**schema, **PARTS})
    return [f"{one.json_path}: {one.message}" for one in validator.iter_errors(value)]


def response_of(route: routes.Route, status: int) -> dict[str, Any]:
    """What the document says about this answer."""
    path = re.sub(r"{(\w+):[^{}]+}", r"{\1}", route.path)
    responses = DOCUMENT["paths"][path][route.method.lower()]["responses"]
    found = responses.get(str(status), responses.get(f"{status // 100}XX"))
    assert found is not None, f"{route.method} {path}: answers {status}, which the document does not know"
    return dict(found)


@web.middleware
async def middleware(request: web.Request, handler: typedefs.Handler) -> web.StreamResponse:
    """Fail, with a 599 that no test expects, whatever is not as the document says."""
    response = await handler(request)
    route = routes.of(request)
    if not isinstance(response, web.Response):
        return response
    body = bytes(response.body) if isinstance(response.body, bytes) else b""
    if route is None or route not in table.TABLE:
        schema = {"$ref": "#/components/schemas/Problem"} if response.content_type == problems.CONTENT_TYPE else {}
        wrong = errors(schema, json.loads(body)) if schema else []
    else:
        wrong = _wrong(response, body, response_of(route, response.status))
    if wrong:
        return web.Response(status=599, text="\n".join(wrong))
    return response


def _wrong(response: web.Response, body: bytes, documented: dict[str, Any]) -> list[str]:
    content = documented.get("content")
    if content is None:
        return ["has a body"] if body else []
    if response.content_type not in content:
        return [f"is {response.content_type}, and not {' or '.join(content)}"]
    if not response.content_type.endswith("json"):
        return []
    return errors(content[response.content_type]["schema"], json.loads(body))
