"""A bundle in one line: on how many clusters it should be, and how it stands on each."""

import datetime

import msgspec
import pytest

from controller.domain import catalogs, rejections
from controller.domain.views import bundles as views
from controller.domain.views import freshness
from protocol import ids, reports, selectors, status
from protocol.canonical import NO_DIGEST
from protocol.events import sources as source_events
from tests.controller.domain import examples
from tests.controller.domain.views.conftest import Fleet
from tests.fixtures import hub as hubs

WEB = ids.BundleId("shop/web")
PROBLEM = source_events.Problem(path="web/x.yaml", reason="not YAML", line=3)


def shown(fleet: Fleet) -> views.Detail:
    return views.detail(fleet.looking, views.get(fleet.looking, "shop/web"), ())


def on(fleet: Fleet, name: str) -> tuple[views.State, str]:
    [found] = [one for one in shown(fleet).clusters if one.cluster == name]
    return found.state, found.reason


def rewrite(fleet: Fleet, **changes: object) -> None:
    """Let the commit say something else of shop/web."""
    [(digest, catalog)] = fleet.hub.catalogs.items()
    entries = tuple(
        msgspec.structs.replace(entry, **changes) if entry.bundle == WEB else entry for entry in catalog.entries
    )
    fleet.hub.catalogs[digest] = msgspec.structs.replace(catalog, entries=entries)


async def test_a_bundle_that_is_everywhere_is_ready_everywhere(fleet: Fleet) -> None:
    found = views.row(fleet.looking, views.get(fleet.looking, "shop/web"))

    assert [one.entry.bundle for one in views.every(fleet.looking)] == ["shop/api", "shop/web"]
    assert (found.placed, found.ready, found.waiting, found.failed, found.unknown, found.reason) == (2, 2, 0, 0, 0, "")
    assert (found.source, found.revision) == ("shop", str(fleet.catalog.revision))


async def test_a_bundle_that_no_commit_has_is_not_found(fleet: Fleet) -> None:
    with pytest.raises(rejections.NotFound, match="shop/none"):
        views.get(fleet.looking, "shop/none")


async def test_silence_is_unknown(fleet: Fleet) -> None:
    fleet.hub.now += datetime.timedelta(minutes=5)

    when = freshness.moment(hubs.START)
    assert on(fleet, "a") == (views.State.UNKNOWN, f"not heard since {when}; was Ready as of {when}")


async def test_a_conflict_is_a_failure_of_that_cluster(fleet: Fleet) -> None:
    published = fleet.hub.published[fleet.a]
    fleet.hub.published[fleet.a] = msgspec.structs.replace(published, conflicts={WEB: "also in shop/api"})

    assert on(fleet, "a") == (views.State.FAILED, "also in shop/api")
    assert shown(fleet).bundle.reason == "a: also in shop/api"
    assert [one.cluster for one in shown(fleet).clusters] == ["a", "b"]


@pytest.mark.parametrize(
    ("variants", "expected"),
    [
        ((), (views.State.WAITING, "it is not rendered yet for this cluster")),
        ((catalogs.Variant(index=NO_DIGEST),), (views.State.FAILED, "it never had content without errors")),
        ((catalogs.Variant(index=examples.digest("new")),), (views.State.WAITING, "the rollout has not reached it")),
    ],
)
async def test_what_a_cluster_cannot_have_yet_says_why(
    fleet: Fleet, variants: tuple[catalogs.Variant, ...], expected: tuple[views.State, str]
) -> None:
    rewrite(fleet, variants=variants)

    assert on(fleet, "b") == expected


async def test_a_suspended_cluster_waits_for_its_own_reason(fleet: Fleet) -> None:
    rewrite(fleet, variants=(catalogs.Variant(index=examples.digest("new")),))
    fleet.hub.world.clusters[fleet.a] = msgspec.structs.replace(
        fleet.hub.world.clusters[fleet.a], suspended="being rebuilt"
    )

    assert on(fleet, "a") == (views.State.WAITING, "being rebuilt")


FAILURE = reports.ObjectFailure(object=examples.config_map("x"), reason="Forbidden")


@pytest.mark.parametrize(
    ("health", "sync", "failures", "expected"),
    [
        (status.Health.SUSPENDED, status.Sync.SYNCED, (), (views.State.READY, "")),
        (status.Health.PROGRESSING, status.Sync.SYNCED, (), (views.State.PROGRESSING, "Progressing")),
        (status.Health.HEALTHY, status.Sync.OUT_OF_SYNC, (), (views.State.PROGRESSING, "Healthy")),
        (status.Health.DEGRADED, status.Sync.SYNCED, (), (views.State.FAILED, "Degraded")),
        (status.Health.HEALTHY, status.Sync.SYNCED, (FAILURE,), (views.State.FAILED, "ConfigMap x: Forbidden")),
    ],
)
async def test_what_a_cluster_says_of_the_bundle_decides(
    fleet: Fleet,
    health: status.Health,
    sync: status.Sync,
    failures: tuple[reports.ObjectFailure, ...],
    expected: tuple[views.State, str],
) -> None:
    fleet.hub.say(fleet.a, health=health, sync=sync, failures=failures)

    assert on(fleet, "a") == expected


async def test_a_bundle_that_drifted_and_stays_so_is_ready_and_says_what_drifted(fleet: Fleet) -> None:
    drifted = reports.ObjectFailure(examples.config_map("x"), "Drifted", ".data.a is 2, in Git 1")
    fleet.hub.say(fleet.a, sync=status.Sync.OUT_OF_SYNC, failures=(drifted,), drifted=1)

    assert on(fleet, "a") == (views.State.READY, "ConfigMap x: Drifted (.data.a is 2, in Git 1)")


async def test_a_cluster_that_did_not_report_it_yet_is_under_way(fleet: Fleet) -> None:
    newcomer = await fleet.hub.add_cluster("c")
    fleet.hub.publish(newcomer, 1, fleet.catalog)
    fleet.hub.take(reports.Adopted(origin=fleet.hub.origin(newcomer), objects=()))

    assert on(fleet, "c") == (views.State.PROGRESSING, "not reported yet")


async def test_the_detail_says_what_is_wrong_and_whom_it_is_for(fleet: Fleet) -> None:
    rewrite(fleet, errors=(PROBLEM,), warnings=(PROBLEM,), targets=(selectors.Target(match_labels={"env": "prod"}),))

    found = shown(fleet)

    assert (found.errors, found.warnings) == (["web/x.yaml:3: not YAML"], ["web/x.yaml:3: not YAML"])
    assert found.bundle.reason == "web/x.yaml:3: not YAML"
    assert [one.cluster for one in found.clusters] == ["a"]
