"""What nothing names is deleted from a real stream, and the fleet goes on without it."""

import datetime

import pytest

from controller.domain import sweeping
from controller.reactors import sweeping as reactor
from tests.fixtures.fleet import Fleet, Site

pytestmark = [pytest.mark.nats, pytest.mark.timeout(900)]

NOTHING_OLD = reactor.Keeping(
    retention=datetime.timedelta(microseconds=1), interval_s=3600, grace=datetime.timedelta(0)
)


async def test_the_fleet_goes_on_after_a_sweep(fleet: Fleet, fleet_sandbox: list[Site]) -> None:
    """A cluster that slept holds a root that is long overtaken; a commit comes back whose content was deleted."""
    for name in ("a", "b", "sleeper"):  # the first stage is "a": a stage of sleepers would wait
        await fleet.add_cluster(name, fleet_sandbox.pop(), {})
    await fleet.declare()
    await fleet.completed(fleet.merge(fleet.settings("1"), "first"))
    await fleet.stop_agent("sleeper")
    by_name = {one.name: one.id for one in fleet.hub.shared.world.clusters.values()}
    await fleet.until("it is offline", lambda: by_name["sleeper"] not in fleet.hub.shared.online())
    for value in ("2", "3", "4"):
        await fleet.completed(fleet.merge(fleet.settings(value), value))

    before = await fleet.hub.doors.blobs.held()
    swept = await _sweep(fleet)
    after = await fleet.hub.doors.blobs.held()
    # "1" is what the sleeper has, "3" what the last rollout began from: of "2" root, index, manifest and catalog go.
    assert (swept.blobs, before.blobs - after.blobs) == (4, 4)
    assert after.size < before.size
    assert await _sweep(fleet) == sweeping.Swept()

    fleet.start_agent("sleeper")
    await fleet.until("it is awake", lambda: by_name["sleeper"] in fleet.hub.shared.online())
    await fleet.completed(fleet.merge(fleet.settings("2"), "again"))
    assert await _values(fleet) == dict.fromkeys(fleet.sites, "2")

    await _sweep(fleet)
    await fleet.stop_hub()
    await fleet.start_hub()
    await fleet.completed(fleet.merge(fleet.settings("1"), "back"))
    await fleet.until("all are heard", lambda: len(fleet.hub.shared.online()) == 3)
    await fleet.completed(fleet.merge(fleet.settings("5"), "fifth"))
    assert await _values(fleet) == dict.fromkeys(fleet.sites, "5")


async def _sweep(fleet: Fleet) -> sweeping.Swept:
    """What the second of two sweeps deletes: what both found."""
    doors = fleet.hub.doors
    made = reactor.Sweeping(fleet.hub.shared, doors.log, desired=doors.desired, shelf=doors.blobs, keeping=NOTHING_OLD)
    assert await made.sweep() == sweeping.Swept()
    return await made.sweep()


async def _values(fleet: Fleet) -> dict[str, str]:
    found = {}
    for name, site in fleet.sites.items():
        live = await site.find(f"/api/v1/namespaces/{fleet.namespace}/configmaps/settings")
        assert live is not None
        found[name] = live["data"]["value"]
    return found
