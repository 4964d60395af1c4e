"""Custom kinds that come and go while their objects are watched: a definition is deleted, made again, or changed.

On the sandbox and on a real API server. No resync comes by itself here: what happens is what was noticed.
"""

import asyncio
import copy

import pytest

from agents.kube import errors as kube_errors
from protocol import reports
from protocol.drifts import Kind, Means
from protocol.status import Sync
from tests.agents.conftest import POLL_S, Place, Station
from tests.agents.integration.telling import corrected, detected
from tests.agents.publisher import HEARD_S, Manifest, Publisher, bundle

pytestmark = pytest.mark.nats

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def definition(place: Place, **served: bool) -> Manifest:
    """A kind of this test's own, with its versions; the last one is stored."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    versions = [
        {"name": name, "served": is_served, "storage": name == list(served)[-1], "schema": schema}
        for name, is_served in served.items()
    ]
    names = {"kind": "Boat", "plural": "boats", "singular": "boat", "listKind": "BoatList"}
    spec = {"group": f"{place.namespace}.example", "names": names, "scope": "Namespaced", "versions": versions}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"boats.{place.namespace}.example"},
        "spec": spec,
    }


def boat(place: Place, version: str = "v1") -> Manifest:
    metadata = {"name": "ahoy", "namespace": place.namespace}
    group = f"{place.namespace}.example"
    return {"apiVersion": f"{group}/{version}", "kind": "Boat", "metadata": metadata, "spec": {"sails": 2}}


def path_of(place: Place, version: str = "v1") -> str:
    return f"/apis/{place.namespace}.example/{version}/namespaces/{place.namespace}/boats/ahoy"


def at_definition(place: Place) -> str:
    return f"{DEFINITIONS}/boats.{place.namespace}.example"


async def remove(place: Place) -> None:
    """Delete the definition, whatever the API server writes into its status meanwhile; return when it is gone."""
    path = at_definition(place)
    while (live := await place.find(path)) is not None:
        metadata = live["metadata"]
        try:
            await place.foreign.delete(path, uid=metadata["uid"], resource_version=metadata["resourceVersion"])
        except (kube_errors.Conflict, kube_errors.NotFound):
            continue


async def served(place: Place, version: str) -> None:
    """Until the object can be read in a version: the API server serves it a moment after its definition says so."""
    async with asyncio.timeout(HEARD_S):
        while True:
            try:
                await place.api.get(path_of(place, version))
            except (kube_errors.NotServed, kube_errors.Transient):
                await asyncio.sleep(POLL_S)
            else:
                return


async def sailing(place: Place, hub_of_test: Publisher, version: str = "v1") -> None:
    """Until a change by hand was told and put right."""
    heard = len(hub_of_test.heard)
    await served(place, version)
    await place.foreign.merge(path_of(place, version), {"spec": {"sails": 3}})
    found = await detected(hub_of_test, "ahoy", after=heard)
    assert (found.kind, found.fields[0].actual) == (Kind.CHANGED, "3")
    assert (await corrected(hub_of_test, "ahoy", after=heard)).means is Means.REVERTED


def is_synced(report: reports.Applied) -> bool:
    return any(item.bundle == "test/boats" and item.sync is Sync.SYNCED for item in report.bundles)


def fails(report: reports.Failed) -> bool:
    return any(
        one.reason == "NoMatch" and one.object.name == "ahoy" for item in report.bundles for one in item.failures
    )


@pytest.fixture
def patient(station: Station) -> Station:
    """An agent that looks often at what is served, and tries what fails once in an hour."""
    station.options = station.faster(survey_interval=0.2, retry_base=3600, retry_ceiling=3600)
    return station


async def test_objects_of_a_definition_that_is_deleted_and_made_again_are_told_made_again_and_watched(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """While it is away its objects fail by name, nothing is deleted, and others go ahead."""
    station.options = station.faster(survey_interval=0.2)
    made = definition(place, v1=True)
    await place.foreign.create(DEFINITIONS, made)
    async with station.running():
        await hub_of_test.publish(bundle("boats", boat(place)))
        await hub_of_test.hear(reports.Applied, is_synced)
        await sailing(place, hub_of_test)

        heard = len(hub_of_test.heard)
        await remove(place)
        await hub_of_test.hear(reports.Failed, fails, after=heard)
        assert [entry.object.name for entry in await place.inventory()] == ["ahoy"]
        heard = len(hub_of_test.heard)
        await place.foreign.create(DEFINITIONS, made)
        await hub_of_test.hear(reports.Applied, is_synced, after=heard)
        await place.until(path_of(place), lambda live: live["spec"] == {"sails": 2})
        await sailing(place, hub_of_test)


async def test_a_kind_is_watched_in_another_version_once_its_own_is_not_served_any_more(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """Git has it in the new one already; the agent knew the kind when there was only the old one."""
    await place.foreign.create(DEFINITIONS, definition(place, v1=True))
    async with station.running():
        await hub_of_test.publish(bundle("boats", boat(place)))
        await hub_of_test.hear(reports.Applied, is_synced)
        await respecify(place, definition(place, v1=True, v2=True))
        await served(place, "v2")
        await hub_of_test.publish(bundle("boats", boat(place, "v2")))
        await hub_of_test.applied()
        await sailing(place, hub_of_test, "v2")

        await respecify(place, definition(place, v1=False, v2=True))
        await sailing(place, hub_of_test, "v2")


async def respecify(place: Place, wanted: Manifest) -> None:
    await place.foreign.merge(at_definition(place), {"spec": copy.deepcopy(wanted["spec"])})


async def test_what_waits_for_a_kind_goes_ahead_as_soon_as_it_is_served(
    place: Place, patient: Station, hub_of_test: Publisher
) -> None:
    async with patient.running():
        await hub_of_test.publish(bundle("boats", boat(place)))
        await hub_of_test.hear(reports.Failed, fails)
        await place.foreign.create(DEFINITIONS, definition(place, v1=True))
        await hub_of_test.hear(reports.Applied, is_synced)

    assert (await place.find(path_of(place)) or {})["spec"] == {"sails": 2}
