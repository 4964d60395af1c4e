"""The time machine: the log alone says what a cluster was given."""

from controller.domain import clusters, derivation
from controller.domain.views import history, trail
from controller.domain.world import World
from protocol import bundles, canonical, ids
from protocol.events import rollouts as events
from protocol.events import sources as source_events
from tests.controller.domain import examples
from tests.controller.domain.views.conftest import Fleet
from tests.controller.domain.views.test_rollouts import AT, ROLLOUT, stage


async def then(fleet: Fleet, place: int) -> history.Then:
    """The world at this place in the log."""
    world, noted, at = World(), trail.Trail("a"), fleet.hub.now
    async for one in fleet.hub.events(0):
        if one.sequence <= place:
            noted.note(world, one.sequence, world.take(one.sequence, one.subject, one.body))
            at = one.record.at
    return history.Then(world=world, trail=noted, at=at, head=fleet.hub.world.log_head.sequence)


async def past(fleet: Fleet, place: int) -> history.Past:
    found = await then(fleet, place)
    cluster = clusters.by_name(found.world.clusters, "a")
    known = {digest: fleet.hub.catalogs[digest] for digest in history.catalogs_of(found, cluster)}
    view = history.view(found, cluster, known)
    contents = {
        digest: bundles.BundleIndex(bundle=ids.BundleId("shop/x"), options=bundles.BundleOptions(), objects=())
        for digest in derivation.index_digests(view)
    }
    return history.past(found, view, contents)


async def test_before_a_cluster_was_given_anything_it_had_nothing(fleet: Fleet) -> None:
    found = await past(fleet, fleet.hub.world.log_head.sequence)

    assert (found.cluster, found.labels, found.given, found.bundles) == ("a", {"env": "prod"}, [], [])


async def test_what_it_was_given_is_told_with_the_rollout_that_gave_it(fleet: Fleet) -> None:
    await fleet.hub.roll_out("shop", stage("canary", fleet.a))
    source = fleet.hub.world.sources[examples.SHOP]
    await fleet.hub.write(
        events.ClustersAdmitted(
            source=examples.SHOP, rollout=ROLLOUT, stage="canary", catalog=source.catalog, clusters=(fleet.a,), at=AT,
            reports_sequence=1,
        )
    )  # fmt: skip
    given_at = fleet.hub.world.log_head.sequence
    await fleet.hub.write(source_events.SourceRemoved(name=examples.SHOP, prune=False))

    before, after = await past(fleet, given_at), await past(fleet, given_at + 1)

    assert [(one.source, one.revision, one.rollout, one.origin.event, one.origin.by) for one in before.given] == [
        ("shop", str(source.revision), ROLLOUT, given_at, "hub")
    ]
    assert [one.bundle for one in before.bundles] == ["shop/api", "shop/web"]
    assert (before.event, before.head, before.conflicts) == (given_at, given_at + 1, {})
    assert after.bundles == []
    assert canonical.NO_DIGEST not in history.catalogs_of(
        await then(fleet, given_at), fleet.hub.world.clusters[fleet.a]
    )


async def test_a_source_that_never_rolled_out_gave_nothing(fleet: Fleet) -> None:
    await fleet.hub.resolve("other", "db")

    assert (await past(fleet, fleet.hub.world.log_head.sequence)).given == []
