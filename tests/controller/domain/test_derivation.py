"""What a cluster should have, and what counts as gone: only what nothing wants any more, beyond doubt (I1)."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.domain import catalogs, derivation, placements
from protocol import bundles, ids, selectors, specs
from tests.controller.domain import fleets

NAMES = st.lists(st.sampled_from(["a", "b", "c", "d", "e"]), unique=True, max_size=5)
CONTENT = st.dictionaries(st.sampled_from(["one/x", "one/y", "two/x", "two/y"]), NAMES, max_size=4)


def test_what_left_its_bundle_drops() -> None:
    shelf = fleets.Shelf()
    before = shelf.root({"one/x": ["a", "b"]})

    derived = shelf.derive(before, shelf.catalog("one", {"one/x": ["a"]}))

    assert [(drop.object.name, drop.whole_bundle) for drop in derived.drops] == [("b", False)]


def test_a_bundle_that_left_drops_as_a_whole() -> None:
    shelf = fleets.Shelf()
    before = shelf.root({"one/x": ["a"], "one/y": ["b"]})

    derived = shelf.derive(before, shelf.catalog("one", {"one/x": ["a"]}))

    assert [(drop.object.name, drop.whole_bundle, drop.misplaced) for drop in derived.drops] == [("b", True, False)]


def test_an_object_that_moved_to_another_bundle_does_not_drop() -> None:
    shelf = fleets.Shelf()
    before = shelf.root({"one/x": ["a", "b"], "one/y": []})

    derived = shelf.derive(before, shelf.catalog("one", {"one/x": ["a"], "one/y": ["b"]}))

    assert (derived.drops, derived.conflicts) == ((), {})
    assert fleets.contents(derived.root, shelf) == {"a", "b"}


def test_an_object_whose_receiver_is_broken_is_kept() -> None:
    shelf = fleets.Shelf()
    before = shelf.root({"one/x": ["a", "b"], "one/y": []})

    derived = shelf.derive(before, shelf.catalog("one", {"one/x": ["a"], "one/y": []}, broken=["one/y"]))

    assert derived.drops == ()
    assert [kept.object.name for kept in derived.root.kept] == ["b"]


def test_a_broken_bundle_of_another_source_keeps_it_too() -> None:
    shelf = fleets.Shelf()
    before = shelf.root({"one/x": ["a"], "two/x": []})

    derived = shelf.derive(
        before, shelf.catalog("one", {"one/x": []}), shelf.catalog("two", {"two/x": []}, broken=["two/x"])
    )

    assert derived.drops == ()
    assert ["two" in kept.reason for kept in derived.root.kept] == [True]


def test_an_object_that_another_source_will_bring_is_kept_until_then() -> None:
    shelf = fleets.Shelf()
    before = shelf.root({"one/x": ["a"]})
    old, new = shelf.catalog("two", {"two/x": []}), shelf.catalog("two", {"two/x": ["a"]})

    waiting = shelf.derive(before, shelf.catalog("one", {"one/x": []}), old, latest=[new])
    arrived = shelf.derive(waiting.root, shelf.catalog("one", {"one/x": []}), new)

    assert (waiting.drops, [kept.object.name for kept in waiting.root.kept]) == ((), ["a"])
    assert (arrived.drops, arrived.root.kept) == ((), ())


def test_an_object_that_the_same_commit_may_have_moved_is_kept_until_both_sources_are_there() -> None:
    shelf = fleets.Shelf()
    before = shelf.root({"one/x": ["a"]})
    together = {"one": fleets.SPEC, "two": fleets.SPEC}
    old = shelf.catalog("two", {"two/x": []})
    new = shelf.catalog("one", {"one/x": []})
    arrived = msgspec.structs.replace(shelf.catalog("two", {"two/x": []}), revision=new.revision)

    waiting = shelf.derive(before, new, old, specs_=together)
    there = shelf.derive(waiting.root, new, arrived, specs_=together)

    assert (waiting.drops, ["source two reads the same ref" in one.reason for one in waiting.root.kept]) == ((), [True])
    assert (fleets.names(there.drops), there.root.kept) == (["a"], ())


def test_a_source_on_another_ref_or_for_other_clusters_is_not_waited_for() -> None:
    shelf = fleets.Shelf()
    before = shelf.root({"one/x": ["a"]})
    other_ref = msgspec.structs.replace(fleets.SPEC, ref="release")
    elsewhere = specs.SourceSpec(url=fleets.SPEC.url, targets=(selectors.Target(match_labels={"env": "dev"}),))
    one, two = shelf.catalog("one", {"one/x": []}), shelf.catalog("two", {"two/x": []})

    for spec in (other_ref, elsewhere):
        derived = shelf.derive(before, one, two, specs_={"one": fleets.SPEC, "two": spec})

        assert fleets.names(derived.drops) == ["a"]


def test_what_was_kept_drops_once_nothing_is_in_doubt() -> None:
    shelf = fleets.Shelf()
    before = shelf.root({"one/x": ["a", "b"], "one/y": []})

    kept = shelf.derive(before, shelf.catalog("one", {"one/x": ["a"], "one/y": []}, broken=["one/y"]))
    whole = shelf.derive(kept.root, shelf.catalog("one", {"one/x": ["a"], "one/y": []}))

    assert fleets.names(whole.drops) == ["b"]
    assert whole.root.kept == ()


def test_of_two_bundles_that_claim_one_object_its_owner_keeps_it() -> None:
    shelf = fleets.Shelf()
    before = shelf.root({"one/x": ["a"]})

    derived = shelf.derive(before, shelf.catalog("one", {"one/x": ["a"], "one/y": ["a", "b"]}))

    assert sorted(derived.conflicts) == ["one/y"]
    assert fleets.contents(derived.root, shelf) == {"a"}


def test_with_no_owner_neither_gets_it() -> None:
    shelf = fleets.Shelf()

    derived = shelf.derive(shelf.root({}), shelf.catalog("one", {"one/x": ["a"], "one/y": ["a"]}))

    assert sorted(derived.conflicts) == ["one/x", "one/y"]
    assert derived.root.bundles == ()


def test_a_paused_bundle_stays_though_the_cluster_is_another_by_now() -> None:
    """A cluster that is upgraded, say: the bundle is not rendered for what it is, and will not be (I1)."""
    shelf = fleets.Shelf()
    before = shelf.root({"one/x": ["a"], "one/y": ["b"]})
    whole = shelf.catalog("one", {"one/x": ["a"], "one/y": []})
    variant = msgspec.structs.replace(whole.entries[0].variants[0], inputs={"cluster.labels.env": "dev"})
    paused = msgspec.structs.replace(whole.entries[0], variants=(variant,), paused=True)
    catalog = msgspec.structs.replace(whole, entries=(paused, whole.entries[1]))

    derived = shelf.derive(before, catalog)
    newcomer = shelf.derive(shelf.root({"one/y": ["b"]}), catalog)

    assert (fleets.contents(derived.root, shelf), fleets.names(derived.drops)) == ({"a"}, [])
    # A commit may have moved it into the paused bundle, which nobody reads.
    assert [(one.object.name, "is paused" in one.reason) for one in derived.root.kept] == [("b", True)]
    assert (fleets.contents(newcomer.root, shelf), fleets.names(newcomer.drops)) == (set(), ["b"])


def test_a_label_that_no_longer_matches_misplaces_the_whole_bundle() -> None:
    shelf = fleets.Shelf()
    before = shelf.root({"one/x": ["a"]})
    elsewhere = specs.SourceSpec(
        url=fleets.SPEC.url, targets=(selectors.Target(match_labels={"env": "dev"}),), all_clusters=False
    )

    derived = shelf.derive(before, shelf.catalog("one", {"one/x": ["a"]}), specs_={"one": elsewhere})

    assert [(drop.object.name, drop.whole_bundle, drop.misplaced) for drop in derived.drops] == [("a", True, True)]


def test_a_bundle_that_is_never_pruned_lets_its_objects_go() -> None:
    shelf = fleets.Shelf()
    options = bundles.BundleOptions(prune=bundles.Prune.NEVER)
    entry = bundles.RootEntry(bundle="one/x", index=shelf.index("one/x", ["a"], options=options))

    derived = shelf.derive(bundles.ClusterRoot(bundles=(entry,)), shelf.catalog("one", {"one/x": []}))

    assert (derived.drops, derived.root.kept) == ((), ())


@settings(max_examples=300)
@given(before=CONTENT, now=CONTENT, broken=st.sets(st.sampled_from(["one/x", "one/y", "two/x", "two/y"])))
def test_nothing_is_lost_and_nothing_that_is_wanted_drops(
    before: dict[str, list[str]], now: dict[str, list[str]], broken: set[str]
) -> None:
    shelf = fleets.Shelf()
    seen: set[str] = set()
    fair = {
        bundle: [name for name in names if not (name in seen or seen.add(name))] for bundle, names in before.items()
    }
    previous = shelf.root(fair)
    parts = [
        shelf.catalog(source, {bundle: names for bundle, names in now.items() if bundle.startswith(source)},
                      broken=sorted(broken))
        for source in ("one", "two")
    ]  # fmt: skip

    derived = shelf.derive(previous, *parts)

    had = fleets.contents(previous, shelf)
    wanted = fleets.contents(derived.root, shelf)
    kept = {one.object.name for one in derived.root.kept}
    dropped = set(fleets.names(derived.drops))
    assert had <= wanted | kept | dropped
    assert not dropped & (wanted | kept)
    assert not dropped & {name for names in now.values() for name in names}
    assert not (dropped and any(bundle in now for bundle in broken))


@settings(max_examples=150)
@given(before=CONTENT, now=CONTENT)
def test_the_order_of_sources_never_decides(before: dict[str, list[str]], now: dict[str, list[str]]) -> None:
    shelf = fleets.Shelf()
    previous = shelf.root(before)
    parts = [
        shelf.catalog(source, {bundle: names for bundle, names in now.items() if bundle.startswith(source)})
        for source in ("one", "two")
    ]

    assert shelf.derive(previous, *parts) == shelf.derive(previous, *reversed(parts))


@settings(max_examples=150)
@given(before=CONTENT, now=CONTENT)
def test_deriving_again_changes_nothing(before: dict[str, list[str]], now: dict[str, list[str]]) -> None:
    shelf = fleets.Shelf()
    seen: set[str] = set()
    fair = {
        bundle: [name for name in names if not (name in seen or seen.add(name))] for bundle, names in before.items()
    }
    parts = [
        shelf.catalog(source, {bundle: names for bundle, names in now.items() if bundle.startswith(source)})
        for source in ("one", "two")
    ]

    once = shelf.derive(shelf.root(fair), *parts)
    twice = shelf.derive(once.root, *parts)

    assert (twice.root, twice.drops) == (once.root, ())


def test_a_bundle_that_is_not_rendered_for_a_cluster_stays_as_it_is_and_nothing_counts_as_gone() -> None:
    shelf = fleets.Shelf()
    before = shelf.root({"one/x": ["a", "b"], "one/y": ["c"]})
    catalog = shelf.catalog("one", {"one/x": ["a"], "one/y": []})
    for_others = catalogs.Variant(index=shelf.index("one/x", ["a"]), inputs={"cluster.name": "somebody-else"})
    entries = [msgspec.structs.replace(catalog.entries[0], variants=(for_others,)), *catalog.entries[1:]]

    derived = shelf.derive(before, msgspec.structs.replace(catalog, entries=tuple(entries)))

    assert fleets.contents(derived.root, shelf) == {"a", "b"}
    assert derived.drops == ()
    assert [(one.object.name, "not rendered yet" in one.reason) for one in derived.root.kept] == [("c", True)]


def test_a_bundle_tells_the_agent_what_must_stand_first() -> None:
    shelf = fleets.Shelf()
    catalog = shelf.catalog("one", {"one/x": ["a"], "one/y": ["b"]})
    needed = (bundles.Dependency(catalog.entries[1].bundle),)
    entries = (msgspec.structs.replace(catalog.entries[0], depends_on=needed), catalog.entries[1])

    derived = shelf.derive(bundles.EMPTY_ROOT, msgspec.structs.replace(catalog, entries=entries))

    assert [entry.depends_on for entry in derived.root.bundles] == [needed, ()]


def view(previous: bundles.ClusterRoot, **sources: derivation.Assignment) -> derivation.View:
    edge = fleets.cluster()
    return derivation.View(
        cluster=edge,
        facts=placements.facts(edge, {}),
        sources={ids.SourceName(name): one for name, one in sources.items()},
        previous=previous,
    )


def assigned(catalog: catalogs.Catalog | None, **changes: object) -> derivation.Assignment:
    plain = derivation.Assignment(spec=fleets.SPEC, given=catalog, latest=catalog)
    return msgspec.structs.replace(plain, **changes)


def test_every_index_that_a_derivation_looks_at_is_named_before() -> None:
    shelf = fleets.Shelf()
    before, given, said = shelf.root({"one/x": ["a"]}), shelf.catalog("one", {"one/x": ["b"]}), ["c"]
    looked_at = view(before, one=assigned(given, latest=shelf.catalog("one", {"one/x": said})), two=assigned(None))
    shelf.catalog("three", {"three/x": ["z"]})

    named = derivation.index_digests(looked_at)

    assert named == {shelf.index("one/x", names) for names in (["a"], ["b"], ["c"])}
    derivation.derive(looked_at, {digest: shelf.indexes[digest] for digest in named})
    assert derivation.objects_of(before, shelf.indexes) == 1


def test_a_source_that_was_removed_takes_its_workloads_along_only_if_it_says_so() -> None:
    shelf = fleets.Shelf()
    before = shelf.root({"one/x": ["a"], "two/x": ["b"], "gone/x": ["c"]})
    looked_at = view(
        before,
        one=assigned(shelf.catalog("one", {"one/x": ["a"]}), removed=True, prune_on_removal=True),
        two=assigned(shelf.catalog("two", {"two/x": ["b"]}), removed=True),
    )

    derived = derivation.derive(looked_at, shelf.indexes)

    assert fleets.names(derived.drops) == ["a"], "nobody asked for the others to be deleted"
    assert (derived.root.bundles, derived.root.kept) == ((), ())


def test_what_a_bundle_never_prunes_is_let_go() -> None:
    shelf = fleets.Shelf()
    never = shelf.index("one/x", ["a"], options=bundles.BundleOptions(prune=bundles.Prune.NEVER))
    before = bundles.ClusterRoot(bundles=(bundles.RootEntry(bundle=ids.BundleId("one/x"), index=never),))

    derived = shelf.derive(before, shelf.catalog("one", {}))

    assert (derived.drops, derived.root) == ((), bundles.EMPTY_ROOT)


def test_a_source_that_says_nothing_at_present_keeps_what_it_gave() -> None:
    shelf = fleets.Shelf()
    before = shelf.root({"one/x": ["a"]})

    derived = derivation.derive(
        view(before, one=assigned(shelf.catalog("one", {"one/x": ["a"]}), latest=None)), shelf.indexes
    )

    assert (derived.root, derived.drops) == (before, ())


@given(
    st.lists(st.sampled_from([{}, {"region": "eu"}, {"region": "us"}, {"env": "prod"}]), min_size=1, max_size=6),
    st.sampled_from(["all", "label", "name"]),
)
def test_clusters_that_are_alike_are_derived_alike(labels: list[dict[str, str]], chosen_by: str) -> None:
    shelf = fleets.Shelf()
    target = selectors.Target(match_labels={"region": "eu"} if chosen_by == "label" else {})
    if chosen_by == "name":
        target = selectors.Target(names=("c0",))
    catalog = shelf.catalog("one", {"one/x": ["a"], "one/y": ["b"]})
    entry = msgspec.structs.replace(catalog.entries[0], targets=(target,))
    catalog = msgspec.structs.replace(catalog, entries=(entry, *catalog.entries[1:]))
    before = shelf.root({"one/x": ["a"]})
    view = shelf.view(before, catalog)
    views = {
        ids.ClusterId(f"c{number}"): msgspec.structs.replace(
            view, facts=msgspec.structs.replace(view.facts, name=f"c{number}", labels=own)
        )
        for number, own in enumerate(labels)
    }
    shared = derivation.alike(views)

    for cluster, own in views.items():
        assert derivation.derive(shared[cluster], shelf.indexes) == derivation.derive(own, shelf.indexes)
    if chosen_by == "all":
        assert len({id(one) for one in shared.values()}) == 1
