"""Which clusters changed: a heartbeat is no change, silence is one."""

import datetime

import msgspec

from controller.domain import observed
from controller.domain.views import changes
from protocol import reports
from protocol.events import clusters as events
from tests.controller.domain.views.conftest import Fleet


def glimpses(fleet: Fleet) -> changes.Glimpses:
    return changes.glimpses(fleet.hub.world, fleet.looking.facts, fleet.hub.now)


async def test_a_cluster_that_is_new_has_changed(fleet: Fleet) -> None:
    assert sorted(changes.changed({}, glimpses(fleet))) == sorted([fleet.a, fleet.b])


async def test_a_heartbeat_changes_nothing(fleet: Fleet) -> None:
    before = glimpses(fleet)
    beat = observed.beat(
        fleet.hub.observed[fleet.a],
        reports.Beat(origin=fleet.hub.origin(fleet.a), root=fleet.hub.observed[fleet.a].root),
    )
    fleet.hub.observed[fleet.a] = observed.heard(beat, fleet.hub.now + datetime.timedelta(seconds=1))
    fleet.hub.observed[fleet.a] = msgspec.structs.replace(fleet.hub.observed[fleet.a], epoch=1, generation=4)

    assert list(changes.changed(before, glimpses(fleet))) == []


async def test_a_report_a_publication_and_silence_are_changes(fleet: Fleet) -> None:
    first = glimpses(fleet)
    fleet.hub.say(fleet.a, drifted=1)
    second = glimpses(fleet)
    fleet.hub.publish(fleet.b, 5, fleet.catalog)
    third = glimpses(fleet)
    fleet.hub.now += fleet.silence + datetime.timedelta(seconds=1)
    fourth = glimpses(fleet)

    assert list(changes.changed(first, second)) == [fleet.a]
    assert list(changes.changed(second, third)) == [fleet.b]
    assert sorted(changes.changed(third, fourth)) == sorted([fleet.a, fleet.b])


async def test_a_cluster_that_is_heard_no_more_after_a_restart_has_changed(fleet: Fleet) -> None:
    before = glimpses(fleet)
    del fleet.hub.observed[fleet.a]

    assert list(changes.changed(before, glimpses(fleet))) == [fleet.a]


async def test_a_cluster_that_is_forgotten_while_it_is_silent_has_changed(fleet: Fleet) -> None:
    fleet.hub.now += fleet.silence + datetime.timedelta(seconds=1)
    before = glimpses(fleet)
    del fleet.hub.observed[fleet.a]

    assert list(changes.changed(before, glimpses(fleet))) == [fleet.a]


async def test_a_cluster_that_was_removed_is_not_looked_at(fleet: Fleet) -> None:
    await fleet.hub.write(events.ClusterRemoved(cluster=fleet.a))

    assert list(glimpses(fleet)) == [fleet.b]


async def test_a_state_that_was_worked_through_is_a_change_even_where_its_root_is_the_old_one(fleet: Fleet) -> None:
    """As after a revert: the cluster is Synced only now."""
    before = glimpses(fleet)
    fleet.hub.observed[fleet.a] = msgspec.structs.replace(fleet.hub.observed[fleet.a], through=(1, 5))

    assert list(changes.changed(before, glimpses(fleet))) == [fleet.a]
