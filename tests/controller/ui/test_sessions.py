"""Sign-in, sessions and what they are good for, over HTTP as a browser speaks it."""

import asyncio
import datetime
import pathlib
import ssl
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import test_utils

from controller.api import origins
from controller.ui import serving, sessions
from protocol.canonical import Digest
from tests.controller.ui.conftest import SAME_ORIGIN, TOKEN, NewToken
from tests.controlplane import certificates
from tests.fixtures import hub as hubs

SUSPEND = "/api/v1/clusters/edge-1/suspend"


@pytest.fixture
async def cluster(hub: hubs.Hub) -> str:
    await hub.add_cluster("edge-1", env="prod")
    return "edge-1"


@pytest.fixture
async def over_tls(hub: hubs.Hub, tmp_path: pathlib.Path) -> AsyncIterator[aiohttp.ClientSession]:
    """A browser of the same page over TLS."""
    certificates.write(tmp_path)
    serves = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serves.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
    trusts = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
    server = test_utils.TestServer(serving.make_app(hub, token=TOKEN), scheme="https")
    await server.start_server(ssl=serves)
    connector, jar = aiohttp.TCPConnector(ssl=trusts), aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(
        server.make_url("/"), headers=SAME_ORIGIN, connector=connector, cookie_jar=jar
    ) as session:
        yield session
    await server.close()


async def sign_in(browser: aiohttp.ClientSession, **proof: str) -> dict[str, Any]:
    async with browser.post("/ui/session", json=proof) as answer:
        assert answer.status == 201, await answer.text()
        session = (await answer.json())["session"]
        assert isinstance(session, dict)
        return session


async def status_of(browser: aiohttp.ClientSession, path: str = "/api/v1/status") -> int:
    async with browser.get(path) as answer:
        return answer.status


async def test_a_token_is_exchanged_for_a_session_that_may_read(browser: aiohttp.ClientSession) -> None:
    assert await status_of(browser) == 401

    session = await sign_in(browser, token=TOKEN)

    assert (session["name"], session["scope"]) == ("admin", "admin")
    assert await status_of(browser) == 200


async def test_nobody_signed_in_is_no_error(browser: aiohttp.ClientSession) -> None:
    async with browser.get("/ui/session") as answer:
        assert (answer.status, await answer.json()) == (200, {"session": None})
        assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("proof", [{"token": "wrong"}, {"token": ""}, {"code": "wrong"}, {}])
async def test_a_wrong_proof_signs_nobody_in(browser: aiohttp.ClientSession, proof: dict[str, str]) -> None:
    async with browser.post("/ui/session", json=proof) as answer:
        assert (answer.status, "Set-Cookie" in answer.headers) == (401, False)

    assert await status_of(browser) == 401


async def test_no_script_sees_the_cookie_and_no_other_site_sends_it(browser: aiohttp.ClientSession) -> None:
    async with browser.post("/ui/session", json={"token": TOKEN}) as answer:
        cookie = answer.headers["Set-Cookie"]

    assert cookie.startswith(f"flotilla-{browser._base_url.port}=")  # type: ignore[union-attr] # two hubs, two cookies
    assert all(word in cookie for word in ("HttpOnly", "SameSite=Strict", "Path=/"))
    assert TOKEN not in cookie


@pytest.mark.parametrize(("scheme", "is_secure"), [("https", True), ("http", False)])
async def test_behind_a_proxy_that_speaks_tls_the_cookie_stays_with_tls(
    browser: aiohttp.ClientSession, server: test_utils.TestServer, scheme: str, is_secure: bool
) -> None:
    headers = {"Origin": f"{scheme}://{server.host}:{server.port}"}
    async with browser.post("/ui/session", json={"token": TOKEN}, headers=headers) as answer:
        assert (answer.status, "Secure" in answer.headers["Set-Cookie"]) == (201, is_secure)


@pytest.mark.parametrize(("proxies", "name"), [("127.0.0.0/8", "__Host-flotilla"), ("", "flotilla-")])
async def test_what_a_named_proxy_says_of_tls_is_believed(hub: hubs.Hub, proxies: str, name: str) -> None:
    made = serving.make_app(hub, token=TOKEN, proxies=origins.networks(proxies))
    headers = {**SAME_ORIGIN, "X-Forwarded-Proto": "https"}
    async with (
        test_utils.TestServer(made, host="127.0.0.1") as server,
        aiohttp.ClientSession(server.make_url("/"), headers=headers) as client,
        client.post("/ui/session", json={"token": TOKEN}) as answer,
    ):
        assert answer.status == 201
        assert answer.headers["Set-Cookie"].startswith(name)
        assert answer.headers["Server"] == "flotilla"


