"""A rollout: how far it is, who has a slot, and why nothing seems to happen."""

import datetime

import pytest

from controller.domain import rejections, rollout_state, rollouts
from controller.domain.views import freshness
from controller.domain.views import rollouts as views
from protocol import ids, reports, status
from protocol.events import rollouts as events
from tests.controller.domain import examples
from tests.controller.domain.views.conftest import Fleet
from tests.fixtures import hub as hubs

ROLLOUT = ids.RolloutId("shop-3f1c9a7b")
AT = examples.AT.isoformat()


def stage(name: str, *clusters: ids.ClusterId) -> events.PlannedStage:
    return events.PlannedStage(name=name, reason="the first online by name", max_concurrency=1, clusters=clusters)


async def begin(fleet: Fleet) -> None:
    """Cluster a is the canary, b comes after it."""
    await fleet.hub.roll_out("shop", stage("canary", fleet.a), stage("rest", fleet.b))


async def admit(fleet: Fleet, cluster: ids.ClusterId, name: str = "canary") -> None:
    await fleet.hub.write(
        events.ClustersAdmitted(
            source=examples.SHOP, rollout=ROLLOUT, stage=name, catalog=examples.digest("a"), clusters=(cluster,), at=AT,
            reports_sequence=1,
        )
    )  # fmt: skip


async def settle(fleet: Fleet, *, succeeded: ids.ClusterId | None = None, failed: ids.ClusterId | None = None) -> None:
    await fleet.hub.write(
        events.ClustersSettled(
            source=examples.SHOP,
            rollout=ROLLOUT,
            reports_sequence=1,
            succeeded=(succeeded,) if succeeded else (),
            failed=(events.ClusterFailure(cluster=failed, reason="degraded"),) if failed else (),
        )
    )


def current(fleet: Fleet) -> rollout_state.State:
    return views.get(fleet.looking, "shop")


async def test_a_source_without_a_rollout_has_none(fleet: Fleet) -> None:
    assert views.every(fleet.looking) == []
    with pytest.raises(rejections.NotFound, match="it had no rollout yet"):
        current(fleet)
    with pytest.raises(AssertionError, match="never was"):
        views.history(rollout_state.initial(examples.SHOP))


async def test_a_row_says_whose_turn_it_is(fleet: Fleet) -> None:
    await begin(fleet)
    await admit(fleet, fleet.a)

    [state] = views.every(fleet.looking)
    found = views.row(fleet.looking, state)

    assert (found.id, found.phase, found.stage, found.reason) == (ROLLOUT, rollout_state.Phase.RUNNING, "canary", "")
    assert (found.clusters, found.slots_used, found.slots, found.in_flight) == (2, 1, 1, 1)
    assert found.event == fleet.looking.event


async def test_a_stage_whose_clusters_are_all_away_says_that_it_waits(fleet: Fleet) -> None:
    await begin(fleet)
    running = views.row(fleet.looking, current(fleet))
    await fleet.hub.write(
        events.ClustersDeferred(
            source=examples.SHOP, rollout=ROLLOUT, stage="canary", clusters=(fleet.a,), reports_sequence=1
        )
    )

    assert running.reason == ""
    assert views.row(fleet.looking, current(fleet)).reason == "every cluster of stage canary is offline"


async def test_a_rollout_that_is_over_has_no_stage_left(fleet: Fleet) -> None:
    await begin(fleet)
    for name in ("canary", "rest"):
        await fleet.hub.write(events.StageCompleted(source=examples.SHOP, rollout=ROLLOUT, stage=name))
    await fleet.hub.write(events.RolloutCompleted(source=examples.SHOP, rollout=ROLLOUT, catalog=examples.digest("a")))

    found = views.row(fleet.looking, current(fleet))

    assert (found.stage, found.slots, found.phase) == ("", 0, rollout_state.Phase.COMPLETED)


