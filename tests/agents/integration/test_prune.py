"""Deletions: only what is named and ours goes, and everything else that could happen to it instead."""

import pytest

from agents.kube import errors as kube_errors
from protocol import bundles, ids, naming, reports
from protocol.status import Sync
from tests.agents.conftest import Place, Station
from tests.agents.integration.test_apply import boat, definition
from tests.agents.publisher import Bundle, Manifest, Publisher, bundle, config_map, deletion

pytestmark = pytest.mark.nats


def outcomes(report: reports.Deleted) -> list[tuple[str, str]]:
    settled = [(item.debt, item.outcome.value) for item in report.confirmations]
    return settled + [(item.debt, item.reason) for item in report.undeleted]


async def settled(hub: Publisher, *debts: str) -> dict[str, reports.Confirmation]:
    """The confirmations of these debts, once all of them have been heard."""
    found: dict[str, reports.Confirmation] = {}

    def complete(report: reports.Deleted) -> bool:
        found.update({item.debt: item for item in report.confirmations})
        return set(debts) <= set(found)

    await hub.hear(reports.Deleted, complete)
    return found


async def held(hub: Publisher, debt: str, reason: str) -> reports.Undeleted:
    """The report that a debt was not paid, for a reason."""

    def tells(report: reports.Deleted) -> bool:
        return any((item.debt, item.reason) == (debt, reason) for item in report.undeleted)

    report = await hub.hear(reports.Deleted, tells)
    return next(item for item in report.undeleted if item.debt == debt)


async def test_what_is_named_is_deleted_and_confirmed(place: Place, station: Station, hub_of_test: Publisher) -> None:
    """One of two objects leaves Git and is named: it is gone, the other stays; and the hub hears it again if it asks
    again."""
    goes, stays = config_map("goes", place.namespace), config_map("stays", place.namespace)
    web = bundle("web", goes, stays)
    async with station.running():
        await hub_of_test.publish(web)
        await hub_of_test.applied()
        await hub_of_test.publish(bundle("web", stays), deletions=[deletion("d1", goes, web)])
        first = await hub_of_test.hear(reports.Deleted)
        assert outcomes(first) == [("d1", "gone")]
        assert await place.config_map("goes") is None
        assert await place.config_map("stays") is not None

        heard = len(hub_of_test.heard)
        await hub_of_test.publish(bundle("web", stays), deletions=[deletion("d1", goes, web)])
        again = await hub_of_test.hear(reports.Deleted, after=heard)

    assert outcomes(again) == [("d1", "gone")]
    assert [entry.object.name for entry in await place.inventory()] == ["stays"]


async def test_what_is_not_named_is_never_deleted(place: Place, station: Station, hub_of_test: Publisher) -> None:
    """Everything leaves Git, nothing is named: everything stays, listed as orphans, also over a restart."""
    async with station.running():
        await hub_of_test.publish(bundle("web", config_map("one", place.namespace), config_map("two", place.namespace)))
        await hub_of_test.applied()
        await hub_of_test.publish()
        orphaned = await hub_of_test.hear(reports.Orphaned)
    heard = len(hub_of_test.heard)
    async with station.running():
        again = await hub_of_test.hear(reports.Orphaned, after=heard)

    assert [item.object.name for item in orphaned.orphans] == ["one", "two"]
    assert (again.orphans, again.total) == (orphaned.orphans, 2)
    assert await place.config_map("one") is not None
    assert await place.config_map("two") is not None


async def test_what_is_kept_is_no_orphan(place: Place, station: Station, hub_of_test: Publisher) -> None:
    """The hub is not sure yet: it stays, and is not even mentioned."""
    manifest = config_map("settings", place.namespace)
    kept = bundles.Kept(ids.object_id(manifest), bundle("web").id, "the source is in error")
    async with station.running():
        await hub_of_test.publish(bundle("web", manifest))
        await hub_of_test.applied()
        await hub_of_test.publish(bundle("web"), kept=[kept])
        await hub_of_test.applied()

    assert hub_of_test.of(reports.Orphaned) == []
    assert await place.config_map("settings") is not None


