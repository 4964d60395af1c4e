"""An API server of one collection that says what a test tells it to say: over real HTTP, in this process."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from agents.kube import access, client
from tests.agents import faults

Object = dict[str, Any]
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def metadata(name: str, version: int, *, uid: str = "", colour: str = "f:blue", namespace: str = "web") -> Object:
    """An object as a metadata-only answer holds it; `colour` is the field that we own."""
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": uid or f"uid-of-{name}",
            "resourceVersion": str(version),
            "managedFields": [
                {"manager": "flotilla", "operation": "Apply", "fieldsV1": {"f:data": {colour: {}}}},
                {"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:other": {}}},
            ],
        }
    }


def event(kind: str, found: Object) -> bytes:
    return json.dumps({"type": kind, "object": found}).encode() + b"\n"


def bookmark(version: int) -> bytes:
    return event("BOOKMARK", {"metadata": {"resourceVersion": str(version)}})


def status(code: int, headers: dict[str, str] | None = None) -> Answer:
    """A refusal."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response({"kind": "Status", "code": code, "message": "scripted"}, status=code, headers=headers)

    return answer


def page(version: int, *items: Object, following: str = "") -> Answer:
    """A page of a list."""

    async def answer(_: web.Request) -> web.StreamResponse:
        head = {"resourceVersion": str(version), "continue": following}
        return web.json_response({"metadata": head, "items": list(items)})

    return answer


def stream(*lines: bytes, then: asyncio.Event | None = None) -> Answer:
    """A watch that says these lines; it goes on in silence until the event, if there is one."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for line in lines:
            await response.write(line)
        if then is not None:
            await then.wait()
        return response

    return answer


class Script:
    """Answers in the given order; beyond the last one watches are silent, and lists are not expected."""

    def __init__(self, lists: list[Answer], watches: list[Answer]) -> None:
        self.lists = lists
        self.watches = watches
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.over = asyncio.Event()
        """Every answer was asked for."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        watching = request.query.get("watch") == "true"
        self.asked.append(("watch" if watching else "list", dict(request.query)))
        answers = self.watches if watching else self.lists
        if answers:
            return await answers.pop(0)(request)
        assert watching, f"no list was expected: {request.query}"
        self.over.set()
        return await stream(then=asyncio.Event())(request)


@contextlib.asynccontextmanager
async def serving(script: Script, directory: Path) -> AsyncIterator[client.Client]:
    """A client of the server."""
    runner = web.ServerRunner(web.Server(script.handle, handler_cancellation=True), shutdown_timeout=0.1)
    await runner.setup()
    session = None
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        session = access.Session(access.Access(faults.kubeconfig(directory / "scripted.yaml", url)))
        await session.open()
        yield client.Client(session, client.Limits())
    finally:
        if session is not None:
            await session.close()
        await runner.cleanup()
