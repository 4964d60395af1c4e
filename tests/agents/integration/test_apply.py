"""From a published desired state to objects in the cluster, and to what the hub hears about it.

The real nats-server and the whole agent in this process; the Kubernetes API is the sandbox's and the real one.
"""

import pytest

from agents import applying
from agents.kube import errors as kube_errors
from protocol import reports
from protocol.status import Health, Sync
from tests.agents.conftest import Place, Station
from tests.agents.publisher import TRACEPARENT, Manifest, Publisher, bundle, config_map

pytestmark = pytest.mark.nats

DEFINITION: Manifest = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "boats.fleet.example"},
    "spec": {
        "group": "fleet.example",
        "names": {"kind": "Boat", "plural": "boats", "singular": "boat", "listKind": "BoatList"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {"type": "object", "properties": {"sails": {"type": "integer"}}},
                        },
                    }
                },
            }
        ],
    },
}


def boat(name: str, namespace: str) -> Manifest:
    return {
        "apiVersion": "fleet.example/v1",
        "kind": "Boat",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"sails": 2},
    }


def definition(suffix: str) -> Manifest:
    """The definition of a kind of this test's own: definitions are cluster-wide."""
    group = f"{suffix}.example"
    spec = {**DEFINITION["spec"], "group": group}
    return {**DEFINITION, "metadata": {"name": f"boats.{group}"}, "spec": spec}


