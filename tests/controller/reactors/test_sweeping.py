"""Sweeping: nothing that is needed goes, whatever happened before; what cannot be known keeps everything."""

import asyncio
import datetime
from collections.abc import Iterable

import pytest

from controller import errors, library
from controller.domain import assignments, catalogs, fleet, sweeping, world
from controller.reactors import sweeping as reactor
from protocol import canonical, messages, sealing
from protocol.events import fleet as fleet_events
from tests.controller.reactors import rig
from tests.controller.reactors.rig import Agent, Hub, Streams
from tests.fixtures import streams

DAY_S = 86_400.0
KEEPING = reactor.Keeping(retention=datetime.timedelta(days=30), interval_s=0.01)
CONTENTS = {"a": {"apps/web": ["a", "b"]}, "b": {"apps/web": ["a"]}, "c": {"apps/web": ["a"], "apps/shop": ["c"]}}


def sweeper(hub: Hub, keeping: reactor.Keeping = KEEPING) -> reactor.Sweeping:
    of = hub.streams
    return reactor.Sweeping(hub.shared, of.log, desired=of.desired, shelf=of.blobs, keeping=keeping)


async def begin(of: Streams) -> tuple[Hub, Agent]:
    """A hub with one cluster that holds "a"."""
    hub = await rig.started(of)
    agent = Agent(hub, await hub.add_cluster("edge"))
    await hub.declare()
    await go_on(hub, agent, "a")
    return hub, agent


async def go_on(hub: Hub, agent: Agent, content: str) -> None:
    """Let the fleet follow another commit."""
    await agent.beat()
    await hub.resolve(CONTENTS[content])
    await hub.settle(agent)


async def check_all_is_there(of: Streams, since: datetime.datetime) -> None:
    """All that is desired, and all that was in force since then, can be read from the stream."""
    shelves, then = library.Library(of.blobs), world.World()
    given: set[canonical.Digest] = set()
    async for stored in of.log.read(0):
        record = then.take(stored.sequence, stored.subject, stored.body)
        if record.at < since:
            given.clear()
        given |= assignments.catalog_digests(then)
    states = [messages.STATE.decode(messages.SIGNED.decode(one.body).payload) for one in await of.desired.all()]
    await shelves.need_catalogs(given)
    await shelves.need_roots([one.root for one in states])
    indexes = {one for digest in given for one in catalogs.indexes_named(shelves.catalogs[digest])}
    await shelves.need_indexes(indexes | {one.index for root in shelves.roots.values() for one in root.bundles})


async def twice(made: reactor.Sweeping) -> sweeping.Swept:
    """What two sweeps delete: the second what the first found."""
    assert await made.sweep() == sweeping.Swept()
    return await made.sweep()


async def moved_on(of: Streams) -> tuple[Hub, Agent]:
    """A hub with one cluster that went from "a" to "b" to "c": "b" is what its last rollout began from."""
    hub, agent = await begin(of)
    await go_on(hub, agent, "b")
    await go_on(hub, agent, "c")
    return hub, agent


async def test_what_nothing_names_goes_after_the_retention() -> None:
    of = Streams()
    hub, agent = await begin(of)
    state = await agent.state()
    assert state is not None
    old_root = sealing.blob_name(state.root)
    size = len(of.blobs.stored[old_root])
    of.later(10 * DAY_S)
    await go_on(hub, agent, "b")
    await go_on(hub, agent, "c")
    made = sweeper(hub)
    assert await twice(made) == sweeping.Swept(blobs=1, size=size)
    before = set(of.blobs.stored)

    of.later(29 * DAY_S)
    assert await twice(made) == sweeping.Swept()
    of.later(2 * DAY_S)
    swept = await twice(made)

    left = set(of.blobs.stored)
    assert (swept.blobs, len(before - left), left - before) == (2, 2, set())  # the old catalog, and its index
    await check_all_is_there(of, of.now)


