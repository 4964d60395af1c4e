"""Publishing: from the world to each cluster's signed state, whatever breaks in between."""

import asyncio
from collections.abc import Callable

import pytest

from controller import errors, library
from controller.domain import debts, fleet, sources
from protocol import canonical, desired, ids, reports, selectors, specs
from protocol.events import deletions as events
from protocol.events import fleet as fleet_events
from protocol.events import rollouts
from tests.controller.reactors import rig
from tests.controller.reactors.rig import Agent, Hub, Streams

MANY = {"apps/web": ["a", "b", "c"]}
FEWER = {"apps/web": ["a", "b"]}


class Crashed(Exception):
    """The process dies here."""


def crash_at(name: str) -> Callable[[str], None]:
    """A boundary at which the process dies the first time it is passed."""
    armed = [name]

    def boundary(passed: str) -> None:
        if passed in armed:
            armed.clear()
            raise Crashed(passed)

    return boundary


async def begin(of: Streams, *, clusters: int = 2) -> tuple[Hub, list[Agent]]:
    """A hub whose clusters hold MANY."""
    hub = await rig.started(of)
    agents = [Agent(hub, await hub.add_cluster(f"edge-{number}")) for number in range(clusters)]
    await hub.declare()
    await hub.resolve(MANY)
    await hub.settle(*agents)
    return hub, agents


async def generations(agents: list[Agent]) -> list[int]:
    states = [await agent.state() for agent in agents]
    return [state.generation if state is not None else 0 for state in states]


async def contents(agent: Agent, hub: Hub) -> set[str]:
    root = await agent.root()
    return {one.object.name for entry in root.bundles for one in hub.shared.library.indexes[entry.index].objects}


async def test_each_cluster_gets_a_signed_state_of_what_it_was_given() -> None:
    hub, agents = await begin(Streams())

    for agent in agents:
        state = await agent.state()
        assert state is not None
        assert (state.cluster, state.epoch, state.generation) == (agent.cluster, 1, 1)
        assert state.cluster_uid == hub.world.clusters[agent.cluster].uid
        assert hub.world.contains(state.log_head)
        assert await contents(agent, hub) == {"a", "b", "c"}
        assert await agent.deletions() == ()


async def test_a_pass_over_what_did_not_change_stores_nothing() -> None:
    hub, agents = await begin(Streams())

    assert await hub.publishing.publish_all() == 0
    assert await generations(agents) == [1, 1]


async def test_a_cluster_is_behind_since_the_first_state_that_it_did_not_take() -> None:
    of = Streams()
    hub, [agent] = await begin(of, clusters=1)
    missed = []
    for content in (FEWER, MANY, FEWER):
        of.later(1)
        await hub.resolve(content)
        await hub.rolling.drive_all()
        await hub.publishing.publish_all()
        missed.append(hub.shared.publication(agent.cluster))

    assert [one.generation for one in missed] == [2, 3, 4]
    assert [one.missed_at for one in missed] == [None, missed[0].at, missed[0].at]
    assert missed[0].at != missed[1].at

    await hub.settle(agent)
    await hub.resolve(MANY)
    await hub.settle(agent)
    assert hub.shared.publication(agent.cluster).missed_at is None


async def test_a_hub_that_starts_again_publishes_nothing_that_lies_there() -> None:
    of = Streams()
    _, agents = await begin(of)
    head = await of.log.last_sequence()

    again = await rig.started(of)

    assert await again.publishing.publish_all() == 0
    assert await generations(agents) == [1, 1]
    assert await of.log.last_sequence() == head


async def test_a_stale_fence_drops_that_cluster_and_no_other() -> None:
    of = Streams()
    hub, agents = await begin(of)
    await hub.resolve(FEWER)
    await hub.rolling.drive_all()
    other = await rig.started(of)
    for agent in agents:
        await Agent(other, agent.cluster).beat()
    assert await other.publishing.publish_all() == 1  # the canary
    for agent in agents:
        await Agent(other, agent.cluster).answer()
    await other.rolling.drive_all()
    await hub.shared.transactor.catch_up()

    stored = await hub.publishing.publish_all()

    assert stored == 1
    assert await generations(agents) == [2, 2]
    assert hub.shared.publication(agents[0].cluster).generation == 2
    assert await hub.publishing.publish_all() == 0
    assert [await contents(agent, other) for agent in agents] == [{"a", "b"}, {"a", "b"}]