async def test_a_published_state_is_applied_and_reported(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """One bundle with one object: the object is there, ours, and the hub hears it in the hub's own trace."""
    async with station.running():
        await hub_of_test.publish(bundle("web", config_map("settings", place.namespace, colour="blue")))
        applied = await hub_of_test.applied()

    found = await place.config_map("settings")
    assert found is not None
    assert found["data"] == {"colour": "blue"}
    assert found["metadata"]["annotations"] == {applying.BUNDLE_ANNOTATION: "test/web"}
    assert found["metadata"]["managedFields"][0]["manager"] == "flotilla"
    (status,) = applied.bundles
    assert (status.sync, status.health, status.objects, status.changed) == (Sync.SYNCED, Health.HEALTHY, 1, 1)
    assert applied.inventory == 1
    assert applied.root == hub_of_test.root
    assert hub_of_test.of(reports.Hello)[0].cluster_uid == place.uid
    headers = hub_of_test.headers[hub_of_test.heard.index(applied)]
    assert headers["traceparent"].split("-")[1] == TRACEPARENT.split("-")[1]
    assert {"verify", "apply", "healthy"} <= {span.name for span in station.spans.get_finished_spans()}
    assert (await place.inventory())[0].uid == found["metadata"]["uid"]


async def test_a_change_touches_only_what_changed(place: Place, station: Station, hub_of_test: Publisher) -> None:
    """The second generation changes one of two bundles: the other keeps its version and is not reported again."""
    still = bundle("still", config_map("still", place.namespace))
    async with station.running():
        await hub_of_test.publish(still, bundle("web", config_map("settings", place.namespace, colour="blue")))
        await hub_of_test.applied()
        before = await place.config_map("still")
        await hub_of_test.publish(still, bundle("web", config_map("settings", place.namespace, colour="red")))
        applied = await hub_of_test.applied()

    assert [item.bundle for item in applied.bundles] == ["test/web"]
    assert applied.bundles[0].changed == 1
    assert await place.config_map("still") == before
    found = await place.config_map("settings")
    assert found is not None
    assert found["data"] == {"colour": "red"}


async def test_a_namespace_that_is_only_used_is_created_and_not_ours(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """It appears, it is in no inventory, and it stays when nobody uses it any more."""
    path = f"/api/v1/namespaces/{place.namespace}"
    async with station.running():
        await hub_of_test.publish(bundle("web", config_map("settings", place.namespace)))
        await hub_of_test.applied()
        assert [entry.object.kind for entry in await place.inventory()] == ["ConfigMap"]
        await hub_of_test.publish()
        await hub_of_test.applied()

    assert await place.find(path) is not None


async def test_namespaces_and_definitions_come_before_their_contents(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """One state brings a namespace, a kind and an object of that kind: one pass applies all three."""
    suffix = place.namespace
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": place.namespace}}
    custom = {**boat("ahoy", place.namespace), "apiVersion": f"{suffix}.example/v1"}
    async with station.running():
        await hub_of_test.publish(bundle("a", custom), bundle("b", definition(suffix), namespace))
        applied = await hub_of_test.applied()

    assert [item.sync for item in applied.bundles] == [Sync.SYNCED, Sync.SYNCED]
    assert await place.find(f"/apis/{suffix}.example/v1/namespaces/{place.namespace}/boats/ahoy") is not None
    assert len(await place.inventory()) == 3


async def test_a_hello_tells_what_is_served_beside_kubernetes(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """What charts may ask for; of Kubernetes' own groups helm knows by itself."""
    suffix = place.namespace
    async with station.running():
        await hub_of_test.publish(bundle("b", definition(suffix)))
        await hub_of_test.applied()
    heard = len(hub_of_test.heard)
    async with station.running():
        hello = await hub_of_test.hear(reports.Hello, after=heard)

    assert {f"{suffix}.example/v1", f"{suffix}.example/v1/Boat"} <= set(hello.api_versions)
    assert [name for name in hello.api_versions if name.startswith(("apps/", "batch/"))] == []


async def removed(place: Place, path: str) -> None:
    """Deleted by somebody else, whatever the API server writes into its status meanwhile."""
    while True:
        metadata = (await place.foreign.get(path))["metadata"]
        try:
            await place.foreign.delete(path, uid=metadata["uid"], resource_version=metadata["resourceVersion"])
        except kube_errors.Conflict:
            continue
        return


async def test_a_kind_that_somebody_else_installs_is_told_and_so_is_that_it_went(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    station.options = station.faster(survey_interval=0.2)
    kind = f"{place.namespace}.example/v1/Boat"
    collection = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    async with station.running():
        await hub_of_test.hear(reports.Hello)
        made = await place.foreign.create(collection, definition(place.namespace))
        await hub_of_test.hear(reports.Hello, lambda hello: kind in hello.api_versions)
        heard = len(hub_of_test.heard)
        await removed(place, f"{collection}/{made['metadata']['name']}")
        await hub_of_test.hear(reports.Hello, lambda hello: kind not in hello.api_versions, after=heard)


async def test_drift_is_overwritten_at_the_resync(place: Place, station: Station, hub_of_test: Publisher) -> None:
    """Somebody changes a field that is ours: the next resync takes it back, and leaves a field of theirs alone."""
    station.options = station.faster(resync=0.5)
    path = f"/api/v1/namespaces/{place.namespace}/configmaps/settings"
    async with station.running():
        await hub_of_test.publish(bundle("web", config_map("settings", place.namespace, colour="blue")))
        await hub_of_test.applied()
        await place.api.merge(path, {"data": {"colour": "red", "size": "large"}})
        await place.until(path, lambda live: live["data"] == {"colour": "blue", "size": "large"})


async def test_an_object_that_two_bundles_claim_goes_to_neither(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """Order never decides. Once one of them lets go, the other has it; a later rival does not get it."""
    mine = config_map("settings", place.namespace, colour="blue")
    theirs = config_map("settings", place.namespace, colour="red")
    async with station.running():
        await hub_of_test.publish(bundle("a", mine), bundle("b", theirs))
        failed = await hub_of_test.hear(reports.Failed)
        assert {item.bundle: item.failures[0].reason for item in failed.bundles} == {
            "test/a": "AlreadyClaimed",
            "test/b": "AlreadyClaimed",
        }
        assert await place.config_map("settings") is None

        await hub_of_test.publish(bundle("b", theirs))
        await hub_of_test.applied()
        await hub_of_test.publish(bundle("a", mine), bundle("b", theirs))
        applied = await hub_of_test.applied()

    assert {item.bundle: item.sync for item in applied.bundles} == {"test/a": Sync.OUT_OF_SYNC}
    found = await place.config_map("settings")
    assert found is not None
    assert found["data"] == {"colour": "red"}


async def test_the_same_object_under_two_written_ids_is_one_object(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """A written namespace and a forced one that resolve alike are a rivalry, too."""
    written = bundle("a", config_map("settings", place.namespace))
    forced = bundle("b", config_map("settings"), namespace=place.namespace)
    async with station.running():
        await hub_of_test.publish(written, forced)
        failed = await hub_of_test.hear(reports.Failed)

    assert len(failed.bundles) == 2


async def test_a_forced_namespace_refuses_cluster_scoped_objects(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """Only that object fails; the rest of the bundle is applied, in the forced namespace."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"{place.namespace}-more"}}
    part = bundle("web", config_map("settings", "elsewhere"), namespace, namespace=place.namespace)
    async with station.running():
        await hub_of_test.publish(part)
        applied = await hub_of_test.applied()

    assert [item.reason for item in applied.bundles[0].failures] == ["ClusterScoped"]
    assert await place.config_map("settings") is not None
    assert await place.find(f"/api/v1/namespaces/{place.namespace}-more") is None


async def test_the_default_namespace_fills_a_missing_one(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """Only where the manifest names none."""
    part = bundle("web", config_map("settings"), default_namespace=place.namespace)
    async with station.running():
        await hub_of_test.publish(part)
        await hub_of_test.applied()

    assert await place.config_map("settings") is not None
    (entry,) = await place.inventory()
    assert (entry.object.namespace, entry.written_namespace) == (place.namespace, "")


async def test_poison_harms_only_its_own_bundle(place: Place, station: Station, hub_of_test: Publisher) -> None:
    """What the API server does not take, and a kind that it does not know, fail by name; the others go ahead."""
    broken = config_map("no_such_name", place.namespace)
    unknown = {"apiVersion": "no.such/v1", "kind": "Thing", "metadata": {"name": "thing", "namespace": place.namespace}}
    async with station.running():
        await hub_of_test.publish(
            bundle("bad", broken, unknown), bundle("good", config_map("settings", place.namespace))
        )
        applied = await hub_of_test.applied()
        failed = await hub_of_test.hear(reports.Failed)

    found = {item.bundle: item.sync for item in applied.bundles}
    assert found == {"test/bad": Sync.OUT_OF_SYNC, "test/good": Sync.SYNCED}
    (status,) = failed.bundles
    assert {item.reason for item in status.failures} == {"Invalid", "NoMatch"}
    assert await place.config_map("settings") is not None


async def test_an_object_moves_between_bundles_without_a_delete(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """The same object under another bundle keeps its UID, and the inventory names the new owner."""
    manifest = config_map("settings", place.namespace)
    async with station.running():
        await hub_of_test.publish(bundle("a", manifest))
        await hub_of_test.applied()
        before = await place.config_map("settings")
        await hub_of_test.publish(bundle("b", manifest))
        await hub_of_test.applied()

    after = await place.config_map("settings")
    assert before is not None
    assert after is not None
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    (entry,) = await place.inventory()
    assert (entry.bundle, entry.taken_from) == ("test/b", "test/a")


async def test_a_workload_is_followed_until_it_is_healthy(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """Progressing when it was applied; Ready is heard when its status says so, and not before."""
    labels, ready_after = {"app": "web"}, "sandbox.flotilla.gitops/ready-after"
    metadata = {"name": "web", "namespace": place.namespace, "annotations": {ready_after: "86400"}}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "web", "image": "registry.example/web:1"}]},
            },
        },
    }
    async with station.running():
        await hub_of_test.publish(bundle("web", deployment, drift="off"))
        applied = await hub_of_test.applied()
        assert applied.bundles[0].health is Health.PROGRESSING
        if place.has_workloads:
            path = f"/apis/apps/v1/namespaces/{place.namespace}/deployments/web"
            await place.foreign.merge(path, {"metadata": {"annotations": {ready_after: "0"}}})
            ready = await hub_of_test.hear(reports.Ready, lambda report: report.bundles[0].health is Health.HEALTHY)
            assert ready.bundles[0].failures == ()
