"""Listening: what a report may change, in whatever order, however often and from whomever it comes."""

import asyncio
import contextlib

import msgspec
import pytest

from protocol import canonical, messages, reports
from protocol.events import clusters as cluster_events
from protocol.events import deletions as deletion_events
from tests.controller.reactors import rig
from tests.controller.reactors.listeners import AFTER, BEFORE, Away, begin, hello, state_of
from tests.controller.reactors.rig import Agent, Streams
from tests.fixtures import hub as hubs


@pytest.mark.parametrize("body", [b"", b"{", b'{"type":"Nonsense"}', b'{"type":"Hello"}'])
async def test_a_report_that_cannot_be_read_changes_nothing(body: bytes) -> None:
    of = Streams()
    hub, agent = await begin(of)
    head, seen = await of.log.last_sequence(), hub.shared.seen(agent.cluster)

    await hub.listening.take_report(of.reports.say(agent.cluster, "hello", body), live=True)
    await hub.listening.take_beat(agent.cluster, body)

    assert await of.log.last_sequence() == head
    assert hub.shared.seen(agent.cluster) == seen


async def test_an_agent_that_waits_is_no_sign_of_its_cluster() -> None:
    """It may hold nothing and know nothing: it neither makes the cluster heard nor lets deletions be named for it."""
    of = Streams()
    _, agent = await begin(of)
    again = await rig.started(of)
    standby = reports.Standby(
        cluster=agent.cluster, at=again.shared.clock(), agent="b", reason="a acts for this cluster", holder="a"
    )

    await again.listening.take_beat(agent.cluster, messages.BEAT.encode(standby))

    seen = again.shared.seen(agent.cluster)
    assert ([one.agent for one in seen.waiting], seen.heard_at) == (["b"], None)
    assert not again.shared.is_verified(agent.cluster)


async def test_a_report_counts_only_on_the_subject_of_the_cluster_that_it_names() -> None:
    of = Streams()
    hub, agent = await begin(of)
    other = await hub.add_cluster("other")
    seen = hub.shared.seen(agent.cluster)
    forged = hello(msgspec.structs.replace(agent.origin(), number=99), uid="another")
    body = messages.REPORT.encode(forged)

    await hub.listening.take_report(of.reports.say(other, "hello", body), live=True)
    beat = reports.Beat(origin=forged.origin, root=canonical.NO_DIGEST)
    await hub.listening.take_beat(other, messages.BEAT.encode(beat))

    assert hub.shared.seen(agent.cluster) == seen
    assert hub.world.clusters[agent.cluster].uid == "uid-edge"


async def test_a_report_of_a_cluster_that_nobody_added_changes_nothing() -> None:
    of = Streams()
    hub, _ = await begin(of)
    stranger = Agent(hub, hubs.account(99))
    head = await of.log.last_sequence()

    await hub.hear(hello(stranger.origin()))
    await stranger.beat()

    assert await of.log.last_sequence() == head
    assert stranger.cluster not in hub.shared.observed


async def test_a_cluster_is_identified_once() -> None:
    of = Streams()
    hub, agent = await begin(of)

    await hub.hear(hello(agent.origin()))
    await hub.hear(hello(agent.origin()))

    found = [one for one in await of.events() if isinstance(one, cluster_events.ClusterIdentified)]
    assert [one.uid for one in found] == ["uid-edge"]


async def test_an_older_report_does_not_undo_a_newer_one() -> None:
    hub, agent = await begin(Streams())
    old = agent.origin()
    await agent.beat()
    await agent.beat()
    seen = hub.shared.seen(agent.cluster)

    await hub.hear(reports.Orphaned(origin=msgspec.structs.replace(old, number=1), orphans=(), total=0))

    assert hub.shared.seen(agent.cluster).newest == seen.newest
    assert hub.shared.seen(agent.cluster).root == seen.root


async def test_stored_reports_say_what_was_and_not_who_is_there() -> None:
    of = Streams()
    _, agent = await begin(of)
    again = await rig.started(of)
    signal = again.shared.subscribe()

    async with asyncio.TaskGroup() as group:
        reading = group.create_task(again.listening.read_reports(of.reports))
        while again.shared.reports_sequence < await of.reports.last_sequence():
            await signal.wait()
        assert again.shared.seen(agent.cluster).root == (await state_of(agent)).root
        assert (again.shared.online(), again.shared.is_verified(agent.cluster)) == (frozenset(), False)
        recalled = again.shared.seen(agent.cluster)
        assert (recalled.heard_at, recalled.said_at is None, recalled.known_at is None) == (None, False, False)

        live = hello(Agent(again, agent.cluster).origin(await state_of(agent)))
        of.reports.say(agent.cluster, "hello", messages.REPORT.encode(live))
        while not again.shared.online():
            await signal.wait()
        assert again.shared.is_verified(agent.cluster)
        reading.cancel()