async def test_another_object_of_that_name_is_released(place: Place, station: Station, hub_of_test: Publisher) -> None:
    """Somebody deleted ours and made their own while we were away: the UID tells, and theirs stays."""
    manifest = config_map("settings", place.namespace, colour="blue")
    web = bundle("web", manifest)
    path = f"/api/v1/namespaces/{place.namespace}/configmaps/settings"
    async with station.running():
        await hub_of_test.publish(web)
        await hub_of_test.applied()
    ours = await place.config_map("settings")
    assert ours is not None
    await place.api.delete(path, uid=ours["metadata"]["uid"], resource_version=ours["metadata"]["resourceVersion"])
    theirs = await place.foreign.create(path.rpartition("/")[0], config_map("settings", place.namespace))
    await hub_of_test.publish(bundle("web"), deletions=[deletion("d1", manifest, web)])
    async with station.running():
        deleted = await hub_of_test.hear(reports.Deleted)

    assert outcomes(deleted) == [("d1", "released")]
    assert deleted.confirmations[0].reason == "ForeignUID"
    assert await place.config_map("settings") == theirs


async def test_an_annotated_object_is_released(place: Place, station: Station, hub_of_test: Publisher) -> None:
    """`flotilla.gitops/prune: never` on the live object, whoever wrote it there."""
    manifest = config_map("settings", place.namespace)
    web = bundle("web", manifest)
    path = f"/api/v1/namespaces/{place.namespace}/configmaps/settings"
    async with station.running():
        await hub_of_test.publish(web)
        await hub_of_test.applied()
        await place.api.merge(path, {"metadata": {"annotations": {naming.PRUNE_ANNOTATION: "never"}}})
        await hub_of_test.publish(bundle("web"), deletions=[deletion("d1", manifest, web)])
        deleted = await hub_of_test.hear(reports.Deleted)

    assert outcomes(deleted) == [("d1", "released")]
    assert await place.config_map("settings") is not None


async def test_what_is_not_ours_is_released(place: Place, station: Station, hub_of_test: Publisher) -> None:
    """A debt for an object that never got here, or that belongs to another bundle, touches nothing."""
    manifest = config_map("settings", place.namespace)
    async with station.running():
        await hub_of_test.publish(
            bundle("web", manifest), deletions=[deletion("d1", config_map("never-here"), bundle("web"))]
        )
        first = await hub_of_test.hear(reports.Deleted)
        await hub_of_test.publish(bundle("web", manifest), deletions=[deletion("d2", manifest, bundle("other"))])
        second = await settled(hub_of_test, "d2")

    assert outcomes(first) == [("d1", "released")]
    assert second["d2"].outcome is reports.Outcome.RELEASED
    assert await place.config_map("settings") is not None


