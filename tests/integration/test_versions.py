"""An object whose manifest changes its API version or its API group in Git stays the same object, on a real cluster."""

import json
from typing import Any

import pytest

from protocol.events import deletions
from tests.controlplane.server import ControlPlane
from tests.fixtures import fleet as fleets
from tests.fixtures.fleet import Fleet, Site

pytestmark = [pytest.mark.nats, pytest.mark.kube, pytest.mark.timeout(900)]

Manifest = dict[str, Any]


@pytest.fixture
def site(control_plane: ControlPlane) -> Site:
    """A real cluster; started before the hub, for its start blocks the event loop."""
    return fleets.site_of(control_plane)


async def begin(fleet: Fleet, site: Site, files: dict[str, str]) -> None:
    await fleet.add_cluster("edge", site, {})
    commit = fleet.merge(files, "first")
    await fleet.declare()
    await fleet.completed(commit)


def app(fleet: Fleet, **manifests: Manifest) -> dict[str, str]:
    texts = {f"apps/web/{name}.json": json.dumps(manifest) for name, manifest in manifests.items()}
    return {"apps/web/flotilla.yaml": f"defaultNamespace: {fleet.namespace}\n", **texts}


async def endings(fleet: Fleet) -> list[tuple[str, str, str]]:
    """Object, ending and reason of every debt that ended."""
    events = await fleet.events()
    opened = {debt.debt: debt for event in events if isinstance(event, deletions.DebtsOpened) for debt in event.debts}
    return [
        (str(opened[closed.debt].object), closed.ending.value, closed.reason)
        for event in events
        if isinstance(event, deletions.DebtsClosed)
        for closed in event.debts
    ]


def definition(group: str) -> Manifest:
    """A kind that is served in two versions of one shape."""
    shape = {
        "openAPIV3Schema": {
            "type": "object",
            "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
        }
    }
    versions = [{"name": name, "served": True, "storage": name == "v1", "schema": shape} for name in ("v1", "v1alpha1")]
    names = {"kind": "Boat", "plural": "boats", "singular": "boat", "listKind": "BoatList"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"boats.{group}"},
        "spec": {"group": group, "names": names, "scope": "Namespaced", "versions": versions},
    }


def boat(version: str, **spec: int) -> Manifest:
    return {"apiVersion": version, "kind": "Boat", "metadata": {"name": "ahoy"}, "spec": spec}


def autoscaler(version: str, **spec: Any) -> Manifest:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    return {
        "apiVersion": f"autoscaling/{version}",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": {"scaleTargetRef": target, "maxReplicas": 5, **spec},
    }


async def test_a_custom_resource_in_another_version_is_the_same_object(fleet: Fleet, site: Site) -> None:
    group = f"{fleet.namespace}.example"
    path = f"/apis/{group}/v1/namespaces/{fleet.namespace}/boats/ahoy"
    kind = definition(group)
    await begin(fleet, site, app(fleet, kind=kind, boat=boat(f"{group}/v1alpha1", sails=2, oars=4)))
    before = await site.uid(path)
    assert before

    await fleet.completed(fleet.merge(app(fleet, kind=kind, boat=boat(f"{group}/v1", sails=3))))

    found = await site.find(path)
    assert found is not None
    assert (found["metadata"]["uid"], found["spec"]) == (before, {"sails": 3})
    assert fleet.hub.shared.world.ledger.sets == {}


async def test_a_built_in_object_in_another_version_is_the_same_object(fleet: Fleet, site: Site) -> None:
    path = f"/apis/autoscaling/v2/namespaces/{fleet.namespace}/horizontalpodautoscalers/web"
    await begin(fleet, site, app(fleet, scaler=autoscaler("v1", minReplicas=2, targetCPUUtilizationPercentage=80)))
    before = await site.uid(path)
    assert before
    target = {"type": "Utilization", "averageUtilization": 60}
    metrics = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]

    await fleet.completed(fleet.merge(app(fleet, scaler=autoscaler("v2", metrics=metrics))))

    found = await site.find(path)
    assert found is not None
    assert (found["metadata"]["uid"], found["spec"]["metrics"]) == (before, metrics)
    assert found["spec"]["minReplicas"] == 1  # left Git with the old version, so that the default is back
    assert fleet.hub.shared.world.ledger.sets == {}


def event_of_core(fleet: Fleet) -> Manifest:
    """As `v1` says it."""
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "twin"},
        "involvedObject": {"namespace": fleet.namespace},
        "reason": "Testing",
        "message": "the same",
        "type": "Normal",
        "action": "Test",
        "reportingComponent": "flotilla.example/test",
        "reportingInstance": "test",
        "eventTime": "2026-11-24T12:00:00.000000Z",
    }


def event_of_its_group(fleet: Fleet) -> Manifest:
    """The same as `events.k8s.io/v1` says it: both groups serve one object."""
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "twin"},
        "regarding": {"namespace": fleet.namespace},
        "reason": "Testing",
        "note": "the same",
        "type": "Normal",
        "action": "Test",
        "reportingController": "flotilla.example/test",
        "reportingInstance": "test",
        "eventTime": "2026-11-24T12:00:00.000000Z",
    }


async def test_an_object_under_another_group_is_not_deleted_by_the_debt_of_the_old_one(
    fleet: Fleet, site: Site
) -> None:
    path = f"/api/v1/namespaces/{fleet.namespace}/events/twin"
    await begin(fleet, site, app(fleet, twin=event_of_core(fleet)))
    before = await site.uid(path)
    assert before

    await fleet.completed(fleet.merge(app(fleet, twin=event_of_its_group(fleet))))
    await fleet.until("the debt has ended", lambda: not fleet.hub.shared.world.ledger.debts)

    assert await site.uid(path) == before
    [(debtor, ending, reason)] = await endings(fleet)
    assert (debtor, ending) == ("Event twin", "released")
    assert f"is the wanted object Event.events.k8s.io {fleet.namespace}/twin" in reason


async def test_an_object_under_another_group_is_kept_while_the_new_one_cannot_be_applied(
    fleet: Fleet, site: Site
) -> None:
    path = f"/api/v1/namespaces/{fleet.namespace}/events/twin"
    await begin(fleet, site, app(fleet, twin=event_of_core(fleet)))
    before = await site.uid(path)
    broken = event_of_its_group(fleet) | {"action": "immutable, and changed"}

    fleet.merge(app(fleet, twin=broken))
    await fleet.until("the deletion is refused", lambda: _undeleted(fleet) == ["BundleNotApplied"])
    assert await site.uid(path) == before
    await fleet.completed(fleet.merge(app(fleet, twin=event_of_its_group(fleet))))
    await fleet.until("the debt has ended", lambda: not fleet.hub.shared.world.ledger.debts)

    assert await site.uid(path) == before
    assert [(debtor, ending) for debtor, ending, _ in await endings(fleet)] == [("Event twin", "released")]


def _undeleted(fleet: Fleet) -> list[str]:
    return [one.reason for seen in fleet.hub.shared.observed.values() for one in seen.undeleted.values()]
