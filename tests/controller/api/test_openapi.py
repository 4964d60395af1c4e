"""The document that describes the API: whole, valid, and nowhere else than the code."""

import json
import re

import aiohttp
import jsonschema
import pytest

from controller.api import openapi, routes, table
from tests.controller.api import documented


def spelled(route: routes.Route) -> str:
    return re.sub(r"{(\w+):[^{}]+}", r"{\1}", route.path)


def test_every_route_is_in_the_document_with_its_scope() -> None:
    described = {
        (method.upper(), path): operation.get("security", [{"token": [None]}])[0]["token"][0]
        for path, methods in documented.DOCUMENT["paths"].items()
        for method, operation in methods.items()
    }

    assert described == {(route.method, spelled(route)): route.scope for route in table.TABLE}


def test_every_reference_leads_somewhere_and_every_schema_is_one() -> None:
    text = json.dumps(documented.DOCUMENT)
    named = set(re.findall(r'"#/components/schemas/([^"]+)"', text))

    assert named <= set(documented.DOCUMENT["components"]["schemas"])
    for schema in documented.DOCUMENT["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_a_page_names_its_rows() -> None:
    page = documented.response_of(next(one for one in table.TABLE if one.name == "clusters.index"), 200)

    schema = page["content"]["application/json"]["schema"]
    assert schema["properties"]["items"] == {"type": "array", "items": {"$ref": "#/components/schemas/clusters.Row"}}


@pytest.mark.parametrize(
    ("name", "value"), [("clusters.Row", {"name": 1}), ("Problem", {}), ("Overview", {"epoch": "x"})]
)
def test_what_is_not_as_described_would_be_found(name: str, value: object) -> None:
    assert documented.errors({"$ref": f"#/components/schemas/{name}"}, value) != []


async def test_the_hub_serves_the_same_document_to_everybody(stranger: aiohttp.ClientSession) -> None:
    async with stranger.get("/api/v1/openapi.json") as answer:
        assert (answer.status, await answer.json()) == (200, openapi.document(table.TABLE))