async def test_what_is_wanted_is_not_deleted_though_it_is_named(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """A state that contradicts itself loses nothing."""
    manifest = config_map("settings", place.namespace)
    web = bundle("web", manifest)
    async with station.running():
        await hub_of_test.publish(web)
        await hub_of_test.applied()
        await hub_of_test.publish(web, deletions=[deletion("d1", manifest, web)])
        deleted = await hub_of_test.hear(reports.Deleted)

    assert outcomes(deleted) == [("d1", "Wanted")]
    assert await place.config_map("settings") is not None


async def test_a_failing_bundle_prunes_nothing(place: Place, station: Station, hub_of_test: Publisher) -> None:
    """An object is pruned only after every apply of its bundle succeeded in that generation."""
    goes = config_map("goes", place.namespace)
    web = bundle("web", goes)
    async with station.running():
        await hub_of_test.publish(web)
        await hub_of_test.applied()
        await hub_of_test.publish(
            bundle("web", config_map("no_such_name", place.namespace)), deletions=[deletion("d1", goes, web)]
        )
        await held(hub_of_test, "d1", "BundleNotApplied")
        assert await place.config_map("goes") is not None

        await hub_of_test.publish(
            bundle("web", config_map("settings", place.namespace)), deletions=[deletion("d1", goes, web)]
        )
        found = await settled(hub_of_test, "d1")

    assert found["d1"].outcome is reports.Outcome.GONE


async def test_nothing_is_pruned_until_what_moved_away_is_applied(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """`a` gives one object to `b` and drops another; `b` fails: the dropped one stays until `b` succeeds."""
    moved, goes = config_map("moved", place.namespace), config_map("goes", place.namespace)
    before = bundle("a", moved, goes)
    async with station.running():
        await hub_of_test.publish(before)
        await hub_of_test.applied()
        await hub_of_test.publish(
            bundle("a"),
            bundle("b", moved, config_map("no_such_name", place.namespace)),
            deletions=[deletion("d1", goes, before)],
        )
        await held(hub_of_test, "d1", "BundleNotApplied")
    heard = len(hub_of_test.heard)
    async with station.running():  # the take-over is remembered over a restart
        await hub_of_test.hear(reports.Deleted, lambda report: bool(report.undeleted), after=heard)
        assert await place.config_map("goes") is not None
        await hub_of_test.publish(bundle("a"), bundle("b", moved), deletions=[deletion("d1", goes, before)])
        await settled(hub_of_test, "d1")

    assert await place.config_map("goes") is None
    assert await place.config_map("moved") is not None


async def test_two_api_groups_of_one_object_are_one_object(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """An Event is served by `v1` and by `events.k8s.io/v1`, as an Ingress once was by two groups: the deletion of the
    one name must not delete the other."""
    old: Manifest = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "twin", "namespace": place.namespace},
        "involvedObject": {"namespace": place.namespace},
        "reason": "Testing",
        "type": "Normal",
    }
    new: Manifest = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "twin", "namespace": place.namespace},
        "regarding": {"namespace": place.namespace},
        "reason": "Testing",
        "type": "Normal",
        "action": "Test",
        "reportingController": "flotilla.example/test",
        "reportingInstance": "test",
        "eventTime": "2026-11-24T12:00:00.000000Z",
    }
    if place.has_workloads:
        pytest.skip("the sandbox keeps the two groups apart")
    before = bundle("a", old)
    async with station.running():
        await hub_of_test.publish(before)
        first = await hub_of_test.applied()
        assert first.bundles[0].failures == ()
        await hub_of_test.publish(bundle("b", new), deletions=[deletion("d1", old, before)])
        await hub_of_test.hear(reports.Deleted)
        applied = await hub_of_test.applied()

    found = await place.find(f"/api/v1/namespaces/{place.namespace}/events/twin")
    assert found is not None, applied


async def test_a_namespace_with_foreign_contents_is_not_deleted(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """Named with all that is ours in it; somebody else's object in it stops it, by name. Once that is gone, it goes."""
    namespace: Manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": place.namespace}}
    inside = config_map("inside", place.namespace)
    before = bundle("web", namespace, inside)
    path = f"/api/v1/namespaces/{place.namespace}"
    async with station.running():
        await hub_of_test.publish(before)
        await hub_of_test.applied()
        theirs = await place.foreign.create(f"{path}/configmaps", config_map("precious", place.namespace))
        await hub_of_test.publish(
            bundle("web"), deletions=[deletion("d1", inside, before), deletion("d2", namespace, before)]
        )
        await settled(hub_of_test, "d1")
        refused = await held(hub_of_test, "d2", "WouldCascade")
        assert "ConfigMap precious" in refused.message
        assert await place.config_map("precious") is not None

        metadata = theirs["metadata"]
        await place.api.delete(
            f"{path}/configmaps/precious", uid=metadata["uid"], resource_version=metadata["resourceVersion"]
        )
        found = await settled(hub_of_test, "d2")

    assert found["d2"].outcome is reports.Outcome.GONE


async def test_a_definition_with_objects_is_not_deleted(place: Place, station: Station, hub_of_test: Publisher) -> None:
    """A kind goes only after the last object of it."""
    suffix = place.namespace
    kind = definition(suffix)
    before = bundle("web", kind)
    async with station.running():
        await hub_of_test.publish(before)
        await hub_of_test.applied()
        await place.foreign.create(
            "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": place.namespace}}
        )
        custom = {**boat("ahoy", place.namespace), "apiVersion": f"{suffix}.example/v1"}
        boats = f"/apis/{suffix}.example/v1/namespaces/{place.namespace}/boats"
        theirs = await place.foreign.create(boats, custom)
        await hub_of_test.publish(bundle("web"), deletions=[deletion("d1", kind, before)])
        await held(hub_of_test, "d1", "WouldCascade")
        assert await place.find(f"{boats}/ahoy") is not None

        metadata = theirs["metadata"]
        await place.api.delete(f"{boats}/ahoy", uid=metadata["uid"], resource_version=metadata["resourceVersion"])
        found = await settled(hub_of_test, "d1")

    assert found["d1"].outcome is reports.Outcome.GONE