async def test_what_is_younger_than_the_grace_stays_whatever_names_it() -> None:
    of = Streams()
    hub, _ = await moved_on(of)
    keeping = reactor.Keeping(retention=datetime.timedelta(seconds=1), interval_s=1)
    of.later(DAY_S)

    assert await twice(sweeper(hub, keeping)) == sweeping.Swept()
    of.later(1)
    assert (await twice(sweeper(hub, keeping))).blobs == 3


async def test_what_was_in_force_within_the_grace_stays_whatever_the_retention_is() -> None:
    """An agent may be fetching it."""
    of = Streams()
    hub, agent = await begin(of)
    keeping = reactor.Keeping(retention=datetime.timedelta(seconds=1), interval_s=1)
    before = set(of.blobs.stored)
    state = await agent.state()
    assert state is not None
    root = sealing.blob_name(state.root)
    of.later(2 * DAY_S)
    await go_on(hub, agent, "b")
    await go_on(hub, agent, "c")
    of.later(DAY_S / 2)

    assert (await twice(sweeper(hub, keeping))).blobs == 1
    assert before - set(of.blobs.stored) == {root}


async def test_what_is_named_between_two_sweeps_stays() -> None:
    """Here by a hub that believes that it has stored it a moment ago: its machine slept for weeks."""
    of = Streams()
    hub, agent = await moved_on(of)
    of.later(40 * DAY_S)
    made = sweeper(hub)
    await made.sweep()
    again = await rig.started(of, blobs=Sleeper(of))
    await go_on(again, Agent(again, agent.cluster), "a")

    await made.sweep()

    await check_all_is_there(of, of.now)


class Sleeper(streams.Blobs):
    """What is stored already is believed to be stored."""

    def __init__(self, of: Streams) -> None:
        super().__init__(of.clock)
        self._of = of
        self.get = of.blobs.get  # type: ignore[method-assign]

    async def put(self, given: Iterable[sealing.Sealed]) -> None:
        await self._of.blobs.put(blob for blob in given if blob.name not in self._of.blobs.stored)


async def test_an_old_commit_that_comes_back_is_stored_anew() -> None:
    of = Streams()
    hub, agent = await moved_on(of)
    of.later(40 * DAY_S)
    assert (await twice(sweeper(hub))).blobs == 3
    again = await rig.started(of)
    returned = Agent(again, agent.cluster)

    await go_on(again, returned, "a")

    assert [one.bundle for one in (await returned.root()).bundles] == ["shop/apps/web"]
    await check_all_is_there(of, of.now)


async def test_what_cannot_be_read_keeps_everything() -> None:
    of = Streams()
    hub, _ = await moved_on(of)
    of.later(40 * DAY_S)
    before = dict(of.blobs.stored)

    of.desired.faults.fail()
    with pytest.raises(errors.Unavailable):
        await sweeper(hub).sweep()
    of.blobs.faults.fail()
    with pytest.raises(errors.Unavailable):
        await sweeper(hub).sweep()
    catalog = hub.world.sources[next(iter(hub.world.sources))].catalog
    data = of.blobs.stored.pop(sealing.blob_name(catalog))
    made = sweeper(hub)
    for _ in range(2):
        with pytest.raises(library.MissingBlobError):
            await made.sweep()

    assert {**of.blobs.stored, sealing.blob_name(catalog): data} == before


async def test_a_hub_in_recovery_and_one_that_should_not_sweep_nothing() -> None:
    of = Streams()
    hub, agent = await moved_on(of)
    of.later(40 * DAY_S)
    for_ever = reactor.Keeping(retention=datetime.timedelta(0), interval_s=1)
    assert await twice(sweeper(hub, for_ever)) == sweeping.Swept()
    made = sweeper(hub)
    await made.sweep()

    lost = fleet_events.RecoveryEntered(reason="it is ahead", cluster=agent.cluster, epoch=9, generation=9)
    await hub.run(lambda found: fleet.enter_recovery(found.fleet, lost))

    assert await twice(made) == sweeping.Swept()


