"""What one cluster's credentials can do to another cluster and to the hub: nothing (I7).

Each test attacks as an agent that was let in properly and then says whatever it likes on its connection. Included:
every attack that the design names. Excluded: what a person can do who holds the hub's own keys.
"""

import asyncio
import base64
import contextlib
import datetime
import json
from collections.abc import AsyncIterator

import nats.aio.client
import nats.aio.msg
import nats.errors
import pytest

from controller import keys, tenancy
from controller.broker import api, doors
from controller.domain import jwts, readmission
from controller.reactors import publishing
from controller.store import records
from protocol import credentials, ids, sealing, streams, subjects
from tests.fixtures import nats as rigs

pytestmark = pytest.mark.nats

QUIET_S = 0.3
"""How long nothing must come: what is refused is refused within a millisecond."""

ANSWER_S = 30
"""How long an answer that must come may take: only as long as the machine is busy, and no disk is quick for ever."""

Client = nats.aio.client.Client


class Pair:
    """Cluster A, which is attacked, and cluster B, which attacks, each with a connection."""

    def __init__(self, hub: doors.Doors, a: credentials.Credentials, b: credentials.Credentials) -> None:
        self.hub = hub
        self.a_id, self.b_id = a.cluster, b.cluster
        self.a_held, self.b_held = a, b
        self.a: Client
        self.b: Client


@pytest.fixture
async def pair(hub: doors.Doors, new_cluster: rigs.NewCluster) -> AsyncIterator[Pair]:
    made = Pair(hub, await new_cluster("a"), await new_cluster("b"))
    async with rigs.connect_agent(made.a_held) as a, rigs.connect_agent(made.b_held) as b:
        made.a, made.b = a, b
        yield made


async def give(hub: doors.Doors, cluster: ids.ClusterId, body: bytes, expected: int = 0) -> int:
    outgoing = publishing.Outgoing(
        cluster=cluster, body=body, headers={records.ID_HEADER: body.decode()}, expected=expected
    )
    [result] = await hub.desired.publish([outgoing])
    assert isinstance(result, int)
    return result


