"""From what falls out of clusters to debts, and what a cluster's desired state depends on."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.domain import assignments, catalogs, clusters, debts, derivation, losses, placements, sources
from protocol import bundles, canonical, ids, specs
from protocol.canonical import Digest
from protocol.events import rollouts as rollout_events
from protocol.events import sources as source_events
from tests.controller.domain import examples, logs

COMMAND = specs.ManagedBy.COMMAND
EDGE, FAR = examples.cluster_id(0), examples.cluster_id(1)
WEB = ids.BundleId("shop/web")
ROLLOUT = ids.RolloutId("shop-7")
OLD, NEW = examples.digest("old"), examples.digest("new")


def fleet() -> logs.Log:
    """Two clusters, and a source that resolved to NEW."""
    log = logs.Log()
    log.append(*sources.declare(None, "shop", examples.EVERYWHERE, by=COMMAND))
    event = source_events.RevisionResolved(
        name=examples.SHOP,
        revision=source_events.Revision(ref="main", commit="a" * 40, tree="t" * 40),
        catalog=NEW,
        previous=canonical.NO_DIGEST,
        renderer="raw 1",
        bundles=1,
        objects=1,
    )
    log.append(*sources.resolved(log.world.sources[examples.SHOP], event))
    for number in range(2):
        log.append(*clusters.add(log.world.clusters, examples.cluster(number)))
    return log


def give(log: logs.Log, catalog: Digest, *members: ids.ClusterId, complete: bool = False) -> None:
    """Roll a catalog out to these clusters."""
    log.append(
        rollout_events.RolloutStarted(
            source=examples.SHOP, rollout=ROLLOUT, revision="main@sha1:bbb", catalog=catalog, base=OLD,
            policy=specs.DEFAULT_POLICY,
        ),
        rollout_events.ClustersAdmitted(
            source=examples.SHOP, rollout=ROLLOUT, stage="all", catalog=catalog, clusters=members,
            at=examples.AT.isoformat(), reports_sequence=1,
        ),
    )  # fmt: skip
    if complete:
        log.append(rollout_events.RolloutCompleted(source=examples.SHOP, rollout=ROLLOUT, catalog=catalog))


def drop(name: str = "a", *, bundle: ids.BundleId = WEB, misplaced: bool = False) -> derivation.Drop:
    one = examples.config_map(name, "web")
    return derivation.Drop(
        object=one, identity=one, bundle=bundle, prune=bundles.Prune.OWNED, whole_bundle=misplaced, misplaced=misplaced
    )


def outcome(
    *drops: derivation.Drop, cluster: ids.ClusterId = EDGE, wanted: frozenset[ids.ObjectId] = frozenset()
) -> losses.Outcome:
    derived = derivation.Derived(root=bundles.EMPTY_ROOT, drops=drops, conflicts={}, wanted=wanted)
    return losses.Outcome(cluster=cluster, derived=derived, objects=100, generation=4, given={})


def topics(log: logs.Log, *found: losses.Outcome) -> list[str]:
    return [cause.topic for cause in losses.causes(log.world, found)]


def test_what_a_running_rollout_takes_away_is_its_own() -> None:
    log = fleet()
    give(log, NEW, EDGE)

    assert topics(log, outcome(drop())) == [ROLLOUT]


def test_what_falls_out_after_the_rollout_is_over_is_still_its_own() -> None:
    log = fleet()
    give(log, NEW, EDGE, complete=True)
    started = rollout_events.RolloutStarted(
        source=examples.SHOP, rollout=ids.RolloutId("shop-9"), revision="c", catalog=OLD, base=NEW,
        policy=specs.DEFAULT_POLICY,
    )  # fmt: skip
    log.append(started)

    assert topics(log, outcome(drop())) == [ROLLOUT]


def test_what_nobody_rolled_out_is_named_for_the_revision() -> None:
    assert topics(fleet(), outcome(drop())) == ["revision-shop-"]


def test_a_change_of_placement_and_a_removal_are_causes_of_their_own() -> None:
    log = fleet()
    give(log, NEW, EDGE)

    assert topics(log, outcome(drop(misplaced=True))) == [f"placement-shop-{NEW[:8]}"]
    log.append(*sources.remove(log.world.sources[examples.SHOP], prune=True, by=COMMAND))
    assert topics(log, outcome(drop(misplaced=True))) == ["removal-shop"]


def test_what_belongs_to_a_source_that_nobody_knows_names_no_revision() -> None:
    [cause] = losses.causes(fleet().world, [outcome(drop(bundle=ids.BundleId("gone/web")))])

    assert (cause.source, cause.revision) == ("gone", "")


def test_the_clusters_that_lose_by_one_cause_stand_together() -> None:
    log = fleet()
    give(log, NEW, EDGE, FAR)
    found = losses.causes(
        log.world, [outcome(drop("a"), drop("b", misplaced=True)), outcome(drop("a"), cluster=FAR), outcome()]
    )

    [first, second] = found.values()
    assert [(loss.cluster, [one.object.name for one in loss.drops]) for loss in first] == [(EDGE, ["a"]), (FAR, ["a"])]
    assert [(loss.objects, loss.generation) for loss in second] == [(100, 4)]


outcomes = st.lists(
    st.builds(
        lambda names, cluster, misplaced: outcome(
            *(drop(name, misplaced=misplaced) for name in names), cluster=cluster
        ),
        st.sets(st.sampled_from("abcd")),
        st.sampled_from([EDGE, FAR]),
        st.booleans(),
    ),
    unique_by=lambda one: one.cluster,
    max_size=2,
)


@settings(max_examples=150)
@given(rounds=st.lists(outcomes, max_size=4))
def test_settling_the_same_again_changes_nothing(rounds: list[list[losses.Outcome]]) -> None:
    log = fleet()
    give(log, NEW, EDGE, FAR)
    for found in rounds:
        log.append(*losses.settle(log.world, found, examples.AT))

        assert losses.settle(log.world, found, examples.AT) == ()
        owed = {(debt.cluster, debt.object.name) for debt in log.world.ledger.debts.values()}
        assert {(one.cluster, drop.object.name) for one in found for drop in one.derived.drops} <= owed


def test_a_debt_ends_when_its_cluster_is_to_have_the_object_again() -> None:
    log = fleet()
    give(log, NEW, EDGE, FAR)
    log.append(*losses.settle(log.world, [outcome(drop()), outcome(drop(), cluster=FAR)], examples.AT))

    log.append(*losses.settle(log.world, [outcome(wanted=frozenset({drop().identity}))], examples.AT))

    assert [debt.cluster for debt in log.world.ledger.debts.values()] == [FAR]


def test_what_a_rollout_will_take_away_is_planned_before_the_first_cluster_is_touched() -> None:
    log = fleet()
    cause = debts.Cause(topic=ROLLOUT, source=examples.SHOP, revision="main@sha1:bbb")
    others = (drop("b", misplaced=True), drop("c", bundle=ids.BundleId("other/web")))

    log.append(*losses.foreseen(log.world, cause, [outcome(drop("a"), *others), outcome(cluster=FAR)], examples.AT))

    [planned] = log.world.ledger.sets.values()
    assert [(member.clusters, [one.name for one in member.objects]) for member in planned.members] == [((EDGE,), ["a"])]
    assert log.world.ledger.debts == {}
    assert losses.foreseen(log.world, cause, [outcome(*others)], examples.AT) == ()
    assert losses.foreseen(log.world, cause, [outcome(drop("a"))], examples.AT) == ()


def test_every_catalog_that_matters_to_somebody_is_named() -> None:
    log = fleet()
    assert assignments.catalog_digests(log.world) == {NEW}

    give(log, OLD, EDGE, complete=True)
    assert assignments.catalog_digests(log.world) == {NEW, OLD}

    log.append(*sources.remove(log.world.sources[examples.SHOP], prune=False, by=COMMAND))
    assert assignments.catalog_digests(log.world) == frozenset()


def test_a_cluster_is_looked_at_with_what_it_was_given_and_what_its_sources_say_now() -> None:
    log, shelf = fleet(), examples.Shelf()
    said, given_ = (examples.catalog(examples.SHOP, shelf.entry("shop/web"), commit=text * 40) for text in "ab")
    known = {NEW: said, OLD: given_}
    edge = log.world.clusters[EDGE]

    before = assignments.view(log.world, edge, bundles.EMPTY_ROOT, known).sources[examples.SHOP]
    give(log, OLD, EDGE)
    after = assignments.view(log.world, edge, bundles.EMPTY_ROOT, known)

    assert (before.given, before.latest) == (None, said)
    assert (after.sources[examples.SHOP].given, after.sources[examples.SHOP].latest) == (given_, said)
    as_if = assignments.with_given(after, examples.SHOP, said).sources[examples.SHOP]
    assert (as_if.given, as_if.latest) == (said, said)
    log.append(*sources.remove(log.world.sources[examples.SHOP], prune=True, by=COMMAND))
    gone = assignments.view(log.world, edge, bundles.EMPTY_ROOT, known).sources[examples.SHOP]
    assert (gone.given, gone.latest, gone.removed, gone.prune_on_removal) == (None, None, True, True)


def test_the_signature_changes_with_all_that_a_root_may_depend_on() -> None:
    log = fleet()
    edge = log.world.clusters[EDGE]
    seen = [assignments.signature(log.world, edge)]
    assert assignments.signature(log.world, edge) == seen[0]

    for changed in (
        {"labels": {"env": "prod"}},
        {"annotations": {"note": "x"}},
        {"values": {"size": "1"}},
        {"kubernetes_version": "1.34"},
    ):
        seen.append(assignments.signature(log.world, msgspec.structs.replace(edge, **changed)))
    give(log, NEW, EDGE)
    seen.append(assignments.signature(log.world, edge))
    log.append(*sources.remove(log.world.sources[examples.SHOP], prune=False, by=COMMAND))
    seen.append(assignments.signature(log.world, edge))

    assert len(set(seen)) == len(seen)


def test_a_cluster_that_a_bundle_is_not_rendered_for_is_found() -> None:
    facts = {one.id: placements.facts(one, {}) for one in (examples.cluster(0), examples.cluster(1))}
    entry = examples.Shelf().entry("shop/web", examples.config_map("a"))
    only_c0 = msgspec.structs.replace(
        entry, variants=(msgspec.structs.replace(entry.variants[0], inputs={"cluster.name": "c0"}),)
    )

    def unrendered(one: catalogs.Entry) -> ids.ClusterId | None:
        return assignments.unrendered(examples.catalog(examples.SHOP, one), examples.EVERYWHERE, facts)

    assert unrendered(entry) is None
    assert unrendered(only_c0) == FAR
    assert unrendered(examples.spoiled(only_c0)) is None, "its error says so already"


@pytest.mark.parametrize("source", ["shop", "other"])
def test_a_decision_about_a_rollout_rests_on_its_source(source: str) -> None:
    assert assignments.read_for_rollout(ids.SourceName(source)) == (f"flotilla.v1.log.source.{source}",)


def test_a_source_that_is_declared_otherwise_again_and_again_is_never_taken_for_what_it_was() -> None:
    """What a declaration left behind may hold the next one, at the same place in memory."""
    log = logs.Log()
    edge = examples.cluster(0)
    seen = []
    for number in range(20):
        spec = specs.SourceSpec(url="https://git.example/shop.git", ref=str(number))
        log.world.sources[examples.SHOP] = sources.Source(name=examples.SHOP, spec=spec, managed_by=COMMAND)
        del spec
        seen.append(assignments.signature(log.world, edge))

    assert len(set(seen)) == len(seen)
