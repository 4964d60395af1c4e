"""The hub is away: the agent goes on, restarts, and tells all of it later, in order."""

import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from agents import disk
from protocol import reports
from tests.agents import faults
from tests.agents.conftest import Place, Station
from tests.agents.publisher import Publisher, bundle, config_map
from tests.fixtures.nats import Rig

pytestmark = pytest.mark.nats


@pytest.fixture
async def proxy(place: Place, station: Station, tmp_path: Path) -> AsyncIterator[faults.Proxy]:
    """The station's agent goes through a proxy that a test can make misbehave, and resyncs often."""
    async with faults.proxied(place.access, tmp_path) as (made, way):
        station.identity = msgspec.structs.replace(station.identity, access=way)
        station.options = station.faster(resync=0.3)
        yield made


def waiting(station: Station) -> list[str]:
    """Subjects of the reports on the agent's disk, the oldest first."""
    path = station.directory / station.identity.credentials.cluster / disk.FILE
    with contextlib.closing(sqlite3.connect(path)) as database:
        first = database.execute("SELECT first FROM drawer").fetchone()
        rows = database.execute("SELECT subject FROM letters WHERE number >= ? ORDER BY number", first or (0,))
        return [subject.rpartition(".")[2] for (subject,) in rows]


async def colour(place: Place, wanted: str) -> None:
    """Until the object has this colour."""
    path = f"/api/v1/namespaces/{place.namespace}/configmaps/settings"
    await place.until(path, lambda found: found["data"]["colour"] == wanted)


async def paint(place: Place, shade: str) -> None:
    """Let somebody else change the object."""
    path = f"/api/v1/namespaces/{place.namespace}/configmaps/settings"
    await place.foreign.merge(path, {"data": {"colour": shade}})


async def test_an_agent_goes_on_without_its_hub_and_tells_all_of_it_in_order(
    place: Place, station: Station, hub_of_test: Publisher, proxy: faults.Proxy, rig: Rig
) -> None:
    """It corrects drift, fails, is stopped, starts without a hub, corrects drift again; then the hub hears both boots
    in their order, without a gap, and gets its newest state applied."""
    settings = config_map("settings", place.namespace, colour="blue")
    parts = (bundle("web", settings), bundle("frail", config_map("frail", place.namespace)))
    async with station.running():
        await hub_of_test.publish(*parts)
        await hub_of_test.applied()
        await rig.server.stop()
        await paint(place, "red")
        await colour(place, "blue")
        fault = proxy.strike("PATCH", "/configmaps/frail", status=422, reason="Invalid")
        await place.patience(lambda: "failed" in waiting(station))
    first = waiting(station)
    fault.times = 0
    async with station.running():
        await paint(place, "green")
        await colour(place, "blue")
        await place.patience(lambda: "applied" in waiting(station)[len(first) :])
        assert waiting(station)[: len(first)] == first
        await rig.start()
        newest = config_map("settings", place.namespace, colour="white")
        await hub_of_test.publish(bundle("web", newest), bundle("frail", config_map("frail", place.namespace)))
        await hub_of_test.applied()

    await colour(place, "white")
    order = [(report.origin.boot, report.origin.number) for report in hub_of_test.heard]
    boots = sorted({boot for boot, _ in order})
    numbers = [[number for found, number in order if found == boot] for boot in boots]
    assert order == sorted(order)
    assert len(boots) == 2
    assert numbers == [list(range(1, len(found) + 1)) for found in numbers]
    assert [report.origin.boot for report in hub_of_test.of(reports.Failed) if report.bundles] == boots[:1]


async def test_what_has_no_room_is_said_anew_and_counted(
    place: Place, station: Station, hub_of_test: Publisher, proxy: faults.Proxy, rig: Rig
) -> None:
    """The outbox holds two reports; the bundles that were spoken of in the lost ones are told again."""
    station.options = station.faster(outbox_max=2)
    names = [f"part-{number}" for number in range(5)]
    async with station.running():
        await hub_of_test.publish(*(bundle(name, config_map(name, place.namespace)) for name in names))
        await hub_of_test.applied()
        await rig.server.stop()
        for name in names:
            seen = proxy.strike("PATCH", f"/configmaps/{name}", status=422, reason="Invalid", message=name)
            await place.patience(lambda seen=seen: seen.struck > 1)  # type: ignore[misc]
        heard = len(hub_of_test.heard)
        await rig.start()
        hello = await hub_of_test.hear(reports.Hello, lambda report: report.lost > 0, after=heard)
        failed = await hub_of_test.hear(
            reports.Failed, lambda report: report.origin.number > hello.origin.number, after=heard
        )

    assert sorted(item.bundle for item in failed.bundles) == [f"test/{name}" for name in names]