async def ask(
    client: Client, subject: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> nats.aio.msg.Msg:
    """The answer to a request that is allowed."""
    return await client.request(subject, body, timeout=ANSWER_S, headers=headers)


async def is_heard(client: Client, cluster: ids.ClusterId) -> bool:
    """Is a report of the cluster stored?"""
    stored = await ask(client, subjects.report(cluster, "hello"), b"{}")
    return json.loads(stored.data).get("stream") == streams.REPORTS.name


async def answers(client: Client, subject: str, body: bytes = b"", headers: dict[str, str] | None = None) -> bool:
    """Does anybody answer this request at once? For those that are to be refused."""
    try:
        await client.request(subject, body, timeout=QUIET_S, headers=headers)
    except (nats.errors.TimeoutError, nats.errors.NoRespondersError):
        return False
    return True


async def hears(subscription: nats.aio.client.Subscription) -> list[bytes]:
    """All that comes until it is quiet."""
    bodies = []
    with contextlib.suppress(nats.errors.TimeoutError):
        while True:
            bodies.append((await subscription.next_msg(timeout=QUIET_S)).data)
    return bodies


async def states(hub: doors.Doors) -> dict[str, api.State]:
    return {stream.name: await api.state(hub.hub, stream.name) for stream in streams.ALL}


async def test_an_agent_can_do_all_that_it_needs(pair: Pair) -> None:
    live = await pair.a.subscribe(subjects.live(pair.a_id))
    await pair.a.flush()
    sequence = await give(pair.hub, pair.a_id, b"for a")
    blob = sealing.seal("manifest", b"plain")
    await pair.hub.blobs.put([blob])

    assert (await live.next_msg(timeout=ANSWER_S)).data == b"for a"
    got = await ask(pair.a, subjects.direct_get("DESIRED", subjects.desired(pair.a_id)))
    assert (got.data, got.headers["Nats-Sequence"]) == (b"for a", str(sequence))
    assert (await ask(pair.a, subjects.direct_get("BLOBS", subjects.blob(blob.name)))).data == blob.data
    stored = await ask(pair.a, subjects.report(pair.a_id, "hello"), b"report")
    assert json.loads(stored.data) == {"stream": "REPORTS", "seq": 1}


async def test_another_clusters_desired_state_cannot_be_read(pair: Pair) -> None:
    wanted = [subjects.live(pair.a_id), subjects.LIVE, f"{subjects.ROOT}.>", ">", "*.>", subjects.desired(pair.a_id)]
    heard = [await pair.b.subscribe(subject) for subject in [*wanted, "$JS.>", "$SYS.>"]]
    await pair.b.flush()
    await give(pair.hub, pair.a_id, b"secret of a")

    assert await asyncio.gather(*(hears(subscription) for subscription in heard)) == [[]] * len(heard)
    for subject in (
        subjects.direct_get("DESIRED", subjects.desired(pair.a_id)),
        subjects.direct_get("DESIRED", subjects.DESIRED),
        "$JS.API.DIRECT.GET.DESIRED",
    ):
        assert not await answers(pair.b, subject)
        assert not await answers(pair.b, subject, json.dumps({"last_by_subj": subjects.desired(pair.a_id)}).encode())


async def test_a_question_to_another_cluster_is_not_heard(pair: Pair) -> None:
    """What would change there is as much of a secret as what is there."""
    heard = [await pair.b.subscribe(subject) for subject in (subjects.live(pair.a_id), subjects.LIVE, ">", "*.>")]
    asked = await pair.a.subscribe(subjects.live(pair.a_id))
    await asyncio.gather(pair.a.flush(), pair.b.flush())
    await pair.hub.hub.send(subjects.live(pair.a_id), b"what would you do?")

    assert (await asked.next_msg()).data == b"what would you do?"
    assert await asyncio.gather(*(hears(subscription) for subscription in heard)) == [[]] * len(heard)
    for forged in (subjects.report(pair.a_id, "plan"), f"{subjects.ROOT}.report.*.plan"):
        assert not await answers(pair.b, forged, b"nothing would change")


async def test_a_batch_of_direct_gets_reaches_no_other_subject(pair: Pair) -> None:
    """The body of a direct get may ask for other subjects: it must not be heard where the subject is given."""
    await give(pair.hub, pair.a_id, b"secret of a")
    await give(pair.hub, pair.b_id, b"for b")
    own = subjects.direct_get("DESIRED", subjects.desired(pair.b_id))
    for body in (
        {"last_by_subj": subjects.desired(pair.a_id)},
        {"seq": 1},
        {"multi_last": [subjects.DESIRED]},
        {"next_by_subj": subjects.DESIRED, "seq": 1, "batch": 10},
    ):
        inbox = pair.b.new_inbox()
        heard = await pair.b.subscribe(inbox)
        await pair.b.publish(own, json.dumps(body).encode(), reply=inbox)

        assert b"secret of a" not in await hears(heard)


async def test_another_clusters_reports_and_beats_cannot_be_forged(pair: Pair) -> None:
    async with contextlib.aclosing(pair.hub.beats.read()) as beats:
        heard = asyncio.ensure_future(anext(beats))
        while not heard.done():
            for forged in (subjects.beat(pair.a_id), subjects.beat(ids.ClusterId("*")), subjects.BEATS):
                with contextlib.suppress(nats.errors.Error):
                    await pair.b.publish(forged, b"forged")
            await pair.b.publish(subjects.beat(pair.b_id), b"own")
            await asyncio.wait([heard], timeout=0.05)

    assert heard.result() == (pair.b_id, b"own")
    for forged in (
        subjects.report(pair.a_id, "hello"),
        f"{subjects.ROOT}.report.*.hello",
        f"{subjects.ROOT}.report.{pair.a_id}.{pair.b_id}.hello",
    ):
        assert not await answers(pair.b, forged, b"forged")
    assert await pair.hub.reports.last_sequence() == 0


async def test_another_clusters_tokens_cannot_be_renewed(pair: Pair) -> None:
    """Neither asked for in its name, nor heard when it asks."""
    heard: list[str] = []
    await pair.hub.hub.subscribe(subjects.RENEWALS, lambda message: heard.append(message.subject))
    listening = [await pair.b.subscribe(subject) for subject in (subjects.renew(pair.a_id), subjects.RENEWALS, ">")]
    await pair.b.flush()
    for forged in (subjects.renew(pair.a_id), subjects.RENEWALS, f"{subjects.renew(pair.b_id)}.{pair.a_id}"):
        assert not await answers(pair.b, forged, b"forged")
    for client, cluster in ((pair.a, pair.a_id), (pair.b, pair.b_id)):
        await answers(client, subjects.renew(cluster), b"own")

    assert heard == [subjects.renew(pair.a_id), subjects.renew(pair.b_id)]
    assert await asyncio.gather(*(hears(subscription) for subscription in listening)) == [[]] * len(listening)


async def test_neither_desired_states_nor_blobs_nor_the_log_can_be_written(pair: Pair) -> None:
    await give(pair.hub, pair.a_id, b"for a")
    before = await states(pair.hub)

    for subject in (
        subjects.desired(pair.a_id),
        subjects.desired(pair.b_id),
        subjects.live(pair.a_id),
        subjects.blob(sealing.seal("manifest", b"x").name),
        subjects.log("cluster", pair.b_id),
    ):
        assert not await answers(pair.b, subject, b"forged")
    assert await states(pair.hub) == before


API = (
    ("STREAM.NAMES", {}),
    ("STREAM.INFO.REPORTS", {}),
    ("STREAM.PURGE.REPORTS", {}),
    ("STREAM.DELETE.REPORTS", {}),
    ("STREAM.MSG.GET.DESIRED", {"seq": 1}),
    ("STREAM.MSG.DELETE.REPORTS", {"seq": 1}),
    ("STREAM.CREATE.EVIL", {"name": "EVIL", "subjects": ["evil"]}),
    ("STREAM.UPDATE.REPORTS", {"name": "REPORTS", "subjects": [subjects.REPORTS], "max_msgs": 1}),
    ("CONSUMER.CREATE.REPORTS", {"stream_name": "REPORTS", "config": {"ack_policy": "none"}}),
    ("CONSUMER.NAMES.REPORTS", {}),
    ("INFO", {}),
)


@pytest.mark.parametrize(("call", "body"), API, ids=[call for call, _ in API])
async def test_the_api_of_jetstream_does_not_answer_an_agent(pair: Pair, call: str, body: dict[str, object]) -> None:
    await ask(pair.a, subjects.report(pair.a_id, "hello"), b"report")
    await give(pair.hub, pair.a_id, b"for a")
    before = await states(pair.hub)

    assert not await answers(pair.b, f"$JS.API.{call}", json.dumps(body).encode())
    assert await states(pair.hub) == before


async def test_a_reply_subject_reaches_nothing_of_the_hub(pair: Pair) -> None:
    """The server publishes answers with its own rights, to a subject of the attacker's choice (nats-server#8274)."""
    await ask(pair.a, subjects.report(pair.a_id, "hello"), b"report")
    first = await give(pair.hub, pair.a_id, b"for a")
    await give(pair.hub, pair.b_id, b"for b")
    live = await pair.a.subscribe(subjects.live(pair.a_id))
    await pair.a.flush()
    before = await states(pair.hub)

    for reply in (
        "$JS.API.STREAM.DELETE.REPORTS",
        "$JS.API.STREAM.PURGE.DESIRED",
        subjects.desired(pair.a_id),
        subjects.live(pair.a_id),
        subjects.report(pair.a_id, "hello"),
        subjects.log("cluster", pair.a_id),
        f"{subjects.live(pair.a_id)}.x",
    ):
        await pair.b.publish(subjects.direct_get("DESIRED", subjects.desired(pair.b_id)), b"", reply=reply)
        await pair.b.publish(subjects.direct_get("BLOBS", subjects.BLOBS), b"", reply=reply)
        await pair.b.publish(subjects.beat(pair.b_id), b"beat", reply=reply)
        assert await pair.hub.desired.last(pair.a_id) is not None

    assert await hears(live) == []
    assert await states(pair.hub) == before
    stored = await pair.hub.desired.last(pair.a_id)
    assert stored is not None
    assert (stored.sequence, stored.body) == (first, b"for a")

    # A report's answer too goes to the reply subject; the report itself is B's own, and all that is stored.
    await pair.b.publish(subjects.report(pair.b_id, "hello"), b"report", reply=subjects.desired(pair.a_id))
    assert await hears(live) == []
    assert (await states(pair.hub))["DESIRED"] == before["DESIRED"]


async def test_the_wildcard_of_the_blobs_gives_only_what_is_sealed(pair: Pair) -> None:
    secret = sealing.seal("manifest", b"password of a")
    await pair.hub.blobs.put([secret])

    got = await ask(pair.b, subjects.direct_get("BLOBS", subjects.BLOBS))

    assert got.data == secret.data
    assert b"password" not in got.data
    name = got.headers["Nats-Subject"].rpartition(".")[2]
    assert name == secret.name
    # All that B holds is the name: as a key it opens nothing.
    with pytest.raises(sealing.BlobError):
        sealing.open_blob(secret.name, "manifest", got.data)


async def test_no_message_id_of_another_cluster_makes_a_report_a_duplicate(pair: Pair) -> None:
    """Deduplication is per stream; agents send no id, so that nobody else's can be the same."""
    for number in range(50):
        headers = {"Nats-Msg-Id": str(number)}
        await ask(pair.b, subjects.report(pair.b_id, "hello"), b"b", headers=headers)
        answer = await ask(pair.a, subjects.report(pair.a_id, "hello"), b"a", headers={"ce-id": str(number)})
        assert "duplicate" not in json.loads(answer.data)

    async with contextlib.aclosing(pair.hub.reports.read(0)) as reports:
        kept = [(await anext(reports)).body for _ in range(100)]
    assert kept.count(b"a") == 50


async def test_a_cluster_that_floods_loses_its_own_oldest_reports_only(pair: Pair) -> None:
    for number in range(10):
        await ask(pair.a, subjects.report(pair.a_id, "hello"), str(number).encode())
    for start in range(0, 2 * streams.REPORTS_PER_SUBJECT_MAX, 256):
        await asyncio.gather(
            *(ask(pair.b, subjects.report(pair.b_id, "hello"), str(start + number).encode()) for number in range(256))
        )

    state = await api.state(pair.hub.hub, streams.REPORTS.name)
    assert state.messages == 10 + streams.REPORTS_PER_SUBJECT_MAX
    async with contextlib.aclosing(pair.hub.reports.read(0)) as reports:
        kept = [await anext(reports) for _ in range(state.messages)]
    own = [one.body for one in kept if one.subject == subjects.report(pair.a_id, "hello")]
    assert own == [str(number).encode() for number in range(10)]


HEADERS = (
    {"Nats-Rollup": "all"},
    {"Nats-Rollup": "sub"},
    {"Nats-TTL": "1s"},
    {"Nats-Expected-Last-Sequence": "999"},
    {"Nats-Expected-Last-Subject-Sequence": "999"},
    {"Nats-Expected-Last-Subject-Sequence": "1", "Nats-Expected-Last-Subject-Sequence-Subject": "A"},
    {"Nats-Expected-Stream": "LOG"},
    {"Nats-Incr": "+1"},
    {"Nats-Schedule": "@at 2020-01-01T00:00:00Z", "Nats-Schedule-Target": "flotilla.v1.report.A.hello"},
    {"Nats-Batch-Id": "x", "Nats-Batch-Sequence": "1", "Nats-Batch-Commit": "1"},
    {"Nats-Marker-Reason": "Purge"},
    {"Nats-Trace-Dest": "flotilla.v1.live.A.x"},
    {"Nats-Trace-Dest": "flotilla.v1.desired.A.x"},
)


@pytest.mark.parametrize("headers", HEADERS, ids=[",".join(f"{k}={v}" for k, v in one.items())[:50] for one in HEADERS])
async def test_no_header_of_a_report_touches_the_reports_of_others(pair: Pair, headers: dict[str, str]) -> None:
    live = await pair.a.subscribe(subjects.live(pair.a_id))
    await pair.a.flush()
    await ask(pair.a, subjects.report(pair.a_id, "hello"), b"of a")
    evil = {name: value.replace(".A.", f".{pair.a_id}.").removesuffix(".x") for name, value in headers.items()}
    before = await states(pair.hub)

    await answers(pair.b, subjects.report(pair.b_id, "hello"), b"of b", headers=evil)
    await pair.b.publish(subjects.beat(pair.b_id), b"", headers=evil)

    after = await ask(pair.a, subjects.report(pair.a_id, "hello"), b"of a again")
    assert "error" not in json.loads(after.data)
    async with contextlib.aclosing(pair.hub.reports.read(0)) as reports:
        bodies = []
        while b"of a again" not in bodies:
            bodies.append((await anext(reports)).body)
    assert [body for body in bodies if body != b"of b"] == [b"of a", b"of a again"]
    assert await hears(live) == []
    assert {**await states(pair.hub), "REPORTS": None} == {**before, "REPORTS": None}


EXPORTS = {
    "live": ("stream", subjects.live),
    "desired": ("service", lambda cluster: subjects.direct_get("DESIRED", subjects.desired(cluster))),
    "reports": ("service", lambda cluster: subjects.report(cluster, "hello")),
    "all reports": ("service", lambda cluster: f"{subjects.ROOT}.report.{cluster}.>"),
    "beats": ("service", subjects.beat),
    "everybody": ("stream", lambda _cluster: subjects.LIVE),
}


def everything_in(rig: rigs.Rig, cluster: ids.ClusterId) -> credentials.Credentials:
    """Credentials of a user in the cluster's account whom no permission limits: only the account does."""
    account, user = rig.ring.cluster(cluster), rigs.new_user()
    wide = jwts.User(name="wide", publish=(">",), subscribe=(">",))
    token = jwts.user(jwts.Issuer(id=account.id, sign=account.sign), user.id, user=wide, at=rigs.NOW)
    return credentials.Credentials(
        cluster=cluster, name="wide", nats_urls=(rig.url,), user_jwt=token, trusted_keys=(), seed=user.seed
    )


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


async def closed(client: Client) -> bool:
    """Whether the server drops the connection soon."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(5):
            while client.is_connected:  # noqa: ASYNC110 - nats-py's state has no event; the time-out bounds it
                await asyncio.sleep(0.005)
    return not client.is_connected


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


async def refused(held: credentials.Credentials) -> bool:
    try:
        async with rigs.connect_agent(held, again=False):
            return False
    except nats.errors.Error as error:
        return "Authorization Violation" in str(error)


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

    for token in tokens:
        _, claims, _ = token.split(".")
        assert b"seed" not in base64.urlsafe_b64decode(claims + "==").lower()
        assert pair.b_held.seed not in token


async def test_the_server_tells_which_accounts_it_holds_by_what_the_hub_signed(pair: Pair) -> None:
    """By which a hub whose log is lost knows names, and what was revoked."""
    later = rigs.NOW + datetime.timedelta(hours=1)
    gone = await pair.hub.tenancy.add("gone", at=rigs.NOW)
    await pair.hub.tenancy.remove(gone, at=rigs.NOW)
    await pair.hub.tenancy.announce(pair.b_id, name="b", at=later, revoked_before=rigs.NOW)

    found = await pair.hub.tenancy.standing([pair.a_id, pair.b_id, gone])

    assert found == [readmission.Account(pair.a_id, "a"), readmission.Account(pair.b_id, "b", rigs.NOW)]


async def test_an_account_that_another_operator_signed_is_nobody_s(rig: rigs.Rig, pair: Pair) -> None:
    other = tenancy.Tenancy(keys.KeyRing(rig.state_dir / "other"), pair.hub.system)

    with pytest.raises(tenancy.TenancyError, match="not signed by this hub's operator"):
        await other.standing([pair.a_id])
