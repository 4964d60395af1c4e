"""A cluster in one line: nothing is Synced or Healthy that was not said lately, and every other word has its reason."""

import datetime

import msgspec
import pytest

from controller.domain import clusters, observed
from controller.domain.views import clusters as views
from controller.domain.views import freshness
from protocol import bundles, ids, reports, status
from protocol.canonical import NO_DIGEST
from protocol.events import clusters as cluster_events
from tests.controller.domain import examples
from tests.controller.domain.views.conftest import Fleet
from tests.fixtures import hub as hubs

WEB = ids.BundleId("shop/web")
IMAGE = reports.ObjectFailure(
    object=examples.object_id("Deployment", "web", "shop"), reason="ImagePullBackOff", message="no such image"
)


def row(fleet: Fleet, cluster: ids.ClusterId) -> views.Row:
    return views.row(fleet.looking, fleet.hub.world.clusters[cluster])


def words(found: views.Row) -> tuple[str, str, str]:
    return found.sync.value, found.health.value, found.reason


def republish(fleet: Fleet, **changes: object) -> None:
    fleet.hub.published[fleet.a] = msgspec.structs.replace(fleet.hub.published[fleet.a], **changes)


def said(fleet: Fleet) -> reports.Origin:
    """The next report of cluster a, about the generation that it has."""
    return msgspec.structs.replace(fleet.hub.origin(fleet.a), generation=4)


async def test_a_cluster_that_has_all_and_is_well_needs_no_reason(fleet: Fleet) -> None:
    found = row(fleet, fleet.a)

    assert words(found) == ("Synced", "Healthy", "")
    assert (found.name, found.connection, found.labels) == ("a", freshness.Connection.ONLINE, {"env": "prod"})
    assert (found.generation, found.desired_generation, found.heard_ago_s) == (4, 4, 0.0)
    assert found.revisions == [f"shop {fleet.catalog.revision}"]
    assert found.event > 0


async def test_a_cluster_that_nobody_hears_is_unknown_whatever_it_was(fleet: Fleet) -> None:
    fleet.hub.now += datetime.timedelta(seconds=41)
    silent = row(fleet, fleet.a)
    never = await fleet.hub.add_cluster("c")

    since = f"not heard since {freshness.moment(hubs.START)}"
    assert words(silent) == ("Unknown", "Unknown", f"{since}; was Synced, Healthy as of {freshness.moment(hubs.START)}")
    assert silent.was == views.Was(sync=status.Sync.SYNCED, health=status.Health.HEALTHY, reason="")
    assert silent.as_of == hubs.START
    assert (silent.connection, silent.heard_ago_s) == (freshness.Connection.OFFLINE, 41.0)
    assert words(row(fleet, never)) == ("Unknown", "Unknown", "never heard")
    assert (row(fleet, never).was, row(fleet, never).as_of) == (None, None)
    assert (row(fleet, never).heard_ago_s, row(fleet, never).connection) == (None, freshness.Connection.NEVER)
    unheard = views.detail(fleet.looking, fleet.hub.world.clusters[fleet.a]).bundles
    assert {(one.sync, one.health) for one in unheard} == {(status.Sync.UNKNOWN, status.Health.UNKNOWN)}
    assert {(one.was, one.as_of) for one in unheard} == {(status.Health.HEALTHY, hubs.START)}


async def test_after_a_restart_what_was_said_before_is_what_was(fleet: Fleet) -> None:
    """Nobody is there who was not heard since."""
    before = fleet.hub.observed[fleet.a]
    fleet.hub.observed[fleet.a] = msgspec.structs.replace(before, heard_at=None)

    found = row(fleet, fleet.a)

    assert (found.connection, found.heard_ago_s) == (freshness.Connection.NEVER, None)
    assert words(found) == (
        "Unknown",
        "Unknown",
        f"not heard since this hub started; was Synced, Healthy as of {freshness.moment(hubs.START)}",
    )
    assert found.was == views.Was(sync=status.Sync.SYNCED, health=status.Health.HEALTHY, reason="")


