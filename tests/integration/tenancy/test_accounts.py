"""Accounts, users and tokens that are forged, revoked or removed let nobody in (I7).

Even with permissions for everything, an account holds its users: only what it imports passes.
"""

import asyncio
import base64
import contextlib
import datetime
import json

import nats.aio.client
import nats.aio.msg
import nats.errors
import pytest

from controller import keys, tenancy
from controller.domain import jwts, readmission
from protocol import credentials, ids, subjects
from tests.fixtures import nats as rigs
from tests.integration.tenancy.conftest import (
    API,
    Pair,
    answers,
    closed,
    everything_in,
    give,
    hears,
    is_heard,
    refused,
    states,
)

pytestmark = pytest.mark.nats


EXPORTS = {
    "live": ("stream", subjects.live),
    "desired": ("service", lambda cluster: subjects.direct_get("DESIRED", subjects.desired(cluster))),
    "reports": ("service", lambda cluster: subjects.report(cluster, "hello")),
    "all reports": ("service", lambda cluster: f"{subjects.ROOT}.report.{cluster}.>"),
    "beats": ("service", subjects.beat),
    "everybody": ("stream", lambda _cluster: subjects.LIVE),
}


@pytest.mark.parametrize("export", EXPORTS)
async def test_an_account_that_imports_anothers_id_gets_nothing(rig: rigs.Rig, pair: Pair, export: str) -> None:
    """Even where the operator itself signed such an account: the server compares the id in the subject."""
    kind, subject_of = EXPORTS[export]
    subject = subject_of(pair.a_id)
    account = jwts.Account(
        name="forged",
        limits=jwts.AccountLimits(),
        imports=(jwts.Import(name="x", subject=subject, account=rig.ring.hub.id, type=kind),),
    )
    operator = jwts.Issuer(id=rig.ring.operator.id, sign=rig.ring.operator.sign)
    token = jwts.account(operator, pair.b_id, account=account, at=rigs.NOW)
    await pair.hub.system.request("$SYS.REQ.CLAIMS.UPDATE", token.encode())
    await give(pair.hub, pair.a_id, b"secret of a")

    async with (
        rigs.connect_agent(everything_in(rig, pair.b_id)) as client,
        contextlib.aclosing(pair.hub.beats.read()) as beats,
    ):
        heard, beaten = await client.subscribe(">"), asyncio.ensure_future(anext(beats))
        inbox = await client.subscribe(client.new_inbox())
        await client.flush()
        await client.publish(subject.replace(">", "hello"), b"", reply=inbox.subject)
        await give(pair.hub, pair.a_id, b"another secret of a", expected=1)

        assert b"another secret of a" not in await hears(heard)
        assert b"secret of a" not in await hears(inbox)
        assert await pair.hub.reports.last_sequence() == 0
        assert not beaten.done()
        beaten.cancel()
        await asyncio.wait([beaten])


async def test_a_user_without_limits_in_a_clusters_account_is_held_by_the_account(rig: rigs.Rig, pair: Pair) -> None:
    """Even with permissions for everything, only what the account imports passes."""
    before = await states(pair.hub)

    async with rigs.connect_agent(everything_in(rig, pair.b_id)) as client:
        heard = await client.subscribe(">")
        await client.flush()
        await give(pair.hub, pair.a_id, b"secret of a")
        for call, body in API:
            with contextlib.suppress(nats.errors.Error):
                await client.publish(f"$JS.API.{call}", json.dumps(body).encode())
        await client.publish(subjects.desired(pair.a_id), b"forged")
        await client.publish(subjects.report(pair.a_id, "hello"), b"forged")
        await client.publish(subjects.beat(pair.b_id), b"", reply=subjects.desired(pair.a_id))

        assert b"secret of a" not in await hears(heard)
    after = await states(pair.hub)
    assert after["DESIRED"].last_seq == before["DESIRED"].last_seq + 1
    assert {name: after[name] for name in ("LOG", "REPORTS", "BLOBS")} == {
        name: before[name] for name in ("LOG", "REPORTS", "BLOBS")
    }


async def test_a_revoked_token_drops_its_connection_and_a_new_one_lets_in(rig: rigs.Rig, pair: Pair) -> None:
    later = rigs.NOW + datetime.timedelta(hours=1)
    await pair.hub.tenancy.announce(pair.b_id, name="b", at=later, revoked_before=later)

    assert await closed(pair.b)
    assert pair.a.is_connected
    user = rigs.new_user()
    after = later + datetime.timedelta(seconds=1)
    token = pair.hub.tenancy.admit(pair.b_id, user.id, name="b", at=after)
    held = credentials.Credentials(
        cluster=pair.b_id, name="b", nats_urls=(rig.url,), user_jwt=token, trusted_keys=(), seed=user.seed
    )
    async with rigs.connect_agent(held) as client:
        assert await is_heard(client, pair.b_id)