async def test_the_detail_names_clusters_and_their_failures(fleet: Fleet) -> None:
    await begin(fleet)
    await admit(fleet, fleet.a)
    await settle(fleet, succeeded=fleet.a)
    await fleet.hub.write(events.StageCompleted(source=examples.SHOP, rollout=ROLLOUT, stage="canary"))
    await admit(fleet, fleet.b, "rest")
    await settle(fleet, failed=fleet.b)

    found = views.detail(fleet.looking, current(fleet))

    assert found.canary == "a (the first online by name)"
    assert [(one.cluster, one.reason) for one in found.failed] == [("b", "degraded")]
    assert [(one.name, one.state, one.clusters, one.succeeded, one.failed) for one in found.stages] == [
        ("canary", "completed", ["a"], 1, 0),
        ("rest", "waiting", ["b"], 0, 1),
    ]


async def test_a_rollout_that_takes_over_lists_whom_it_found_in_flight(fleet: Fleet) -> None:
    await begin(fleet)
    await admit(fleet, fleet.b)
    await admit(fleet, fleet.a)
    start = rollouts.Start(
        rollout=ids.RolloutId("shop-2"), revision="next", catalog=examples.digest("next"),
        policy=current(fleet).current.policy, plan=(stage("inherited", fleet.b, fleet.a),),  # type: ignore[union-attr]
    )  # fmt: skip
    await fleet.hub.write(*rollouts.start(fleet.hub.world.rollout(examples.SHOP), start))
    await fleet.hub.write(
        events.ClustersAdmitted(
            source=examples.SHOP, rollout=start.rollout, stage="inherited", catalog=start.catalog, clusters=(fleet.b,),
            at=AT, reports_sequence=1,
        )
    )  # fmt: skip

    found = views.detail(fleet.looking, current(fleet))

    assert found.canary == ""
    assert [(one.cluster, one.inherited, one.since) for one in found.in_flight] == [("a", True, AT), ("b", False, AT)]
    assert [(one.id, one.phase) for one in views.history(current(fleet))] == [
        ("shop-2", rollout_state.Phase.RUNNING),
        (ROLLOUT, rollout_state.Phase.SUPERSEDED),
    ]


def ill(*, health: status.Health, message: str = "") -> reports.ObjectFailure:
    return reports.ObjectFailure(examples.object_id("Deployment", "web", "shop"), health.value, message)


async def test_the_detail_tells_how_the_clusters_are_now(fleet: Fleet) -> None:
    """Each by the worst of the source's bundles on it, the worst first."""
    await begin(fleet)
    well = views.detail(fleet.looking, current(fleet))
    fleet.hub.say(fleet.a, health=status.Health.PROGRESSING)
    fleet.hub.say(fleet.b, health=status.Health.DEGRADED, failures=(ill(health=status.Health.DEGRADED, message="x"),))

    found = views.detail(fleet.looking, current(fleet))

    assert (well.health, well.worst) == (views.Health(2, 0, 0, 0, 0), [])
    assert found.health == views.Health(healthy=0, progressing=1, degraded=1, unknown=0, without=0)
    assert [(one.cluster, one.health, one.reason, one.as_of) for one in found.worst] == [
        ("b", status.Health.DEGRADED, "shop/api: Deployment.apps shop/web: Degraded (x)", hubs.START),
        ("a", status.Health.PROGRESSING, "shop/api: Progressing", hubs.START),
    ]


async def test_silent_clusters_are_unknown_in_a_rollout_too(fleet: Fleet) -> None:
    """However well they were, and though the rollout counts them as succeeded."""
    await begin(fleet)
    await admit(fleet, fleet.a)
    await settle(fleet, succeeded=fleet.a)
    fleet.hub.now += datetime.timedelta(minutes=5)
    when = freshness.moment(hubs.START)

    found = views.detail(fleet.looking, current(fleet))

    assert found.health == views.Health(healthy=0, progressing=0, degraded=0, unknown=2, without=0)
    assert found.worst[0].reason == f"not heard since {when}; was Healthy as of {when}"


async def test_a_cluster_without_the_source_is_neither_well_nor_ill(fleet: Fleet) -> None:
    del fleet.hub.published[fleet.b]
    await begin(fleet)

    assert views.detail(fleet.looking, current(fleet)).health == views.Health(1, 0, 0, 0, 1)
