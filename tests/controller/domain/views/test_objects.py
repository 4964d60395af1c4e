"""The objects of a bundle on a cluster: those that were named, and those that were not."""

import datetime

import msgspec
import pytest

from controller.domain import rejections
from controller.domain.views import clusters as cluster_views
from controller.domain.views import objects as views
from protocol import bundles, canonical, ids, reports, status
from protocol.status import Health, Sync
from tests.controller.domain import examples
from tests.controller.domain.views.conftest import Fleet
from tests.fixtures import hub as hubs

WEB = ids.BundleId("shop/web")
NAMES = ("a", "b", "c")
CONTENT = bundles.BundleIndex(
    bundle=WEB,
    options=bundles.BundleOptions(),
    objects=tuple(
        bundles.IndexEntry(examples.config_map(name, "shop"), canonical.NO_DIGEST, f"web/{name}.yaml") for name in NAMES
    ),
)
PULL = reports.ObjectState(
    examples.config_map("b", "shop"), Sync.SYNCED, Health.DEGRADED, "ImagePullBackOff", "no such image"
)


def say(fleet: Fleet, **changes: object) -> None:
    """Cluster a reports this of shop/web."""
    published = fleet.hub.published[fleet.a]
    entry = next(one for one in fleet.hub.roots[published.root].bundles if one.bundle == WEB)
    fields: dict[str, object] = {"sync": Sync.SYNCED, "health": Health.HEALTHY, "objects": 3, **changes}
    told = reports.BundleStatus(bundle=WEB, index=entry.index, **fields)  # type: ignore[arg-type]
    origin = msgspec.structs.replace(fleet.hub.origin(fleet.a), generation=4)
    fleet.hub.take(reports.Ready(origin=origin, root=published.root, bundles=(told,)))


def rows(fleet: Fleet, health: Health | None = None) -> list[views.Row]:
    where = views.place(fleet.looking, fleet.hub.world.clusters[fleet.a], "shop/web")
    return views.every(fleet.looking, where, CONTENT, health)


def words(found: list[views.Row]) -> list[tuple[str, str, str, str]]:
    return [(one.name, one.sync.value, one.health.value, one.reason) for one in found]


async def test_what_is_not_named_is_well_where_all_that_is_not_was_named(fleet: Fleet) -> None:
    say(fleet, health=Health.DEGRADED, states=(PULL,), ailing=1, healths={"Healthy": 2, "Degraded": 1})

    assert words(rows(fleet)) == [
        ("a", "Synced", "Healthy", ""),
        ("b", "Synced", "Degraded", "ImagePullBackOff"),
        ("c", "Synced", "Healthy", ""),
    ]
    found = rows(fleet, Health.DEGRADED)
    assert words(found) == [("b", "Synced", "Degraded", "ImagePullBackOff")]
    assert (found[0].object, found[0].file, found[0].message) == ("ConfigMap shop/b", "web/b.yaml", "no such image")
    assert (found[0].was, found[0].as_of) == (None, hubs.START)


async def test_what_is_beyond_the_bound_is_unknown(fleet: Fleet) -> None:
    say(fleet, health=Health.DEGRADED, states=(PULL,), ailing=2, healths={"Degraded": 2, "Healthy": 1})

    assert {one.reason: one.health for one in rows(fleet)} == {
        "ImagePullBackOff": Health.DEGRADED,
        views.UNTOLD: Health.UNKNOWN,
    }


async def test_of_an_older_agent_only_the_failures_and_a_bundle_that_is_well_tell(fleet: Fleet) -> None:
    failure = reports.ObjectFailure(examples.config_map("b", "shop"), "Invalid", "no")
    well = words(rows(fleet))
    say(fleet, health=Health.MISSING, failures=(failure,), failed=1)

    assert {one[1:] for one in well} == {("Synced", "Healthy", "")}
    assert words(rows(fleet)) == [
        ("a", "Unknown", "Unknown", views.UNTOLD),
        ("b", "Unknown", "Unknown", "Invalid"),
        ("c", "Unknown", "Unknown", views.UNTOLD),
    ]


async def test_objects_of_a_silent_cluster_are_unknown_and_were_what_they_were(fleet: Fleet) -> None:
    say(fleet, health=Health.DEGRADED, states=(PULL,), ailing=1, healths={"Degraded": 1, "Healthy": 2})
    fleet.hub.now += datetime.timedelta(minutes=5)

    found = rows(fleet)

    assert {(one.sync, one.health) for one in found} == {(Sync.UNKNOWN, Health.UNKNOWN)}
    assert [one.was for one in found] == [Health.HEALTHY, Health.DEGRADED, Health.HEALTHY]
    assert cluster_views.detail(fleet.looking, fleet.hub.world.clusters[fleet.a]).ailing == []


async def test_what_was_not_reported_is_unknown(fleet: Fleet) -> None:
    fleet.hub.observed[fleet.a] = msgspec.structs.replace(fleet.hub.observed[fleet.a], bundles={})

    found = rows(fleet)
    assert {(one.health, one.reason, one.as_of) for one in found} == {(Health.UNKNOWN, "NotReported", None)}
    assert cluster_views.detail(fleet.looking, fleet.hub.world.clusters[fleet.a]).ailing == []


async def test_a_bundle_that_was_not_published_for_the_cluster_is_not_found(fleet: Fleet) -> None:
    with pytest.raises(rejections.NotFound, match="shop/none"):
        views.place(fleet.looking, fleet.hub.world.clusters[fleet.a], "shop/none")


async def test_the_detail_of_a_cluster_names_what_is_not_well_the_worst_first(fleet: Fleet) -> None:
    drifted = reports.ObjectState(examples.config_map("a", "shop"), Sync.OUT_OF_SYNC, reason="Drifted", message="m")
    say(fleet, health=Health.DEGRADED, states=(drifted, PULL), ailing=2, healths={"Degraded": 1, "Healthy": 2})

    found = cluster_views.detail(fleet.looking, fleet.hub.world.clusters[fleet.a])

    assert [(one.bundle, one.object, one.reason) for one in found.ailing] == [
        (WEB, "ConfigMap shop/b", "ImagePullBackOff"),
        (WEB, "ConfigMap shop/a", "Drifted"),
    ]
    assert [one.healths for one in found.bundles] == [{}, {"Degraded": 1, "Healthy": 2}]
    assert status.worst([one.health for one in found.ailing]) is Health.DEGRADED