async def test_a_removed_cluster_is_out_and_stays_out_over_a_restart(rig: rigs.Rig, pair: Pair) -> None:
    await pair.hub.tenancy.remove(pair.b_id, at=rigs.NOW)

    assert await closed(pair.b)
    await pair.b.close()
    assert await refused(pair.b_held)
    await rig.crash()
    assert await refused(pair.b_held)
    async with rigs.connect_agent(pair.a_held) as a:
        assert await is_heard(a, pair.a_id)


async def test_a_token_signed_by_a_stranger_does_not_let_in(rig: rigs.Rig, pair: Pair) -> None:
    stranger = rigs.new_account()
    user = rigs.new_user()
    wide = jwts.User(name="stranger", publish=(">",), subscribe=(">",))
    for account in (stranger.id, pair.b_id):
        token = jwts.user(jwts.Issuer(id=account, sign=stranger.sign), user.id, user=wide, at=rigs.NOW)
        held = credentials.Credentials(
            cluster=pair.b_id, name="b", nats_urls=(rig.url,), user_jwt=token, trusted_keys=(), seed=user.seed
        )
        assert await refused(held)


async def test_an_account_that_the_operator_did_not_sign_lets_nobody_in(rig: rigs.Rig, pair: Pair) -> None:
    """Only the hub can push accounts; the server keeps any that it is given, and trusts those of its operator."""
    stranger, user = rigs.new_account(), rigs.new_user()
    issuer = jwts.Issuer(id=stranger.id, sign=stranger.sign)
    account = jwts.Account(name="forged", limits=jwts.AccountLimits())
    token = jwts.account(issuer, stranger.id, account=account, at=rigs.NOW)
    await pair.hub.system.request("$SYS.REQ.CLAIMS.UPDATE", token.encode())

    wide = jwts.User(name="stranger", publish=(">",), subscribe=(">",))
    held = credentials.Credentials(
        cluster=ids.ClusterId(stranger.id),
        name="stranger",
        nats_urls=(rig.url,),
        user_jwt=jwts.user(issuer, user.id, user=wide, at=rigs.NOW),
        trusted_keys=(),
        seed=user.seed,
    )
    assert await refused(held)


async def test_an_agent_cannot_push_accounts(rig: rigs.Rig, pair: Pair) -> None:
    token = tenancy.Minter(rig.ring).deletion([pair.a_id], at=rigs.NOW)

    async with rigs.connect_agent(everything_in(rig, pair.b_id)) as client:
        for call in ("UPDATE", "DELETE", "LIST"):
            assert not await answers(client, f"$SYS.REQ.CLAIMS.{call}", token.encode())
    assert await is_heard(pair.a, pair.a_id)


async def test_two_hundred_clusters_added_at_run_time_drop_nobody(pair: Pair) -> None:
    reconnects = pair.a.stats["reconnects"]

    async with asyncio.TaskGroup() as group:
        for number in range(200):
            group.create_task(pair.hub.tenancy.add(f"c{number}", at=rigs.NOW))

    assert pair.a.is_connected
    assert pair.b.is_connected
    assert pair.a.stats["reconnects"] == reconnects
    assert await is_heard(pair.a, pair.a_id)


async def test_tokens_carry_no_seed(rig: rigs.Rig, pair: Pair) -> None:
    minter = tenancy.Minter(rig.ring)
    tokens = [minter.operator(at=rigs.NOW), minter.hub_account(at=rigs.NOW), pair.b_held.user_jwt]

    seeds = [path.read_bytes().strip() for path in rig.ring.directory.rglob("*.*")]
    assert seeds

    for token in tokens:
        claims = base64.urlsafe_b64decode(token.split(".")[1] + "==")
        # As a word with its quotes: four letters stand in some random key or other.
        assert not [secret for secret in (*seeds, pair.b_held.seed.encode(), b'"seed"') if secret in claims]


async def test_the_server_tells_which_accounts_it_holds_by_what_the_hub_signed(pair: Pair) -> None:
    """By which a hub whose log is lost knows names, and what was revoked."""
    later = rigs.NOW + datetime.timedelta(hours=1)
    gone = await pair.hub.tenancy.add("gone", at=rigs.NOW)
    await pair.hub.tenancy.remove(gone, at=rigs.NOW)
    await pair.hub.tenancy.announce(pair.b_id, name="b", at=later, revoked_before=rigs.NOW)

    found = await pair.hub.tenancy.standing([pair.a_id, pair.b_id, gone])

    assert found == [
        readmission.Account(pair.a_id, "a", issued_at=rigs.NOW),
        readmission.Account(pair.b_id, "b", rigs.NOW, later),
    ]


async def test_an_account_that_another_operator_signed_is_nobody_s(rig: rigs.Rig, pair: Pair) -> None:
    other = tenancy.Tenancy(keys.KeyRing(rig.state_dir / "other"), pair.hub.system)

    with pytest.raises(tenancy.TenancyError, match="not signed by this hub's operator"):
        await other.standing([pair.a_id])