async def test_reading_begins_once_the_server_answers() -> None:
    of = Streams()
    hub, agent = await begin(of)
    again = await rig.started(of)
    of.reports.faults.fail(3)

    async with asyncio.TaskGroup() as group:
        reading = group.create_task(again.listening.read_reports(of.reports))
        signal = again.shared.subscribe()
        while again.shared.reports_sequence < hub.shared.reports_sequence:
            await signal.wait()
        reading.cancel()

    assert again.shared.seen(agent.cluster).root == hub.shared.seen(agent.cluster).root


async def test_a_report_waits_until_the_log_answers() -> None:
    of = Streams()
    of.log = log = Away()
    hub, agent = await begin(of)
    report = hello(agent.origin(await agent.state()), uid="uid-of-another")
    log.away = 3

    async with asyncio.TaskGroup() as group:
        reading = group.create_task(hub.listening.read_reports(of.reports))
        signal = hub.shared.subscribe()
        stored = of.reports.say(agent.cluster, "hello", messages.REPORT.encode(report))
        while hub.shared.reports_sequence < stored.sequence:
            await signal.wait()
        reading.cancel()

    assert log.away == 0
    assert cluster_events.ClusterUidRefused in {type(one) for one in await of.events()}


async def test_a_confirmation_closes_its_debt_once() -> None:
    of = Streams()
    hub, agent = await begin(of)
    await hub.resolve(AFTER)
    await hub.settle(agent)

    report = await agent.confirm()
    await hub.hear(report)

    closed = [one for one in await of.events() if isinstance(one, deletion_events.DebtsClosed)]
    assert [len(one.debts) for one in closed] == [1]
    assert hub.world.ledger.debts == {}


async def test_a_late_confirmation_does_not_close_a_newer_debt_for_the_same_object() -> None:
    of = Streams()
    hub, agent = await begin(of)
    await hub.resolve(AFTER)
    await hub.settle(agent)
    late = await agent.confirm()
    await hub.resolve(BEFORE)
    await hub.settle(agent)
    await hub.resolve(AFTER)
    await hub.settle(agent)
    [debt] = hub.world.ledger.debts.values()

    await hub.hear(msgspec.structs.replace(late, origin=agent.origin(await state_of(agent))))

    assert list(hub.world.ledger.debts.values()) == [debt]


async def test_a_confirmation_of_another_cluster_closes_nothing() -> None:
    of = Streams()
    hub, agent = await begin(of)
    other = Agent(hub, await hub.add_cluster("other"))
    await hub.settle(agent, other)
    await hub.resolve(AFTER)
    await hub.settle(agent, other)
    before = dict(hub.world.ledger.debts)
    said = tuple(
        reports.Confirmation(debt=one.debt, object=one.object, outcome=reports.Outcome.GONE)
        for one in await agent.deletions()
    )

    await hub.hear(reports.Deleted(origin=other.origin(await state_of(other)), confirmations=said))

    assert said
    assert before == hub.world.ledger.debts


async def test_what_an_agent_refuses_is_written_down_once_per_stored_report() -> None:
    of = Streams()
    hub, agent = await begin(of)
    origin = agent.origin(await state_of(agent))
    refused = reports.Refused(
        origin=origin, refusal=reports.Refusal.FORGED, message="signed by nobody", seen_epoch=1, seen_generation=2,
        count=1,
    )  # fmt: skip
    impostor = hello(msgspec.structs.replace(origin, number=origin.number + 1), uid="another-cluster")
    await hub.hear(refused)
    await hub.hear(impostor)
    head = await of.log.last_sequence()

    again = await rig.started(of)
    async with contextlib.aclosing(of.reports.read(0)) as stored:
        for _ in range(await of.reports.last_sequence()):
            await again.listening.take_report(await anext(stored), live=False)

    assert await of.log.last_sequence() == head
    assert (again.world.clusters[agent.cluster].refused, again.world.clusters[agent.cluster].uid) == (1, "uid-edge")
    assert [one.uid for one in await of.events() if isinstance(one, cluster_events.ClusterUidRefused)] == [
        "another-cluster"
    ]