async def test_what_is_not_reported_yet_is_not_known_as_of_any_time(fleet: Fleet) -> None:
    """A heartbeat came, and told of a report that did not."""
    newcomer = await fleet.hub.add_cluster("c")
    beat = reports.Beat(origin=fleet.hub.origin(newcomer), root=examples.digest("r"), reported=1)
    fleet.hub.observed[newcomer] = observed.heard(observed.beat(observed.initial(newcomer), beat), hubs.START)
    fleet.hub.now += datetime.timedelta(seconds=41)

    assert row(fleet, newcomer).as_of is None
    assert row(fleet, newcomer).reason == f"not heard since {freshness.moment(hubs.START)}; was Unknown, Unknown"


@pytest.mark.parametrize(
    ("changes", "lag"),
    [
        ({}, 0),
        ({"generation": 6}, 2),
        ({"generation": 3}, 0),
        ({"generation": 3, "epoch": 2}, 3),
    ],
)
async def test_the_lag_is_exact(fleet: Fleet, changes: dict[str, object], lag: int) -> None:
    """Generations that it has not verified, and since when; an epoch that it has not entered counts whole."""
    republish(fleet, **changes)
    found = row(fleet, fleet.a)

    assert (found.lag_generations, found.behind_since) == (lag, hubs.START if lag else None)
    assert (found.log_head, found.log_head_known) == (0, True)


async def test_a_cluster_that_missed_several_is_behind_since_the_first(fleet: Fleet) -> None:
    earlier = hubs.START - datetime.timedelta(seconds=60)
    republish(fleet, generation=6, missed_at=earlier)

    assert row(fleet, fleet.a).behind_since == earlier


async def test_what_a_bundle_does_not_tell_is_not_synced(fleet: Fleet) -> None:
    """Not tried yet, or not reported at all."""
    fleet.hub.say(fleet.a, sync=status.Sync.UNKNOWN)
    assert words(row(fleet, fleet.a)) == ("Unknown", "Healthy", "shop/api: not worked through yet")

    fleet.hub.observed[fleet.a] = msgspec.structs.replace(fleet.hub.observed[fleet.a], bundles={})
    assert words(row(fleet, fleet.a)) == ("Unknown", "Progressing", "shop/api: not reported yet")


async def test_a_cluster_for_which_nothing_was_published_is_unknown(fleet: Fleet) -> None:
    del fleet.hub.published[fleet.a]

    assert words(row(fleet, fleet.a)) == ("Unknown", "Unknown", "nothing was published for it")
    assert views.detail(fleet.looking, fleet.hub.world.clusters[fleet.a]).kept == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"generation": 6}, "at generation 4 of 6"),
        ({"generation": 1, "epoch": 2}, "at generation 4 of 1, epoch 1 of 2"),
        ({"root": examples.digest("newer")}, "generation 4 is not worked through yet"),
        ({"conflicts": {WEB: "ConfigMap x is also in shop/api"}}, "shop/web: ConfigMap x is also in shop/api"),
    ],
)
async def test_a_cluster_that_is_behind_says_by_how_much(fleet: Fleet, changes: dict[str, object], reason: str) -> None:
    republish(fleet, **changes)

    assert (row(fleet, fleet.a).sync, row(fleet, fleet.a).reason) == (status.Sync.OUT_OF_SYNC, reason)


async def test_content_that_came_back_is_synced_once_it_was_worked_through_again(fleet: Fleet) -> None:
    """It verified the state of a revert, and may still hold what was in between."""
    republish(fleet, generation=6)
    verified = reports.Beat(origin=msgspec.structs.replace(fleet.hub.origin(fleet.a), generation=6), root=NO_DIGEST)
    fleet.hub.observed[fleet.a] = observed.beat(fleet.hub.observed[fleet.a], verified)
    before = row(fleet, fleet.a)
    fleet.hub.say(fleet.a)

    assert (before.sync, before.reason) == (status.Sync.OUT_OF_SYNC, "generation 6 is not worked through yet")
    assert row(fleet, fleet.a).sync is status.Sync.SYNCED


async def test_a_root_that_is_not_at_hand_leaves_the_health_open(fleet: Fleet) -> None:
    fleet.hub.roots.clear()

    assert words(row(fleet, fleet.a)) == ("Synced", "Unknown", "what it should have is not at hand")