async def test_over_tls_no_neighbour_can_set_the_cookie(over_tls: aiohttp.ClientSession) -> None:
    async with over_tls.post("/ui/session", json={"token": TOKEN}) as answer:
        cookie = answer.headers["Set-Cookie"]

    assert cookie.startswith("__Host-flotilla=")
    assert "Secure" in cookie
    assert "Domain" not in cookie
    assert await status_of(over_tls) == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "", "Origin": "https://elsewhere.example"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
        {"Sec-Fetch-Site": ""},
    ],
)
async def test_another_site_cannot_sign_a_person_in(browser: aiohttp.ClientSession, headers: dict[str, str]) -> None:
    async with browser.post("/ui/session", json={"token": TOKEN}, headers=headers) as answer:
        assert answer.status == 403


@pytest.mark.parametrize("host", ["hub:no-port", "hub:99999", "["])
async def test_a_host_that_is_none_is_no_mistake_of_the_hub(browser: aiohttp.ClientSession, host: str) -> None:
    async with browser.get("/api/v1/status", headers={"Host": host}) as answer:
        assert answer.status == 401


async def test_an_origin_that_is_no_url_signs_nobody_in(browser: aiohttp.ClientSession) -> None:
    headers = {"Sec-Fetch-Site": "", "Origin": "http://["}
    async with browser.post("/ui/session", json={"token": TOKEN}, headers=headers) as answer:
        assert answer.status == 403


async def test_a_browser_that_says_only_its_origin_is_let_in(browser: aiohttp.ClientSession) -> None:
    headers = {"Sec-Fetch-Site": "", "Origin": str(browser._base_url).rstrip("/")}
    async with browser.post("/ui/session", json={"token": TOKEN}, headers=headers) as answer:
        assert answer.status == 201


async def test_what_changes_something_needs_the_proof_against_forgery(
    browser: aiohttp.ClientSession, cluster: str, hub: hubs.Hub
) -> None:
    session = await sign_in(browser, token=TOKEN)

    async with browser.post(SUSPEND, json={}) as answer:
        assert answer.status == 403
    async with browser.post(SUSPEND, json={}, headers={"X-Flotilla-CSRF": "guessed"}) as answer:
        assert answer.status == 403
    assert [one.suspended for one in hub.world.clusters.values()] == [""]

    async with browser.post(SUSPEND, json={}, headers={"X-Flotilla-CSRF": session["csrf"]}) as answer:
        assert answer.status == 200
    assert [one.suspended for one in hub.world.clusters.values()] == ["by command"]


async def test_a_bearer_token_needs_no_proof_beside_itself(program: aiohttp.ClientSession, cluster: str) -> None:
    async with program.post(SUSPEND, json={}) as answer:
        assert answer.status == 200


async def test_a_session_may_do_what_its_token_may(
    browser: aiohttp.ClientSession, cluster: str, new_token: NewToken
) -> None:
    session = await sign_in(browser, token=await new_token("dashboard", "read"))
    headers = {"X-Flotilla-CSRF": session["csrf"]}

    async with browser.post(SUSPEND, json={}, headers=headers) as answer:
        assert answer.status == 403
    assert (session["name"], session["scope"]) == ("dashboard", "read")
    assert await status_of(browser) == 200


async def test_a_session_ends_with_its_token(
    browser: aiohttp.ClientSession, program: aiohttp.ClientSession, new_token: NewToken
) -> None:
    await sign_in(browser, token=await new_token("ada", "operate"))
    assert await status_of(browser) == 200

    async with program.delete("/api/v1/tokens/ada") as answer:
        assert answer.status == 204

    assert await status_of(browser) == 401


async def test_a_session_ends_with_the_day(browser: aiohttp.ClientSession, hub: hubs.Hub) -> None:
    await sign_in(browser, token=TOKEN)

    hub.now += sessions.LIFETIME - datetime.timedelta(seconds=1)
    assert await status_of(browser) == 200
    hub.now += datetime.timedelta(seconds=1)
    assert await status_of(browser) == 401


