"""Connections on which nothing is said: over sockets, as somebody opens them who means no good."""

import asyncio

import pytest
import structlog.testing
from aiohttp import test_utils, web

from controller.api import app, connections, enrolment, hooks, requests
from protocol import ids
from tests.controller.api.conftest import TOKEN
from tests.fixtures import hub as hubs

SHORT_S = 0.05
TIME_S = 60.0
STRANGE = b"GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n"
REQUEST = STRANGE.replace(b"\r\n\r\n", f"\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode())


async def opened(runner: web.AppRunner, said: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(*runner.addresses[0][:2])
    writer.write(said)
    return reader, writer


async def rest(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the hub ends the connection."""
    async with asyncio.timeout(TIME_S):
        return await reader.read()


async def test_who_says_nothing_or_never_comes_to_the_end_is_let_go(hub: hubs.Hub) -> None:
    runner = web.AppRunner(app.make_app(hub, token=TOKEN))
    await runner.setup()
    await connections.Site(runner, "127.0.0.1", 0, head_s=SHORT_S).start()

    for said in (b"", b"GET /healthz HTTP/1.1\r\nHost: "):
        reader, writer = await opened(runner, said)
        assert await rest(reader) == b""
        writer.close()

    await runner.cleanup()


async def test_who_asked_in_time_stays(hub: hubs.Hub) -> None:
    runner = web.AppRunner(app.make_app(hub, token=TOKEN))
    await runner.setup()
    site = connections.Site(runner, "127.0.0.1", 0, head_s=TIME_S)
    await site.start()
    reader, writer = await opened(runner, REQUEST)
    assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200")
    assert runner.server is not None
    [protocol] = runner.server.connections

    site._end(protocol)  # as if the time were over now: a short one might be over on a busy machine before it asked

    writer.write(REQUEST)
    assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200")
    writer.close()
    await runner.cleanup()


@pytest.mark.parametrize(
    ("said", "status"),
    [(STRANGE, b"200"), (STRANGE.replace(b"/healthz", b"/api/v1/status"), b"401"), (b"POST" + STRANGE[3:], b"401")],
)
async def test_a_stranger_keeps_no_connection(hub: hubs.Hub, said: bytes, status: bytes) -> None:
    runner = web.AppRunner(app.make_app(hub, token=TOKEN))
    await runner.setup()
    await connections.Site(runner, "127.0.0.1", 0).start()
    reader, writer = await opened(runner, said)

    assert (await rest(reader)).startswith(b"HTTP/1.1 " + status)
    writer.close()
    await runner.cleanup()


async def test_of_too_many_that_say_nothing_the_oldest_goes(hub: hubs.Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "SILENT_MAX", 2)
    runner = web.AppRunner(app.make_app(hub, token=TOKEN))
    await runner.setup()
    await connections.Site(runner, "127.0.0.1", 0, head_s=TIME_S).start()
    held = [await opened(runner, b"") for _ in range(3)]

    assert await rest(held[0][0]) == b""
    for reader, writer in held[1:]:
        writer.write(REQUEST)
        assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200")
    for _, writer in held:
        writer.close()
    await runner.cleanup()


async def test_who_falls_silent_after_a_request_is_let_go(hub: hubs.Hub) -> None:
    runner = web.AppRunner(app.make_app(hub, token=TOKEN), keepalive_timeout=SHORT_S)
    await runner.setup()
    await connections.Site(runner, "127.0.0.1", 0).start()
    reader, writer = await opened(runner, REQUEST + b"GET /healthz HTTP/1.1\r\nHost: ")

    assert (await rest(reader)).startswith(b"HTTP/1.1 200")
    writer.close()
    await runner.cleanup()


@pytest.mark.parametrize(
    ("module", "path", "shown"),
    [
        (enrolment, "/api/v1/enroll", ""),
        (requests, "/api/v1/apply", f"Authorization: Bearer {TOKEN}\r\n"),
        (hooks, "/hooks/shop", "X-Gitlab-Token: guess\r\n"),
    ],
)
async def test_a_body_that_never_comes_to_its_end_is_not_waited_for(
    server: test_utils.TestServer, hub: hubs.Hub, monkeypatch: pytest.MonkeyPatch, module: object, path: str, shown: str
) -> None:
    await hub.resolve("shop", "web")
    hub.renew_hook(ids.SourceName("shop"))
    monkeypatch.setattr(module, "BODY_S_MAX", SHORT_S)
    reader, writer = await asyncio.open_connection(server.host, server.port)
    head = f"POST {path} HTTP/1.1\r\nHost: hub\r\n{shown}Content-Type: application/json\r\nContent-Length: 9\r\n\r\n"
    writer.write(head.encode() + b"{")

    async with asyncio.timeout(TIME_S):
        assert (await reader.readline()).startswith(b"HTTP/1.1 408")
    writer.close()


async def test_what_cannot_be_read_is_not_quoted_in_the_log(hub: hubs.Hub, capfd: pytest.CaptureFixture[str]) -> None:
    runner = web.AppRunner(app.make_app(hub, token=TOKEN), logger=connections.complaints())
    await runner.setup()
    await connections.Site(runner, "127.0.0.1", 0).start()
    broken = b"GET /healthz HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer %s\x01\r\n\r\n" % TOKEN.encode()

    with structlog.testing.capture_logs() as lines:
        reader, writer = await opened(runner, broken)
        assert (await rest(reader)).startswith(b"HTTP/1.0 400")
    writer.close()
    await runner.cleanup()

    assert [(one["event"], one["reason"]) for one in lines] == [("request not understood", "BadHttpMessage")]
    assert TOKEN not in str(capfd.readouterr())


def test_what_nobody_foresaw_is_told_whole() -> None:
    error = ValueError("gone")
    with structlog.testing.capture_logs() as lines:
        connections.complaints().error("Unhandled exception", exc_info=error)

    [line] = lines
    assert (line["event"], line["reason"], line["exc_info"][1]) == ("connection failed", "Unhandled exception", error)