async def test_a_definition_goes_after_its_named_objects(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """Both are named in one state: first the object, then the kind."""
    suffix = place.namespace
    kind = definition(suffix)
    custom = {**boat("ahoy", place.namespace), "apiVersion": f"{suffix}.example/v1"}
    before = bundle("web", kind, custom)
    async with station.running():
        await hub_of_test.publish(before)
        await hub_of_test.applied()
        await hub_of_test.publish(
            bundle("web"), deletions=[deletion("d1", kind, before), deletion("d2", custom, before)]
        )
        found = await settled(hub_of_test, "d1", "d2")

    assert {item.outcome for item in found.values()} == {reports.Outcome.GONE}


async def test_a_finalizer_keeps_the_debt_open(place: Place, station: Station, hub_of_test: Publisher) -> None:
    """Gone is a 404, not an accepted delete."""
    manifest = config_map("settings", place.namespace)
    manifest["metadata"]["finalizers"] = ["flotilla.example/wait"]
    before = bundle("web", manifest)
    path = f"/api/v1/namespaces/{place.namespace}/configmaps/settings"
    async with station.running():
        await hub_of_test.publish(before)
        await hub_of_test.applied()
        await hub_of_test.publish(bundle("web"), deletions=[deletion("d1", manifest, before)])
        await held(hub_of_test, "d1", "Terminating")
        assert len(await place.inventory()) == 1
        await place.api.merge(path, {"metadata": {"finalizers": None}})
        found = await settled(hub_of_test, "d1")

    assert found["d1"].outcome is reports.Outcome.GONE
    assert await place.inventory() == []


async def test_an_owned_object_of_ours_stops_its_owner(place: Place, station: Station, hub_of_test: Publisher) -> None:
    """A wanted object that says it belongs to the named one would be collected with it."""
    owner, child = config_map("owner", place.namespace), config_map("child", place.namespace)
    before: Bundle = bundle("web", owner, child)
    async with station.running():
        await hub_of_test.publish(before)
        await hub_of_test.applied()
        found = await place.config_map("owner")
        assert found is not None
        reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": found["metadata"]["uid"]}
        path = f"/api/v1/namespaces/{place.namespace}/configmaps/child"
        await place.foreign.merge(path, {"metadata": {"ownerReferences": [reference]}})
    await hub_of_test.publish(bundle("web", child), deletions=[deletion("d1", owner, before)])
    async with station.running():
        refused = await held(hub_of_test, "d1", "WouldCascade")

    assert "child" in refused.message
    assert await place.config_map("child") is not None


async def test_a_bundle_may_leave_whole(place: Place, station: Station, hub_of_test: Publisher) -> None:
    """All its objects are named; the other bundles do not notice."""
    goes = [config_map(f"goes-{number}", place.namespace) for number in range(5)]
    leaving, staying = bundle("a", *goes), bundle("b", config_map("stays", place.namespace))
    async with station.running():
        await hub_of_test.publish(leaving, staying)
        await hub_of_test.applied()
        await hub_of_test.publish(
            staying, deletions=[deletion(f"d{number}", manifest, leaving) for number, manifest in enumerate(goes)]
        )
        await settled(hub_of_test, *(f"d{number}" for number in range(5)))
        applied = await hub_of_test.applied()

    assert [item.sync for item in applied.bundles] in ([], [Sync.SYNCED])
    assert [entry.object.name for entry in await place.inventory()] == ["stays"]
    with pytest.raises(kube_errors.NotFound):
        await place.api.get(f"/api/v1/namespaces/{place.namespace}/configmaps/goes-0")
