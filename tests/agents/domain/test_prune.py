"""Which deletions may be carried out: each way in which one can be lost, and that there is no other way in."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.domain import inventory, plan, prune, resources
from protocol import bundles, desired, ids, naming, reports
from tests.agents.domain import examples
from tests.agents.domain.examples import bundle_id, config_map, deletion, entry, index, namespace, owned

ORDER = "1.2"


def world(
    *entries: inventory.Entry,
    indexes: tuple[bundles.BundleIndex, ...] = (),
    named: tuple[desired.Deletion, ...] = (),
    kept: tuple[bundles.Kept, ...] = (),
    applied: tuple[ids.ObjectId, ...] | None = None,
) -> prune.World:
    """The world after everything that was wanted was applied, or only `applied`."""
    planned = plan.make(indexes, owned(*entries), examples.KNOWN)
    done = [item.object for item in planned.wanted] if applied is None else applied
    return prune.survey(
        planned=planned,
        entries=owned(*entries),
        kept=kept,
        deletions=desired.Deletions(named),
        applied=frozenset(done),
        order=ORDER,
    )


def test_what_is_named_and_ours_may_be_deleted() -> None:
    """All questions answered: go and look at the object."""
    found = prune.judge(deletion(), world(entry()))

    assert found == prune.Delete(deletion(), entry())


def test_what_is_not_in_the_inventory_is_released() -> None:
    """It is not ours."""
    found = prune.judge(deletion(), world())

    assert isinstance(found, prune.Settle)
    assert (found.outcome, found.reason) == (reports.Outcome.RELEASED, "NotInInventory")


def test_an_entry_of_another_bundle_that_nobody_wants_is_left_to_a_person() -> None:
    """It could be the one that is meant, or another object altogether."""
    found = prune.judge(deletion(bundle="other"), world(entry()))

    assert isinstance(found, prune.Hold)
    assert found.reason == "BundleMismatch"


def test_an_entry_of_another_bundle_that_wants_it_is_none_of_our_business() -> None:
    """The named one is not ours; the other stays."""
    found = prune.judge(deletion(bundle="other"), world(entry(), indexes=(index("web", config_map()),)))

    assert isinstance(found, prune.Settle)


def test_two_entries_for_one_name_are_left_to_a_person() -> None:
    """The bundle's namespace changed in between: which one is meant cannot be known."""
    left = entry(config_map("x", "a"), written_namespace="")
    right = entry(config_map("x", "b"), written_namespace="")
    found = prune.judge(deletion(config_map("x", "")), world(left, right))

    assert isinstance(found, prune.Hold)
    assert found.reason == "Ambiguous"


def test_what_was_settled_is_confirmed_again() -> None:
    """With the same outcome, for the same debt or a later one."""
    tombstone = entry(settled=inventory.Settled(ids.DebtId("d0"), reports.Outcome.GONE, "because"))
    found = prune.judge(deletion(debt="d1"), world(tombstone))

    assert found == prune.Settle(deletion(debt="d1"), reports.Outcome.GONE, "because", tombstone)


def test_what_is_wanted_is_held() -> None:
    """Also where its bundle cannot apply it, or several bundles claim it."""
    unknown = ids.ObjectId("no.such", "Thing", "web", "x")
    rivals = (index("a", config_map()), index("b", config_map()))

    for found in (
        prune.judge(deletion(), world(entry(), indexes=(index("web", config_map()),))),
        prune.judge(deletion(unknown), world(entry(unknown), indexes=(index("web", unknown),))),
        prune.judge(deletion(bundle="c"), world(entry(bundle="c"), indexes=rivals)),
    ):
        assert isinstance(found, prune.Hold)
        assert found.reason == "Wanted"


def test_what_is_kept_is_held() -> None:
    """A state that names it and keeps it contradicts itself."""
    found = prune.judge(deletion(), world(entry(), kept=(bundles.Kept(config_map(), bundle_id("web"), "error"),)))

    assert isinstance(found, prune.Hold)
    assert found.reason == "Kept"


