"""API servers that refuse, fail, stall or hang: each is a named failure, harms only its own bundle, and passes."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from agents import planning
from protocol import reports
from protocol.status import Sync
from tests.agents import faults
from tests.agents.conftest import SYSTEM, Place, Station
from tests.agents.publisher import Publisher, bundle, config_map, deletion

pytestmark = pytest.mark.nats


REQUEST_S = 2.0
"""Of an agent that is not to wait long for what hangs; elsewhere a busy machine may take its time."""


@pytest.fixture
async def proxy(place: Place, station: Station, tmp_path: Path) -> AsyncIterator[faults.Proxy]:
    """The station's agent goes through a proxy that a test can make misbehave."""
    async with faults.proxied(place.access, tmp_path) as (made, way):
        station.identity = msgspec.structs.replace(station.identity, access=way)
        yield made


def impatient(station: Station, *, status: int = 0) -> None:
    """The agent waits for no answer for long, where none comes (status 0)."""
    if not status:
        station.options = station.faster(request_timeout=REQUEST_S)


@pytest.mark.parametrize(
    ("status", "reason", "expected"),
    [
        (400, "BadRequest", "Invalid"),
        (403, "Forbidden", "Forbidden"),
        (409, "Conflict", "Conflict"),
        (422, "Invalid", "Invalid"),
        (429, "TooManyRequests", "TooManyRequests"),
        (500, "InternalError", "InternalError"),
        (503, "ServiceUnavailable", "InternalError"),
        (0, "", "Timeout"),
    ],
)
async def test_a_refused_object_fails_by_name_and_is_retried(
    place: Place,
    station: Station,
    hub_of_test: Publisher,
    proxy: faults.Proxy,
    *,
    status: int,
    reason: str,
    expected: str,
) -> None:
    """The other bundle is applied meanwhile; when the fault is over, the bundle heals by itself and says so."""
    impatient(station, status=status)
    fault = proxy.strike("PATCH", "/configmaps/bad", status=status, reason=reason)
    async with station.running():
        await hub_of_test.publish(
            bundle("bad", config_map("bad", place.namespace)), bundle("good", config_map("good", place.namespace))
        )
        applied = await hub_of_test.applied()
        failed = await hub_of_test.hear(reports.Failed)
        assert {item.bundle: item.sync for item in applied.bundles} == {
            "test/bad": Sync.OUT_OF_SYNC,
            "test/good": Sync.SYNCED,
        }
        assert [item.reason for item in failed.bundles[0].failures] == [expected]
        assert await place.config_map("good") is not None

        fault.times = 0
        healed = await hub_of_test.hear(reports.Applied, lambda report: report is not applied)
        await hub_of_test.hear(reports.Failed, lambda report: report.bundles == ())

    assert [(item.bundle, item.sync) for item in healed.bundles] == [("test/bad", Sync.SYNCED)]


async def test_a_short_stall_is_no_failure(
    place: Place, station: Station, hub_of_test: Publisher, proxy: faults.Proxy
) -> None:
    """A server that sheds load for a moment (429 with Retry-After) is asked again within the pass."""
    proxy.strike("PATCH", "/configmaps/settings", status=429, times=2, headers={"Retry-After": "0"})
    async with station.running():
        await hub_of_test.publish(bundle("web", config_map("settings", place.namespace)))
        applied = await hub_of_test.applied()

    assert applied.bundles[0].sync is Sync.SYNCED
    assert hub_of_test.of(reports.Failed) == []


async def test_an_apply_whose_answer_was_lost_is_ours_all_the_same(
    place: Place, station: Station, hub_of_test: Publisher, proxy: faults.Proxy
) -> None:
    """The object was created, the answer never came: the next try finds it, and it is not taken for adopted."""
    proxy.strike("PATCH", "/configmaps/settings", status=500, times=faults.ALWAYS, after=True)
    async with station.running():
        await hub_of_test.publish(bundle("web", config_map("settings", place.namespace)))
        await hub_of_test.hear(reports.Failed)
        proxy.faults.clear()
        await hub_of_test.hear(reports.Applied, lambda report: report.bundles[0].sync is Sync.SYNCED)

    (entry,) = await place.inventory()
    assert entry.uid
    assert not entry.adopted


@pytest.mark.parametrize("status", [403, 500, 0])
async def test_an_unreadable_inventory_stops_applies_and_prunes(
    place: Place, station: Station, hub_of_test: Publisher, proxy: faults.Proxy, *, status: int
) -> None:
    """It is never taken for an empty one: nothing is applied or deleted until it can be read."""
    impatient(station, status=status)
    goes = config_map("goes", place.namespace)
    before = bundle("web", goes)
    async with station.running():
        await hub_of_test.publish(before)
        await hub_of_test.applied()
    fault = proxy.strike("GET", SYSTEM, status=status)
    await hub_of_test.publish(
        bundle("web", config_map("comes", place.namespace)), deletions=[deletion("d1", goes, before)]
    )
    async with station.running():
        await place.patience(lambda: fault.struck >= 3)
        assert await place.config_map("goes") is not None
        assert await place.config_map("comes") is None
        fault.times = 0
        deleted = await hub_of_test.hear(reports.Deleted)

    assert [item.outcome for item in deleted.confirmations] == [reports.Outcome.GONE]
    assert await place.config_map("comes") is not None


