"""The fleet on one screen: what needs a person stands there, the worst first."""

import datetime

from controller.domain import readmission
from controller.domain.views import freshness
from controller.domain.views import overview as views
from protocol import reports, specs, status
from protocol.events import clusters as cluster_events
from protocol.events import fleet as fleet_events
from protocol.events import rollouts as rollout_events
from protocol.events import sources as source_events
from tests.controller.domain import examples
from tests.controller.domain import test_readmission as readmissions
from tests.controller.domain.views.conftest import Fleet
from tests.controller.domain.views.test_rollouts import ROLLOUT, stage
from tests.fixtures import hub as hubs


async def test_where_all_is_well_nothing_needs_a_person(fleet: Fleet) -> None:
    found = views.overview(fleet.looking)

    assert (found.attention, found.attention_count, found.recovery) == ([], 0, None)
    assert (found.clusters.total, found.clusters.online, found.clusters.synced, found.clusters.healthy) == (2, 2, 2, 2)
    assert (found.sources.total, found.sources.resolved, found.sources.bundles) == (1, 1, 2)
    assert (found.rollouts, found.deletions) == ({}, views.Deletions(held_sets=0, held=0, pending=0))
    assert (found.epoch, found.event) == (1, fleet.looking.event)


async def test_what_needs_a_person_is_said_the_worst_first(fleet: Fleet) -> None:
    await fleet.hub.roll_out("shop", stage("rest", fleet.a))
    await fleet.owe(whole=True)
    await fleet.owe()
    refusal = reports.Refusal.FORK
    spec = specs.SourceSpec(url="https://git.example/other.git", all_clusters=True)
    await fleet.hub.write(
        rollout_events.RolloutHalted(source=examples.SHOP, rollout=ROLLOUT, reason="1 cluster failed"),
        fleet_events.RecoveryEntered(reason="a is ahead", cluster=fleet.a, epoch=3, generation=1),
        source_events.SourceDeclared(name=examples.OTHER, spec=spec, managed_by=specs.ManagedBy.COMMAND),
        source_events.ResolveFailed(examples.OTHER, source_events.FailureKind.UNREACHABLE, "no route"),
        cluster_refused(fleet, refusal),
    )
    fleet.hub.say(fleet.a, health=status.Health.DEGRADED)

    found = views.overview(fleet.looking, ["helm is not installed"])

    assert found.attention == [
        "helm is not installed",
        "recovery: nothing is published (a is ahead); `flotilla hub recover` ends it",
        "rollout of shop halted: 1 cluster failed",
        "deletions shop-whole wait for approval: whole bundles leave clusters: shop/web",
        "source other: unreachable: no route",
        "cluster a: 1 deletions to carry out",
        "cluster b: its agent refused 1 desired states",
    ]
    assert found.recovery == views.Recovery(reason="a is ahead", epoch_seen=3)
    assert (found.deletions, found.rollouts) == (views.Deletions(held_sets=1, held=1, pending=1), {"halted": 1})
    assert (found.sources.failing, found.clusters.degraded) == (1, 1)


def cluster_refused(fleet: Fleet, refusal: reports.Refusal) -> cluster_events.DesiredRefused:
    return cluster_events.DesiredRefused(
        cluster=fleet.b, refusal=refusal, message="two roots", epoch=1, generation=4, reports_sequence=3
    )


async def test_a_rollout_that_runs_needs_nobody(fleet: Fleet) -> None:
    await fleet.hub.roll_out("shop", stage("rest", fleet.a))

    assert (views.overview(fleet.looking).attention, views.overview(fleet.looking).rollouts) == ([], {"running": 1})


async def test_a_screen_has_room_for_so_many_lines(fleet: Fleet) -> None:
    found = views.overview(fleet.looking, ["a problem"] * (views.ATTENTION_MAX + 1))

    assert (len(found.attention), found.attention_count) == (views.ATTENTION_MAX, views.ATTENTION_MAX + 1)


