"""The fleet in numbers."""

import collections
import datetime

import msgspec

from controller.domain.views import gauges
from protocol import status
from protocol.events import sources as source_events
from tests.controller.domain import examples
from tests.controller.domain.views.conftest import Fleet
from tests.controller.domain.views.test_rollouts import stage


def samples(found: list[gauges.Gauge], name: str) -> dict[str, float]:
    """The numbers of a metric by the values of its labels."""
    (one,) = [gauge for gauge in found if gauge.name == name]
    return {",".join(values): number for values, number in one.samples}


async def test_every_state_is_told_even_if_nothing_is_in_it(fleet: Fleet) -> None:
    fleet.hub.say(fleet.b, health=status.Health.DEGRADED)
    found = gauges.fleet(fleet.looking)

    assert samples(found, "flotilla_clusters") == {"Online": 2, "Offline": 0, "Never": 0}
    assert samples(found, "flotilla_clusters_sync") == {"Synced": 2, "OutOfSync": 0, "Unknown": 0}
    assert samples(found, "flotilla_clusters_health")["Degraded"] == 1
    assert samples(found, "flotilla_sources")["Resolved"] == 1
    assert samples(found, "flotilla_drifts") == {"": 0}
    assert samples(found, "flotilla_objects") == {"": 12}


async def test_the_lag_is_told_of_the_cluster_that_is_furthest_behind(fleet: Fleet) -> None:
    published = fleet.hub.published[fleet.a]
    fleet.hub.published[fleet.a] = msgspec.structs.replace(published, generation=6, missed_at=fleet.hub.now)
    fleet.hub.now += datetime.timedelta(seconds=5)
    found = gauges.fleet(fleet.looking)

    assert samples(found, "flotilla_clusters_behind") == {"": 1}
    assert samples(found, "flotilla_lag_generations_max") == {"": 2}
    assert samples(found, "flotilla_lag_seconds_max") == {"": 5}
    assert samples(found, "flotilla_cluster_lag_generations") == {"a": 2, "b": 0}
    assert samples(found, "flotilla_cluster_heard_ago_seconds") == {"a": 5, "b": 5}


async def test_rollouts_and_deletions_are_counted(fleet: Fleet) -> None:
    await fleet.hub.roll_out("shop", stage("canary", fleet.a))
    await fleet.owe()
    await fleet.owe(whole=True)
    found = gauges.fleet(fleet.looking)

    assert samples(found, "flotilla_rollouts")["running"] == 1
    assert samples(found, "flotilla_deletions_held") == {"": 1}
    assert samples(found, "flotilla_deletions_pending") == {"": 1}
    assert samples(found, "flotilla_deletion_sets_held") == {"": 1}


async def test_a_source_that_was_removed_counts_no_more(fleet: Fleet) -> None:
    await fleet.hub.write(source_events.SourceRemoved(name=examples.SHOP, prune=False))

    assert sum(samples(gauges.fleet(fleet.looking), "flotilla_sources").values()) == 0


async def test_clusters_of_a_large_fleet_are_not_named(fleet: Fleet) -> None:
    found = gauges.fleet(fleet.looking, named_max=1)

    assert [one.name for one in found if "cluster" in one.labels] == []
    assert samples(found, "flotilla_clusters")["Online"] == 2


async def test_a_cluster_that_was_never_heard_has_no_time(fleet: Fleet) -> None:
    del fleet.hub.observed[fleet.a]

    assert samples(gauges.fleet(fleet.looking), "flotilla_cluster_heard_ago_seconds") == {"b": 0}


def test_what_was_counted_is_told_by_its_outcome() -> None:
    counts = collections.Counter({("polls", "ok"): 3, ("polls", "unreachable"): 1, ("reports", "Hello"): 2})
    found = gauges.counted(counts)

    assert samples(found, "flotilla_polls") == {"ok": 3, "unreachable": 1}
    assert samples(found, "flotilla_reports") == {"Hello": 2}
    assert {one.is_counter for one in found} == {True}