async def test_nothing_is_published_in_recovery() -> None:
    hub, agents = await begin(Streams())
    await hub.resolve(FEWER)
    await hub.rolling.drive_all()
    entered = fleet_events.RecoveryEntered(reason="of the test", cluster="", epoch=1, generation=9)
    await hub.run(lambda world: fleet.enter_recovery(world.fleet, entered))

    assert await hub.publishing.publish_all() == 0
    assert await generations(agents) == [1, 1]


async def test_a_recovered_hub_begins_an_epoch_without_deletions_and_changes_nothing_unasked() -> None:
    hub, agents = await begin(Streams())
    await hub.resolve(FEWER)
    await hub.settle(*agents)
    entered = fleet_events.RecoveryEntered(reason="of the test", cluster="", epoch=1, generation=9)
    await hub.run(lambda world: fleet.enter_recovery(world.fleet, entered))
    await hub.run(lambda world: fleet.recover(world.fleet, "of the test"))

    assert await hub.publishing.publish_all() == 0
    await hub.settle(*agents)

    for agent in agents:
        state = await agent.state()
        assert state is not None
        assert (state.epoch, await agent.deletions(), await contents(agent, hub)) == (2, (), {"a", "b"})
    assert hub.world.ledger.debts == {}


async def test_deletions_are_named_only_after_a_head_of_our_log_was_shown() -> None:
    of = Streams()
    _, [agent] = await begin(of, clusters=1)
    again = await rig.started(of)
    mine = Agent(again, agent.cluster)
    await again.resolve(FEWER)
    of.later(31)  # nobody is heard: presence is known, and the cluster counts as offline
    await again.rolling.drive_all()
    stale = reports.Hello(
        origin=mine.origin(), cluster_uid="uid-edge-0", agent_version="1", kubernetes_version="1",
        root=canonical.NO_DIGEST, inventory=0,
    )  # fmt: skip
    await again.hear(stale, live=False)
    await _admit(again, agent.cluster)

    await again.publishing.publish_all()
    assert (await contents(mine, again), await mine.deletions()) == ({"a", "b"}, ())
    assert [debt.object.name for debt in again.world.ledger.debts.values()] == ["c"]

    await mine.beat()
    await again.publishing.publish_all()
    assert [one.object.name for one in await mine.deletions()] == ["c"]
    assert await generations([mine]) == [3]


async def test_deletions_that_were_told_before_a_restart_stay_told() -> None:
    of = Streams()
    hub, agents = await begin(of, clusters=1)
    await hub.resolve(FEWER)
    await hub.settle(*agents)
    told = await agents[0].deletions()
    assert [one.object.name for one in told] == ["c"]

    again = await rig.started(of)

    assert await again.publishing.publish_all() == 0
    assert await agents[0].deletions() == told


@pytest.mark.parametrize("boundary", ["derive", "publish"])
async def test_a_crash_between_any_two_steps_is_repaired_by_the_next_hub(boundary: str) -> None:
    of = Streams()
    _, [agent] = await begin(of, clusters=1)
    dying = await rig.started(of, boundary=crash_at(boundary))
    await Agent(dying, agent.cluster).beat()
    await dying.resolve(FEWER)
    await dying.rolling.drive_all()
    with pytest.raises(Crashed):
        await dying.publishing.publish_all()

    again = await rig.started(of)
    mine = Agent(again, agent.cluster)
    await mine.beat()
    await again.settle(mine)

    assert await contents(mine, again) == {"a", "b"}
    assert [one.object.name for one in await mine.deletions()] == ["c"]
    assert len([one for one in await of.events() if isinstance(one, events.DebtsOpened)]) == 1


async def test_debts_are_in_the_log_before_a_state_without_the_object_goes_out() -> None:
    of = Streams()
    hub, [agent] = await begin(of, clusters=1)
    await hub.resolve(FEWER)
    await hub.rolling.drive_all()
    of.desired.faults.fail()
    with pytest.raises(errors.Unavailable):
        await hub.publishing.publish_all()
    assert [debt.object.name for debt in hub.world.ledger.debts.values()] == ["c"]
    assert await generations([agent]) == [1]

    await hub.publishing.publish_all()

    state = await agent.state()
    assert state is not None
    assert (state.generation, state.log_head.sequence) == (2, await of.log.last_sequence())
    assert len(hub.world.ledger.debts) == 1


