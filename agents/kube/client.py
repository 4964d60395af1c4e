"""Requests to one API server: server-side apply, get, list, watch, create, merge patch, delete.

They go straight over the session: the generated client costs six times the CPU of a raw request and would build model
objects that nobody here reads. Objects are plain dictionaries, errors are typed, and every request has a time limit and
a place in a bounded number of concurrent ones. A watch has neither: it lasts, and whoever opens it bounds its silence.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

import aiohttp
import msgspec

from agents.kube import access, errors, gates
from protocol import naming

Object = dict[str, Any]

APPLY = "application/apply-patch+yaml"
"""JSON is YAML: the server parses it at half the cost when it looks like JSON."""

MERGE = "application/merge-patch+json"
JSON = "application/json"
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

PAGE_ITEMS = 500
"""Objects per page of a list: the default of kubectl and of client-go's reflector."""

PAGES_MAX = 200
"""100,000 objects of a kind: whoever lists more here is lost anyway, and memory is not."""

LINE_BYTES_MAX = 8 * 1024 * 1024
"""Of one event of a watch: five times what etcd holds of one object."""

RESPONSE_BYTES_MAX = 64 * 1024 * 1024
"""No page of 500 objects is larger: etcd holds 1.5 MiB an object, and real ones are a hundredth of that."""

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Limits(msgspec.Struct, frozen=True):
    """Bounds of a client."""

    requests_max: int = 16
    """Concurrent requests: enough to fill one API server's share for one client, few enough to leave the rest alone."""
    timeout_s: float = 30.0
    """Per request; admission webhooks are given 10 to 30 s by the server itself."""


class Applied(msgspec.Struct, frozen=True):
    """The object after a server-side apply."""

    live: Object
    created: bool