async def test_what_the_absence_from_a_file_suspended_is_named(fleet: Fleet) -> None:
    file = specs.ManagedBy.FILE
    source = fleet.looking.world.sources[examples.SHOP]
    cluster = fleet.looking.world.clusters[fleet.a]
    reason = "not in fleet.yaml any more"
    await fleet.hub.write(
        source_events.SourceDeclared(name=examples.SHOP, spec=source.spec, managed_by=file),
        source_events.SourceSuspended(name=examples.SHOP, reason=reason),
        cluster_events.ClusterAdded(cluster=fleet.a, name=cluster.name, labels=cluster.labels, managed_by=file),
        cluster_events.ClusterSuspended(cluster=fleet.a, reason=reason),
    )

    assert views.overview(fleet.looking).attention == [
        f"source shop is suspended: {reason}",
        f"cluster {cluster.name} is suspended: {reason}",
    ]


async def test_silent_clusters_need_a_person_and_are_never_well(fleet: Fleet) -> None:
    fleet.hub.now += datetime.timedelta(minutes=5)
    when = freshness.moment(hubs.START)

    found = views.overview(fleet.looking)

    assert (found.clusters.online, found.clusters.healthy, found.clusters.synced, found.clusters.unknown) == (
        0,
        0,
        0,
        2,
    )
    assert found.attention == [
        f"cluster {name}: not heard since {when}; was Synced, Healthy as of {when}" for name in ("a", "b")
    ]


async def test_how_far_the_fleet_is_behind_is_told(fleet: Fleet) -> None:
    even = views.overview(fleet.looking).clusters
    fleet.hub.publish(fleet.b, 6, fleet.catalog)
    fleet.hub.now += datetime.timedelta(seconds=5)
    fleet.hub.publish(fleet.a, 5, fleet.catalog)

    found = views.overview(fleet.looking).clusters

    assert (even.behind, even.lag_generations_max, even.behind_since) == (0, 0, None)
    assert (found.behind, found.lag_generations_max, found.behind_since) == (2, 2, hubs.START)


async def test_agents_that_the_log_does_not_know_are_said_with_what_to_do(fleet: Fleet) -> None:
    ready, late = readmissions.stranger(7, name="lost"), readmissions.stranger(8, name="a")
    fleet.hub.strangers = readmissions.by_id(ready, late)

    found = views.overview(fleet.looking)

    assert found.attention == [
        "1 agents of accounts that the log does not know: lost; `flotilla cluster add NAME` takes them back",
        f"agent of account {late.account.id}, which the log does not know (a): the log knows account {fleet.a} by "
        "this name",
    ]
    assert [(one.name, one.uid, bool(one.problem)) for one in found.strangers] == [
        ("a", "uid-8", True),
        ("lost", "uid-7", False),
    ]
    assert found.strangers_count == 2


async def test_many_unknown_agents_are_named_in_part_and_recovery_takes_them_back(fleet: Fleet) -> None:
    await fleet.hub.write(fleet_events.RecoveryEntered(reason="lost", cluster="", epoch=1, generation=1))
    fleet.hub.strangers = readmissions.by_id(*(readmissions.stranger(number) for number in range(9, 21)))

    _, first, *_ = views.overview(fleet.looking).attention

    assert first.startswith("12 agents of accounts that the log does not know: c10, c11, c12, ")
    assert first.endswith(" and 2 more; `flotilla hub recover` takes them back")


async def test_a_cluster_that_was_taken_back_without_labels_is_said_until_it_gets_something(fleet: Fleet) -> None:
    [taken] = readmission.all_of(fleet.hub.world, readmissions.by_id(readmissions.stranger(7, name="lost")))
    await fleet.hub.write(*taken)

    assert any(
        "cluster lost was taken back without its labels" in line for line in views.overview(fleet.looking).attention
    )
