"""Which clusters get a bundle, and which variant of it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.domain import catalogs, inputs, placements
from protocol import selectors, specs
from tests.controller.domain import examples

PROD = selectors.Target(match_labels={"env": "prod"})
EUROPE = selectors.Target(match_labels={"region": "eu"})
ANYWHERE = selectors.Target()


def cluster(name: str = "c", **labels: str) -> inputs.Facts:
    return inputs.Facts(name=name, labels=labels)


def entry(*variants: catalogs.Variant, **changes: Any) -> catalogs.Entry:
    shelf = examples.Shelf()
    return catalogs.Entry(bundle=shelf.entry("shop/web").bundle, path="web", tree="t", variants=variants, **changes)


def chosen(of: catalogs.Entry, who: inputs.Facts) -> str | None:
    found = placements.place(of, who)
    return None if found is None else found.index


def test_a_cluster_gets_the_variant_of_the_customizations_that_match_it() -> None:
    choices = (catalogs.Choice(PROD), catalogs.Choice(EUROPE))
    variants = [
        catalogs.Variant(index=examples.digest(name), matched=matched)
        for name, matched in (("plain", ()), ("prod", (0,)), ("both", (0, 1)))
    ]
    bundle = entry(*variants, choices=choices)

    assert chosen(bundle, cluster()) == examples.digest("plain")
    assert chosen(bundle, cluster(env="prod")) == examples.digest("prod")
    assert chosen(bundle, cluster(env="prod", region="eu")) == examples.digest("both")


def test_only_the_first_customization_counts_where_the_bundle_says_so() -> None:
    choices = (catalogs.Choice(PROD), catalogs.Choice(ANYWHERE))

    assert placements.choose(choices, cluster(env="prod"), first_match=True) == (0,)
    assert placements.choose(choices, cluster(env="prod"), first_match=False) == (0, 1)
    assert placements.choose(choices, cluster(), first_match=True) == (1,)


def test_a_cluster_gets_the_variant_that_was_rendered_with_its_values() -> None:
    eu, nowhere = (
        catalogs.Variant(index=examples.digest(name), inputs={"cluster.labels.region": value})
        for name, value in (("eu", "eu"), ("nowhere", None))
    )
    bundle = entry(eu, nowhere)

    assert chosen(bundle, cluster(region="eu")) == eu.index
    assert chosen(bundle, cluster()) == nowhere.index


def test_a_cluster_for_which_nothing_was_rendered_should_have_the_bundle_all_the_same() -> None:
    bundle = entry(catalogs.Variant(index=examples.digest("c"), inputs={"cluster.name": "c"}))
    placed = placements.place(bundle, cluster("d"))

    assert placed is not None
    assert (placed.variant, placed.index) == (None, "")


def test_do_not_deploy_takes_the_bundle_from_the_clusters_it_is_said_for() -> None:
    bundle = entry(catalogs.Variant(index=examples.digest("a")), choices=(catalogs.Choice(PROD, deploys=False),))

    assert chosen(bundle, cluster(env="prod")) is None
    assert chosen(bundle, cluster(env="dev")) == examples.digest("a")


def test_the_bundles_targets_narrow_and_the_sources_choose_first() -> None:
    bundle = entry(catalogs.Variant(index=examples.digest("a")), targets=(PROD,))
    catalog = examples.catalog(examples.SHOP, bundle)
    source = specs.SourceSpec(url="https://git.example/shop.git", targets=(EUROPE,))

    assert placements.placed(catalog, source, cluster(env="prod")) == ()
    assert placements.placed(catalog, source, cluster(region="eu")) == ()
    assert [one.bundle for one in placements.placed(catalog, source, cluster(env="prod", region="eu"))] == ["shop/web"]


def test_a_clusters_own_values_win_and_of_groups_the_first_by_name() -> None:
    groups = {
        "b": specs.GroupSpec(selector=selectors.Selector(), values={"x": "b", "y": "b", "z": "b"}),
        "a": specs.GroupSpec(selector=selectors.Selector(), values={"x": "a", "y": "a"}),
        "c": specs.GroupSpec(selector=selectors.Selector(names=("other",)), values={"w": "c"}),
    }
    found = placements.facts(examples.cluster(0, values={"x": "own"}), groups)

    assert (found.groups, found.values) == (("a", "b"), {"x": "own", "y": "a", "z": "b"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cluster.name", "edge"),
        ("cluster.kubernetesVersion", "v1.35.4"),
        ("cluster.labels.topology.kubernetes.io/region", "eu"),
        ("cluster.annotations.owner", "web"),
        ("vars.size", "small"),
        ("vars.other", None),
        ("cluster.labels.other", None),
        ("somethingElse", None),
    ],
)
def test_what_a_rendering_may_ask(name: str, value: str | None) -> None:
    facts = inputs.Facts(
        name="edge",
        labels={"topology.kubernetes.io/region": "eu"},
        annotations={"owner": "web"},
        values={"size": "small"},
        kubernetes_version="v1.35.4",
    )

    assert inputs.lookup(facts, name) == value


LABELS = st.dictionaries(st.sampled_from(["env", "region", "tier"]), st.sampled_from(["a", "b"]), max_size=3)


@given(LABELS, st.lists(LABELS, max_size=4), st.booleans())
def test_the_place_in_the_list_decides_and_nothing_else(
    labels: dict[str, str], selected: list[dict[str, str]], first_match: bool
) -> None:
    choices = [catalogs.Choice(selectors.Target(match_labels=one)) for one in selected]
    found = placements.choose(choices, inputs.Facts(name="c", labels=labels), first_match=first_match)
    matching = [number for number, one in enumerate(selected) if one.items() <= labels.items()]

    assert list(found) == (matching[:1] if first_match else matching)


@pytest.mark.parametrize(
    ("operator", "values", "with_label", "with_other", "without"),
    [
        ("In", ("eu", "us"), True, False, False),
        ("NotIn", ("eu", "us"), False, True, True),
        ("Exists", (), True, True, False),
        ("DoesNotExist", (), False, False, True),
    ],
)
def test_an_expression_means_what_it_means_in_kubernetes(
    operator: str, values: tuple[str, ...], with_label: bool, with_other: bool, without: bool
) -> None:
    expression = selectors.Expression(key="region", operator=selectors.Operator(operator), values=values)
    selector = selectors.Selector(match_expressions=(expression,))

    found = [placements.selects(selector, one) for one in (cluster(region="eu"), cluster(region="asia"), cluster())]

    assert found == [with_label, with_other, without]
