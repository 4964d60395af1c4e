"""Two agents for one cluster: one acts, the other waits and says so; nobody writes who may have lost the lease."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agents import lease_store
from agents.kube import access, client, errors, gates
from protocol import reports
from tests.agents import faults
from tests.agents.conftest import Place, Station
from tests.agents.publisher import Publisher, bundle, config_map

pytestmark = pytest.mark.nats

QUICK = {"lease_duration": 600.0, "lease_deadline": 400.0, "lease_retry": 0.2}
"""Who stops is followed at once: no test waits until it runs out, and nobody loses it because the machine is busy."""

BRIEF = {"lease_duration": 6.0, "lease_deadline": 4.0, "lease_retry": 0.2}
"""Where it runs out."""


@pytest.fixture
def second(station: Station, tmp_path: Path) -> Station:
    """Another agent of the same cluster, on a disk of its own."""
    station.options = station.faster(**QUICK)
    return msgspec.structs.replace(station, directory=tmp_path / "second")


@pytest.fixture
async def proxy(place: Place, station: Station, second: Station, tmp_path: Path) -> AsyncIterator[faults.Proxy]:
    """The first agent goes through a proxy that a test can make misbehave; the second does not."""
    async with faults.proxied(place.access, tmp_path) as (made, way):
        station.identity = msgspec.structs.replace(station.identity, access=way)
        yield made


async def lease(place: Place) -> dict[str, Any]:
    found = await place.find(lease_store.PATH)
    assert found is not None
    return dict(found["spec"])


async def test_the_second_agent_waits_says_so_and_takes_over_at_once_from_one_that_stops(
    place: Place, station: Station, second: Station, hub_of_test: Publisher
) -> None:
    acting = contextlib.AsyncExitStack()
    await acting.enter_async_context(station.running())
    await hub_of_test.hear(reports.Hello)
    first = await lease(place)
    async with second.running():
        waiting = await hub_of_test.standby(lambda one: one.holder == first["holderIdentity"] != one.agent)
        await hub_of_test.publish(bundle("web", config_map("settings", place.namespace, colour="blue")))
        await hub_of_test.applied()
        before = len(hub_of_test.heard)
        await acting.aclose()
        await hub_of_test.hear(reports.Hello, after=before)
        await hub_of_test.publish(bundle("web", config_map("settings", place.namespace, colour="red")))
        await hub_of_test.applied()
        found = await lease(place)

    assert found["holderIdentity"] == waiting.agent != first["holderIdentity"]
    assert found["leaseTransitions"] == first["leaseTransitions"] + 1
    assert "acts for this cluster" in waiting.reason
    boots = [report.origin.boot for report in hub_of_test.heard]
    assert boots == sorted(boots)
    assert len(set(boots)) == 2


async def test_a_stopped_agent_leaves_a_lease_that_nobody_holds(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    async with station.running():
        await hub_of_test.hear(reports.Hello)
        assert (await lease(place))["holderIdentity"]

    assert not (await lease(place)).get("holderIdentity")


async def test_a_renewal_that_is_cut_off_leaves_a_lease_that_nobody_holds(
    place: Place, station: Station, hub_of_test: Publisher, proxy: faults.Proxy
) -> None:
    """The API server stores it, and the agent is stopped before it hears so."""
    async with station.running():
        await hub_of_test.hear(reports.Hello)
        cut = proxy.strike("PATCH", "/leases/agent", times=1, after=True)
        await place.patience(lambda: cut.carried_out == 1)

    assert not (await lease(place)).get("holderIdentity")


async def test_an_agent_that_cannot_renew_has_stopped_writing_before_the_other_starts(
    place: Place, station: Station, second: Station, hub_of_test: Publisher, proxy: faults.Proxy
) -> None:
    """Its lease requests get no answer, all its others do. It is the one that would write on."""
    station.options = station.faster(**BRIEF, resync=0.1)
    second.options = station.faster(**BRIEF)
    path = f"/api/v1/namespaces/{place.namespace}/configmaps/settings"
    async with station.running():
        await hub_of_test.publish(bundle("web", config_map("settings", place.namespace, colour="blue")))
        await hub_of_test.applied()
        first = (await lease(place))["holderIdentity"]
        async with second.running():
            await hub_of_test.standby(lambda one: one.holder == first != one.agent)
            proxy.strike("PATCH", "/leases/agent")
            proxy.strike("GET", "/leases/agent")
            heard = len(hub_of_test.heard)
            await hub_of_test.hear(reports.Hello, after=heard)
            written = proxy.count("PATCH", "/configmaps/")
            assert (await lease(place))["holderIdentity"] != first
            # Whoever acts now reverts this; the one that lost writes nothing, however often it would resync.
            await place.foreign.merge(path, {"data": {"colour": "red"}})
            await hub_of_test.publish(bundle("web", config_map("settings", place.namespace, colour="green")))
            await place.until(path, lambda found: found["data"] == {"colour": "green"})
            await hub_of_test.standby(lambda one: one.agent == first)

    assert proxy.count("PATCH", "/configmaps/") == written


async def test_a_lease_that_somebody_takes_by_force_ends_the_work_at_once(
    place: Place, station: Station, second: Station, hub_of_test: Publisher
) -> None:
    async with station.running():
        await hub_of_test.hear(reports.Hello)
        heard = len(hub_of_test.heard)
        await place.foreign.merge(lease_store.PATH, {"spec": {"holderIdentity": "a person", "leaseDurationSeconds": 5}})
        waiting = await hub_of_test.standby(lambda one: one.holder == "a person")
        hello = await hub_of_test.hear(reports.Hello, after=heard)

    assert waiting.reason == "a person acts for this cluster"
    assert hello.origin.number == 1


async def test_an_agent_that_may_not_use_leases_does_not_act_and_says_why(
    place: Place, station: Station, hub_of_test: Publisher, second: Station, proxy: faults.Proxy
) -> None:
    """Fail closed: without the lease nobody knows who else acts."""
    proxy.strike("GET", "/leases/agent", status=403, reason="Forbidden")
    async with station.running():
        await hub_of_test.publish(bundle("web", config_map("settings", place.namespace)))
        waiting = await hub_of_test.standby(lambda one: "403" in one.reason or "Forbidden" in one.reason)
        assert await place.config_map("settings") is None
        proxy.faults.clear()
        await hub_of_test.applied()

    assert waiting.holder == ""


async def test_one_directory_serves_one_process(station: Station, place: Place, hub_of_test: Publisher) -> None:
    """Two agents with one name would both believe that the lease is theirs."""
    async with station.running():
        await hub_of_test.hear(reports.Hello)
        with pytest.RaisesGroup(pytest.RaisesExc(Exception, match="in use by another process")):
            async with station.running():
                await asyncio.Event().wait()


async def test_writes_of_an_agent_without_a_lease_are_refused_by_its_own_client(place: Place) -> None:
    """The gate stands in the client itself: no path around it. Reads and dry runs pass."""
    session = access.Session(place.access)
    await session.open()
    try:
        shut = client.Client(session, client.Limits(), gate=gates.Gate(lambda: False))
        with pytest.raises(errors.NotLeading):
            await shut.create("/api/v1/namespaces", {"metadata": {"name": place.namespace}})
        assert await shut.get("/version")
    finally:
        await session.close()
