"""Bundles that wait for others."""

import pytest

from protocol import reports
from protocol.status import Health, Sync
from tests.agents.conftest import Place, Station
from tests.agents.publisher import Bundle, Publisher, after, bundle, config_map, deletion

pytestmark = pytest.mark.nats


def database(place: Place) -> Bundle:
    """It works once somebody says so, which only a test does: a kind of this test's own, with a condition."""
    group = f"{place.namespace}.example"
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": anything}}
    names = {"kind": "Base", "plural": "bases", "singular": "base", "listKind": "BaseList"}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"bases.{group}"},
        "spec": {"group": group, "names": names, "scope": "Namespaced", "versions": [version]},
    }
    base = {
        "apiVersion": f"{group}/v1",
        "kind": "Base",
        "metadata": {"name": "db", "namespace": place.namespace},
        "status": {"conditions": [{"type": "Ready", "status": "False", "reason": "Starting"}]},
    }
    return bundle("db", definition, base)


async def work(place: Place) -> None:
    path = f"/apis/{place.namespace}.example/v1/namespaces/{place.namespace}/bases/db"
    await place.foreign.merge(path, {"status": {"conditions": [{"type": "Ready", "status": "True"}]}})


def of(bundle_name: str, found: tuple[reports.BundleStatus, ...]) -> reports.BundleStatus:
    return next(item for item in found if item.bundle == f"test/{bundle_name}")


async def test_a_bundle_waits_until_the_other_is_ready(place: Place, station: Station, hub_of_test: Publisher) -> None:
    """It is under way meanwhile, says what it waits for, and goes on by itself once the other works."""
    db = database(place)
    web = after(bundle("web", config_map("settings", place.namespace)), db)
    async with station.running():
        await hub_of_test.publish(db, web)
        applied = await hub_of_test.applied()
        waiting = of("web", applied.bundles)
        assert (waiting.sync, waiting.health, waiting.failed) == (Sync.UNKNOWN, Health.PROGRESSING, 0)
        assert [item.message for item in waiting.failures] == ["waits for bundle test/db to be ready"]
        assert await place.config_map("settings") is None

        await work(place)
        await hub_of_test.hear(
            reports.Applied, lambda report: any(item.bundle == "test/web" and item.changed for item in report.bundles)
        )

    assert await place.config_map("settings") is not None


async def test_applied_is_enough_where_no_more_is_asked_for(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """One pass applies both, in their order, whatever the names say."""
    db = database(place)
    first = after(bundle("a", config_map("settings", place.namespace)), db, state="applied")
    async with station.running():
        await hub_of_test.publish(first, db)
        applied = await hub_of_test.applied()

    assert of("a", applied.bundles).sync is Sync.SYNCED
    assert of("db", applied.bundles).health is Health.PROGRESSING


async def test_a_failure_of_the_other_keeps_old_content_and_its_prunes_back(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """The second state breaks the database: the web keeps its settings, and what left it stays until it is whole."""
    settings, old = config_map("settings", place.namespace, colour="blue"), config_map("old", place.namespace)
    whole = bundle("db", config_map("db", place.namespace))
    async with station.running():
        await hub_of_test.publish(whole, after(bundle("web", settings, old), whole))
        await hub_of_test.applied()
        broken = bundle("db", config_map("no_such_name", place.namespace))
        changed = config_map("settings", place.namespace, colour="red")
        web = after(bundle("web", changed), whole)
        gone = deletion("d1", old, web)
        await hub_of_test.publish(broken, web, deletions=[gone])
        applied = await hub_of_test.applied()
        held = await hub_of_test.hear(reports.Deleted)
        found = await place.config_map("settings")
        assert of("web", applied.bundles).failures[0].reason == "DependencyNotReady"
        assert [item.reason for item in held.undeleted] == ["BundleNotApplied"]
        assert found is not None
        assert found["data"] == {"colour": "blue"}

        await hub_of_test.publish(whole, web, deletions=[gone])
        done = await hub_of_test.hear(reports.Deleted, lambda report: bool(report.confirmations))

    assert [item.outcome for item in done.confirmations] == [reports.Outcome.GONE]
    found = await place.config_map("settings")
    assert found is not None
    assert found["data"] == {"colour": "red"}


async def test_what_can_never_come_true_fails_by_name(place: Place, station: Station, hub_of_test: Publisher) -> None:
    """A bundle that is not placed here, and a circle; the others go ahead."""
    elsewhere = bundle("elsewhere")
    lost = after(bundle("lost", config_map("lost", place.namespace)), elsewhere)
    one, other = bundle("one", config_map("one", place.namespace)), bundle("other", config_map("two", place.namespace))
    free = bundle("free", config_map("free", place.namespace))
    async with station.running():
        await hub_of_test.publish(lost, after(one, other), after(other, one), free)
        failed = await hub_of_test.hear(reports.Failed)
        await hub_of_test.applied()

    assert {item.bundle: [why.reason for why in item.failures] for item in failed.bundles} == {
        "test/lost": ["DependencyMissing"],
        "test/one": ["DependencyCycle"],
        "test/other": ["DependencyCycle"],
    }
    assert {item.health for item in failed.bundles} == {Health.DEGRADED}
    assert [entry.object.name for entry in await place.inventory()] == ["free"]


async def test_an_agent_that_starts_again_goes_on_waiting(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """What was applied stays looked after; what waited still waits, and says so again."""
    db = database(place)
    async with station.running():
        await hub_of_test.publish(db, after(bundle("web", config_map("settings", place.namespace)), db))
        await hub_of_test.applied()
        heard = len(hub_of_test.heard)
    async with station.running():
        applied = await hub_of_test.hear(reports.Applied, after=heard)
        assert of("web", applied.bundles).failures[0].reason == "DependencyNotReady"
        await work(place)
        await place.until(f"/api/v1/namespaces/{place.namespace}/configmaps/settings", lambda _: True)
