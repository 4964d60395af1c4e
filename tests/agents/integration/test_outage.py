"""A real API server that is killed while it is watched, and comes back on an etcd that has forgotten.

A control plane of its own. No resync comes by itself here: what happens afterwards is what the watches noticed.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest

from agents.kube import access
from protocol.drifts import Kind, Means
from tests.agents import faults
from tests.agents.conftest import Place, Station, opened
from tests.agents.integration.telling import corrected, delete, detected, path_of
from tests.agents.publisher import Publisher, bundle, config_map
from tests.conformance import history
from tests.controlplane.assets import Assets
from tests.controlplane.server import ControlPlane

pytestmark = [pytest.mark.nats, pytest.mark.kube]


@pytest.fixture
def plane(kube_assets: Assets) -> Iterator[ControlPlane]:
    """A cluster that a test may harm."""
    with ControlPlane.start(kube_assets, controllers=False) as started:
        yield started


@pytest.fixture
async def place(plane: ControlPlane) -> AsyncIterator[Place]:
    async with opened(access.Access(plane.kubeconfig), has_workloads=False) as made:
        yield made


async def back(plane: ControlPlane) -> None:
    """The API server answers again."""
    plane.start_api_server()
    await asyncio.to_thread(plane.wait)


async def test_what_changed_where_nobody_could_look_is_seen_once_the_api_server_is_back(
    place: Place, plane: ControlPlane, station: Station, hub_of_test: Publisher, tmp_path: Path
) -> None:
    """One object was changed and another one deleted while every watch was refused; then the server was killed, and
    etcd compacted, so that nobody can tell any more what happened since."""
    changed, gone = path_of(place, "changed"), path_of(place, "gone")
    async with faults.proxied(place.access, tmp_path) as (proxy, way):
        station.identity = msgspec.structs.replace(station.identity, access=way)
        station.options = station.faster(lease_duration=900.0, lease_deadline=600.0)  # the same agent all the while
        async with station.running():
            await hub_of_test.publish(
                bundle("web", *(config_map(name, place.namespace, a="1") for name in ("changed", "gone")))
            )
            await hub_of_test.applied()
            collection = changed.rpartition("/")[0]
            await place.patience(lambda: proxy.requests.count(("GET", collection)) > 1)  # listed, and watched
            blind = proxy.strike("GET", "/configmaps", query="watch=true", status=503)
            plane.end_api_server()
            await place.patience(lambda: blind.struck > 0)
            await back(plane)
            await place.foreign.merge(changed, {"data": {"a": "2"}})
            await delete(place, gone)
            here = (await place.api.get("/api/v1/namespaces"))["metadata"]["resourceVersion"]
            plane.end_api_server()
            history.compact(plane.directory / "etcd.sock", here)
            await back(plane)
            proxy.faults.clear()
            found, lost = await detected(hub_of_test, "changed"), await detected(hub_of_test, "gone")
            ends = [await corrected(hub_of_test, name) for name in ("changed", "gone")]

            heard = len(hub_of_test.heard)
            await place.foreign.merge(changed, {"data": {"a": "3"}})
            again = await detected(hub_of_test, "changed", after=heard)

    assert (found.kind, found.fields[0].actual, found.fields[0].manager) == (Kind.CHANGED, '"2"', "somebody")
    assert (lost.kind, again.fields[0].actual) == (Kind.GONE, '"3"')
    assert [one.means for one in ends] == [Means.REVERTED, Means.REVERTED]