class Client:
    """One API server."""

    def __init__(
        self,
        session: access.Session,
        limits: Limits,
        *,
        field_manager: str = naming.FIELD_MANAGER,
        gate: gates.Gate | None = None,
    ) -> None:
        """`gate`: what writes, dry runs excepted, have to pass."""
        self._session = session
        self._gate = gate
        self._manager = {"fieldManager": field_manager}
        self._timeout = aiohttp.ClientTimeout(total=limits.timeout_s)
        self._slots = asyncio.Semaphore(limits.requests_max)

    async def get(self, path: str, params: Mapping[str, str] | None = None, *, accept: str = JSON) -> Object:
        """Read one object, or whatever stands at the path."""
        _, body = await self._send("GET", path, params=params, accept=accept)
        return self._read(path, body)

    async def read(self, path: str, params: Mapping[str, str], *, accept: str) -> bytes:
        """The answer as it is, for whoever decodes it otherwise."""
        _, body = await self._send("GET", path, params=params, accept=accept)
        return body

    async def watch(
        self, path: str, params: Mapping[str, str], *, accept: str, silence_s: float
    ) -> AsyncGenerator[bytes, None]:
        """The events of a collection as they come, a line each, until the server ends the watch. Raise TimedOut once
        nothing came for `silence_s`: a connection can be dead without either side knowing."""
        renewed = self._session.renewed
        async with contextlib.AsyncExitStack() as stack:
            try:
                response = await stack.enter_async_context(self._opened(path, params, accept, silence_s=silence_s))
            except errors.Unauthorized:
                await self._session.renew(renewed)
                response = await stack.enter_async_context(self._opened(path, params, accept, silence_s=silence_s))
            async for line in _lines(response, f"WATCH {path}", silence_s):
                yield line

    @contextlib.asynccontextmanager
    async def _opened(
        self, path: str, params: Mapping[str, str], accept: str, *, silence_s: float
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        what = f"WATCH {path}"
        arguments = await self._session.arguments()
        arguments["headers"]["Accept"] = accept
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._timeout.total, sock_read=silence_s)
        try:
            async with self._session.http.get(
                self._session.host + path, params=params, timeout=timeout, allow_redirects=False, **arguments
            ) as response:
                if response.status >= 300:
                    body = await _bounded(response, what)
                    raise errors.from_response(what, response.status, body=body, headers=response.headers)
                yield response
        except TimeoutError as error:
            raise errors.TimedOut(f"{what}: silent for {silence_s:g} s") from error
        except aiohttp.ClientError as error:
            raise errors.Unreachable(f"{what}: {error}") from error

    async def apply(self, path: str, manifest: Object, *, force: bool, dry_run: bool = False) -> Applied:
        """Server-side apply as our field manager; without `force`, a field that another manager holds is a Conflict."""
        params = {**self._manager, "force": "true" if force else "false"}
        if dry_run:
            params["dryRun"] = "All"
        body = msgspec.json.encode(manifest)
        status, answer = await self._send("PATCH", path, params=params, body=body, content_type=APPLY)
        return Applied(live=self._read(path, answer), created=status == 201)

    async def create(self, path: str, manifest: Object) -> Object:
        """Create in the collection at `path`; AlreadyExists if the name is taken."""
        _, answer = await self._send(
            "POST", path, params=self._manager, body=msgspec.json.encode(manifest), content_type=JSON
        )
        return self._read(path, answer)

    async def merge(self, path: str, patch: Object) -> Object:
        """JSON merge patch; with `metadata.resourceVersion` in it, a Conflict if the object has moved on."""
        _, answer = await self._send(
            "PATCH", path, params=self._manager, body=msgspec.json.encode(patch), content_type=MERGE
        )
        return self._read(path, answer)

    async def delete(self, path: str, *, uid: str, resource_version: str) -> None:
        """Delete exactly this object in exactly this version; dependents follow in the background."""
        assert uid, "a delete always names the UID"
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": {"uid": uid, "resourceVersion": resource_version},
        }
        await self._send("DELETE", path, body=msgspec.json.encode(options), content_type=JSON)

    async def list(
        self, path: str, *, params: Mapping[str, str] | None = None, metadata_only: bool = False
    ) -> AsyncIterator[Object]:
        """The objects of a collection, page by page; an error midway raises, so that a part never passes for all."""
        accept = f"{METADATA_ONLY},{JSON}" if metadata_only else JSON
        query = {"limit": str(PAGE_ITEMS), **(params or {})}
        for _ in range(PAGES_MAX):
            _, body = await self._send("GET", path, params=query, accept=accept)
            page = self._read(path, body)
            for item in page.get("items") or ():
                yield item
            following = page["metadata"].get("continue")
            if not following:
                return
            query["continue"] = following
        raise errors.Unexpected(f"{path}: more than {PAGES_MAX} pages of {PAGE_ITEMS} objects")

    def _read(self, what: str, body: bytes) -> Object:
        try:
            return _decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise errors.Unexpected(f"{what}: the answer is no JSON object") from error

    async def _send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = "",
        accept: str = JSON,
    ) -> tuple[int, bytes]:
        """Send, once more with fresh credentials if the first answer is 401; raise the error an answer means."""
        headers = {"Accept": accept}
        if content_type:
            headers["Content-Type"] = content_type
        renewed = self._session.renewed
        try:
            return await self._exchange(method, path, params=params, body=body, headers=headers)
        except errors.Unauthorized:
            await self._session.renew(renewed)
            return await self._exchange(method, path, params=params, body=body, headers=headers)

    async def _exchange(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None,
        body: bytes | None,
        headers: Mapping[str, str],
    ) -> tuple[int, bytes]:
        what = f"{method} {path}"
        gate = None if method == "GET" or "dryRun" in (params or {}) else self._gate

        async def exchange() -> tuple[int, bytes]:
            arguments = await self._session.arguments()
            arguments["headers"].update(headers)
            if gate is not None:
                gate.check()  # credentials may have taken their time
            try:
                async with self._session.http.request(
                    method,
                    self._session.host + path,
                    params=params,
                    data=body,
                    timeout=self._timeout,
                    allow_redirects=False,
                    **arguments,
                ) as response:
                    return response.status, await _answer(response, what)
            except TimeoutError as error:
                raise errors.TimedOut(f"{what}: no answer within {self._timeout.total:g} s") from error
            except aiohttp.ClientError as error:
                raise errors.Unreachable(f"{what}: {error}") from error

        async with self._slots:
            return await (exchange() if gate is None else gate.through(exchange))


async def _answer(response: aiohttp.ClientResponse, what: str) -> bytes:
    """The body; raise the error that the answer means."""
    data = await _bounded(response, what)
    if response.status >= 300:
        raise errors.from_response(what, response.status, body=data, headers=response.headers)
    return data


async def _lines(response: aiohttp.ClientResponse, what: str, silence_s: float) -> AsyncIterator[bytes]:
    rest = b""
    while True:
        async with asyncio.timeout(silence_s):
            chunk = await response.content.readany()
        if not chunk:
            return  # a half line is of a server that stopped: the next watch begins before it
        *whole, rest = (rest + chunk).split(b"\n") if b"\n" in chunk else (rest + chunk,)
        if len(rest) > LINE_BYTES_MAX:
            raise errors.Unexpected(f"{what}: an event of more than {LINE_BYTES_MAX} bytes")
        for line in whole:
            yield line


async def _bounded(response: aiohttp.ClientResponse, what: str) -> bytes:
    chunks, size = [], 0
    async for chunk in response.content.iter_any():
        chunks.append(chunk)
        size += len(chunk)
        if size > RESPONSE_BYTES_MAX:
            raise errors.Unexpected(f"{what}: an answer of more than {RESPONSE_BYTES_MAX} bytes")
    return b"".join(chunks)
