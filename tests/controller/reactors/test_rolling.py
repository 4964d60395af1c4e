"""Rolling: every look starts from the whole state, and a second look decides nothing more."""

import pytest

from controller import errors
from controller.domain import catalogs, fleet, rollout_state, rollouts, sources
from protocol import ids, selectors, specs, status
from protocol.events import deletions as deletion_events
from protocol.events import fleet as fleet_events
from protocol.events import rollouts as events
from tests.controller.reactors import rig
from tests.controller.reactors.rig import Agent, Hub, Streams

SHOP = ids.SourceName("shop")
FIRST = {"apps/web": ["a", "b"]}
SECOND = {"apps/web": ["a"]}


async def begin(of: Streams, *, clusters: int = 3) -> tuple[Hub, list[Agent]]:
    """A hub with clusters and a resolved source, and nothing rolled out yet."""
    hub = await rig.started(of)
    agents = [Agent(hub, await hub.add_cluster(f"edge-{number}")) for number in range(clusters)]
    await hub.declare()
    await hub.resolve(FIRST)
    return hub, agents


def current(hub: Hub) -> rollout_state.Rollout:
    found = hub.world.rollout(SHOP).current
    assert found is not None
    return found


async def started(of: Streams) -> list[str]:
    return [one.rollout for one in await of.events() if isinstance(one, events.RolloutStarted)]


async def test_a_revision_starts_one_rollout_with_its_canary_however_often_it_is_looked_at() -> None:
    of = Streams()
    hub, agents = await begin(of)

    await hub.rolling.drive_all()
    head = await of.log.last_sequence()
    await hub.rolling.drive_all()

    assert await of.log.last_sequence() == head
    assert len(await started(of)) == 1
    assert set(current(hub).in_flight) == {agents[0].cluster}


WISHES = {
    "apps/api": catalogs.Rollout(
        max_concurrency="1",
        partitions=(catalogs.Partition((selectors.Target(names=("edge-2",)),), "late-adopters"),),
    )
}


async def test_a_changed_bundle_has_a_say_in_the_stages() -> None:
    """And none in a revision that does not change it."""
    of = Streams()
    hub, agents = await begin(of)
    await hub.settle(*agents)

    await hub.resolve({**FIRST, "apps/api": ["c"]}, wishes=WISHES)
    await hub.rolling.drive_all()
    found = [(stage.name, stage.reason) for stage in current(hub).stages]
    await hub.settle(*agents)
    await hub.resolve({**SECOND, "apps/api": ["c"]}, wishes=WISHES)
    await hub.rolling.drive_all()

    assert found == [("late-adopters", "partition of shop/apps/api"), ("rest", "all others")]
    assert [stage.name for stage in current(hub).stages] == ["canary", "rest"]


async def test_a_bundle_has_no_say_where_an_operator_declared_the_policy() -> None:
    of = Streams()
    hub, agents = await begin(of)
    await hub.settle(*agents)
    await hub.run(
        lambda world: fleet.declare_policy(world.fleet, "default", specs.DEFAULT_POLICY, by=specs.ManagedBy.COMMAND)
    )

    await hub.resolve({**FIRST, "apps/api": ["c"]}, wishes=WISHES)
    await hub.rolling.drive_all()

    assert [stage.name for stage in current(hub).stages] == ["canary", "rest"]
    assert current(hub).stages[1].reason == "all others; the policy counts, not what shop/apps/api says"


async def test_a_rollout_completes_by_what_the_clusters_report_and_then_rests() -> None:
    of = Streams()
    hub, agents = await begin(of)

    await hub.settle(*agents)
    head = await of.log.last_sequence()
    await hub.rolling.drive_all()

    assert current(hub).phase is rollout_state.Phase.COMPLETED
    assert set(hub.world.rollout(SHOP).assigned) == {agent.cluster for agent in agents}
    assert await of.log.last_sequence() == head


async def test_nothing_starts_before_it_is_known_who_is_there() -> None:
    of = Streams()
    _, agents = await begin(of)
    again = await rig.started(of)
    mine = [Agent(again, agent.cluster) for agent in agents]
    for agent in mine[:-1]:
        await agent.beat()
    await again.rolling.drive_all()
    assert await started(of) == []

    await mine[-1].beat()
    await again.rolling.drive_all()

    assert len(await started(of)) == 1


async def test_who_stays_silent_is_waited_for_no_longer_than_silence_lasts_and_deferred() -> None:
    of = Streams()
    _, agents = await begin(of)
    again = await rig.started(of)
    mine = [Agent(again, agent.cluster) for agent in agents]
    of.later(31)
    for agent in mine[:-1]:
        await agent.beat()

    await again.settle(*mine[:-1])

    assert current(again).phase is rollout_state.Phase.COMPLETED
    assert set(current(again).deferred) == {mine[-1].cluster}
    assert await mine[-1].state() is None


