"""Whose strategies a rollout hears, and for which clusters they speak."""

from controller.domain import catalogs, strategies
from protocol import ids
from tests.controller.domain import examples

WEB, API, OLD = (ids.BundleId(f"shop/{name}") for name in ("web", "api", "old"))
ONE, TWO = examples.cluster(1).id, examples.cluster(2).id
SAID = catalogs.Rollout(max_concurrency="1")


def entry(bundle: ids.BundleId, rollout: catalogs.Rollout | None = SAID) -> catalogs.Entry:
    return catalogs.Entry(bundle=bundle, path=bundle, tree="", rollout=rollout)


def test_a_changed_bundle_speaks_for_the_clusters_in_which_it_changes() -> None:
    catalog = examples.catalog(examples.SHOP, entry(WEB), entry(API))

    assert strategies.of(catalog, {ONE: {WEB, API, OLD}, TWO: {WEB}}) == (
        strategies.Strategy(API, SAID, frozenset({ONE})),
        strategies.Strategy(WEB, SAID, frozenset({ONE, TWO})),
    )


def test_a_bundle_that_does_not_change_or_says_nothing_is_not_heard() -> None:
    catalog = examples.catalog(examples.SHOP, entry(WEB), entry(API, None))

    assert strategies.of(catalog, {ONE: {API, OLD}, TWO: frozenset()}) == ()


def test_the_first_few_are_named() -> None:
    found = tuple(strategies.Strategy(bundle, SAID, frozenset()) for bundle in (API, OLD, WEB, WEB))

    assert strategies.named(found[:1]) == "shop/api"
    assert strategies.named(found) == "shop/api, shop/old, shop/web and 1 more"