async def test_a_recovery_that_begins_in_the_midst_of_a_sweep_ends_it() -> None:
    of = Streams()
    hub, agent = await moved_on(of)
    of.later(40 * DAY_S)
    made = sweeper(hub)
    await made.sweep()
    lost = fleet_events.RecoveryEntered(reason="it is ahead", cluster=agent.cluster, epoch=9, generation=9)
    remove = of.blobs.remove

    async def removed(blob: sweeping.Held) -> None:
        await remove(blob)
        await hub.run(lambda found: fleet.enter_recovery(found.fleet, lost))

    of.blobs.remove = removed  # type: ignore[method-assign]

    assert (await made.sweep()).blobs == 1


async def test_what_a_cluster_was_given_before_a_recovery_stays() -> None:
    """No rollout tells of it any more, but it lies on the cluster's subject."""
    of = Streams()
    hub, agent = await begin(of)
    lost = fleet_events.RecoveryEntered(reason="it is ahead", cluster=agent.cluster, epoch=9, generation=9)
    await hub.run(lambda found: fleet.enter_recovery(found.fleet, lost))
    await hub.run(lambda found: fleet.recover(found.fleet, "restored"))
    await hub.resolve(CONTENTS["b"])
    await hub.resolve(CONTENTS["c"])
    of.later(40 * DAY_S)

    await twice(sweeper(hub))

    await check_all_is_there(of, of.now)
    assert [one.bundle for one in (await agent.root()).bundles] == ["shop/apps/web"]


async def test_a_sweep_looks_at_so_many_and_the_next_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    of = Streams()
    hub, _ = await moved_on(of)
    of.later(40 * DAY_S)
    made, whole = sweeper(hub), len(of.blobs.stored)
    monkeypatch.setattr(reactor, "WALK_MAX", 2)

    assert sum([(await made.sweep()).blobs for _ in range(whole + 1)]) == 3

    await check_all_is_there(of, of.now)


async def test_a_sweep_is_bounded_and_the_next_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    of = Streams()
    hub, _ = await moved_on(of)
    of.later(40 * DAY_S)
    made, whole = sweeper(hub), len(of.blobs.stored)
    monkeypatch.setattr(reactor, "DELETED_MAX", 1)

    assert [(await made.sweep()).blobs for _ in range(5)] == [0, 1, 1, 1, 0]

    assert len(of.blobs.stored) == whole - 3
    monkeypatch.setattr(reactor, "NAMED_MAX", 1)
    with pytest.raises(reactor.TooManyError, match="more than 1 are named"):
        await made.sweep()


async def test_it_sweeps_at_intervals_and_goes_on_after_a_failure() -> None:
    of = Streams()
    hub, _ = await moved_on(of)
    of.later(40 * DAY_S)
    made, told = sweeper(hub), asyncio.Queue[sweeping.Swept]()
    made.told = lambda swept, _holding: told.put_nowait(swept)
    of.blobs.faults.fail()

    running = asyncio.ensure_future(made.run())
    swept = [await told.get(), await told.get(), await told.get()]
    running.cancel()
    await asyncio.wait([running])

    assert [one.blobs for one in swept] == [0, 3, 0]
    assert hub.shared.counts["sweeps", "failed"] == 1
    assert hub.shared.counts["sweeps", "done"] >= 3


async def test_a_hub_that_slept_for_days_waits_another_interval() -> None:
    of = Streams()
    hub, _ = await begin(of)
    made, told = sweeper(hub), asyncio.Queue[sweeping.Swept]()
    made.told = lambda swept, _holding: told.put_nowait(swept)
    clock = iter([of.now, of.now + datetime.timedelta(days=3)])
    slept: list[datetime.datetime] = []

    def times() -> datetime.datetime:
        slept.append(next(clock, of.now + datetime.timedelta(days=3)))
        return slept[-1]

    hub.shared.clock = times
    running = asyncio.ensure_future(made.run())
    await told.get()
    running.cancel()
    await asyncio.wait([running])

    assert len(slept) >= 4  # two for the sleep, two for a quiet interval: only then it swept