async def test_nothing_is_decided_in_recovery() -> None:
    of = Streams()
    hub, _ = await begin(of)
    entered = fleet_events.RecoveryEntered(reason="of the test", cluster="", epoch=1, generation=9)
    await hub.run(lambda world: fleet.enter_recovery(world.fleet, entered))

    await hub.rolling.drive_all()

    assert await started(of) == []


@pytest.mark.parametrize("how", ["suspended", "removed"])
async def test_a_source_that_is_out_of_service_is_left_alone(how: str) -> None:
    of = Streams()
    hub, _ = await begin(of)
    command = specs.ManagedBy.COMMAND
    if how == "suspended":
        await hub.run(lambda world: sources.suspend(world.sources[SHOP], "of the test", by=command))
    else:
        await hub.run(lambda world: sources.remove(world.sources[SHOP], prune=False, by=command))

    await hub.rolling.drive_all()

    assert await started(of) == []


async def test_what_a_revision_takes_away_is_planned_with_its_start_on_all_clusters() -> None:
    of = Streams()
    hub, agents = await begin(of)
    await hub.settle(*agents)
    before = await of.log.last_sequence()

    await hub.resolve(SECOND)
    await hub.rolling.drive_all()

    found = (await of.events())[before + 1 :]
    tags = [type(one).__name__ for one in found]
    assert tags.index("DeletionsPlanned") < tags.index("ClustersAdmitted")
    [planned] = [one for one in found if isinstance(one, deletion_events.DeletionsPlanned)]
    assert planned.topic == current(hub).id
    assert [member.clusters for member in planned.members] == [tuple(sorted(agent.cluster for agent in agents))]
    assert hub.world.ledger.debts == {}


async def test_two_hubs_that_look_at_once_start_one_rollout() -> None:
    of = Streams()
    hub, agents = await begin(of)
    other = await rig.started(of)
    for agent in agents:
        await Agent(other, agent.cluster).beat()

    await hub.rolling.drive_all()
    await other.rolling.drive_all()
    await hub.shared.transactor.catch_up()

    assert len(await started(of)) == 1
    assert set(current(hub).in_flight) == set(current(other).in_flight) == {agents[0].cluster}


async def test_a_canary_that_is_degraded_halts_the_rollout_before_anybody_else() -> None:
    of = Streams()
    hub, agents = await begin(of)
    agents[0].health = status.Health.DEGRADED

    await hub.settle(*agents)

    assert current(hub).phase is rollout_state.Phase.HALTED
    assert [await agent.state() is None for agent in agents] == [False, True, True]


async def test_a_halted_revision_that_is_rendered_anew_stays_halted_until_a_retry() -> None:
    of = Streams()
    hub, agents = await begin(of)
    agents[0].health = status.Health.DEGRADED
    await hub.settle(*agents)

    await hub.resolve(FIRST, renderer="test 2")
    await hub.settle(*agents)

    assert len(await started(of)) == 1
    assert [await agent.state() is None for agent in agents] == [False, True, True]

    agents[0].health = status.Health.HEALTHY
    await hub.run(lambda world: rollouts.retry(world.rollout(SHOP), hub.shared.clock()))
    await hub.settle(*agents)

    assert len(await started(of)) == 2
    assert current(hub).phase is rollout_state.Phase.COMPLETED
    assert current(hub).stages[0].clusters == (agents[0].cluster,)
    assert set(hub.world.rollout(SHOP).assigned.values()) == {hub.world.sources[SHOP].catalog}


async def test_a_canary_that_falls_silent_keeps_its_slot_until_the_deadline() -> None:
    of = Streams()
    hub, agents = await begin(of)
    await hub.rolling.drive_all()
    await hub.publishing.publish_all()

    of.later(599)
    for agent in agents[1:]:
        await agent.beat()
    await hub.rolling.drive_all()
    assert current(hub).phase is rollout_state.Phase.RUNNING
    of.later(2)
    await hub.rolling.drive_all()

    assert current(hub).phase is rollout_state.Phase.HALTED
    assert set(current(hub).failed) == {agents[0].cluster}


async def test_a_catalog_that_cannot_be_read_holds_up_the_look_and_nothing_else() -> None:
    of = Streams()
    await begin(of)
    again = await rig.started(of)
    of.later(31)
    of.blobs.faults.fail()

    with pytest.raises(errors.Transient):
        await again.rolling.drive_all()
    assert await started(of) == []
    await again.rolling.drive_all()

    assert len(await started(of)) == 1


async def test_a_newer_revision_supersedes_the_one_that_is_under_way() -> None:
    of = Streams()
    hub, agents = await begin(of)
    await hub.rolling.drive_all()
    await hub.publishing.publish_all()

    await hub.resolve(SECOND)
    await hub.settle(*agents)

    [first, second] = [one for one in await of.events() if isinstance(one, events.RolloutStarted)]
    assert (second.supersedes, current(hub).id) == (first.rollout, second.rollout)
    assert current(hub).phase is rollout_state.Phase.COMPLETED
