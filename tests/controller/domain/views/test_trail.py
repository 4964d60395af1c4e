"""What led to what a cluster was given: who, when, why, and which approvals there were."""

from controller.domain import debts
from controller.domain.views import trail
from controller.domain.world import World
from protocol import specs
from protocol.events import clusters as cluster_events
from protocol.events import deletions as deletion_events
from protocol.events import fleet as fleet_events
from protocol.events import log
from protocol.events import rollouts as events
from protocol.events import sources as source_events
from tests.controller.domain import examples
from tests.controller.domain.views.conftest import Fleet
from tests.controller.domain.views.test_rollouts import AT, ROLLOUT, begin, settle
from tests.fixtures import hub as hubs


async def noted(fleet: Fleet, name: str = "a", commit: str = "") -> trail.Trail:
    """What is noted of the cluster over the whole log."""
    world, found = World(), trail.Trail(name, commit)
    async for one in fleet.hub.events(0):
        found.note(world, one.sequence, world.take(one.sequence, one.subject, one.body))
    return found


async def write(fleet: Fleet, event: log.Event) -> int:
    """Append it; its place."""
    await fleet.hub.write(event, by="ada")
    return fleet.hub.world.log_head.sequence


async def give(fleet: Fleet) -> int:
    """Cluster a gets the revision: the place of that."""
    await begin(fleet)
    catalog = fleet.hub.world.sources[examples.SHOP].catalog
    return await write(
        fleet,
        events.ClustersAdmitted(
            source=examples.SHOP, rollout=ROLLOUT, stage="canary", catalog=catalog, clusters=(fleet.a,), at=AT,
            reports_sequence=1,
        ),
    )  # fmt: skip


async def test_the_event_that_gave_a_revision_is_named_and_later_ones_are_not(fleet: Fleet) -> None:
    given_at = await give(fleet)
    await settle(fleet, succeeded=fleet.a)

    expected = {examples.SHOP: trail.Origin(event=given_at, at=fleet.hub.now, by="ada", cause="")}
    assert (await noted(fleet)).given == expected
    assert (await noted(fleet, fleet.a)).given == expected
    assert (await noted(fleet, "b")).given == {}


async def test_a_commit_arrives_with_the_event_that_gives_it(fleet: Fleet) -> None:
    assert not (await noted(fleet, commit=hubs.COMMIT)).arrived

    await give(fleet)

    assert (await noted(fleet, commit=hubs.COMMIT[:7])).arrived
    assert not (await noted(fleet, "b", hubs.COMMIT)).arrived
    assert not (await noted(fleet, commit="abc4567")).arrived


async def test_a_source_that_was_removed_gives_nothing_more(fleet: Fleet) -> None:
    await give(fleet)
    await write(fleet, source_events.SourceRemoved(name=examples.SHOP, prune=False))

    assert (await noted(fleet)).given == {}


async def test_nothing_counts_as_given_after_a_recovery(fleet: Fleet) -> None:
    await give(fleet)
    await write(fleet, fleet_events.HubRecovered(epoch=2, reason="restored"))

    assert (await noted(fleet)).given == {}


async def test_what_persons_said_of_deletions_here_is_told(fleet: Fleet) -> None:
    await fleet.owe(whole=True)
    (held,) = [one for one in fleet.hub.world.ledger.sets.values() if one.decision is debts.Decision.HELD]
    approved_at = await write(fleet, deletion_events.DeletionsApproved(set=held.id, digest=held.digest))

    (found,) = (await noted(fleet)).decisions
    assert (found.set, found.decision, found.revision) == (held.id, debts.Decision.APPROVED, "main")
    assert (found.origin.event, found.origin.by) == (approved_at, "ada")
    assert (await noted(fleet, "b")).decisions == []


async def test_a_rejection_is_told_as_one(fleet: Fleet) -> None:
    await fleet.owe(whole=True)
    (held,) = fleet.hub.world.ledger.sets.values()
    await write(fleet, deletion_events.DeletionsRejected(set=held.id, digest=held.digest))

    assert [one.decision for one in (await noted(fleet)).decisions] == [debts.Decision.REJECTED]


async def test_a_cluster_of_another_name_leaves_no_trail(fleet: Fleet) -> None:
    await give(fleet)
    await write(fleet, cluster_events.ClusterResumed(cluster=fleet.a))

    assert (await noted(fleet, "no-such")).given == {}


async def test_a_cluster_that_gets_the_name_of_another_begins_its_own_trail(fleet: Fleet) -> None:
    await give(fleet)
    await fleet.owe(whole=True)
    (held,) = fleet.hub.world.ledger.sets.values()
    await write(fleet, deletion_events.DeletionsApproved(set=held.id, digest=held.digest))
    other = hubs.account(77)

    await write(fleet, cluster_events.ClusterRemoved(cluster=fleet.a))
    await write(fleet, cluster_events.ClusterAdded(cluster=other, name="a", labels={}, managed_by=specs.ManagedBy.FILE))

    found = await noted(fleet)
    assert (found.given, found.decisions) == ({}, [])
    assert (await noted(fleet, fleet.a)).given.keys() == {examples.SHOP}


async def test_a_cluster_that_comes_back_goes_on_with_its_trail(fleet: Fleet) -> None:
    given_at = await give(fleet)

    await write(fleet, cluster_events.ClusterRemoved(cluster=fleet.a))
    again = cluster_events.ClusterAdded(cluster=fleet.a, name="a", labels={}, managed_by=specs.ManagedBy.FILE)
    await write(fleet, again)

    assert [one.event for one in (await noted(fleet)).given.values()] == [given_at]
