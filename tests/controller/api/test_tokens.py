"""Tokens: each is good for its scope, until its end, and the log names who did what."""

import datetime
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import test_utils, web

from controller.api import access, app, routes
from protocol.events import tokens as events
from protocol.events.tokens import Scope
from tests.controller.api.conftest import TOKEN
from tests.fixtures import hub as hubs

Issue = Callable[..., Awaitable[str]]


@pytest.fixture
def issue(client: aiohttp.ClientSession) -> Issue:
    """Make a token; the token itself."""

    async def made(name: str, scope: str, **more: Any) -> str:
        async with client.post("/api/v1/tokens", json={"name": name, "scope": scope, **more}) as answer:
            assert answer.status == 201
            return str((await answer.json())["secret"])

    return made


async def status_of(client: aiohttp.ClientSession, token: str, method: str = "GET", path: str = "status") -> int:
    """What the API says to whoever shows this token."""
    headers = {"Authorization": f"Bearer {token}"}
    async with client.request(method, f"/api/v1/{path}", headers=headers) as answer:
        return answer.status


async def test_a_token_reaches_as_far_as_its_scope(client: aiohttp.ClientSession, hub: hubs.Hub, issue: Issue) -> None:
    await hub.resolve("shop", "web")
    asked = [("GET", "sources/shop"), ("POST", "sources/shop/sync"), ("DELETE", "sources/shop")]

    secrets = {scope: await issue(f"a-{scope}", scope) for scope in Scope}
    reached = {scope: [await status_of(client, secret, *one) for one in asked] for scope, secret in secrets.items()}

    assert reached == {Scope.READ: [200, 403, 403], Scope.OPERATE: [200, 202, 403], Scope.ADMIN: [200, 202, 204]}


async def test_too_small_a_scope_is_a_problem_of_its_own(client: aiohttp.ClientSession, issue: Issue) -> None:
    headers = {"Authorization": f"Bearer {await issue('grafana', 'read')}"}
    async with client.post("/api/v1/tokens", json={}, headers=headers) as answer:
        problem = await answer.json(content_type="application/problem+json")

    assert (answer.status, problem["type"], problem["detail"]) == (
        403,
        "urn:flotilla:problem:forbidden",
        "token 'grafana': has scope read, and this needs admin",
    )


async def test_the_log_names_the_token_that_did_something(
    client: aiohttp.ClientSession, hub: hubs.Hub, issue: Issue
) -> None:
    await hub.resolve("shop", "web")
    headers = {"Authorization": f"Bearer {await issue('ci', 'operate')}", "X-Flotilla-User": "somebody-else"}
    async with client.post("/api/v1/sources/shop/suspend", json={}, headers=headers) as answer:
        assert answer.status == 200

    last = [one async for one in hub.events(0)][-1]
    assert last.record.by == "ci"


async def test_the_log_holds_no_token(hub: hubs.Hub, issue: Issue) -> None:
    secret = await issue("ci", "operate")

    stored = [one async for one in hub.store.read(0)]
    assert all(secret.encode() not in one.body for one in stored)


async def test_a_token_is_over_at_its_end(client: aiohttp.ClientSession, hub: hubs.Hub, issue: Issue) -> None:
    token = await issue("ci", "read", ttlS=60)
    before = await status_of(client, token)
    hub.now += datetime.timedelta(seconds=60)

    assert (before, await status_of(client, token)) == (200, 401)


async def test_why_a_token_lets_nobody_in_is_told_to_who_holds_it(
    client: aiohttp.ClientSession, hub: hubs.Hub, issue: Issue
) -> None:
    ended, revoked = await issue("ci", "read", ttlS=60), await issue("grafana", "read")
    async with client.delete("/api/v1/tokens/grafana") as answer:
        assert answer.status == 204
    hub.now += datetime.timedelta(seconds=60)

    found = [await refusal(client, f"Bearer {shown}") for shown in (ended, revoked, "made-up")]
    found.append(await refusal(client, "Basic YTpi"))

    assert found == [
        "token 'ci': ended at 2026-11-05T12:01:00Z; make another one",
        "the token is none of this hub's, or was revoked",
        "the token is none of this hub's, or was revoked",
        "show a token of the hub as `Authorization: Bearer …`",
    ]