@pytest.mark.parametrize(
    ("failures", "reason"),
    [
        ((), "shop/api: out of sync"),
        ((IMAGE,), "shop/api: Deployment.apps shop/web: ImagePullBackOff (no such image)"),
        (
            (msgspec.structs.replace(IMAGE, message=""), IMAGE),
            "shop/api: Deployment.apps shop/web: ImagePullBackOff, and 1 more",
        ),
    ],
)
async def test_a_bundle_that_could_not_be_applied_is_named(
    fleet: Fleet, failures: tuple[reports.ObjectFailure, ...], reason: str
) -> None:
    fleet.hub.say(fleet.a, sync=status.Sync.OUT_OF_SYNC, failures=failures)

    assert row(fleet, fleet.a).reason == reason


@pytest.mark.parametrize(
    ("health", "failures", "reason"),
    [
        (status.Health.DEGRADED, (IMAGE,), "shop/api: Deployment.apps shop/web: ImagePullBackOff (no such image)"),
        (status.Health.PROGRESSING, (), "shop/api: Progressing"),
        (status.Health.SUSPENDED, (), ""),
    ],
)
async def test_a_cluster_that_is_not_well_says_why(
    fleet: Fleet, health: status.Health, failures: tuple[reports.ObjectFailure, ...], reason: str
) -> None:
    fleet.hub.say(fleet.a, health=health, failures=failures)

    assert words(row(fleet, fleet.a)) == ("Synced", health.value, reason)


async def test_deletions_to_carry_out_are_a_difference_and_held_ones_are_not(fleet: Fleet) -> None:
    await fleet.owe(whole=True)
    held = row(fleet, fleet.a)
    debt = await fleet.owe()
    pending = row(fleet, fleet.a)
    refused = reports.Undeleted(debt=debt.id, object=debt.object, reason="Cascade", message="takes a pod along")
    fleet.hub.take(reports.Deleted(origin=fleet.hub.origin(fleet.a), confirmations=(), undeleted=(refused,)))
    republish(fleet, generation=1)

    assert (words(held), held.held_deletions) == (("Synced", "Healthy", ""), 1)
    assert (pending.reason, pending.pending_deletions) == ("1 deletions to carry out", 1)
    assert row(fleet, fleet.a).reason == "1 deletions to carry out, 1 refused"
    shown = views.detail(fleet.looking, fleet.hub.world.clusters[fleet.a])
    assert shown.undeleted == ["ConfigMap shop/old: Cascade (takes a pod along)"]


async def test_a_cluster_whose_agent_was_revoked_is_unknown_at_once(fleet: Fleet) -> None:
    """It was heard a moment ago, and cannot be heard any more."""
    before = row(fleet, fleet.a).connection
    await fleet.hub.write(cluster_events.CredentialsRevoked(cluster=fleet.a, before=examples.AT))
    found = row(fleet, fleet.a)

    assert (before.value, found.connection.value, words(found)) == (
        "Online",
        "Offline",
        ("Unknown", "Unknown", "revoked: flotilla cluster token a lets an agent in again"),
    )


async def test_what_waits_for_a_person_is_held_and_no_orphan(fleet: Fleet) -> None:
    """Its agent knows no more than that it is neither wanted nor named."""
    debt = await fleet.owe(whole=True)
    left = (examples.config_map("left"), debt.object)
    orphans = tuple(reports.Orphan(object=one, bundle=WEB) for one in left)
    fleet.hub.take(reports.Orphaned(origin=fleet.hub.origin(fleet.a), orphans=orphans, total=2))

    found = views.detail(fleet.looking, fleet.hub.world.clusters[fleet.a])

    assert (found.held, found.cluster.held_deletions) == ([f"ConfigMap shop/whole of shop/web ({debt.set})"], 1)
    assert (found.orphans, found.cluster.orphans) == (["ConfigMap left of shop/web"], 1)