@pytest.mark.parametrize(
    ("change", "asked", "reason"),
    [
        ({"prune": bundles.Prune.NEVER}, bundles.Prune.OWNED, "PruneNever"),
        ({}, bundles.Prune.NEVER, "PruneNever"),
        ({"adopted": examples.ONE}, bundles.Prune.OWNED, "Adopted"),
    ],
)
def test_what_must_not_be_pruned_is_released(change: dict[str, Any], asked: bundles.Prune, reason: str) -> None:
    """By its bundle's wish, or because it was there before us."""
    found = prune.judge(deletion(prune=asked), world(entry(**change)))

    assert isinstance(found, prune.Settle)
    assert (found.outcome, found.reason) == (reports.Outcome.RELEASED, reason)


def test_an_adopted_object_may_be_deleted_where_the_deletion_says_all() -> None:
    """Its bundle asked for it."""
    found = prune.judge(deletion(prune=bundles.Prune.ALL), world(entry(adopted=examples.ONE)))

    assert isinstance(found, prune.Delete)


def test_the_same_object_in_another_api_group_is_released() -> None:
    """Its UID is that of an object that is wanted and applied."""
    twin = ids.ObjectId("apiextensions.k8s.io", "CustomResourceDefinition", "", "settings")
    found = prune.judge(deletion(), world(entry(uid="u"), entry(twin, "web", uid="u"), indexes=(index("web", twin),)))

    assert isinstance(found, prune.Settle)
    assert found.reason == f"is the wanted object {twin}"


def test_a_possible_twin_that_is_not_applied_yet_is_waited_for() -> None:
    """Same kind, namespace and name in another group, in another bundle: it may turn out to be the same object."""
    twin = ids.ObjectId("other.example", "ConfigMap", "web", "settings")
    known = {
        **examples.KNOWN,
        resources.kind_of(twin): msgspec.structs.replace(examples.CONFIG_MAP, group="other.example"),
    }
    entries = owned(entry())
    for resolved in (known, examples.KNOWN):
        planned = plan.make((index("b", twin),), entries, resolved)
        found = prune.judge(
            deletion(),
            prune.survey(
                planned=planned,
                entries=entries,
                kept=(),
                deletions=desired.Deletions((deletion(),)),
                applied=frozenset(),
                order=ORDER,
            ),
        )
        assert isinstance(found, prune.Hold)
        assert found.reason == "SuccessorNotApplied"


def test_a_bundle_that_is_not_applied_whole_prunes_nothing() -> None:
    """An apply that failed, or an object that cannot be tried."""
    goes = entry(config_map("goes"))
    failing = world(goes, indexes=(index("web", config_map("stays")),), applied=())
    rejected = world(goes, indexes=(index("web", ids.ObjectId("no.such", "Thing", "", "x")),))

    for found in (prune.judge(deletion(config_map("goes")), case) for case in (failing, rejected)):
        assert isinstance(found, prune.Hold)
        assert found.reason == "BundleNotApplied"


def test_a_take_over_that_is_not_finished_stops_the_giver() -> None:
    """`b` takes `moved` from `a` and is not done: `a` prunes nothing, before, during and after the step itself."""
    goes = entry(config_map("goes"), "a")
    before = entry(config_map("moved"), "a")
    after = entry(config_map("moved"), "b", taken_from=bundle_id("a"), taken_at=ORDER)
    wanted = (index("b", config_map("moved"), config_map("more")),)
    named = deletion(config_map("goes"), "a")

    assert isinstance(prune.judge(named, world(goes, before, indexes=wanted, applied=())), prune.Hold)
    assert isinstance(
        prune.judge(named, world(goes, after, indexes=wanted, applied=(config_map("moved"),))), prune.Hold
    )
    assert isinstance(prune.judge(named, world(goes, after, indexes=wanted)), prune.Delete)


def test_a_take_over_of_an_older_generation_stops_nobody() -> None:
    """It was finished then."""
    goes = entry(config_map("goes"), "a")
    after = entry(config_map("moved"), "b", taken_from=bundle_id("a"), taken_at="1.1")
    case = world(goes, after, indexes=(index("b", config_map("moved"), config_map("more")),), applied=())

    assert isinstance(prune.judge(deletion(config_map("goes"), "a"), case), prune.Delete)


