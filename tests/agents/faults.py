"""An API server that misbehaves on demand: a proxy in front of a real one, which answers in its place."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import yaml
from aiohttp import web

from agents.kube import access

ALWAYS = 1_000_000


class Fault(msgspec.Struct):
    """What happens to requests whose method and path match."""

    method: str
    path: str
    """A part of the path."""
    query: str = ""
    """A part of what stands behind the `?`."""
    status: int = 0
    """The answer; 0: none at all, the request hangs."""
    times: int = ALWAYS
    reason: str = ""
    message: str = "a fault of the test"
    headers: dict[str, str] = {}
    after: bool = False
    """The request is carried out first: only its answer is lost."""
    struck: int = 0
    carried_out: int = 0


class Proxy:
    """Forwards to one API server, but for its faults."""

    def __init__(self, session: access.Session) -> None:
        self._session = session
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str]] = []

    def strike(self, method: str, path: str, **what: object) -> Fault:
        fault = msgspec.convert({"method": method, "path": path, **what}, Fault)
        self.faults.append(fault)
        return fault

    def count(self, method: str, path: str) -> int:
        """How many requests of a method had this in their path."""
        return sum(1 for verb, found in self.requests if verb == method and path in found)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.path))
        for fault in self.faults:
            if fault.struck < fault.times and _is_meant(fault, request):
                fault.struck += 1
                if fault.after:
                    await self._forward(request)
                    fault.carried_out += 1
                return await _strike(fault)
        return await self._forward(request)

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        arguments = await self._session.arguments()
        headers = {name: value for name, value in request.headers.items() if name in ("Accept", "Content-Type")}
        arguments["headers"].update(headers)
        async with self._session.http.request(
            request.method,
            self._session.host + request.raw_path,
            data=await request.read() or None,
            timeout=aiohttp.ClientTimeout(total=None if request.query.get("watch") else 30),
            **arguments,
        ) as answer:
            if request.query.get("watch"):
                return await _streamed(request, answer)
            body = await answer.read()
            return web.Response(status=answer.status, body=body, content_type=answer.content_type)


def _is_meant(fault: Fault, request: web.Request) -> bool:
    return fault.method == request.method and fault.path in request.path and fault.query in request.query_string


async def _streamed(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    """A watch, passed on as it comes."""
    response = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.content_type})
    await response.prepare(request)
    async for chunk in answer.content.iter_any():
        await response.write(chunk)
    return response


async def _strike(fault: Fault) -> web.Response:
    if not fault.status:
        await asyncio.Event().wait()
    body = {
        "kind": "Status",
        "status": "Failure",
        "message": fault.message,
        "reason": fault.reason,
        "code": fault.status,
    }
    return web.json_response(body, status=fault.status, headers=fault.headers)


@contextlib.asynccontextmanager
async def proxied(way: access.Access, directory: Path) -> AsyncIterator[tuple[Proxy, access.Access]]:
    """A proxy, and the way to it."""
    session = access.Session(way)
    await session.open()
    made = Proxy(session)
    runner = web.ServerRunner(web.Server(made.handle, handler_cancellation=True), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        yield made, access.Access(kubeconfig(directory / "proxied.yaml", f"http://127.0.0.1:{port}"))
    finally:
        await runner.cleanup()
        await session.close()


def kubeconfig(path: Path, server: str) -> Path:
    """A kubeconfig for a server that wants no credentials."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": server}}],
        "users": [{"name": "test", "user": {}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    }
    path.write_text(yaml.safe_dump(document))
    return path
