"""From a published desired state to objects in the cluster, and to what the hub hears about it.

Real nats-server, the sandbox's Kubernetes API, the whole agent in this process.
"""

import pytest

from protocol import reports
from protocol.status import Health, Sync
from tests.agents.conftest import Place, Station
from tests.agents.publisher import Publisher, bundle, config_map

pytestmark = pytest.mark.nats


async def test_a_published_state_is_applied_and_reported(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """One bundle with one object: the object is there, ours, and the hub hears it."""
    async with station.running():
        await hub_of_test.publish(bundle("web", config_map("settings", colour="blue")))
        applied = await hub_of_test.applied()

    found = await place.config_map("settings")
    assert found is not None
    assert found["data"] == {"colour": "blue"}
    assert found["metadata"]["managedFields"][0]["manager"] == "flotilla"
    (status,) = applied.bundles
    assert (status.sync, status.health, status.objects, status.changed) == (Sync.SYNCED, Health.HEALTHY, 1, 1)
    assert applied.inventory == 1
    hello = hub_of_test.of(reports.Hello)[0]
    assert hello.cluster_uid == place.uid
