"""Listening: what a report may change, in whatever order, however often and from whomever it comes."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence

import msgspec
import pytest

from controller.domain import clusters, fleet, readmission
from controller.domain.world import World
from controller.store import memory, records
from protocol import canonical, desired, messages, reports, specs
from protocol.events import clusters as cluster_events
from protocol.events import deletions as deletion_events
from protocol.events import fleet as fleet_events
from tests.controller.reactors import rig
from tests.controller.reactors.rig import Agent, Hub, Streams
from tests.fixtures import hub as hubs

BEFORE = {"apps/web": ["a", "b"]}
AFTER = {"apps/web": ["a"]}


async def begin(of: Streams) -> tuple[Hub, Agent]:
    """A hub with one cluster that holds BEFORE."""
    hub = await rig.started(of)
    agent = Agent(hub, await hub.add_cluster("edge"))
    await hub.declare()
    await hub.resolve(BEFORE)
    await hub.settle(agent)
    return hub, agent


def hello(origin: reports.Origin, *, uid: str = "uid-edge") -> reports.Hello:
    return reports.Hello(
        origin=origin, cluster_uid=uid, agent_version="1", kubernetes_version="1", root=canonical.NO_DIGEST, inventory=0
    )


async def recoveries(of: Streams) -> list[str]:
    return [one.reason for one in await of.events() if isinstance(one, fleet_events.RecoveryEntered)]


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
        assert again.shared.seen(agent.cluster).root == (await _state(agent)).root
        assert (again.shared.online(), again.shared.is_verified(agent.cluster)) == (frozenset(), False)
        recalled = again.shared.seen(agent.cluster)
        assert (recalled.heard_at, recalled.said_at is None, recalled.known_at is None) == (None, False, False)

        live = hello(Agent(again, agent.cluster).origin(await _state(agent)))
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


class Away(memory.MemoryStore):
    """A log whose server does not answer `away` times."""

    away = 0

    async def append(self, batch: Sequence[records.Pending], *, reads: Mapping[str, int] = {}) -> int:
        if self.away:
            self.away -= 1
            raise records.Unavailable("append: outcome unknown (no answer)")
        return await super().append(batch, reads=reads)


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

    await hub.hear(msgspec.structs.replace(late, origin=agent.origin(await _state(agent))))

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

    await hub.hear(reports.Deleted(origin=other.origin(await _state(other)), confirmations=said))

    assert said
    assert before == hub.world.ledger.debts


@pytest.mark.parametrize("change", [{"generation": 7}, {"epoch": 2}])
async def test_a_cluster_that_is_ahead_puts_the_hub_into_recovery_once(change: dict[str, int]) -> None:
    of = Streams()
    hub, agent = await begin(of)
    ahead = msgspec.structs.replace(agent.origin(await _state(agent)), **change)

    await hub.hear(hello(ahead))
    await hub.hear(hello(msgspec.structs.replace(ahead, number=ahead.number + 1)))

    [reason] = await recoveries(of)
    assert "cluster edge" in reason
    assert "this hub gave it at most 1, 1" in reason
    assert not hub.shared.is_verified(agent.cluster)


async def test_a_head_of_another_log_puts_the_hub_into_recovery() -> None:
    of = Streams()
    hub, agent = await begin(of)
    foreign = desired.LogHead(sequence=2, hash=canonical.digest("x", b"another log"))

    await hub.hear(hello(msgspec.structs.replace(agent.origin(await _state(agent)), log_head=foreign)))

    assert await recoveries(of) == ["cluster edge: its state rests on event 2 of another log"]


async def test_what_the_stream_repeats_from_before_the_start_is_no_reason_for_recovery() -> None:
    of = Streams()
    hub, agent = await begin(of)
    ahead = msgspec.structs.replace(agent.origin(await _state(agent)), generation=7)

    await hub.hear(hello(ahead), live=False)

    assert await recoveries(of) == []


async def test_what_another_hub_published_meanwhile_is_no_reason_for_recovery() -> None:
    of = Streams()
    hub, agent = await begin(of)
    other = await rig.started(of)
    there = Agent(other, agent.cluster)
    await there.beat()
    await other.resolve(AFTER)
    await other.rolling.drive_all()
    await other.publishing.publish_all()

    await hub.hear(hello(agent.origin(await _state(there))))

    assert await recoveries(of) == []
    assert hub.shared.offered[agent.cluster] == (1, 2)
    assert hub.shared.is_verified(agent.cluster)


async def test_a_cluster_of_an_earlier_epoch_is_overtaken_and_not_ahead() -> None:
    of = Streams()
    hub, agent = await begin(of)
    entered = fleet_events.RecoveryEntered(reason="of the test", cluster="", epoch=1, generation=9)
    await hub.run(lambda world: fleet.enter_recovery(world.fleet, entered))
    await hub.run(lambda world: fleet.recover(world.fleet, "of the test"))

    await hub.hear(hello(msgspec.structs.replace(agent.origin(await _state(agent)), generation=50)))

    assert await recoveries(of) == ["of the test"]
    assert not hub.shared.is_verified(agent.cluster)


@pytest.mark.parametrize(
    ("refusal", "epoch", "expected"),
    [
        (reports.Refusal.FORK, 1, ["cluster edge: it holds another content for epoch 1, generation 2"]),
        (reports.Refusal.FORK, 0, []),
        (reports.Refusal.STALE, 1, []),
    ],
)
async def test_a_fork_puts_the_hub_into_recovery(refusal: reports.Refusal, *, epoch: int, expected: list[str]) -> None:
    """Also when it was reported while no hub ran; once per report."""
    of = Streams()
    hub, agent = await begin(of)
    forked = reports.Refused(
        origin=agent.origin(await _state(agent)), refusal=refusal, message="another content", seen_epoch=epoch,
        seen_generation=2, count=1,
    )  # fmt: skip
    stored = of.reports.say(agent.cluster, "refused", messages.REPORT.encode(forked))
    for _ in range(2):
        await hub.listening.take_report(stored, live=False)

    assert await recoveries(of) == expected
    assert bool(hub.world.fleet.recovering) is bool(expected)


async def test_what_an_agent_refuses_is_written_down_once_per_stored_report() -> None:
    of = Streams()
    hub, agent = await begin(of)
    origin = agent.origin(await _state(agent))
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


async def _state(agent: Agent) -> desired.DesiredState:
    state = await agent.state()
    assert state is not None
    return state


async def strange(of: Streams, *, name: str = "lost") -> tuple[Hub, Agent]:
    """A hub to which the server named an account that its log does not know, and the agent that comes by it."""
    hub, _ = await begin(of)
    stranger = Agent(hub, hubs.account(99))
    hub.shared.accounts = readmission.Accounts([readmission.Account(stranger.cluster, name)])
    return hub, stranger


async def test_an_agent_of_an_account_from_before_the_log_is_heard_and_decides_nothing() -> None:
    of = Streams()
    hub, stranger = await strange(of)
    head = await of.log.last_sequence()

    await stranger.beat()
    await hub.hear(hello(stranger.origin(), uid="uid-lost"))
    await hub.hear(reports.Orphaned(origin=stranger.origin(), orphans=(), total=0), live=False)

    found = hub.shared.strangers[stranger.cluster]
    assert (found.seen.uid, found.hello is not None, found.seen.heard_at) == ("uid-lost", True, of.now)
    assert await of.log.last_sequence() == head
    assert hub.shared.looking().facts.strangers == {stranger.cluster: found}


async def test_a_stranger_that_rests_on_a_lost_event_puts_the_hub_in_recovery() -> None:
    of = Streams()
    hub, stranger = await strange(of)
    lost = desired.LogHead(sequence=99, hash=canonical.digest("x", b"lost"))
    origin = msgspec.structs.replace(stranger.origin(), epoch=1, generation=4, log_head=lost)

    await hub.hear(hello(origin, uid="uid-lost"))
    await hub.hear(hello(msgspec.structs.replace(origin, number=2), uid="uid-lost"))

    assert await recoveries(of) == ["cluster lost: it is at epoch 1, generation 4, and this hub gave it at most 0, 0"]


async def test_one_that_is_declared_brings_along_what_it_said() -> None:
    of = Streams()
    hub, stranger = await strange(of)
    said = msgspec.structs.replace(hello(stranger.origin(), uid="uid-lost"), agent_key="U" + "A" * 55)
    await hub.hear(said)

    await hub.run(lambda world: readmission_added(world, stranger))
    await stranger.beat()

    assert hub.world.clusters[stranger.cluster].uid == "uid-lost"
    assert hub.world.clusters[stranger.cluster].entry.file_key == said.agent_key
    assert hub.shared.strangers == {}
    assert hub.shared.seen(stranger.cluster).uid == "uid-lost"


def readmission_added(world: World, stranger: Agent) -> Sequence[cluster_events.Event]:
    new = clusters.Cluster(id=stranger.cluster, name="lost", labels={}, managed_by=specs.ManagedBy.COMMAND)
    return clusters.add(world.clusters, new)
