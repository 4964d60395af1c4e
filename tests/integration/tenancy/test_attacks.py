"""What one cluster's credentials can do to another cluster and to the hub: nothing (I7).

Each test attacks as an agent that was let in properly and then says whatever it likes on its connection. Included:
every attack that the design names. Excluded: what a person can do who holds the hub's own keys.
"""

import asyncio
import contextlib
import json

import nats.aio.client
import nats.aio.msg
import nats.errors
import pytest

from controller.broker import api
from protocol import ids, sealing, streams, subjects
from tests.integration.tenancy.conftest import (
    ANSWER_S,
    API,
    Pair,
    answers,
    ask,
    give,
    hears,
    states,
)

pytestmark = pytest.mark.nats


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

    assert (await asked.next_msg(timeout=ANSWER_S)).data == b"what would you do?"
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
        before = len(heard)
        await client.publish(subjects.renew(cluster), b"own")
        async with asyncio.timeout(ANSWER_S):
            while len(heard) == before:
                await pair.hub.hub.request("$JS.API.INFO")  # a round trip: the loop turns, and reads what has come

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
