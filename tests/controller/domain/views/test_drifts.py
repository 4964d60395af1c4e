"""What differs from Git, and who did it."""

import datetime

import msgspec
import pytest

from controller.domain import clusters
from controller.domain.views import bundles as bundle_views
from controller.domain.views import clusters as cluster_views
from controller.domain.views import drifts as views
from controller.domain.views import freshness
from protocol import bundles, drifts, ids, reports
from tests.controller.domain import examples
from tests.controller.domain.views.conftest import Fleet

AT = datetime.datetime(2026, 11, 5, 11, 0, tzinfo=datetime.UTC)


def drift(name: str, *, manager: str = "kubectl-edit", bundle: str = "shop/web") -> drifts.Drift:
    """Somebody edited a config map by hand."""
    field = drifts.Field(field=".data.colour", expected='"red"', actual='"blue"', manager=manager, operation="Update")
    return drifts.Drift(
        object=examples.config_map(name, "shop"),
        bundle=ids.BundleId(bundle),
        policy=bundles.Drift.REVERT if bundle == "shop/web" else bundles.Drift.ALERT,
        kind=drifts.Kind.CHANGED,
        since=AT,
        fields=(field,),
    )


@pytest.fixture
async def drifting(fleet: Fleet) -> Fleet:
    """Three objects differ; one of them is put right."""
    hub = fleet.hub
    found = (drift("two"), drift("one", bundle="shop/api"))
    hub.take(reports.DriftDetected(origin=hub.origin(fleet.a), drifts=found, left_out=4))
    hub.take(reports.DriftDetected(origin=hub.origin(fleet.b), drifts=(drift("three", manager="keda"),)))
    over = drifts.Correction(drift=drift("three", manager="keda"), means=drifts.Means.REVERTED, at=AT)
    hub.take(reports.DriftCorrected(origin=hub.origin(fleet.b), corrections=(over,)))
    return fleet


def objects(fleet: Fleet, **wish: object) -> list[str]:
    found = views.every(fleet.looking, views.Wish(**wish))  # type: ignore[arg-type]
    return [f"{one.cluster} {one.object.rpartition('/')[2]}" for one in found]


async def test_what_differs_is_told_cluster_by_cluster_and_object_by_object(drifting: Fleet) -> None:
    assert objects(drifting) == ["a one", "a two"]
    assert objects(drifting, ended=True) == ["a one", "a two", "b three"]


async def test_drifts_are_filtered(drifting: Fleet) -> None:
    assert objects(drifting, cluster="b") == []
    assert objects(drifting, bundle="shop/api") == ["a one"]
    assert objects(drifting, source="shop") == ["a one", "a two"]
    assert objects(drifting, source="other") == []
    assert objects(drifting, policy=bundles.Drift.ALERT) == ["a one"]
    assert objects(drifting, manager="keda", ended=True) == ["b three"]


async def test_a_cluster_tells_what_differs_and_what_is_over(drifting: Fleet) -> None:
    a, b = (
        views.of_cluster(drifting.looking, clusters.by_name(drifting.hub.world.clusters, name)) for name in ("a", "b")
    )

    assert (len(a.open), a.left_out, a.ended, a.connection) == (2, 4, [], freshness.Connection.ONLINE)
    assert (b.open, [(one.ended, one.ended_at) for one in b.ended]) == ([], [(drifts.Means.REVERTED, AT)])
    assert [one.manager for one in a.open[0].fields] == ["kubectl-edit"]


async def test_each_row_has_a_key_of_its_own(drifting: Fleet) -> None:
    rows = views.every(drifting.looking, views.Wish(ended=True))
    again = msgspec.structs.replace(rows[0], since=AT + datetime.timedelta(seconds=1))

    assert len({views.key(row) for row in (*rows, again)}) == 4


async def test_clusters_and_bundles_count_what_differs(drifting: Fleet) -> None:
    """And a cluster's own page names it, with who did it."""
    looking = drifting.looking
    a, b = (cluster_views.detail(looking, looking.world.clusters[name]) for name in (drifting.a, drifting.b))
    found = bundle_views.get(looking, "shop/web")

    assert (a.cluster.drifts, b.cluster.drifts, bundle_views.row(looking, found).drifted) == (6, 0, 1)
    assert [(one.object.rpartition("/")[2], one.fields[0].manager) for one in a.drift] == [
        ("one", "kubectl-edit"),
        ("two", "kubectl-edit"),
    ]
    assert b.drift == []
