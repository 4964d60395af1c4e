"""Objects that existed before us: when they become ours, and what happens to them when they leave Git."""

from typing import Any

import pytest

from protocol import reports
from protocol.bundles import Adopt, Prune
from protocol.status import Sync
from tests.agents.conftest import Place, Station
from tests.agents.publisher import Publisher, bundle, config_map, deletion

pytestmark = pytest.mark.nats


async def exist(place: Place, **data: str) -> dict[str, Any]:
    """Somebody else's object, in a namespace of theirs."""
    namespaces = "/api/v1/namespaces"
    await place.api.create(namespaces, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": place.namespace}})
    path = f"{namespaces}/{place.namespace}/configmaps"
    return await place.foreign.create(path, config_map("settings", place.namespace, **data))


async def test_never_leaves_an_existing_object_alone(place: Place, station: Station, hub_of_test: Publisher) -> None:
    """Not even where it is equal."""
    before = await exist(place, colour="blue")
    async with station.running():
        await hub_of_test.publish(
            bundle("web", config_map("settings", place.namespace, colour="blue"), adopt=Adopt.NEVER)
        )
        applied = await hub_of_test.applied()

    (status,) = applied.bundles
    assert (status.sync, [item.reason for item in status.failures]) == (Sync.OUT_OF_SYNC, ["AlreadyExists"])
    assert await place.config_map("settings") == before
    assert await place.inventory() == []


async def test_if_no_diff_adopts_an_equal_object(place: Place, station: Station, hub_of_test: Publisher) -> None:
    """Its fields are as Git wants them, so it is plainly the one: adopted, and said so."""
    before = await exist(place, colour="blue")
    async with station.running():
        await hub_of_test.publish(bundle("web", config_map("settings", place.namespace, colour="blue")))
        applied = await hub_of_test.applied()
        adopted = await hub_of_test.hear(reports.Adopted)

    assert applied.bundles[0].sync is Sync.SYNCED
    assert [item.name for item in adopted.objects] == ["settings"]
    (entry,) = await place.inventory()
    assert entry.adopted
    assert entry.uid == before["metadata"]["uid"]


async def test_if_no_diff_refuses_a_different_object(place: Place, station: Station, hub_of_test: Publisher) -> None:
    """The failure names the field, and nothing was touched."""
    before = await exist(place, colour="red")
    async with station.running():
        await hub_of_test.publish(bundle("web", config_map("settings", place.namespace, colour="blue")))
        applied = await hub_of_test.applied()

    (failure,) = applied.bundles[0].failures
    assert failure.reason in ("AlreadyExists", "Conflict")
    assert await place.config_map("settings") == before
    assert await place.inventory() == []


async def test_a_conflict_is_never_forced_on_a_first_apply(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """`always` adopts, but another manager's value stays another manager's until Git changes after the adoption."""
    await exist(place, colour="red")
    async with station.running():
        await hub_of_test.publish(
            bundle("web", config_map("settings", place.namespace, colour="blue"), adopt=Adopt.ALWAYS)
        )
        applied = await hub_of_test.applied()
        assert [item.reason for item in applied.bundles[0].failures] == ["Conflict"]

        await hub_of_test.publish(
            bundle("web", config_map("settings", place.namespace, size="large"), adopt=Adopt.ALWAYS)
        )
        await hub_of_test.applied()
        found = await place.config_map("settings")
        assert found is not None
        assert found["data"] == {"colour": "red", "size": "large"}

        await hub_of_test.publish(
            bundle("web", config_map("settings", place.namespace, size="large", colour="blue"), adopt=Adopt.ALWAYS)
        )
        applied = await hub_of_test.applied()

    assert applied.bundles[0].sync is Sync.SYNCED
    found = await place.config_map("settings")
    assert found is not None
    assert found["data"] == {"colour": "blue", "size": "large"}


@pytest.mark.parametrize(("prune", "outcome"), [(Prune.OWNED, "released"), (Prune.ALL, "gone")])
async def test_an_adopted_object_is_released_unless_the_deletion_says_all(
    place: Place, station: Station, hub_of_test: Publisher, *, prune: Prune, outcome: str
) -> None:
    """It was there before us, so it stays after us."""
    await exist(place, colour="blue")
    manifest = config_map("settings", place.namespace, colour="blue")
    web = bundle("web", manifest)
    async with station.running():
        await hub_of_test.publish(web)
        await hub_of_test.applied()
        await hub_of_test.publish(bundle("web"), deletions=[deletion("d1", manifest, web, prune)])
        deleted = await hub_of_test.hear(reports.Deleted)

    assert [(item.debt, item.outcome.value) for item in deleted.confirmations] == [("d1", outcome)]
    assert (await place.config_map("settings") is None) == (outcome == "gone")
    assert await place.inventory() == []


async def test_what_was_released_comes_back_as_adopted(place: Place, station: Station, hub_of_test: Publisher) -> None:
    """We released it, and Git wants it again, changed: our field manager is on it, so that is no conflict."""
    manifest = config_map("settings", place.namespace, colour="blue")
    web = bundle("web", manifest)
    async with station.running():
        await hub_of_test.publish(web)
        await hub_of_test.applied()
        await hub_of_test.publish(bundle("web"), deletions=[deletion("d1", manifest, web, Prune.NEVER)])
        await hub_of_test.hear(reports.Deleted)
        await hub_of_test.publish(bundle("web", config_map("settings", place.namespace, colour="red")))
        applied = await hub_of_test.applied()

    assert applied.bundles[0].sync is Sync.SYNCED
    (entry,) = await place.inventory()
    assert entry.adopted
