"""Which object a manifest means, as far as the hub can know; where it cannot, it errs towards "the same"."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.domain import kinds
from protocol import bundles, ids
from tests.controller.domain import examples

NONE = bundles.BundleOptions()
SHOP = bundles.BundleOptions(default_namespace="shop")
FORCED = bundles.BundleOptions(namespace="forced", default_namespace="shop")
WEB, API = ids.BundleId("shop/web"), ids.BundleId("shop/api")


@pytest.mark.parametrize(
    ("one", "options", "namespace"),
    [
        (examples.config_map("a"), NONE, "default"),
        (examples.config_map("a"), SHOP, "shop"),
        (examples.config_map("a", "own"), SHOP, "own"),
        (examples.config_map("a", "own"), FORCED, "forced"),
        (examples.object_id("Namespace", "a", "odd"), SHOP, ""),
        (examples.object_id("Widget", "a"), NONE, ""),
        (examples.object_id("Widget", "a"), SHOP, ""),
        (examples.object_id("Widget", "a", "own"), SHOP, "own"),
        (examples.object_id("Widget", "a"), FORCED, "forced"),
    ],
)
def test_the_namespace_in_effect_is_part_of_what_a_manifest_means(
    one: ids.ObjectId, options: bundles.BundleOptions, namespace: str
) -> None:
    assert kinds.identity(one, options) == ids.ObjectId(one.group, one.kind, namespace, one.name)


def test_a_custom_kind_without_a_namespace_may_be_any_of_its_name() -> None:
    claims = kinds.Claims()
    claims.add(examples.object_id("Widget", "a", "one"), WEB)
    claims.add(examples.object_id("Widget", "b"), API)

    assert claims.claimant(examples.object_id("Widget", "a")) == WEB
    assert claims.claimant(examples.object_id("Widget", "b", "one")) == API
    assert claims.claimant(examples.object_id("Widget", "a", "two")) is None
    assert claims.claimant(examples.object_id("Widget", "c")) is None


objects = st.builds(
    examples.object_id,
    st.sampled_from(["ConfigMap", "Widget"]),
    st.sampled_from("ab"),
    st.sampled_from(["", "one", "two"]),
)


@given(claimed=st.lists(st.tuples(objects, st.sampled_from([WEB, API]))), asked=objects)
def test_what_is_claimed_is_never_said_to_be_free(
    claimed: list[tuple[ids.ObjectId, ids.BundleId]], asked: ids.ObjectId
) -> None:
    claims = kinds.Claims()
    for one, bundle in claimed:
        claims.add(one, bundle)

    exactly = [bundle for one, bundle in claimed if one == asked]
    maybe = [one for one, _ in claimed if (one.kind, one.name) == (asked.kind, asked.name)]
    if exactly:
        assert claims.claimant(asked) == exactly[0], "the first to claim it is named"
    else:
        may = [one for one in maybe if "" in (one.namespace, asked.namespace)]
        assert (claims.claimant(asked) is None) == (not may)