async def test_the_detail_lists_bundles_orphans_and_what_is_kept(fleet: Fleet) -> None:
    kept = bundles.Kept(object=examples.config_map("old", "shop"), bundle=WEB, reason="shop has bundles in error")
    published = fleet.hub.published[fleet.a]
    fleet.hub.roots[published.root] = msgspec.structs.replace(fleet.hub.roots[published.root], kept=(kept,))
    orphan = reports.Orphan(object=examples.config_map("left"), bundle=WEB)
    fleet.hub.take(reports.Orphaned(origin=fleet.hub.origin(fleet.a), orphans=(orphan,), total=1))
    republish(fleet, conflicts={ids.BundleId("shop/new"): "it is also in shop/web"}, generation=1)

    found = views.detail(fleet.looking, fleet.hub.world.clusters[fleet.a])

    assert found.kept == ["ConfigMap shop/old: shop has bundles in error"]
    assert found.orphans == ["ConfigMap left of shop/web"]
    assert [(one.bundle, one.sync.value, one.health.value, one.reason) for one in found.bundles] == [
        ("shop/api", "Synced", "Healthy", ""),
        ("shop/web", "Synced", "Healthy", ""),
        ("shop/new", "OutOfSync", "Missing", "it is also in shop/web"),
    ]


async def test_a_bundle_that_keeps_its_last_content_for_a_conflict_stands_once(fleet: Fleet) -> None:
    republish(fleet, conflicts={WEB: "it is also in shop/api"})

    found = views.detail(fleet.looking, fleet.hub.world.clusters[fleet.a])

    assert [(one.bundle, one.reason) for one in found.bundles] == [
        ("shop/api", ""),
        ("shop/web", "it is also in shop/api"),
    ]


async def test_the_first_bundle_that_is_not_well_is_named(fleet: Fleet) -> None:
    fleet.hub.say(fleet.a)
    published = fleet.hub.published[fleet.a]
    entry = fleet.hub.roots[published.root].bundles[1]
    ill = reports.BundleStatus(
        bundle=entry.bundle, index=entry.index, sync=status.Sync.SYNCED, health=status.Health.MISSING, objects=3
    )
    fleet.hub.take(reports.Ready(origin=said(fleet), root=published.root, bundles=(ill,)))

    assert words(row(fleet, fleet.a)) == ("Synced", "Missing", "shop/web: Missing")


async def test_a_bundle_that_was_not_reported_yet_is_unknown(fleet: Fleet) -> None:
    newcomer = await fleet.hub.add_cluster("c")
    fleet.hub.publish(newcomer, 1, fleet.catalog)

    found = views.detail(fleet.looking, fleet.hub.world.clusters[newcomer])

    assert {(one.sync.value, one.reason, one.objects) for one in found.bundles} == {("Unknown", "not reported yet", 0)}


async def test_rows_follow_the_order_that_is_asked_for(fleet: Fleet) -> None:
    found: list[clusters.Cluster] = list(reversed(fleet.looking.clusters))

    assert [one.name for one in views.rows(fleet.looking, found)] == ["b", "a"]
    assert fleet.looking.name(ids.ClusterId("nobody")) == "nobody"
    assert fleet.looking.head("cluster", "nobody") == 0


async def test_hooks_are_told_with_those_first_that_are_not_over(fleet: Fleet) -> None:
    """What is said of other content is nothing that anybody waits for; of a silent cluster nothing is told."""
    fleet.hub.say(fleet.a)
    published = fleet.hub.published[fleet.a]
    api, web = fleet.hub.roots[published.root].bundles[:2]
    progress = reports.HookProgress
    hooks = tuple(
        reports.HookStatus(examples.object_id("Job", name, "shop"), "pre-upgrade", how, "Why", "because")
        for name, how in (("a", progress.SUCCEEDED), ("b", progress.RUNNING))
    )
    of_api, of_web = (
        reports.BundleStatus(bundle, index, status.Sync.SYNCED, status.Health.HEALTHY, objects=3, hooks=hooks)
        for bundle, index in ((api.bundle, NO_DIGEST), (web.bundle, web.index))
    )
    fleet.hub.take(reports.Ready(origin=said(fleet), root=published.root, bundles=(of_api, of_web)))

    found = views.detail(fleet.looking, fleet.hub.world.clusters[fleet.a]).hooks
    fleet.hub.now += datetime.timedelta(seconds=41)
    silent = views.detail(fleet.looking, fleet.hub.world.clusters[fleet.a]).hooks

    assert [(one.bundle, one.object, one.phase, one.progress, one.message) for one in found] == [
        ("shop/web", "Job shop/b", "pre-upgrade", progress.RUNNING, "because"),
        ("shop/web", "Job shop/a", "pre-upgrade", progress.SUCCEEDED, "because"),
    ]
    assert silent == []
