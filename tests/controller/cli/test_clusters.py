"""`flotilla cluster show` and `objects`: what a person reads of a cluster, from a real API."""

import msgspec
import pytest

from protocol import bundles, canonical, reports, status
from tests.controller.cli.conftest import Run
from tests.controller.domain import examples
from tests.fixtures import hub as fixtures

PULL = reports.ObjectState(
    examples.object_id("Deployment", "web", "shop"),
    status.Sync.SYNCED,
    status.Health.DEGRADED,
    "ImagePullBackOff",
    "pod web-1, container web (web:none): not found",
)

MIGRATE = reports.HookStatus(
    examples.object_id("Job", "migrate", "shop"),
    "pre-upgrade",
    reports.HookProgress.FAILED,
    "BackoffLimitExceeded",
    "no such table",
)


@pytest.fixture
async def told(fleet: fixtures.Hub) -> fixtures.Hub:
    """A cluster with one bundle, of which one object is not well."""
    catalog = await fleet.resolve("shop", "web")
    (cluster,) = fleet.world.clusters
    fleet.publish(cluster, 4, catalog)
    fleet.say(cluster)
    (entry,) = fleet.roots[fleet.published[cluster].root].bundles
    found = reports.BundleStatus(
        bundle=entry.bundle,
        index=entry.index,
        sync=status.Sync.SYNCED,
        health=status.Health.DEGRADED,
        objects=2,
        failures=(reports.ObjectFailure(PULL.object, PULL.reason, PULL.message),),
        healths={"Degraded": 1, "Healthy": 1},
        states=(PULL,),
        ailing=1,
        hooks=(MIGRATE,),
    )
    origin = msgspec.structs.replace(fleet.origin(cluster), generation=4)
    fleet.take(reports.Ready(origin=origin, root=fleet.published[cluster].root, bundles=(found,)))
    objects = (examples.config_map("web", "shop"), PULL.object)
    entries = tuple(bundles.IndexEntry(one, canonical.NO_DIGEST, "web/web.yaml") for one in objects)
    fleet.contents[entry.index] = bundles.BundleIndex(entry.bundle, bundles.BundleOptions(), entries)
    return fleet


@pytest.mark.usefixtures("told")
async def test_a_cluster_is_shown_with_what_is_not_well_and_why(run: Run) -> None:
    code, text, _ = await run("cluster", "show", "edge-1")

    assert code == 0
    assert text.startswith("edge-1  Online  Synced  Degraded  at generation 4 of 4, last heard 0s ago, as of ")
    assert (
        "shop/web: Deployment.apps shop/web: ImagePullBackOff (pod web-1, container web (web:none): not found)" in text
    )
    assert "Degraded=1,Healthy=1" in text
    assert _line(text, "shop/migrate").split()[3:6] == ["pre-upgrade", "Failed", "BackoffLimitExceeded"]


def _line(text: str, part: str) -> str:
    return next(line for line in text.splitlines() if part in line)


@pytest.mark.usefixtures("told")
async def test_the_objects_of_a_bundle_are_listed_with_their_health(run: Run) -> None:
    _, names, _ = await run("cluster", "objects", "edge-1", "shop/web", "-o", "name")
    _, ill, _ = await run("cluster", "objects", "edge-1", "shop/web", "--health", "Degraded", "-o", "wide")
    code, _, said = await run("cluster", "objects", "edge-1", "shop/none")

    assert names == "ConfigMap shop/web\nDeployment.apps shop/web\n"
    assert "web/web.yaml" in ill
    assert "ConfigMap" not in ill
    assert (code, "was not published for it" in said) == (3, True)


async def test_a_cluster_that_was_never_heard_is_shown_as_such(run: Run) -> None:
    _, text, _ = await run("cluster", "show", "edge-1", "-o", "table")

    assert "at generation 0 of 0, not heard since the hub started" in text
    assert "never heard" in text
