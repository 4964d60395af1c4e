"""Drift that is seen as it happens: no resync comes by itself here, so whatever is noticed was watched.

On the sandbox and on a real API server, whose managedFields tell who did it.
"""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agents.domain import fights
from agents.kube import client
from protocol import bundles, drifts, reports
from protocol.drifts import Kind, Means
from tests.agents import faults
from tests.agents.conftest import Place, Station
from tests.agents.integration.telling import corrected, delete, detected, drifted, insist, path_of
from tests.agents.publisher import Bundle, Manifest, Publisher, bundle, config_map

pytestmark = pytest.mark.nats


def deployment(place: Place, name: str = "web", replicas: int | None = 2) -> Manifest:
    labels = {"app": name}
    container = {"name": "web", "image": "registry.example/web:1"}
    spec: dict[str, Any] = {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
    }
    if replicas is not None:
        spec["replicas"] = replicas
    metadata = {"name": name, "namespace": place.namespace}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


async def looked(place: Place, hub_of_test: Publisher) -> None:
    """Until a change made after now was seen and put right: whatever happened before was seen as well."""
    heard = len(hub_of_test.heard)
    await place.foreign.merge(path_of(place, "beacon"), {"data": {"lit": "no"}})
    await corrected(hub_of_test, "beacon", after=heard)


def beacon(place: Place) -> Bundle:
    return bundle("zz-beacon", config_map("beacon", place.namespace, lit="yes"))