@pytest.mark.parametrize("status", [403, 500, 0])
async def test_a_delete_that_fails_stays_owed(
    place: Place, station: Station, hub_of_test: Publisher, proxy: faults.Proxy, *, status: int
) -> None:
    """It stays in the inventory, is reported as undeleted, and is tried again."""
    impatient(station, status=status)
    goes = config_map("goes", place.namespace)
    before = bundle("web", goes)
    fault = proxy.strike("DELETE", "/configmaps/goes", status=status)
    async with station.running():
        await hub_of_test.publish(before)
        await hub_of_test.applied()
        await hub_of_test.publish(bundle("web"), deletions=[deletion("d1", goes, before)])
        await hub_of_test.hear(reports.Deleted, lambda report: bool(report.undeleted))
        assert len(await place.inventory()) == 1
        fault.times = 0
        await hub_of_test.hear(reports.Deleted, lambda report: bool(report.confirmations))

    assert await place.config_map("goes") is None


async def test_discovery_that_fails_is_not_the_absence_of_a_kind(
    place: Place, station: Station, hub_of_test: Publisher, proxy: faults.Proxy
) -> None:
    """While `apps` cannot be discovered, its object fails by that reason, is no orphan, and is not pruned."""
    manifest = {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {"name": "one", "namespace": place.namespace},
        "revision": 1,
        "data": {"kept": "here"},
    }
    web = bundle("web", manifest)
    async with station.running():
        await hub_of_test.publish(web)
        await hub_of_test.applied()
    fault = proxy.strike("GET", "/apis/apps/v1", status=503)
    heard = len(hub_of_test.heard)
    async with station.running():
        failed = await hub_of_test.hear(reports.Failed, after=heard)
        assert [item.reason for item in failed.bundles[0].failures] == ["InternalError"]
        fault.times = 0
        await hub_of_test.hear(
            reports.Applied, lambda report: any(item.sync is Sync.SYNCED for item in report.bundles), after=heard
        )

    assert hub_of_test.of(reports.Orphaned) == []


async def test_a_hidden_namespace_is_not_deleted(
    place: Place, station: Station, hub_of_test: Publisher, proxy: faults.Proxy
) -> None:
    """What is in it cannot be listed: that is no proof that it is empty."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": place.namespace}}
    before = bundle("web", namespace)
    proxy.strike("GET", f"/namespaces/{place.namespace}/secrets", status=403, reason="Forbidden")
    async with station.running():
        await hub_of_test.publish(before)
        await hub_of_test.applied()
        await hub_of_test.publish(bundle("web"), deletions=[deletion("d1", namespace, before)])
        deleted = await hub_of_test.hear(reports.Deleted)

    assert [item.reason for item in deleted.undeleted] == ["Forbidden"]
    assert await place.find(f"/api/v1/namespaces/{place.namespace}") is not None


async def test_an_api_server_that_is_away_is_reported_and_waited_for(
    place: Place, station: Station, hub_of_test: Publisher, proxy: faults.Proxy
) -> None:
    """Everything fails for a while: heartbeats go on, the hub hears why, and then the state is applied."""
    impatient(station)
    async with station.running():
        await hub_of_test.publish(bundle("web", config_map("settings", place.namespace, colour="blue")))
        await hub_of_test.applied()
        outage = [proxy.strike(method, "/", status=0) for method in ("GET", "PATCH", "POST")]
        beats = hub_of_test.beats
        await hub_of_test.publish(bundle("web", config_map("settings", place.namespace, colour="red")))
        await place.patience(lambda: hub_of_test.beats > beats + 3)
        for fault in outage:
            fault.times = 0
        await hub_of_test.applied()

    found = await place.config_map("settings")
    assert found is not None
    assert found["data"] == {"colour": "red"}


async def test_a_secret_never_leaves_in_a_message(
    place: Place, station: Station, hub_of_test: Publisher, proxy: faults.Proxy
) -> None:
    """The server quotes the value; the report does not."""
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "password", "namespace": place.namespace},
        "stringData": {"password": "correct-horse"},
    }
    proxy.strike("PATCH", "/secrets/password", status=422, reason="Invalid", message="invalid value: correct-horse")
    async with station.running():
        await hub_of_test.publish(bundle("web", secret))
        failed = await hub_of_test.hear(reports.Failed)

    (failure,) = failed.bundles[0].failures
    assert failure.reason == "Invalid"
    assert "correct-horse" not in failure.message


async def test_a_plan_gives_up_when_nobody_answers_and_says_what_it_saw(
    place: Place, station: Station, hub_of_test: Publisher, proxy: faults.Proxy
) -> None:
    """A few silent requests are failures of their objects; many in a row end the look. The next one is whole again,
    and none of it kept the reconciler from its work."""
    impatient(station)
    many = bundle("web", *(config_map(f"c{number:03}", place.namespace) for number in range(100)))
    async with station.running():
        await hub_of_test.publish(bundle("web", config_map("settings", place.namespace)))
        await hub_of_test.applied()
        fault = proxy.strike("PATCH", "/configmaps/c")
        silent = await hub_of_test.forecast(many)
        await hub_of_test.publish(bundle("web", config_map("more", place.namespace)))
        await hub_of_test.applied()
        fault.times = 0
        whole = await hub_of_test.forecast(many)

    assert f"no answer within {REQUEST_S:g} s" in silent.problem
    assert {item.reason for item in silent.objects} == {"Timeout"}
    assert len(silent.objects) < planning.SILENT_MAX
    assert (len(whole.objects), whole.problem) == (100, "")
