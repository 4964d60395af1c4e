"""The multi-cluster examples of rancher/fleet, which nobody here wrote, unchanged on real API servers: each renderer
gives each environment what the READMEs say, a cluster that changes its label moves and comes back, and one that joins
late gets what nobody had before. Nothing is deleted on the way but what the label says, by name."""

import asyncio
import os
import pathlib
from typing import Any

import pytest

from controller.domain import clusters
from controller.render import programs
from protocol import specs
from protocol.events import deletions as events
from tests import requirements
from tests.fixtures import fleet as fleets
from tests.fixtures import kubelet, processes
from tests.fixtures.fleet import Fleet, Site
from tests.fixtures.kube import ControlPlanes

INPUTS = pathlib.Path(os.environ.get("FLOTILLA_TEST_INPUTS") or pathlib.Path(__file__).parents[3] / "shared" / "inputs")
EXAMPLES = INPUTS / "fleet-examples"

pytestmark = [
    pytest.mark.nats,
    pytest.mark.kube,
    pytest.mark.helm,
    pytest.mark.kustomize,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the fleet-examples are not beside the repository"),
]

NAMESPACES = tuple(f"fleet-mc-{kind}-example" for kind in ("helm", "kustomize", "manifest"))
PARTS = ("frontend", "redis-master", "redis-slave")
OBJECTS = [
    path
    for namespace in NAMESPACES
    for part in PARTS
    for path in (
        f"/apis/apps/v1/namespaces/{namespace}/deployments/{part}",
        f"/api/v1/namespaces/{namespace}/services/{part}",
    )
]
README = {
    "dev": {"followers": 0, "service": "NodePort"},
    "test": {"followers": 2, "frontends": 3, "service": "NodePort"},
    "prod": {"followers": 2, "frontends": 3, "service": "LoadBalancer"},
}
"""What the three READMEs say of each environment, in the same words; of dev's frontends they say nothing."""


@pytest.fixture
async def sites(
    control_planes: ControlPlanes,
    helm_program: programs.Program,
    kustomize_program: programs.Program,
    monkeypatch: pytest.MonkeyPatch,
) -> list[Site]:
    """Three real clusters without anything of the examples, and a hub to come that finds the renderers."""
    path = os.pathsep.join((str(kustomize_program.path.parent), str(helm_program.path.parent), os.environ["PATH"]))
    monkeypatch.setenv("PATH", path)
    planes = control_planes(3)
    if not all(plane.controllers for plane in planes):
        requirements.require("kube", "there is no kube-controller-manager: no Deployment gets ready")
    found = [fleets.site_of(plane) for plane in planes]
    await asyncio.gather(*(_emptied(site) for site in found))
    return found


async def _emptied(site: Site) -> None:
    for namespace in NAMESPACES:
        status, answer = await asyncio.to_thread(site.client.call, "DELETE", f"/api/v1/namespaces/{namespace}")
        assert status in (200, 404), answer

    async def empty() -> bool:
        return not any([await site.find(f"/api/v1/namespaces/{namespace}") for namespace in NAMESPACES])

    await processes.until("the namespaces are gone", empty)


async def test_the_examples_of_fleet_deploy_unchanged(sites: list[Site], fleet: Fleet) -> None:
    async with kubelet.kubelets(*sites):
        await _story(sites, fleet)


async def _story(sites: list[Site], fleet: Fleet) -> None:
    await fleet.add_cluster("dev", sites[0], {"env": "dev"})
    await fleet.add_cluster("test", sites[1], {"env": "test"})
    commit = fleet.merge(_files(), "the examples of rancher/fleet")
    await fleet.declare(paths=("multi-cluster/*",))
    await fleet.completed(commit)

    environments = {"dev": "dev", "test": "test"}
    assert await _told(fleet, environments) == _wanted(environments)
    assert [warning for warning in map(str, fleet.source().warnings) if "is deprecated" not in warning] == []
    assert fleet.source().problems == ()
    before = await fleet.uids(OBJECTS)

    # Nobody had the variant for prod so far.
    await fleet.add_cluster("prod", sites[2], {"env": "prod"})
    await _until(fleet, {"dev": "dev", "test": "test", "prod": "prod"})
    assert {key: uid for key, uid in (await fleet.uids(OBJECTS)).items() if key in before} == before

    await _label(fleet, "dev", {"env": "test"})
    await _until(fleet, {"dev": "test", "test": "test", "prod": "prod"})
    after = await fleet.uids(OBJECTS)
    assert {key: after[key] for key, uid in before.items() if uid} == {key: uid for key, uid in before.items() if uid}
    assert all(after.values())
    assert fleet.hub.shared.world.ledger.debts == {}

    # And back: what dev does not have goes by name, and nothing else does.
    await _label(fleet, "dev", {"env": "dev"})
    await _until(fleet, {"dev": "dev", "test": "test", "prod": "prod"})
    await fleet.until("what left is confirmed", lambda: not fleet.hub.shared.world.ledger.debts)
    assert await fleet.uids(OBJECTS) == {key: uid if before.get(key, uid) else "" for key, uid in after.items()}
    opened = [debt for one in await fleet.events() if isinstance(one, events.DebtsOpened) for debt in one.debts]
    dev = clusters.by_name(fleet.hub.shared.world.clusters, "dev").id
    assert {(debt.cluster, debt.object.kind, debt.object.name) for debt in opened} == {
        (dev, "Deployment", "redis-slave")
    }
    assert len(opened) == list(before.values()).count("")


def _files() -> dict[str, str]:
    return {
        str(path.relative_to(EXAMPLES)): path.read_text()
        for path in (EXAMPLES / "multi-cluster").rglob("*")
        if path.is_file()
    }


async def _label(fleet: Fleet, name: str, labels: dict[str, str]) -> None:
    await fleet.run(
        lambda world: clusters.label(clusters.by_name(world.clusters, name), labels, by=specs.ManagedBy.COMMAND)
    )


async def _until(fleet: Fleet, environments: dict[str, str]) -> None:
    """Wait until each cluster has what the READMEs say of its environment."""

    async def told() -> bool:
        return await _told(fleet, environments) == _wanted(environments)

    await processes.until(f"the clusters are {environments}", told)


def _wanted(environments: dict[str, str]) -> dict[str, Any]:
    return {name: dict.fromkeys(NAMESPACES, README[env]) for name, env in environments.items()}


async def _told(fleet: Fleet, environments: dict[str, str]) -> dict[str, Any]:
    """What runs in each cluster and namespace, as far as the READMEs say anything of it."""
    found: dict[str, Any] = {}
    for name, env in environments.items():
        runs = {namespace: await _guestbook(fleet.sites[name], namespace) for namespace in NAMESPACES}
        found[name] = {namespace: {key: one[key] for key in README[env]} for namespace, one in runs.items()}
    return found


async def _guestbook(site: Site, namespace: str) -> dict[str, Any]:
    service = await site.find(f"/api/v1/namespaces/{namespace}/services/frontend")
    return {
        "followers": await _replicas(site, namespace, "redis-slave"),
        "frontends": await _replicas(site, namespace, "frontend"),
        "service": service["spec"]["type"] if service is not None else "",
    }


async def _replicas(site: Site, namespace: str, name: str) -> int:
    found = await site.find(f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}")
    return int(found["spec"]["replicas"]) if found is not None else 0