async def test_a_change_by_hand_is_told_with_its_actor_and_put_right(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    path = path_of(place, "settings")
    async with station.running():
        await hub_of_test.publish(bundle("web", config_map("settings", place.namespace, colour="blue", size="1")))
        await hub_of_test.applied()
        await place.foreign.merge(path, {"data": {"colour": "red", "size": None, "extra": "1"}})
        found = await detected(hub_of_test, "settings")
        ended = await corrected(hub_of_test, "settings")
        live = await place.find(path) or {}

    (colour, size) = found.fields
    assert (found.bundle, found.policy, found.kind) == ("test/web", bundles.Drift.REVERT, Kind.CHANGED)
    assert (colour.field, colour.expected, colour.actual) == (".data.colour", '"blue"', '"red"')
    assert (colour.manager, colour.operation) == ("somebody", "Update")
    assert colour.time is not None
    assert (size.field, size.expected, size.actual, size.manager) == (".data.size", '"1"', "", "")
    assert (ended.drift, ended.means) == (found, Means.REVERTED)
    assert live["data"] == {"colour": "blue", "size": "1", "extra": "1"}


async def test_an_object_that_is_deleted_by_hand_is_created_again(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """Twice: the second time it is the object that the agent made itself."""
    path = path_of(place, "settings")
    async with station.running():
        await hub_of_test.publish(bundle("web", config_map("settings", place.namespace, a="1")))
        await hub_of_test.applied()
        for _ in range(2):
            heard = len(hub_of_test.heard)
            await delete(place, path)
            found = await detected(hub_of_test, "settings", after=heard)
            ended = await corrected(hub_of_test, "settings", after=heard)
            assert (found.kind, ended.means) == (Kind.GONE, Means.REVERTED)
            assert (await place.find(path) or {})["data"] == {"a": "1"}


async def test_with_alert_it_is_told_at_once_and_stays(place: Place, station: Station, hub_of_test: Publisher) -> None:
    """Until somebody takes it back, or Git has other content."""
    path = path_of(place, "settings")
    async with station.running():
        await hub_of_test.publish(bundle("web", config_map("settings", place.namespace, a="1"), drift="alert"))
        await hub_of_test.applied()
        await place.foreign.merge(path, {"data": {"a": "2"}})
        found = await detected(hub_of_test, "settings")
        told = await hub_of_test.hear(reports.Applied, lambda report: report.bundles[0].drifted == 1)
        assert (found.policy, told.bundles[0].failures[0].reason) == (bundles.Drift.ALERT, "Drifted")
        assert (await place.find(path) or {})["data"] == {"a": "2"}

        await hub_of_test.publish(bundle("web", config_map("settings", place.namespace, a="3"), drift="alert"))
        assert (await corrected(hub_of_test, "settings")).means is Means.ACCEPTED
        assert (await place.find(path) or {})["data"] == {"a": "3"}


async def test_what_others_add_and_what_the_server_writes_is_no_drift(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """Injected CA bundles, sidecars, labels, a status, defaults."""
    hooks = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
    hook = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": place.namespace},
        "webhooks": [
            {
                "name": "one.example.com",
                "clientConfig": {"url": "https://nowhere.example:9443/check"},
                "rules": [],
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
            }
        ],
    }
    web = path_of(place, "web", "deployments", "apis/apps/v1")
    async with station.running():
        await hub_of_test.publish(bundle("web", hook, deployment(place)), beacon(place))
        await hub_of_test.applied()
        injected = {**hook, "webhooks": [{"name": "one.example.com", "clientConfig": {"caBundle": "Y2E="}}]}
        await place.foreign.apply(f"{hooks}/{place.namespace}", injected, force=False)
        side = {"spec": {"template": {"spec": {"containers": [{"name": "side", "image": "side:1"}]}}}}
        labels = {"metadata": {"labels": {"team": "a"}}}
        who = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", **labels["metadata"]}}
        await place.foreign.apply(web, {**who, **side}, force=False)
        await place.foreign.merge(f"{web}/status", {"status": {"observedGeneration": 7, "replicas": 2}})
        await looked(place, hub_of_test)
        live = await place.find(web) or {}

    assert drifted(hub_of_test) == set()
    assert [one["name"] for one in live["spec"]["template"]["spec"]["containers"]] == ["web", "side"]


async def scaled(place: Place, manager: str, replicas: int) -> None:
    """Set replicas as an autoscaler or `kubectl scale` does: through the scale."""
    path = path_of(place, "web", "deployments", "apis/apps/v1") + "/scale"
    scaler = client.Client(place.foreign._session, client.Limits(), field_manager=manager)
    await scaler.merge(path, {"spec": {"replicas": replicas}})


async def test_replicas_of_a_person_are_drift_and_those_of_an_autoscaler_are_not(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """Though Git has them, too."""
    web = path_of(place, "web", "deployments", "apis/apps/v1")
    async with station.running():
        await hub_of_test.publish(bundle("web", deployment(place)), beacon(place))
        await hub_of_test.applied()
        await scaled(place, "kubectl", 7)
        found = await detected(hub_of_test, "web")
        await place.until(web, lambda live: live["spec"]["replicas"] == 2)

        heard = len(hub_of_test.heard)
        await scaled(place, "kube-controller-manager", 5)
        await looked(place, hub_of_test)
        assert (await place.find(web) or {})["spec"]["replicas"] == 5
        assert drifted(hub_of_test, after=heard) == set()

    (field,) = found.fields
    assert (field.field, field.actual, field.manager, field.subresource) == (".spec.replicas", "7", "kubectl", "scale")


async def test_fields_of_a_manager_that_the_bundle_names_are_no_drift(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    ignore = (bundles.IgnoreRule(managers=("somebody",)),)
    path = path_of(place, "settings")
    async with station.running():
        part = bundle("web", config_map("settings", place.namespace, a="1", b="1"), ignore=ignore)
        await hub_of_test.publish(part, beacon(place))
        await hub_of_test.applied()
        # The beacon's bundle names nobody: there the same manager is put right.
        await place.foreign.merge(path, {"data": {"a": "2"}})
        await looked(place, hub_of_test)
        assert drifted(hub_of_test) == set()

        another = client.Client(place.foreign._session, client.Limits(), field_manager="another")
        await another.merge(path, {"data": {"b": "2"}})
        await place.until(path, lambda live: live["data"]["b"] == "1")

    assert (await place.find(path) or {})["data"] == {"a": "2", "b": "1"}


async def test_what_was_adopted_is_alerted_about_until_git_changes_it(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    path = path_of(place, "settings")
    manifest = config_map("settings", place.namespace, a="1")
    await place.foreign.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace",
                                                      "metadata": {"name": place.namespace}})  # fmt: skip
    await place.foreign.create(path.rpartition("/")[0], manifest)
    async with station.running():
        await hub_of_test.publish(bundle("web", manifest), beacon(place))
        await hub_of_test.hear(reports.Adopted)
        await place.foreign.merge(path, {"data": {"a": "2"}})
        assert (await detected(hub_of_test, "settings")).policy is bundles.Drift.ALERT
        assert (await place.find(path) or {})["data"] == {"a": "2"}

        await hub_of_test.publish(bundle("web", config_map("settings", place.namespace, a="3")), beacon(place))
        assert (await corrected(hub_of_test, "settings")).means is Means.ACCEPTED
        heard = len(hub_of_test.heard)
        await place.foreign.merge(path, {"data": {"a": "2"}})
        assert (await detected(hub_of_test, "settings", after=heard)).policy is bundles.Drift.REVERT
        await place.until(path, lambda live: live["data"]["a"] == "3")


async def test_what_is_no_drift_any_more_after_a_restart_is_told_to_be_over(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """By a report that names all there is."""
    path = path_of(place, "settings")
    async with station.running():
        await hub_of_test.publish(bundle("web", config_map("settings", place.namespace, a="1"), drift="alert"))
        await hub_of_test.applied()
        await place.foreign.merge(path, {"data": {"a": "2"}})
        await detected(hub_of_test, "settings")
    boot = hub_of_test.heard[-1].origin.boot
    await place.foreign.merge(path, {"data": {"a": "1"}})
    async with station.running():
        whole = await hub_of_test.hear(reports.DriftDetected, lambda report: report.all and report.origin.boot > boot)

    assert whole.drifts == ()


async def test_somebody_who_undoes_every_revert_is_told_by_name_and_not_raced(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    path = path_of(place, "settings")
    station.bounds = fights.Bounds(window_s=3600, pause_base_s=3600, pause_ceiling_s=3600)

    async with station.running():
        await hub_of_test.publish(bundle("web", config_map("settings", place.namespace, a="1")), beacon(place))
        await hub_of_test.applied()
        async with asyncio.TaskGroup() as tasks:
            controller = tasks.create_task(insist(place, path))
            report = await hub_of_test.hear(
                reports.DriftDetected, lambda report: any(found.fighting for found in report.drifts)
            )
            await looked(place, hub_of_test)
            await looked(place, hub_of_test)
            controller.cancel()
        (found,) = [found for found in report.drifts if found.fighting]
        status = await hub_of_test.hear(
            reports.Applied,
            lambda report: any("fighting with somebody" in one.failures[0].message for one in report.bundles
                               if one.failures),
        )  # fmt: skip

    assert found.fighting == drifts.Fight("somebody", ".data.a", 3)
    assert status.bundles[0].drifted == 1
    counts = [one.fighting.count for report in hub_of_test.of(reports.DriftDetected)
              for one in report.drifts if one.fighting]  # fmt: skip
    assert max(counts) == 3, "the fourth revert waits, here for an hour"


async def test_where_watching_is_not_allowed_the_resync_tells_the_same(
    place: Place, station: Station, hub_of_test: Publisher, tmp_path: Path
) -> None:
    async with faults.proxied(place.access, tmp_path) as (proxy, way):
        station.identity = msgspec.structs.replace(station.identity, access=way)
        station.options = station.faster(resync=0.3)
        refused = proxy.strike("GET", "", query="watch=true", status=403, reason="Forbidden")
        async with station.running():
            await hub_of_test.publish(bundle("web", config_map("settings", place.namespace, colour="blue")))
            await hub_of_test.applied()
            await place.patience(lambda: refused.struck > 0)
            blind = f"ConfigMap in {place.namespace} (Forbidden)"
            await hub_of_test.hear(reports.Hello, lambda hello: hello.unwatched == (blind,))
            await place.foreign.merge(path_of(place, "settings"), {"data": {"colour": "red"}})
            ended = await corrected(hub_of_test, "settings")
            live = await place.find(path_of(place, "settings")) or {}

    (field,) = ended.drift.fields
    assert (field.field, field.actual, field.manager) == (".data.colour", '"red"', "somebody")
    assert (ended.means, live["data"]) == (Means.REVERTED, {"colour": "blue"})
    assert refused.struck < 10, "it is asked again seldom"


@pytest.mark.parametrize("method", ["GET", "PATCH"])
async def test_what_was_seen_is_not_forgotten_where_the_api_server_fails(
    place: Place, station: Station, hub_of_test: Publisher, tmp_path: Path, method: str
) -> None:
    """Neither before the look nor at it: it is looked at, and put right, once the server answers again."""
    async with faults.proxied(place.access, tmp_path) as (proxy, way):
        station.identity = msgspec.structs.replace(station.identity, access=way)
        async with station.running():
            await hub_of_test.publish(bundle("web", config_map("settings", place.namespace, colour="blue")))
            await hub_of_test.applied()
            where = "/namespaces/kube-system" if method == "GET" else "/configmaps/settings"
            struck = proxy.strike(method, where, status=503, times=4)
            await place.foreign.merge(path_of(place, "settings"), {"data": {"colour": "red"}})
            await place.until(path_of(place, "settings"), lambda live: live["data"] == {"colour": "blue"})

    assert struck.struck > 0


async def test_health_does_not_wait_for_its_interval(place: Place, station: Station, hub_of_test: Publisher) -> None:
    """The object is about to go, and waits for its finalizer: nobody would look again for ten minutes."""
    station.options = station.faster(health_interval=600)
    path = f"/apis/batch/v1/namespaces/{place.namespace}/jobs/once"
    template = {
        "spec": {"restartPolicy": "Never", "containers": [{"name": "once", "image": "registry.example/once:1"}]}
    }
    metadata = {"name": "once", "namespace": place.namespace}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata,
           "spec": {"suspend": True, "template": template}}  # fmt: skip
    async with station.running():
        await hub_of_test.publish(bundle("web", job))
        suspended = await hub_of_test.hear(
            reports.Applied, lambda report: bool(report.bundles) and report.bundles[0].bundle == "test/web"
        )
        before = suspended.bundles[0].health
        await place.foreign.merge(path, {"metadata": {"finalizers": ["example.com/wait"]}})
        live = await place.find(path) or {}
        await place.api.delete(path, uid=live["metadata"]["uid"], resource_version=live["metadata"]["resourceVersion"])
        await hub_of_test.hear(reports.Ready, lambda report: report.bundles[0].health is not before)
        await place.foreign.merge(path, {"metadata": {"finalizers": None}})


def test_what_is_ignored_by_manager_keeps_other_bundles_digests() -> None:
    """A rule without managers is written as it always was."""
    rule = bundles.IgnoreRule(kind="ConfigMap")

    assert msgspec.json.encode(rule) == b'{"kind":"ConfigMap"}'
