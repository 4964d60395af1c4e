"""How agents are let in, over HTTP: what is open is bounded, and says no more than it must."""

import datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import test_utils

from controller.api import app, limiting
from controller.api import enrolment as api
from controller.domain import readmission
from protocol import enrolment, messages
from protocol.events import clusters as events
from tests.controller.api.conftest import TOKEN
from tests.fixtures import hub as hubs
from tests.fixtures import nats as rigs

AGENT = rigs.new_user()
OTHER = rigs.new_user()


async def offered(client: aiohttp.ClientSession, path: str = "token", **body: object) -> dict[str, Any]:
    async with client.post(f"/api/v1/clusters/edge-1/{path}", json=body) as answer:
        assert answer.status == 201
        found: dict[str, Any] = await answer.json()
        return found


def request_of(token: str, key: str = AGENT.id, uid: str = "uid-edge-1") -> bytes:
    return messages.ENROL_REQUEST.encode(enrolment.EnrolRequest(token=token, agent_key=key, cluster_uid=uid))


async def asked(stranger: aiohttp.ClientSession, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
    headers = {"Content-Type": "application/json"}
    async with stranger.post(f"/api/v1/enroll{path}", data=body, headers=headers) as answer:
        return answer.status, await answer.json(content_type=None)


@pytest.fixture(autouse=True)
async def cluster(hub: hubs.Hub) -> str:
    return await hub.add_cluster("edge-1", env="prod")


async def test_an_agent_with_the_token_gets_credentials_for_a_day(
    client: aiohttp.ClientSession, stranger: aiohttp.ClientSession, hub: hubs.Hub, cluster: str
) -> None:
    offer = await offered(client)
    first = await asked(stranger, "", request_of(offer["token"]))
    again = await asked(stranger, "", request_of(offer["token"]))

    assert first == again
    status, held = first
    assert (status, held["cluster"], held["name"], held["userJwt"]) == (200, cluster, "edge-1", f"jwt-for-{AGENT.id}")
    assert (held["hubUrl"], held["trustedKeys"]) == (hubs.ADDRESS.hub_url, list(hubs.ADDRESS.trusted_keys))
    assert held["expiresAt"] == (hub.now + datetime.timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")


async def test_the_token_stands_nowhere_but_in_the_answer(client: aiohttp.ClientSession, hub: hubs.Hub) -> None:
    token = (await offered(client))["token"]
    bodies = [stored.body async for stored in hub.store.read(0)]

    assert not any(token.encode() in body or token.partition(".")[2].encode() in body for body in bodies)
    assert any(enrolment.token_digest(token).encode() in body for body in bodies)


async def test_a_stranger_learns_nothing_from_a_refusal(
    client: aiohttp.ClientSession, stranger: aiohttp.ClientSession, cluster: str
) -> None:
    used = (await offered(client))["token"]
    await asked(stranger, "", request_of(used))
    refused = [
        await asked(stranger, "", request_of(token, OTHER.id))
        for token in (used, used[:-1] + "x", f"{'A' * 56}.{'x' * 43}", "nonsense", f"{cluster}.{'x' * 43}")
    ]

    assert {status for status, _ in refused} == {403}
    assert {problem["detail"] for _, problem in refused} == {"token: unknown, expired, or used by another agent"}


async def test_a_person_accepts_where_that_is_asked_for(
    client: aiohttp.ClientSession, stranger: aiohttp.ClientSession
) -> None:
    token = (await offered(client, manual=True))["token"]
    waiting = await asked(stranger, "", request_of(token))
    async with client.post("/api/v1/clusters/edge-1/accept") as answer:
        assert answer.status == 200
    accepted = await asked(stranger, "", request_of(token))

    assert (waiting[0], waiting[1]["type"], accepted[0]) == (202, "EnrolmentWaiting", 200)


async def test_another_cluster_is_told_what_an_operator_can_do(
    client: aiohttp.ClientSession, stranger: aiohttp.ClientSession, hub: hubs.Hub, cluster: str
) -> None:
    token = (await offered(client))["token"]
    status, problem = await asked(stranger, "", request_of(token, uid="another"))
    assert (status, "flotilla cluster replace edge-1" in problem["detail"]) == (409, True)

    new = (await offered(client, "replace"))["token"]
    status, held = await asked(stranger, "", request_of(new, uid="another"))

    assert (status, held["cluster"] != cluster, held["cluster"]) == (200, True, hub.opened[-1])
    assert hub.closed == [cluster]
    assert (await asked(stranger, "", request_of(token)))[0] == 403


async def renewal(
    stranger: aiohttp.ClientSession, cluster: str, agent: rigs.NewUser = AGENT, nonce: str | None = None
) -> bytes:
    if nonce is None:
        _, answered = await asked(stranger, "/nonce", b"{}")
        nonce = answered["nonce"]
    payload = messages.RENEW_REQUEST.encode(
        enrolment.RenewRequest(cluster=cluster, agent_key=AGENT.id, nonce=nonce)  # type: ignore[arg-type]
    )
    signature = rigs.signed(agent, enrolment.SIGNED_PREFIX + payload)
    return messages.SIGNED_RENEWAL.encode(enrolment.SignedRenewal(payload=payload, signature=signature))


async def test_an_agent_comes_back_by_signing_a_nonce_and_not_once_it_is_revoked(
    client: aiohttp.ClientSession, stranger: aiohttp.ClientSession, hub: hubs.Hub, cluster: str
) -> None:
    await asked(stranger, "", request_of((await offered(client))["token"]))
    hub.now += datetime.timedelta(days=3)

    status, renewed = await asked(stranger, "/renew", await renewal(stranger, cluster))
    assert (status, renewed["credentials"]["userJwt"]) == (200, f"jwt-for-{AGENT.id}")
    assert (await asked(stranger, "/renew", await renewal(stranger, cluster, OTHER)))[0] == 403
    assert (await asked(stranger, "/renew", await renewal(stranger, cluster, nonce="1.0-made-up")))[0] == 403

    async with client.post("/api/v1/clusters/edge-1/revoke") as answer:
        assert answer.status == 200
    assert hub.tenancy.announced[-1] == (cluster, "edge-1", hub.now, hub.now)
    assert (await asked(stranger, "/renew", await renewal(stranger, cluster)))[0] == 403


async def test_an_agent_that_the_log_does_not_know_yet_is_told_to_ask_again(stranger: aiohttp.ClientSession) -> None:
    """A lost log may know it again at any moment: who is refused waits for minutes."""
    account = rigs.new_account().id

    status, problem = await asked(stranger, "/renew", await renewal(stranger, account))
    assert (status, problem["detail"]) == (503, "renewal: the hub's log does not know this cluster")
    assert (await asked(stranger, "/renew", await renewal(stranger, account, OTHER)))[0] == 403


async def test_a_rotation_is_hinted_at(
    client: aiohttp.ClientSession, stranger: aiohttp.ClientSession, hub: hubs.Hub, cluster: str
) -> None:
    await asked(stranger, "", request_of((await offered(client))["token"]))
    async with client.post("/api/v1/clusters/edge-1/rotate") as answer:
        assert answer.status == 200

    [(told, hint)] = hub.tenancy.sent
    assert (told, enrolment.is_hint(hint)) == (cluster, True)
    _, renewed = await asked(stranger, "/renew", await renewal(stranger, cluster))
    assert renewed["rotate"] is True


async def test_a_file_never_ends_by_itself_and_is_in_the_log(
    client: aiohttp.ClientSession, hub: hubs.Hub, cluster: str
) -> None:
    async with client.post("/api/v1/clusters/edge-1/credentials", json={"agentKey": AGENT.id}) as answer:
        assert "expiresAt" not in await answer.json()

    assert hub.world.clusters[hubs.account(1)].entry.file_key == AGENT.id
    records = [messages_ async for messages_ in hub.events(0)]
    assert records[-1].record.event == events.CredentialsIssued(cluster=hubs.account(1), key=AGENT.id)


@pytest.mark.parametrize(("path", "body"), [("", b"x" * 9000), ("/renew", b"x" * 9000)])
async def test_what_is_too_large_is_not_read(stranger: aiohttp.ClientSession, path: str, body: bytes) -> None:
    assert (await asked(stranger, path, body))[0] == 413


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"type": "EnrolRequest", "token": 1}', b"\xff"])
async def test_what_cannot_be_read_is_a_problem(stranger: aiohttp.ClientSession, body: bytes) -> None:
    assert [(await asked(stranger, path, body))[0] for path in ("", "/renew")] == [400, 400]


async def test_who_asks_too_often_is_told_when_to_come_again(hub: hubs.Hub) -> None:
    _, burst = api.EACH
    made = app.make_app(hub, token=TOKEN)
    made[api.LIMITER] = limiting.Limiter(lambda: 0.0, each=api.EACH, total=api.TOTAL)  # however long this takes
    async with test_utils.TestServer(made) as server, aiohttp.ClientSession(server.make_url("/")) as stranger:
        statuses = [(await asked(stranger, "/nonce", b"{}"))[0] for _ in range(int(burst))]
        async with stranger.post("/api/v1/enroll", data=b"{}", headers={"Content-Type": "application/json"}) as answer:
            statuses.append(answer.status)
            again = answer.headers.get("Retry-After")

    assert (statuses.count(200), statuses[-1], again) == (burst, 429, "1")


async def test_the_authority_is_for_everybody(stranger: aiohttp.ClientSession) -> None:
    async with stranger.get("/api/v1/enroll/ca") as answer:
        assert (answer.status, await answer.json()) == (200, {"authority": "", "pin": ""})


async def test_a_clock_that_is_set_back_keeps_no_revoked_agent_in(
    client: aiohttp.ClientSession, stranger: aiohttp.ClientSession, hub: hubs.Hub, cluster: str
) -> None:
    await asked(stranger, "", request_of((await offered(client))["token"]))
    async with client.post("/api/v1/clusters/edge-1/revoke") as answer:
        assert answer.status == 200
    await asked(stranger, "", request_of((await offered(client))["token"], OTHER.id))
    *_, (_, _, issued, _) = hub.tenancy.admitted

    hub.now -= datetime.timedelta(days=365)
    async with client.post("/api/v1/clusters/edge-1/revoke") as answer:
        assert answer.status == 200

    first, second = ((at, revoked) for _, _, at, revoked in hub.tenancy.announced)
    assert second[1] is not None
    assert issued <= second[1]
    assert first[0] < second[0]  # else a server that was away would believe the older one


async def test_what_the_server_holds_for_void_is_not_taken_back(
    client: aiohttp.ClientSession, stranger: aiohttp.ClientSession, hub: hubs.Hub, cluster: str
) -> None:
    """A log that was restored may be older than the last revocation."""
    voided, made = hub.now + datetime.timedelta(hours=1), hub.now + datetime.timedelta(hours=2)
    hub.entrance.heed([readmission.Account(hubs.ids.ClusterId(cluster), "edge-1", voided, made)])

    await hub.entrance.announce_all()
    await asked(stranger, "", request_of((await offered(client))["token"]))
    async with client.post("/api/v1/clusters/edge-1/revoke") as answer:
        assert answer.status == 200

    [(_, _, issued, _)] = hub.tenancy.admitted
    first, second = ((at, revoked) for _, _, at, revoked in hub.tenancy.announced)
    assert (first[1], issued, second[1]) == (voided, voided + datetime.timedelta(seconds=1), issued)
    assert made < first[0] < second[0]
