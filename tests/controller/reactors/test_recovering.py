"""What clusters hold that this hub never gave, and agents whose accounts its log does not know."""

from collections.abc import Sequence

import msgspec
import pytest

from controller import errors
from controller.domain import clusters, fleet, readmission
from controller.domain.world import World
from protocol import canonical, desired, messages, reports, specs
from protocol.events import clusters as cluster_events
from protocol.events import fleet as fleet_events
from tests.controller.reactors import rig
from tests.controller.reactors.listeners import AFTER, Away, begin, hello, recoveries, state_of
from tests.controller.reactors.rig import Agent, Hub, Streams
from tests.fixtures import hub as hubs


@pytest.mark.parametrize("change", [{"generation": 7}, {"epoch": 2}])
async def test_a_cluster_that_is_ahead_puts_the_hub_into_recovery_once(change: dict[str, int]) -> None:
    of = Streams()
    hub, agent = await begin(of)
    ahead = msgspec.structs.replace(agent.origin(await state_of(agent)), **change)

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

    await hub.hear(hello(msgspec.structs.replace(agent.origin(await state_of(agent)), log_head=foreign)))

    assert await recoveries(of) == ["cluster edge: its state rests on event 2 of another log"]


async def test_what_the_stream_repeats_from_before_the_start_is_no_reason_for_recovery() -> None:
    of = Streams()
    hub, agent = await begin(of)
    ahead = msgspec.structs.replace(agent.origin(await state_of(agent)), generation=7)

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

    await hub.hear(hello(agent.origin(await state_of(there))))

    assert await recoveries(of) == []
    assert hub.shared.offered[agent.cluster] == (1, 2)
    assert hub.shared.is_verified(agent.cluster)


async def test_a_cluster_of_an_earlier_epoch_is_overtaken_and_not_ahead() -> None:
    of = Streams()
    hub, agent = await begin(of)
    entered = fleet_events.RecoveryEntered(reason="of the test", cluster="", epoch=1, generation=9)
    await hub.run(lambda world: fleet.enter_recovery(world.fleet, entered))
    await hub.run(lambda world: fleet.recover(world.fleet, "of the test"))

    await hub.hear(hello(msgspec.structs.replace(agent.origin(await state_of(agent)), generation=50)))

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
        origin=agent.origin(await state_of(agent)), refusal=refusal, message="another content", seen_epoch=epoch,
        seen_generation=2, count=1,
    )  # fmt: skip
    stored = of.reports.say(agent.cluster, "refused", messages.REPORT.encode(forked))
    for _ in range(2):
        await hub.listening.take_report(stored, live=False)

    assert await recoveries(of) == expected
    assert bool(hub.world.fleet.recovering) is bool(expected)


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


async def test_what_a_stranger_said_waits_until_the_log_answers() -> None:
    """It says hello once."""
    of = Streams()
    of.log = log = Away()
    hub, stranger = await strange(of)
    await hub.hear(hello(stranger.origin(), uid="uid-lost"))
    await hub.run(lambda world: readmission_added(world, stranger))
    log.away = 1

    with pytest.raises(errors.Unavailable):
        await stranger.beat()
    await stranger.beat()

    assert hub.world.clusters[stranger.cluster].uid == "uid-lost"
    assert hub.shared.strangers == {}


def readmission_added(world: World, stranger: Agent) -> Sequence[cluster_events.Event]:
    new = clusters.Cluster(id=stranger.cluster, name="lost", labels={}, managed_by=specs.ManagedBy.COMMAND)
    return clusters.add(world.clusters, new)