async def test_signing_out_ends_the_session_for_good(browser: aiohttp.ClientSession) -> None:
    session = await sign_in(browser, token=TOKEN)
    cookies = {one.key: one.value for one in browser.cookie_jar}

    async with browser.delete("/ui/session") as answer:
        assert answer.status == 403
    async with browser.delete("/ui/session", headers={"X-Flotilla-CSRF": session["csrf"]}) as answer:
        assert answer.status == 204

    assert await status_of(browser) == 401
    async with browser.get("/api/v1/status", cookies=cookies) as answer:
        assert answer.status == 401


async def test_a_stream_ends_with_its_session(browser: aiohttp.ClientSession, hub: hubs.Hub) -> None:
    session = await sign_in(browser, token=TOKEN)
    async with asyncio.timeout(60), browser.get("/api/v1/events/stream") as stream:
        await stream.content.readuntil(b"\n\n")
        async with browser.delete("/ui/session", headers={"X-Flotilla-CSRF": session["csrf"]}) as answer:
            assert answer.status == 204
        await hub.add_cluster("edge-1", env="prod")

        assert b"edge-1" not in await stream.content.read()


async def test_a_link_signs_in_once(browser: aiohttp.ClientSession, program: aiohttp.ClientSession) -> None:
    async with program.post("/api/v1/ui/codes") as answer:
        assert answer.status == 201
        issued = await answer.json()

    assert issued["path"] == f"/#/sign-in/{issued['code']}"
    assert (await sign_in(browser, code=issued["code"]))["name"] == "admin"
    async with browser.post("/ui/session", json={"code": issued["code"]}) as answer:
        assert answer.status == 401


async def test_a_link_is_good_for_two_minutes(
    browser: aiohttp.ClientSession, program: aiohttp.ClientSession, hub: hubs.Hub
) -> None:
    async with program.post("/api/v1/ui/codes") as answer:
        code = (await answer.json())["code"]
    hub.now += sessions.CODE_LIFETIME

    async with browser.post("/ui/session", json={"code": code}) as answer:
        assert answer.status == 401


async def test_a_session_cannot_make_itself_longer(browser: aiohttp.ClientSession) -> None:
    session = await sign_in(browser, token=TOKEN)

    async with browser.post("/api/v1/ui/codes", headers={"X-Flotilla-CSRF": session["csrf"]}) as answer:
        assert answer.status == 401


async def test_a_stranger_cannot_send_much(browser: aiohttp.ClientSession) -> None:
    async with browser.post("/ui/session", json={"token": "x" * 5000}) as answer:
        assert answer.status == 413


def counted() -> sessions.Randomness:
    """Bytes that nobody could guess, but for the test."""
    number = 0

    def draw(size: int) -> bytes:
        nonlocal number
        number += 1
        return number.to_bytes(size, "big")

    return draw


def test_sessions_and_codes_are_bounded() -> None:
    kept = sessions.Sessions(clock=lambda: hubs.START, randomness=counted())
    token = Digest("ab" * 32)

    secrets = [kept.begin(token)[0] for _ in range(sessions.SESSIONS_MAX + 1)]
    codes = [kept.issue_code(token) for _ in range(sessions.CODES_MAX + 1)]

    assert (len(kept), kept.find(secrets[0]), kept.redeem(codes[0])) == (sessions.SESSIONS_MAX, None, None)
    assert kept.find(secrets[1]) is not None
    assert kept.redeem(codes[-1]) == token


def test_a_clock_that_is_set_back_makes_no_session_longer() -> None:
    now, ticks = [hubs.START], [0.0]
    kept = sessions.Sessions(clock=lambda: now[0], randomness=counted(), ticks=lambda: ticks[0])
    token = Digest("t" * 64)
    secret, _ = kept.begin(token)
    code = kept.issue_code(token)

    now[0] -= datetime.timedelta(days=30)
    ticks[0] = sessions.CODE_LIFETIME.total_seconds()
    assert (kept.find(secret) is not None, kept.redeem(code)) == (True, None)
    ticks[0] = sessions.LIFETIME.total_seconds()
    assert kept.find(secret) is None