async def test_an_answer_that_was_lost_gives_one_content_to_one_generation() -> None:
    of = Streams()
    hub, [agent] = await begin(of, clusters=1)
    await hub.resolve(FEWER)
    await hub.rolling.drive_all()
    of.desired.lost.fail()
    with pytest.raises(errors.Unavailable):
        await hub.publishing.publish_all()
    stored = await agent.state()

    await hub.publishing.publish_all()
    await hub.settle(agent)

    assert await generations([agent]) == [2]
    assert await agent.state() == stored


async def test_a_blob_that_is_missing_holds_everything_up_and_derives_nothing() -> None:
    of = Streams()
    _, agents = await begin(of)
    again = await rig.started(of)
    kept = dict(of.blobs.stored)
    of.blobs.stored.clear()
    with pytest.raises(library.MissingBlobError):
        await again.publishing.publish_all()
    assert await generations(agents) == [1, 1]
    assert again.world.ledger.debts == {}

    of.blobs.stored.update(kept)

    assert await again.publishing.publish_all() == 0


async def test_a_source_that_is_removed_leaves_its_objects_as_orphans() -> None:
    hub, agents = await begin(Streams())
    shop = ids.SourceName("shop")
    await hub.run(lambda world: sources.remove(world.sources[shop], prune=False, by=specs.ManagedBy.COMMAND))

    await hub.settle(*agents)

    assert [(await agent.root()).bundles for agent in agents] == [(), ()]
    assert [await agent.deletions() for agent in agents] == [(), ()]
    assert hub.world.ledger.debts == {}


async def test_what_is_held_is_named_once_it_is_approved() -> None:
    hub, agents = await begin(Streams())
    await hub.resolve({"apps/other": ["z"]})
    await hub.settle(*agents)
    [held] = hub.world.ledger.sets.values()
    assert [await agent.deletions() for agent in agents] == [(), ()]

    await hub.run(lambda world: debts.approve(world.ledger, held.id, held.digest))
    await hub.publishing.publish_all()

    assert [{one.object.name for one in await agent.deletions()} for agent in agents] == [{"a", "b", "c"}] * 2


async def _admit(hub: Hub, cluster: ids.ClusterId) -> None:
    """Give the cluster the source's newest catalog, as another hub may have decided."""
    shop = ids.SourceName("shop")
    current = hub.world.rollout(shop).current
    assert current is not None
    await hub.run(
        lambda _world: [
            rollouts.ClustersAdmitted(
                source=shop, rollout=current.id, stage=current.stages[0].name, catalog=current.catalog,
                clusters=(cluster,), at=hub.streams.now.isoformat(), reports_sequence=0,
            )
        ]
    )  # fmt: skip


async def test_more_deletions_than_fit_a_message_are_a_blob() -> None:
    names = [f"object-{number:03}-{'x' * 40}" for number in range(25)]
    hub = await rig.started(Streams())
    agent = Agent(hub, await hub.add_cluster("edge"))
    await hub.declare()
    await hub.resolve({"apps/web": [*names, *(f"stays-{number}" for number in range(300))]})
    await hub.settle(agent)
    await hub.resolve({"apps/web": [f"stays-{number}" for number in range(300)]})
    await hub.settle(agent)

    state = await agent.state()
    assert state is not None
    plain = await hub.shared.library.plain("deletions", state.deletions)
    assert desired.deletions_digest(plain) == state.deletions
    assert len(plain) > desired.DELETIONS_INLINE_BYTES_MAX


async def test_others_go_on_between_two_clusters() -> None:
    hub, agents = await begin(Streams(), clusters=5)
    # Asked for their names, no two of them are alike.
    await hub.declare(all_clusters=False, targets=(selectors.Target(names=("*",)),))
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    beside = asyncio.create_task(turn())
    await hub.publishing.derive(list(hub.world.clusters.values()))
    beside.cancel()
    await asyncio.gather(beside, return_exceptions=True)

    assert turns >= len(agents)
