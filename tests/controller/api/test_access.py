"""Who may ask, and how refusals look."""

import gzip
import io

import aiohttp
import pytest

from tests.fixtures import hub as hubs

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("path", ["/metrics", "/api/v1/status", "/api/v1/sources", "/api/v1/no-such-thing", "/"])
async def test_without_a_token_nothing_is_said(stranger: aiohttp.ClientSession, path: str) -> None:
    async with stranger.get(path) as answer:
        problem = await answer.json(content_type="application/problem+json")

    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert problem["type"] == "urn:flotilla:problem:unauthorized"


@pytest.mark.parametrize("shown", ["Bearer", "Bearer wrong", "Basic open-sesame", "open-sesame"])
async def test_a_wrong_token_is_refused(stranger: aiohttp.ClientSession, shown: str) -> None:
    async with stranger.get("/api/v1/status", headers={"Authorization": shown}) as answer:
        assert answer.status == 401


async def test_a_body_that_is_packed_is_not_read(client: aiohttp.ClientSession) -> None:
    """A few bytes may unpack to more than there is room for, and a signature is over the bytes that were sent."""
    headers = {**JSON, "Content-Encoding": "gzip"}
    async with client.post("/api/v1/tokens", data=gzip.compress(b"{}"), headers=headers) as answer:
        problem = await answer.json(content_type="application/problem+json")

    assert (answer.status, problem["detail"]) == (415, "request body: encoded as 'gzip'")


async def test_health_is_for_everybody(stranger: aiohttp.ClientSession) -> None:
    async with stranger.get("/healthz") as answer:
        assert (answer.status, await answer.json()) == (200, {"status": "ok"})


async def test_readiness_says_what_is_missing(stranger: aiohttp.ClientSession, hub: hubs.Hub) -> None:
    async with stranger.get("/readyz") as answer:
        assert (answer.status, await answer.json()) == (200, {"status": "ready", "problems": []})

    hub.missing = ["nats: not connected"]
    async with stranger.get("/readyz") as answer:
        assert (
            answer.status,
            await answer.json(),
        ) == (503, {"status": "unready", "problems": ["nats: not connected"]})


async def test_metrics_are_told_in_the_format_of_prometheus(client: aiohttp.ClientSession, hub: hubs.Hub) -> None:
    hub.lag_s = 0.25
    async with client.get("/metrics") as answer:
        lines = (await answer.text()).splitlines()

    assert (answer.status, answer.headers["Content-Type"].partition(";")[0]) == (200, "text/plain")
    assert "flotilla_hub_loop_lag_seconds 0.25" in lines


async def test_the_overview_tells_how_late_the_hub_is(client: aiohttp.ClientSession, hub: hubs.Hub) -> None:
    hub.lag_s = 0.1234
    async with client.get("/api/v1/status") as answer:
        assert (await answer.json())["loopLagS"] == 0.123


async def test_an_unknown_path_is_a_problem(client: aiohttp.ClientSession) -> None:
    async with client.get("/api/v1/no-such-thing") as answer:
        problem = await answer.json(content_type="application/problem+json")

    assert (
        answer.status,
        problem["type"],
        problem["instance"],
    ) == (404, "urn:flotilla:problem:not-found", "/api/v1/no-such-thing")


async def test_a_wrong_method_is_a_problem(client: aiohttp.ClientSession) -> None:
    async with client.put("/api/v1/sources") as answer:
        problem = await answer.json(content_type="application/problem+json")

    assert (answer.status, problem["type"]) == (405, "urn:flotilla:problem:no-such-method")
    assert sorted(answer.headers["Allow"].split(",")) == ["GET", "HEAD", "POST"]


@pytest.mark.parametrize("body", [b"{", b"\xff"])
async def test_a_body_that_cannot_be_read_is_a_problem(client: aiohttp.ClientSession, body: bytes) -> None:
    async with client.post("/api/v1/clusters", data=body, headers=JSON) as answer:
        problem = await answer.json(content_type="application/problem+json")

    assert (answer.status, problem["type"]) == (400, "urn:flotilla:problem:bad-request")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b"[]", "#"),
        (b"", "#/name"),
        (b'{"name": 1}', "#/name"),
        (b'{"name": "x", "surprise": 1}', "#/surprise"),
        (b'{"name": "x", "labels": {"a": "b", "c": 1}}', "#/labels"),
    ],
)
async def test_a_body_that_makes_no_sense_is_told_where(
    client: aiohttp.ClientSession, body: bytes, pointer: str
) -> None:
    async with client.post("/api/v1/clusters", data=body, headers=JSON) as answer:
        problem = await answer.json(content_type="application/problem+json")

    assert (answer.status, [one["pointer"] for one in problem["errors"]]) == (422, [pointer])


async def test_what_is_no_json_is_not_read(client: aiohttp.ClientSession) -> None:
    async with client.post("/api/v1/clusters", data={"name": "x"}) as answer:
        problem = await answer.json(content_type="application/problem+json")

    assert (answer.status, problem["type"]) == (415, "urn:flotilla:problem:not-json")


async def test_a_body_that_is_too_large_is_not_read(client: aiohttp.ClientSession) -> None:
    body = io.BytesIO(b" " * (17 * 1024 * 1024))
    async with client.post("/api/v1/apply", data=body, headers=JSON) as answer:
        assert answer.status == 413


async def test_a_parameter_that_nobody_knows_is_refused_rather_than_ignored(client: aiohttp.ClientSession) -> None:
    async with client.get("/api/v1/clusters?limt=3") as answer:
        problem = await answer.json(content_type="application/problem+json")

    assert (answer.status, [one["parameter"] for one in problem["errors"]]) == (400, ["limt"])


async def test_a_parameter_that_is_given_twice_is_refused(client: aiohttp.ClientSession) -> None:
    async with client.get("/api/v1/clusters?limit=3&limit=4") as answer:
        assert answer.status == 400


async def test_a_query_has_a_bound(client: aiohttp.ClientSession) -> None:
    async with client.get(f"/api/v1/clusters?after={'A' * 5000}") as answer:
        problem = await answer.json(content_type="application/problem+json")

    assert (answer.status, problem["type"]) == (414, "urn:flotilla:problem:too-large")


@pytest.mark.parametrize("query", ["limit=0", "limit=5000", "limit=x", "limit=-1", "limit=²", f"limit={'9' * 4000}"])
async def test_a_page_has_bounds(client: aiohttp.ClientSession, query: str) -> None:
    async with client.get(f"/api/v1/clusters?{query}") as answer:
        assert answer.status == 400


async def test_a_mistake_of_the_hub_tells_nothing(client: aiohttp.ClientSession, hub: hubs.Hub) -> None:
    del hub.lag_s
    async with client.get("/api/v1/status") as answer:
        problem = await answer.json(content_type="application/problem+json")

    assert (answer.status, problem["detail"]) == (500, "AttributeError")
