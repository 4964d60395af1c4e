"""Manifests that nobody here wrote, on a real API server; and a canary that stops a bad commit."""

import os
import pathlib

import pytest

from controller.domain import rollout_state
from tests.fixtures import fleet as fleets
from tests.fixtures.fleet import Fleet, Site
from tests.fixtures.kube import ControlPlanes

pytestmark = [pytest.mark.nats, pytest.mark.timeout(240)]

INPUTS = pathlib.Path(os.environ.get("FLOTILLA_TEST_INPUTS") or pathlib.Path(__file__).parents[3] / "shared" / "inputs")
MANIFESTS = INPUTS / "fleet-examples" / "multi-cluster" / "manifests"
FAIL = "sandbox.flotilla.gitops/fail"


@pytest.fixture
def real_site(control_planes: ControlPlanes) -> Site:
    """A real cluster; started before the hub, for its start blocks the event loop."""
    return fleets.site_of(control_planes(1)[0])


@pytest.mark.kube
@pytest.mark.skipif(not MANIFESTS.is_dir(), reason="the fleet-examples are not beside the repository")
async def test_the_raw_manifests_of_fleet_examples_are_applied(real_site: Site, fleet: Fleet) -> None:
    files = {
        f"apps/guestbook/{path.relative_to(MANIFESTS)}": path.read_text()
        for path in MANIFESTS.rglob("*")
        if path.is_file()
    }
    await fleet.add_cluster("dev", real_site, {"env": "dev"})
    fleet.merge(files, "guestbook")
    await fleet.declare()

    base = "namespaces/fleet-mc-manifest-example"
    names = [f"/apis/apps/v1/{base}/deployments/{name}" for name in ("frontend", "redis-master", "redis-slave")]
    names += [f"/api/v1/{base}/services/{name}" for name in ("frontend", "redis-master", "redis-slave")]

    def applied() -> bool:
        return any(seen.inventory == len(names) for seen in fleet.hub.shared.observed.values())

    await fleet.until("the manifests are applied", applied)
    assert all((await fleet.uids(names)).values())

    # Nobody runs Pods here: the Deployments make no progress, so the cluster keeps its slot and nothing is complete.
    current = fleet.rollout()
    assert current is not None
    assert (current.phase, len(current.in_flight)) == (rollout_state.Phase.RUNNING, 1)
    assert any("targetCustomizations" in str(warning) for warning in fleet.source().warnings)


async def test_a_failing_canary_stops_the_commit_and_the_fix_goes_there_first(
    fleet: Fleet, fleet_sandbox: list[Site]
) -> None:
    for name in ("a", "b", "c"):
        await fleet.add_cluster(name, fleet_sandbox.pop(), {"env": "prod"})
    good = fleet.merge(_web(fleet, "1.0", annotations=""), "good")
    await fleet.declare()
    await fleet.completed(good)

    fleet.merge(_web(fleet, "1.1", annotations=f"{FAIL}: 'ImagePullBackOff no such image'"), "bad")
    await fleet.until("the rollout halts", lambda: _phase(fleet) is rollout_state.Phase.HALTED)
    halted = fleet.rollout()
    assert halted is not None
    assert [fleet.hub.shared.world.clusters[one].name for one in halted.failed] == ["a"]
    assert await _images(fleet) == {"a": "web:1.1", "b": "web:1.0", "c": "web:1.0"}

    fixed = fleet.merge(_web(fleet, "1.2", annotations=""), "fix")
    await fleet.completed(fixed)
    current = fleet.rollout()
    assert current is not None
    first = current.stages[0]
    names = [fleet.hub.shared.world.clusters[one].name for one in first.clusters]
    assert (first.name, names) == ("inherited", ["a"])
    assert set((await _images(fleet)).values()) == {"web:1.2"}


def _phase(fleet: Fleet) -> rollout_state.Phase | None:
    current = fleet.rollout()
    return current.phase if current is not None else None


async def _images(fleet: Fleet) -> dict[str, str]:
    path = f"/apis/apps/v1/namespaces/{fleet.namespace}/deployments/web"
    found = {}
    for name, site in fleet.sites.items():
        live = await site.find(path)
        assert live is not None
        found[name] = live["spec"]["template"]["spec"]["containers"][0]["image"]
    return found


def _web(fleet: Fleet, version: str, *, annotations: str) -> dict[str, str]:
    deployment = f"""\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  annotations: {{{annotations}}}
spec:
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec: {{containers: [{{name: web, image: "web:{version}"}}]}}
"""
    return {
        "apps/web/flotilla.yaml": f"defaultNamespace: {fleet.namespace}\n",
        "apps/web/deployment.yaml": deployment,
    }
