"""A canary that stops a bad commit, and gets the fix first."""

import pytest

from controller.domain import rollout_state
from tests.fixtures.fleet import Fleet, Site

pytestmark = [pytest.mark.nats, pytest.mark.timeout(900)]

FAIL = "sandbox.flotilla.gitops/fail"


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
