"""Reports and beats as the hub reads them."""

import asyncio
import contextlib
import datetime
from collections.abc import AsyncGenerator

import nats.aio.client
import pytest

from controller.broker import beats as broker_beats
from controller.broker import doors
from controller.store import records
from protocol import credentials, ids, subjects
from tests.fixtures import nats as rigs

pytestmark = pytest.mark.nats

MINUTE = datetime.timedelta(minutes=1)

HEARD_WITHIN_S = 60
"""Until all that was sent has been heard: a busy machine takes its time, only a lost message takes for ever."""


async def tell(held: credentials.Credentials, *bodies: bytes) -> None:
    async with rigs.connect_agent(held) as agent:
        for body in bodies:
            await agent.request(subjects.report(held.cluster, "hello"), body, timeout=60)


async def heard_first(
    agent: nats.aio.client.Client, beats: AsyncGenerator[broker_beats.Beat, None], subject: str
) -> broker_beats.Beat:
    """Beat until one is heard: core NATS loses what is sent before the subscription is known."""
    heard = asyncio.ensure_future(anext(beats))
    while not heard.done():
        await agent.publish(subject, b"beat")
        await asyncio.wait([heard], timeout=0.05)
    return heard.result()


async def test_stored_reports_come_first_then_live_ones(hub: doors.Doors, new_cluster: rigs.NewCluster) -> None:
    held = await new_cluster("a")
    await tell(held, b"1", b"2")

    async with contextlib.aclosing(hub.reports.read(0)) as reports:
        stored = [await anext(reports), await anext(reports)]
        await tell(held, b"3")
        live = await anext(reports)

    assert [one.body for one in [*stored, live]] == [b"1", b"2", b"3"]
    assert [one.sequence for one in [*stored, live]] == [1, 2, 3]
    assert all(
        one.at is not None and abs(datetime.datetime.now(datetime.UTC) - one.at) < MINUTE for one in [*stored, live]
    )
    assert live.subject == subjects.report(held.cluster, "hello")
    assert await hub.reports.last_sequence() == 3


async def test_a_reader_goes_on_after_the_server_crashed(
    rig: rigs.Rig, hub: doors.Doors, new_cluster: rigs.NewCluster
) -> None:
    held = await new_cluster("a")
    await tell(held, b"before")

    async with contextlib.aclosing(hub.reports.read(0)) as reports:
        before = await anext(reports)
        waiting = asyncio.ensure_future(anext(reports))
        await rig.crash()
        await tell(held, b"after")
        after = await waiting

    assert (before.body, after.body) == (b"before", b"after")


async def test_reports_that_ended_before_what_was_read_are_a_gap(hub: doors.Doors) -> None:
    async with contextlib.aclosing(hub.reports.read(7)) as reports:
        with pytest.raises(records.Gap):
            await anext(reports)


async def test_answers_that_were_read_are_let_go_and_nothing_else(
    hub: doors.Doors, new_cluster: rigs.NewCluster
) -> None:
    """Of every cluster; the reader goes on over the gaps."""
    one, other = await new_cluster("a"), await new_cluster("b")
    for held in (one, other):
        async with rigs.connect_agent(held) as agent:
            for kind in ("plan", "hello"):
                await agent.request(subjects.report(held.cluster, kind), kind.encode(), timeout=60)
    async with rigs.connect_agent(one) as agent:
        await agent.request(subjects.report(one.cluster, "plan"), b"newer", timeout=60)

    await hub.reports.forget_plans(4)
    async with contextlib.aclosing(hub.reports.read(0)) as reports:
        kept = [(stored.sequence, stored.body) for stored in [await anext(reports) for _ in range(3)]]

    assert kept == [(2, b"hello"), (4, b"hello"), (5, b"newer")]


async def test_beats_that_nobody_reads_are_dropped_from_the_oldest_and_counted(
    hub: doors.Doors, new_cluster: rigs.NewCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker_beats, "PENDING_MAX", 3)
    held = await new_cluster("a")
    subject = subjects.beat(held.cluster)

    async with contextlib.aclosing(hub.beats.read()) as beats, rigs.connect_agent(held) as agent:
        await heard_first(agent, beats, subject)
        await agent.publish(subject, b"begin")
        while await anext(beats) != (held.cluster, b"begin"):
            pass  # from here on nothing is under way and nothing waits
        before = hub.beats.dropped
        for number in range(100):
            await agent.publish(subject, str(number).encode())
        async with asyncio.timeout(HEARD_WITHIN_S):
            while hub.beats.dropped < before + 97:
                await hub.hub.request("$JS.API.INFO")  # a round trip: the loop turns, and reads what has come
        kept = [(await anext(beats))[1] for _ in range(3)]

    assert kept == [b"97", b"98", b"99"]
    assert hub.beats.dropped == before + 97


async def test_a_beat_names_the_cluster_that_its_subject_names(hub: doors.Doors, new_cluster: rigs.NewCluster) -> None:
    held = await new_cluster("a")

    async with contextlib.aclosing(hub.beats.read()) as beats, rigs.connect_agent(held) as agent:
        heard = await heard_first(agent, beats, subjects.beat(held.cluster))

    assert heard == (ids.ClusterId(held.cluster), b"beat")
