"""An agent with the rights of `flotilla cluster manifest --role namespaced`, or fewer, on a real API server.

It sees, tells and puts right what it may; what it may not is said by name, and tried again seldom.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from agents.kube import access
from controller import agent_manifest
from protocol import naming, reports
from protocol.drifts import Means
from protocol.status import Health, Sync
from tests.agents import faults
from tests.agents.conftest import Place, Station, forget_agents, opened
from tests.agents.integration.telling import corrected, detected
from tests.agents.publisher import Manifest, Publisher, bundle, config_map, deletion
from tests.controlplane.server import ControlPlane

pytestmark = [pytest.mark.nats, pytest.mark.kube]

ACCOUNT = f"/api/v1/namespaces/{naming.NAMESPACE}/serviceaccounts/{agent_manifest.NAME}"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
BUNDLES = f"{agent_manifest.NAME}-bundles"


@pytest.fixture
async def place(control_plane: ControlPlane) -> AsyncIterator[Place]:
    """A real cluster, as its administrator sees it. What was granted in it goes again."""
    async with opened(access.Access(control_plane.kubeconfig), has_workloads=False) as made:
        await forget_agents(made)
        yield made
        for kind in ("clusterrolebindings", "clusterroles"):
            await remove(made, f"{RBAC}/{kind}/{agent_manifest.NAME}")


async def remove(place: Place, path: str) -> None:
    live = await place.find(path)
    if live is not None:
        metadata = live["metadata"]
        await place.api.delete(path, uid=metadata["uid"], resource_version=metadata["resourceVersion"])


async def make(place: Place, manifest: Manifest) -> None:
    """Apply as the administrator."""
    kind, metadata = manifest["kind"], manifest["metadata"]
    base = "/api/v1" if manifest["apiVersion"] == "v1" else f"/apis/{manifest['apiVersion']}"
    where = f"{base}/namespaces/{metadata['namespace']}" if "namespace" in metadata else base
    await place.foreign.apply(f"{where}/{kind.lower()}s/{metadata['name']}", manifest, force=True)


async def granted(place: Place, control_plane: ControlPlane, directory: Path, *namespaces: str) -> access.Access:
    """The way of an agent that may act in these namespaces, which are made; none: that has its own rights alone."""
    for name in namespaces:
        await make(place, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    role = agent_manifest.Role.NAMESPACED if namespaces else agent_manifest.Role.NONE
    for manifest in agent_manifest.manifests(
        agent_manifest.Choice("https://hub.example", "token", role=role, namespaces=namespaces)
    ):
        if manifest["kind"] not in ("Secret", "Deployment"):
            await make(place, manifest)
    answer = await place.api.create(
        f"{ACCOUNT}/token", {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    )
    document = json.loads(control_plane.kubeconfig.read_text())
    document["users"][0]["user"] = {"token": answer["status"]["token"]}
    path = directory / "limited.json"
    path.write_text(json.dumps(document))
    return access.Access(path)


def path_of(namespace: str, name: str = "settings") -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps/{name}"


async def heals(place: Place, hub_of_test: Publisher, namespace: str, name: str = "settings") -> None:
    """A change by hand is told and put right."""
    heard = len(hub_of_test.heard)
    await place.foreign.merge(path_of(namespace, name), {"data": {"a": "2"}})
    found = await detected(hub_of_test, name, after=heard)
    assert (found.fields[0].actual, found.fields[0].manager) == ('"2"', "somebody")
    assert (await corrected(hub_of_test, name, after=heard)).means is Means.REVERTED


async def test_a_kind_in_many_namespaces_is_watched_in_each_where_the_whole_cluster_may_not_be(
    place: Place, station: Station, hub_of_test: Publisher, control_plane: ControlPlane, tmp_path: Path
) -> None:
    """Without a resync; and a workload tells its health."""
    spaces = [f"{place.namespace}-{number}" for number in range(6)]
    way = await granted(place, control_plane, tmp_path, *spaces)
    station.identity = msgspec.structs.replace(station.identity, access=way)
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "example/web:1"}]}}
    web = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": spaces[0]},
           "spec": {"selector": {"matchLabels": labels}, "template": template}}  # fmt: skip
    async with station.running():
        await hub_of_test.publish(
            bundle("settings", *(config_map(f"in-{space}", space, a="1") for space in spaces)), bundle("web", web)
        )
        applied = await hub_of_test.applied()
        assert {item.bundle: item.sync for item in applied.bundles} == {
            "test/settings": Sync.SYNCED,
            "test/web": Sync.SYNCED,
        }
        for space in spaces:
            await heals(place, hub_of_test, space, f"in-{space}")

    (status,) = [item for item in applied.bundles if item.bundle == "test/web"]
    assert status.health is Health.PROGRESSING
    assert hub_of_test.of(reports.Hello)[-1].unwatched == ()


async def test_what_it_may_not_touch_fails_by_name_until_it_may(
    place: Place, station: Station, hub_of_test: Publisher, control_plane: ControlPlane, tmp_path: Path
) -> None:
    """Rights that are taken away while it runs, and given back: applies and deletions in one namespace, beside
    another one where nothing is amiss."""
    ours, lost = place.namespace, f"{place.namespace}-lost"
    way = await granted(place, control_plane, tmp_path, ours, lost)
    station.identity = msgspec.structs.replace(station.identity, access=way)
    old = bundle("far", config_map("settings", lost, a="1"), config_map("gone", lost, a="1"))
    near, far = bundle("near", config_map("near", ours, a="1")), bundle("far", config_map("settings", lost, a="3"))
    async with station.running():
        await hub_of_test.publish(near, old)
        await hub_of_test.applied()
        await remove(place, f"{RBAC}/namespaces/{lost}/rolebindings/{BUNDLES}")
        named = deletion("d1", config_map("gone", lost), far)
        await hub_of_test.publish(near, far, deletions=[named])
        failed = await hub_of_test.hear(reports.Failed, lambda report: bool(report.bundles))
        undeleted = await hub_of_test.hear(reports.Deleted, lambda report: bool(report.undeleted))
        await heals(place, hub_of_test, ours, "near")
        assert await place.find(path_of(lost, "gone")) is not None

        for manifest in agent_manifest.manifests(
            agent_manifest.Choice(
                "https://hub.example", "token", role=agent_manifest.Role.NAMESPACED, namespaces=(lost,)
            )
        ):
            if manifest["metadata"].get("namespace") == lost:
                await make(place, manifest)
        await hub_of_test.hear(reports.Deleted, lambda report: bool(report.confirmations))
        await place.until(path_of(lost), lambda live: live["data"] == {"a": "3"})

    (status,) = failed.bundles
    (failure,) = status.failures
    user = f"system:serviceaccount:{naming.NAMESPACE}:{agent_manifest.NAME}"
    assert (failure.object.name, failure.reason) == ("settings", "Forbidden")
    assert f'User "{user}" cannot patch resource "configmaps"' in failure.message
    (held,) = undeleted.undeleted
    assert held.object.name == "gone"
    assert await place.find(path_of(lost, "gone")) is None


async def test_what_it_may_not_watch_is_told_and_seen_by_the_resync(
    place: Place, station: Station, hub_of_test: Publisher, control_plane: ControlPlane, tmp_path: Path
) -> None:
    """With rights to read and write single objects only; it is not asked for again and again."""
    way = await granted(place, control_plane, tmp_path)
    space = place.namespace
    await make(place, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}})
    metadata, rights = {"name": BUNDLES, "namespace": space}, ["get", "create", "patch"]
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": rights}]
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata, "rules": rules}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": BUNDLES}
    subject = {"kind": "ServiceAccount", "name": agent_manifest.NAME, "namespace": naming.NAMESPACE}
    binding = {**role, "kind": "RoleBinding", "roleRef": reference, "subjects": [subject]}
    await make(place, role)
    await make(place, {name: value for name, value in binding.items() if name != "rules"})
    async with faults.proxied(way, tmp_path) as (proxy, through):
        station.identity = msgspec.structs.replace(station.identity, access=through)
        station.options = station.faster(resync=0.3)
        async with station.running():
            await hub_of_test.publish(bundle("web", config_map("settings", space, a="1")))
            await hub_of_test.applied()
            blind = f"ConfigMap in {space} (Forbidden)"
            await hub_of_test.hear(reports.Hello, lambda hello: hello.unwatched == (blind,))
            await heals(place, hub_of_test, space)
            await heals(place, hub_of_test, space)

    assert sum(path.endswith(f"/namespaces/{space}/configmaps") for _, path in proxy.requests) < 5