def live(**metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": "settings", "uid": "uid-of-settings", **metadata}}


def test_the_live_object_has_the_last_word() -> None:
    """Another UID, our annotation, a deletion that is under way."""
    case = prune.Delete(deletion(), entry())

    assert prune.judge_live(case, live()) is case
    foreign = prune.judge_live(case, live(uid="another"))
    assert isinstance(foreign, prune.Settle)
    assert foreign.reason == "ForeignUID"
    annotated = prune.judge_live(case, live(annotations={naming.PRUNE_ANNOTATION: "never"}))
    assert isinstance(annotated, prune.Settle)
    assert annotated.reason == "Annotated"
    going = prune.judge_live(case, live(deletionTimestamp="now", finalizers=["a.example/b"]))
    assert isinstance(going, prune.Hold)
    assert "a.example/b" in going.message
    assert isinstance(prune.judge_live(case, live(deletionTimestamp="now")), prune.Hold)


def test_what_would_take_others_along_is_refused_with_the_list() -> None:
    """The first ten by name, and how many more."""
    case = prune.Delete(deletion(namespace("web")), entry(namespace("web")))

    assert prune.cascades(case, []) is case
    found = prune.cascades(case, [f"ConfigMap {number:02}" for number in range(12)])
    assert isinstance(found, prune.Hold)
    assert "ConfigMap 09 and 2 more" in found.message
    assert "more" not in getattr(prune.cascades(case, ["ConfigMap 1"]), "message", "")


def content(kind: str, name: str, group: str = "", **metadata: Any) -> tuple[resources.GroupKind, dict[str, Any]]:
    return resources.GroupKind(group, kind), {"name": name, "uid": f"uid-of-{name}", **metadata}


def test_what_kubernetes_puts_into_a_namespace_does_not_hold_it() -> None:
    """Each of them; and things of the same kinds that are somebody's do."""
    token = {"kubernetes.io/service-account.name": "default"}
    ordinary = [
        content("Event", "e"),
        content("Event", "f", "events.k8s.io"),
        content("ServiceAccount", "default"),
        content("ConfigMap", "kube-root-ca.crt"),
        content("Secret", "default-token", annotations=token),
    ]
    precious = [content("ServiceAccount", "robot"), content("ConfigMap", "mine"), content("Secret", "mine")]

    assert prune.blockers(ordinary, ()) == []
    assert prune.blockers(ordinary + precious, ()) == ["ConfigMap mine", "Secret mine", "ServiceAccount robot"]


def test_what_belongs_to_the_doomed_does_not_hold_a_namespace() -> None:
    """A deployment that we deleted, its replica set, its pods; and what is being deleted anyway."""
    found = [
        content("ReplicaSet", "set", "apps", ownerReferences=[{"uid": "deployment"}]),
        content("Pod", "pod", ownerReferences=[{"uid": "uid-of-set"}]),
        content("ConfigMap", "going", deletionTimestamp="now"),
        content("Pod", "stranger", ownerReferences=[{"uid": "elsewhere"}]),
    ]

    assert prune.blockers(found, ["deployment"]) == ["Pod stranger"]


def test_dependents_are_known_or_feared() -> None:
    """Who belongs to it, and who may for all we know where an owner could be."""
    owners: dict[ids.ObjectId, tuple[str, ...] | None] = {
        config_map("child"): ("uid-of-settings",),
        config_map("free"): (),
        config_map("hidden"): None,
        config_map("hidden", "elsewhere"): None,
    }

    assert prune.dependents(entry(), owners) == [
        "ConfigMap web/child",
        "ConfigMap web/hidden (its owners could not be read)",
    ]
    cluster_wide = entry(namespace("x"))
    assert len(prune.dependents(cluster_wide, owners)) == 2


def test_contents_go_before_containers() -> None:
    """The reverse of the order of applies."""
    definition = ids.ObjectId("apiextensions.k8s.io", "CustomResourceDefinition", "", "d")
    cases = [prune.Delete(deletion(item), entry(item)) for item in (namespace("web"), definition, config_map())]

    found = [[item.entry.object.kind for item in wave] for wave in prune.waves(cases)]
    assert found == [["ConfigMap"], ["CustomResourceDefinition"], ["Namespace"]]


def test_doomed_are_those_that_we_deleted() -> None:
    """Not those that were released."""
    gone = entry(config_map("gone"), settled=inventory.Settled(ids.DebtId("d"), reports.Outcome.GONE))
    free = entry(config_map("free"), settled=inventory.Settled(ids.DebtId("e"), reports.Outcome.RELEASED))

    assert prune.doomed(owned(gone, free, entry())) == {"uid-of-gone"}


def test_strays_are_intents_that_nobody_comes_back_to() -> None:
    """Neither wanted nor named."""
    intent = entry(config_map("x"), uid="")

    assert prune.strays(world(intent, entry()), owned(intent, entry())) == [intent]
    assert prune.strays(world(intent, indexes=(index("web", config_map("x")),)), owned(intent)) == []
    assert prune.strays(world(intent, named=(deletion(config_map("x")),)), owned(intent)) == []


def test_orphans_are_ours_and_nobodys() -> None:
    """Not wanted, not named, not kept; with the namespace that they really are in."""
    moved = entry(config_map("x", "old"), written_namespace="")
    case = world(
        entry(config_map("wanted")),
        entry(config_map("named")),
        entry(config_map("kept")),
        entry(config_map("orphan")),
        moved,
        indexes=(index("web", config_map("wanted")),),
        named=(deletion(config_map("named")),),
        kept=(bundles.Kept(config_map("kept"), bundle_id("web"), "error"),),
    )
    entries = owned(*(entry(config_map(name)) for name in ("wanted", "named", "kept", "orphan")), moved)

    found = prune.orphans(case, entries)
    assert [(item.object, item.reason) for item in found] == [
        (config_map("x", ""), "stands in the namespace old"),
        (config_map("orphan"), ""),
    ]


@given(
    examples.indexes(),
    examples.inventories(),
    examples.named(),
    st.lists(examples.object_ids, max_size=3),
    st.booleans(),
)
def test_only_what_is_named_and_inventoried_is_ever_deleted(
    indexes: tuple[bundles.BundleIndex, ...],
    entries: dict[ids.ObjectId, inventory.Entry],
    named: desired.Deletions,
    kept: list[ids.ObjectId],
    whole: bool,
) -> None:
    """I6 and I9 as far as they can be judged without the API server, for every input."""
    planned = plan.make(indexes, entries, examples.KNOWN)
    applied = frozenset(item.object for item in planned.wanted if whole)
    case = prune.survey(
        planned=planned,
        entries=entries,
        kept=[bundles.Kept(item, bundle_id("a"), "error") for item in kept],
        deletions=named,
        applied=applied,
        order=ORDER,
    )
    for item in named.items:
        found = prune.judge(item, case)
        assert found.deletion is item
        if not isinstance(found, prune.Delete):
            continue
        stored = entries[found.entry.object]
        assert stored == found.entry
        assert stored.settled is None
        assert stored.claim == (item.bundle, item.object)
        assert stored.object not in {wanted.object for wanted in planned.wanted}
        assert (item.bundle, item.object) not in case.kept
        assert bundles.Prune.NEVER not in (stored.prune, item.prune)
        assert not stored.adopted or item.prune is bundles.Prune.ALL
        assert not stored.uid or stored.uid not in case.applied_uids
        assert stored.bundle not in {rejection.bundle for rejection in planned.rejections}
        assert whole or stored.bundle not in {wanted.bundle for wanted in planned.wanted}


@given(examples.indexes(), examples.inventories(), examples.named())
def test_nothing_named_means_nothing_deleted(
    indexes: tuple[bundles.BundleIndex, ...],
    entries: dict[ids.ObjectId, inventory.Entry],
    named: desired.Deletions,
) -> None:
    """Orphans and deletions never overlap, and an orphan is never touched."""
    planned = plan.make(indexes, entries, examples.KNOWN)
    applied = frozenset(item.object for item in planned.wanted)
    case = prune.survey(planned=planned, entries=entries, kept=(), deletions=named, applied=applied, order=ORDER)
    orphans = {(item.bundle, item.object) for item in prune.orphans(case, entries)}
    for item in named.items:
        found = prune.judge(item, case)
        assert not (isinstance(found, prune.Delete) and found.entry.claim in orphans)
