"""What a source would change, put together from what clusters say and what the hub foresees."""

from typing import Any

from controller.domain import debts, derivation, losses, world
from controller.domain.views import diffs
from protocol import bundles, canonical, desired, ids, reports
from protocol.events import deletions as events
from protocol.reports import Forecast
from tests.fixtures import hub as hubs

A, B = ids.ClusterId("A"), ids.ClusterId("B")
NAMES = {A: "edge-2", B: "edge-1"}
SHOP = ids.SourceName("shop")
WEB = ids.BundleId("shop/web")


def obj(name: str) -> ids.ObjectId:
    return ids.ObjectId("", "ConfigMap", "web", name)


def outcome(cluster: ids.ClusterId, *kept: bundles.Kept, **conflicts: str) -> losses.Outcome:
    root = bundles.ClusterRoot((bundles.RootEntry(WEB, canonical.Digest("ab")),), kept)
    derived = derivation.Derived(
        root, (), {ids.BundleId(f"shop/{name}"): why for name, why in conflicts.items()}, frozenset()
    )
    return losses.Outcome(cluster=cluster, derived=derived, objects=1, generation=1, given={})


def foreseen(*outcomes: losses.Outcome, planned: tuple[events.Event, ...] = ()) -> diffs.Foreseen:
    return diffs.Foreseen(SHOP, "main@sha1:ab", {one.cluster: one for one in outcomes}, planned)


def said(cluster: ids.ClusterId, *found: reports.PlannedObject, **fields: Any) -> reports.Planned:
    origin = reports.Origin(cluster, 1, 1, hubs.START, 1, 1, desired.GENESIS)
    return reports.Planned(origin, "r", **{"part": 1, "parts": 1, "objects": found, **fields})


def planned(name: str, forecast: Forecast) -> reports.PlannedObject:
    return reports.PlannedObject(obj(name), WEB, forecast)


def test_each_cluster_is_told_with_what_it_said_in_the_order_of_names() -> None:
    """And counted: what changes, and what stands in the way."""
    answers = {
        A: (said(A, planned("a", Forecast.CREATED), planned("b", Forecast.CONFLICT), unchanged=3),),
        B: (said(B, planned("a", Forecast.CONFIGURED)),),
    }
    found = diffs.compose(foreseen(outcome(A), outcome(B)), NAMES, answers, {}, at=hubs.START)

    assert [(one.cluster, one.counts) for one in found.clusters] == [
        ("edge-1", {"configured": 1}),
        ("edge-2", {"conflict": 1, "created": 1, "unchanged": 3}),
    ]
    assert (found.changes, found.troubles) == (2, 1)


def test_hooks_that_would_run_count_as_changes() -> None:
    migrate = reports.PlannedHook(ids.ObjectId("batch", "Job", "web", "migrate"), WEB, "pre-upgrade")
    parts = (said(A, hooks=(migrate,), hooks_left_out=2, parts=2), said(A, part=2, parts=2))
    found = diffs.compose(foreseen(outcome(A)), NAMES, {A: parts}, {}, at=hubs.START)

    assert (found.clusters[0].hooks, found.clusters[0].hooks_left_out, found.changes) == ((migrate,), 2, 3)


def test_a_cluster_that_says_nothing_is_listed_with_the_reason() -> None:
    """It is a trouble: nobody knows what would happen there."""
    found = diffs.compose(foreseen(outcome(A), outcome(B)), NAMES, {}, {A: "it is not heard"}, at=hubs.START)

    assert [(one.cluster, one.heard, one.problem) for one in found.clusters] == [
        ("edge-1", False, "no answer in time"),
        ("edge-2", False, "it is not heard"),
    ]
    assert (found.changes, found.troubles) == (0, 2)


def test_deletions_are_told_of_clusters_that_nobody_hears_too() -> None:
    """With whether they wait; and what stays because it is in doubt, and what another bundle has."""
    member = events.Member(
        bundle=WEB, objects=(obj("old"),), clusters=(A,), prune=bundles.Prune.OWNED, whole_bundle=True
    )
    plan = events.DeletionsPlanned(
        set=ids.DeletionSetId("s"), topic="t", source=SHOP, revision="r", members=(member,),
        digest=canonical.Digest(""), held=("a bundle leaves",),
    )  # fmt: skip
    kept = bundles.Kept(object=obj("doubt"), bundle=WEB, reason="in doubt")
    case = foreseen(outcome(A, kept, api="web has it"), outcome(B), planned=(plan,))
    found = diffs.compose(case, NAMES, {}, {}, at=hubs.START)

    first, second = found.clusters
    assert (first.deletions, second.deletions) == ((), (diffs.Deletion(obj("old"), WEB, held=True),))
    assert second.kept == (diffs.Kept(obj("doubt"), WEB, "in doubt"),)
    assert second.refused == {"shop/api": "web has it"}
    assert found.held == ("a bundle leaves",)
    assert (found.changes, found.troubles) == (1, 3)


def test_only_clusters_that_the_source_concerns_are_asked() -> None:
    assert diffs.concerns(outcome(A), SHOP)
    assert not diffs.concerns(outcome(A), ids.SourceName("other"))


def test_a_long_answer_is_cut_and_its_counts_are_whole(monkeypatch: Any) -> None:
    monkeypatch.setattr(diffs, "OBJECTS_MAX", 3)
    many = tuple(planned(f"x{number}", Forecast.CREATED) for number in range(2))
    answers = {A: (said(A, *many, left_out=1),), B: (said(B, *many),)}
    found = diffs.compose(foreseen(outcome(A), outcome(B)), NAMES, answers, {}, at=hubs.START)

    assert [(len(one.objects), one.left_out, one.counts) for one in found.clusters] == [
        (2, 0, {"created": 2}),
        (1, 2, {"created": 2}),
    ]


def test_what_leaves_git_and_what_leaves_clusters_are_foreseen_apart() -> None:
    """By source, too: what other sources lose has another cause."""

    def drop(name: str, source: str, *, misplaced: bool) -> derivation.Drop:
        bundle = ids.BundleId(f"{source}/web")
        return derivation.Drop(obj(name), obj(name), bundle, bundles.Prune.OWNED, misplaced, misplaced)

    drops = (
        drop("left", "shop", misplaced=False),
        drop("moved", "shop", misplaced=True),
        drop("theirs", "other", misplaced=False),
    )
    derived = derivation.Derived(bundles.ClusterRoot(()), drops, {}, frozenset())
    case = losses.Outcome(cluster=A, derived=derived, objects=100, generation=1, given={})
    cause = debts.Cause(topic="diff", source=SHOP, revision="r")

    def foretold(*, misplaced: bool) -> list[str]:
        found = losses.foreseen(world.World(), cause, [case], hubs.START, misplaced=misplaced)
        return [one.name for event in found if isinstance(event, events.DeletionsPlanned)
                for member in event.members for one in member.objects]  # fmt: skip

    assert (foretold(misplaced=False), foretold(misplaced=True)) == (["left"], ["moved"])
    assert diffs.concerns(case, SHOP)
    assert losses.foreseen(world.World(), cause, [outcome(A)], hubs.START) == ()