async def refusal(client: aiohttp.ClientSession, authorization: str) -> str:
    async with client.get("/api/v1/status", headers={"Authorization": authorization}) as answer:
        assert answer.status == 401
        return str((await answer.json(content_type=None))["detail"])


async def test_a_revoked_token_lets_nobody_in(client: aiohttp.ClientSession, issue: Issue) -> None:
    token = await issue("ci", "read")
    async with client.delete("/api/v1/tokens/ci") as answer:
        assert answer.status == 204

    assert await status_of(client, token) == 401


async def test_the_list_tells_no_secret(client: aiohttp.ClientSession, hub: hubs.Hub, issue: Issue) -> None:
    secret = await issue("ci", "read", ttlS=60)
    await issue("grafana", "operate")
    async with client.get("/api/v1/tokens") as answer:
        text = await answer.text()
        rows = (await answer.json())["items"]

    assert secret not in text
    assert [(row["name"], row["scope"], row["expired"]) for row in rows] == [
        ("ci", "read", False),
        ("grafana", "operate", False),
    ]
    assert hub.world.tokens["ci"].digest not in text


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"name": "ci", "scope": "read", "ttlS": 0}, 422),
        ({"name": "ci", "scope": "write"}, 422),
        ({"name": "admin", "scope": "read"}, 422),
        ({"name": "Not a name", "scope": "read"}, 422),
        ({"name": "taken", "scope": "read"}, 409),
    ],
)
async def test_a_senseless_token_is_refused(
    client: aiohttp.ClientSession, issue: Issue, asked: dict[str, Any], status: int
) -> None:
    await issue("taken", "read")
    async with client.post("/api/v1/tokens", json=asked) as answer:
        assert answer.status == status


async def test_a_token_that_there_is_not_cannot_be_revoked(client: aiohttp.ClientSession) -> None:
    async with client.delete("/api/v1/tokens/nobody") as answer:
        assert answer.status == 404


@pytest.fixture
async def with_sessions(hub: hubs.Hub) -> AsyncIterator[test_utils.TestServer]:
    """An API that also lets in whoever has a session, and has one more route."""
    sessions: dict[str, str] = {"session-1": "ci"}

    def by_session(request: web.Request) -> access.Principal | None:
        name = sessions.get(request.cookies.get("session", ""))
        token = hub.world.tokens.get(name) if name is not None else None
        return request.app[access.KNOWN].by_digest(token.digest) if token is not None else None

    async def page(request: web.Request) -> web.Response:
        """A page."""
        return web.Response(text=request[access.PRINCIPAL].name)

    more = [routes.Route("GET", "/page", page, Scope.OPERATE, answers=str, media="text/html")]
    made = app.make_app(hub, token=TOKEN, authenticators=[by_session], more=more)
    async with test_utils.TestServer(made) as server:
        yield server


async def test_whoever_else_lets_people_in_rests_on_a_token(
    hub: hubs.Hub, with_sessions: test_utils.TestServer
) -> None:
    await hub.write(events.TokenIssued(name="ci", scope=Scope.OPERATE, digest=access.tokens.digest("secret")))
    async with aiohttp.ClientSession(with_sessions.make_url("/"), cookies={"session": "session-1"}) as browser:
        async with browser.get("/page") as answer:
            assert (answer.status, await answer.text()) == (200, "ci")
        async with browser.delete("/api/v1/tokens/ci") as answer:
            assert answer.status == 403
        await hub.write(events.TokenRevoked(name="ci", reason="by command"))
        async with browser.get("/page") as answer:
            assert answer.status == 401
