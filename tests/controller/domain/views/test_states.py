"""One cluster's two sides."""

import msgspec
import pytest

from controller.domain import clusters, rejections
from controller.domain.views import freshness, states
from protocol import bundles, ids, reports
from tests.controller.domain import examples
from tests.controller.domain.views.conftest import Fleet

MAP = examples.config_map("settings", "shop")


def index(bundle: ids.BundleId) -> bundles.BundleIndex:
    """The bundle holds one object."""
    entry = bundles.IndexEntry(object=MAP, manifest=examples.digest("m"), file="web/settings.yaml")
    return bundles.BundleIndex(bundle=bundle, options=bundles.BundleOptions(), objects=(entry,))


def wanted(fleet: Fleet) -> states.Desired:
    looking = fleet.looking
    cluster = clusters.by_name(looking.world.clusters, "a")
    contents = {
        one.index: index(one.bundle)
        for one in fleet.hub.roots[fleet.hub.published[fleet.a].root].bundles
        if one.index in states.named(looking, cluster)
    }
    return states.wanted(looking, cluster, contents)


async def test_the_desired_state_is_told_down_to_each_object(fleet: Fleet) -> None:
    published = fleet.hub.published[fleet.a]
    conflicts = {ids.BundleId("shop/web"): "ConfigMap shop/settings is also in shop/api"}
    fleet.hub.published[fleet.a] = msgspec.structs.replace(published, conflicts=conflicts)

    found = wanted(fleet)

    assert (found.cluster, found.generation, found.root) == ("a", 4, published.root)
    assert [(one.source, one.revision.partition("@")[0]) for one in found.revisions] == [("shop", "main")]
    assert [(one.bundle, bool(one.conflict), one.object_count) for one in found.bundles] == [
        ("shop/api", False, 1),
        ("shop/web", True, 1),
    ]
    assert found.bundles[0].objects == [
        states.Object(object=str(MAP), manifest=examples.digest("m"), file="web/settings.yaml")
    ]


async def test_what_is_kept_is_told_with_its_reason(fleet: Fleet) -> None:
    published = fleet.hub.published[fleet.a]
    root = fleet.hub.roots[published.root]
    kept = bundles.Kept(object=MAP, bundle=ids.BundleId("shop/web"), reason="in doubt")
    fleet.hub.roots[published.root] = msgspec.structs.replace(root, kept=(kept,))

    assert wanted(fleet).kept == ["ConfigMap shop/settings of shop/web: in doubt"]


async def test_where_nothing_was_published_there_is_no_desired_state(fleet: Fleet) -> None:
    del fleet.hub.published[fleet.a]
    with pytest.raises(rejections.NotFound, match="nothing was published"):
        states.wanted(fleet.looking, clusters.by_name(fleet.hub.world.clusters, "a"), {})


async def test_a_root_that_is_not_at_hand_is_not_invented(fleet: Fleet) -> None:
    fleet.hub.roots.clear()
    with pytest.raises(rejections.NotFound):
        states.wanted(fleet.looking, clusters.by_name(fleet.hub.world.clusters, "a"), {})


async def test_the_observed_state_is_what_the_agent_said(fleet: Fleet) -> None:
    orphan = reports.Orphan(object=MAP, bundle=ids.BundleId("shop/old"))
    fleet.hub.take(reports.Orphaned(origin=fleet.hub.origin(fleet.a), orphans=(orphan,), total=1))

    found = states.said(fleet.looking, clusters.by_name(fleet.hub.world.clusters, "a"))

    assert (found.connection, found.heard_ago_s) == (freshness.Connection.ONLINE, 0.0)
    assert [one.bundle for one in found.bundles] == ["shop/api", "shop/web"]
    assert (found.orphans, found.orphan_count) == (["ConfigMap shop/settings of shop/old"], 1)
