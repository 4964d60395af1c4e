"""The API of a real hub: what is new is streamed, a webhook wakes the poll, and both sides of a cluster agree."""

import contextlib
import hashlib
import hmac
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import test_utils

from controller import bootstrap, face
from controller.api import app
from tests.controller.api import documented, streaming
from tests.fixtures.fleet import SOURCE, Fleet, Site

pytestmark = [pytest.mark.nats, pytest.mark.timeout(900)]

TOKEN = "a-token-for-tests"
HOUR_S = 3600.0
BODY = b'{"ref": "refs/heads/elsewhere"}'


@contextlib.asynccontextmanager
async def serving(fleet: Fleet) -> AsyncIterator[aiohttp.ClientSession]:
    """The API of the fleet's hub, held against its document."""
    made = app.make_app(face.Face(fleet.hub, None), token=TOKEN)
    made.middlewares.insert(0, documented.middleware)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with (
        test_utils.TestServer(made) as server,
        aiohttp.ClientSession(server.make_url("/"), headers=headers) as session,
    ):
        yield session


def files(fleet: Fleet, value: str) -> dict[str, str]:
    return {
        "apps/web/flotilla.yaml": f"defaultNamespace: {fleet.namespace}\n",
        "apps/web/settings.yaml": (
            f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: settings}}\ndata: {{value: '{value}'}}\n"
        ),
    }


async def get(client: aiohttp.ClientSession, path: str) -> Any:
    async with client.get(f"/api/v1/{path}") as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def of_type(messages: AsyncIterator[streaming.Message], kind: str) -> dict[str, Any]:
    """The next event of this type that is streamed."""
    async for one in messages:
        if one.kind == "log" and one.data["type"] == kind:
            return dict(one.data)
    raise AssertionError("the stream ended")


async def test_a_webhook_brings_a_commit_to_a_cluster_and_the_stream_tells_it(
    fleet: Fleet, fleet_sandbox: list[Site]
) -> None:
    await fleet.add_cluster("dev", fleet_sandbox.pop(), {"env": "dev"})
    first = fleet.merge(files(fleet, "1"), "first")
    await fleet.declare(interval_s=HOUR_S)
    await fleet.completed(first)
    async with serving(fleet) as client:
        then = await get(client, "clusters/dev/desired")
        async with client.post(f"/api/v1/sources/{SOURCE}/hook") as answer:
            secret = (await answer.json())["secret"]
        signature = hmac.new(secret.encode(), BODY, hashlib.sha256).hexdigest()
        place = (await get(client, "status"))["event"]

        async with client.get(f"/api/v1/events/stream?after={place}") as stream:
            messages = streaming.messages(stream, time_s=60.0)
            second = fleet.repository.merge(files(fleet, "2"), "second", at=bootstrap.utc_now())
            headers = {"X-Hub-Signature-256": f"sha256={signature}"}
            async with client.post(f"/hooks/{SOURCE}", data=BODY, headers=headers) as answer:
                assert answer.status == 202
            resolved = await of_type(messages, "RevisionResolved")
            completed = await of_type(messages, "RolloutCompleted")
            await messages.aclose()

        assert (resolved["event"]["revision"]["commit"], completed["by"]) == (second, "hub")
        await agree(client, second)
        past = await get(client, f"clusters/dev/past?at={place}")
        assert [one["digest"] for one in past["bundles"]] == [one["digest"] for one in then["bundles"]]
        await measured(client)


async def agree(client: aiohttp.ClientSession, commit: str) -> None:
    """What the cluster should hold is what it says it holds, and what the log alone says it was given."""
    desired, observed = await get(client, "clusters/dev/desired"), await get(client, "clusters/dev/observed")
    now = await get(client, f"clusters/dev/past?at={desired['logHead']}")

    assert (observed["root"], observed["generation"]) == (desired["root"], desired["generation"])
    assert [one["object"] for one in desired["bundles"][0]["objects"]] == ["ConfigMap settings"]
    assert now["bundles"] == desired["bundles"]
    assert commit in now["given"][0]["revision"]


async def measured(client: aiohttp.ClientSession) -> None:
    """The metrics of a hub that did something."""
    async with client.get("/metrics") as answer:
        lines = dict(line.rsplit(" ", 1) for line in (await answer.text()).splitlines() if not line.startswith("#"))

    assert float(lines["flotilla_nats_request_seconds_count"]) > 0
    assert float(lines['flotilla_reports_total{kind="Applied"}']) >= 2
    assert float(lines['flotilla_polls_total{result="ok"}']) >= 2
    assert lines['flotilla_clusters{state="Online"}'] == "1.0"
