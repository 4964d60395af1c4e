"""What an API server says that it serves: its own part, and what it passes on from the servers of others."""

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from agents.domain import resources
from agents.kube import access, client, discovery, errors
from tests.agents import faults

BOAT = {"name": "boats", "kind": "Boat", "namespaced": True, "verbs": ["list", "watch", "delete"]}
"""As the API server lists it."""


@contextlib.asynccontextmanager
async def serving(answers: dict[str, Any], directory: Path) -> AsyncIterator[client.Client]:
    """An API server that answers so, by path."""

    async def handle(request: web.BaseRequest) -> web.Response:
        if request.path not in answers:
            return web.Response(status=404, text="404 page not found")
        return web.Response(text=json.dumps(answers[request.path]), content_type="application/json")

    runner = web.ServerRunner(web.Server(handle), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        session = access.Session(access.Access(faults.kubeconfig(directory / "serving.yaml", url)))
        await session.open()
        try:
            yield client.Client(session, client.Limits())
        finally:
            await session.close()
    finally:
        await runner.cleanup()


def group(name: str, *versions: str) -> dict[str, Any]:
    return {"name": name, "versions": [{"version": one} for one in versions], "preferredVersion": {"version": ""}}


def aggregated(*served: Any) -> dict[str, Any]:
    versions = [{"version": "v1", "resources": [{"resource": "boats", "responseKind": kind} for kind in served]}]
    return {"items": [{"metadata": {"name": "example.com"}, "versions": versions}]}


async def test_a_resource_that_has_subresources_only_has_no_kind(tmp_path: Path) -> None:
    """The group of KubeVirt that starts and stops machines is such a one."""
    answer = aggregated({"group": "example.com", "version": "v1", "kind": "Boat"}, None, {"kind": ""}, {})
    async with serving({"/apis": answer}, tmp_path) as api:
        names, _ = await discovery.api_versions(api)

    assert names == {"example.com/v1", "example.com/v1/Boat"}


@pytest.mark.parametrize(
    "answer",
    [{"items": [{}]}, {"items": [None]}, {"items": 7}, aggregated(7)],
    ids=["no name", "null", "number", "kind"],
)
async def test_an_answer_that_is_not_as_documented_is_an_error(tmp_path: Path, answer: Any) -> None:
    async with serving({"/apis": answer}, tmp_path) as api:
        with pytest.raises(errors.Unexpected):
            await discovery.api_versions(api)


async def test_a_group_whose_server_answers_nonsense_is_an_error_of_that_group(tmp_path: Path) -> None:
    answers = {
        "/apis": {"groups": [group("bad.example.com", "v1"), group("example.com", "v1")]},
        "/apis/bad.example.com/v1": {"resources": [{"name": "boats"}]},
        "/apis/example.com/v1": {"resources": [BOAT]},
    }
    boat, bad = resources.GroupKind("example.com", "Boat"), resources.GroupKind("bad.example.com", "Boat")
    async with serving(answers, tmp_path) as api:
        found = await discovery.Discovery(api).resolve([boat, bad])

    assert isinstance(found[boat], resources.Resource)
    unknown = found[bad]
    assert isinstance(unknown, resources.Unresolved)
    assert (unknown.reason, unknown.served) == ("Unexpected", True)


async def test_a_kind_that_is_served_in_another_version_is_found_once_its_group_is_forgotten(tmp_path: Path) -> None:
    """Its definition was replaced: what was known of it is wrong, though it has the same name."""
    boat = resources.GroupKind("example.com", "Boat")
    answers: dict[str, Any] = {
        "/apis": {"groups": [group("example.com", "v1")]},
        "/apis/example.com/v1": {"resources": [BOAT]},
    }
    async with serving(answers, tmp_path) as api:
        kinds = discovery.Discovery(api)
        await kinds.resolve([boat])
        answers |= {"/apis": {"groups": [group("example.com", "v2")]}, "/apis/example.com/v2": {"resources": [BOAT]}}
        kinds.forget({"apps"})
        before = (await kinds.resolve([boat]))[boat]
        kinds.forget({"example.com"})
        after = (await kinds.resolve([boat]))[boat]

    assert isinstance(before, resources.Resource)
    assert isinstance(after, resources.Resource)
    assert (before.version, after.version) == ("v1", "v2")
