"""What the hub holds in memory follows what is in force, not how many commits there were."""

import asyncio

import pytest

from controller.domain import assignments
from controller.reactors import forgetting
from protocol import canonical
from tests.controller.reactors import rig
from tests.controller.reactors.rig import Agent, Hub, Streams


async def begin(of: Streams) -> tuple[Hub, Agent, forgetting.Forgetting]:
    hub = await rig.started(of)
    agent = Agent(hub, await hub.add_cluster("edge"))
    await hub.declare()
    await go_on(hub, agent, 0)
    return hub, agent, forgetting.Forgetting(hub.shared, hub.shelves)


async def go_on(hub: Hub, agent: Agent, number: int) -> None:
    await agent.beat()
    await hub.resolve({"apps/web": [f"object-{number}"]})
    await hub.settle(agent)


def held(hub: Hub) -> int:
    return len(hub.shelves.catalogs) + len(hub.shelves.indexes) + len(hub.shelves.roots)


async def test_a_hundred_commits_take_no_more_than_a_few() -> None:
    hub, agent, made = await begin(Streams())
    sizes = []
    for number in range(100):
        await go_on(hub, agent, number)
        made.look()
        sizes.append(held(hub))

    # What is in force: the last catalog and its base, their indexes, the root. And what one look found needless.
    assert max(sizes) <= 12
    assert sizes[-1] <= max(sizes[:10])


async def test_what_is_in_force_stays_and_is_never_read_again() -> None:
    of = Streams()
    hub, agent, made = await begin(of)
    await go_on(hub, agent, 1)
    await go_on(hub, agent, 2)

    assert [bool(made.look()) for _ in range(4)] == [False, True, False, False]

    of.blobs.stored.clear()  # who reads one fails
    outcomes = await hub.publishing.derive(list(hub.world.clusters.values()))
    assert [one.bundle for one in outcomes[agent.cluster].derived.root.bundles] == ["shop/apps/web"]
    assert hub.shelves.catalogs.keys() == assignments.catalog_digests(hub.world)


async def test_what_is_asked_for_in_between_stays() -> None:
    hub, agent, made = await begin(Streams())
    [source] = hub.world.sources.values()
    old = source.catalog
    for number in range(1, 4):
        await go_on(hub, agent, number)
    assert old not in assignments.catalog_digests(hub.world)

    made.look()
    await hub.shelves.need_catalogs([old])
    made.look()
    assert old in hub.shelves.catalogs
    made.look()
    assert old not in hub.shelves.catalogs

    await hub.shelves.need_catalogs([old])
    assert old in hub.shelves.catalogs
    assert canonical.NO_DIGEST in hub.shelves.roots


async def test_it_looks_at_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    hub, agent, made = await begin(Streams())
    await go_on(hub, agent, 1)
    await go_on(hub, agent, 2)
    before = held(hub)
    monkeypatch.setattr(forgetting, "LOOK_S", 0.001)

    running = asyncio.ensure_future(made.run())
    while held(hub) == before:  # noqa: ASYNC110 - nothing else tells of it; the test's time-out bounds it
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait([running])
