"""Equal values give equal bytes, and a digest never passes for one of another type."""

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from protocol import bundles, canonical, desired, ids, sealing

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


def _reversed(value: Any) -> Any:
    """The same value, every mapping in it built in the opposite order."""
    if isinstance(value, dict):
        return {key: _reversed(inner) for key, inner in reversed(value.items())}
    if isinstance(value, list):
        return [_reversed(inner) for inner in value]
    return value


@given(values)
def test_the_order_in_which_a_mapping_was_built_does_not_show(value: Any) -> None:
    assert canonical.encode(value) == canonical.encode(_reversed(value))


@given(values)
def test_canonical_bytes_are_json_of_the_same_value(value: Any) -> None:
    assert json.loads(canonical.encode(value)) == value


@given(values)
def test_reading_and_writing_canonical_bytes_changes_nothing(value: Any) -> None:
    once = canonical.encode(value)

    assert canonical.encode(msgspec.json.decode(once)) == once


def test_canonical_bytes_have_sorted_keys_no_white_space_and_plain_utf_8() -> None:
    assert canonical.encode({"b": 1, "a": [1, 2.5, "ä"]}) == '{"a":[1,2.5,"ä"],"b":1}'.encode()


def test_a_set_has_one_spelling() -> None:
    assert canonical.encode(frozenset("hello")) == b'["e","h","l","o"]'


def test_a_digest_is_sha_256_of_tag_zero_and_content() -> None:
    # printf 'manifest\0{}' | sha256sum
    expected = "7ff8a7019516d1f0204ce3b870e7fcb7c08c65ab955a79a0285b8ced0fdd8195"

    assert canonical.digest("manifest", b"{}") == expected


def test_the_same_bytes_under_another_tag_have_another_digest() -> None:
    found = {bundles.manifest_digest(b"{}"), canonical.digest(bundles.INDEX_TAG, b"{}"), bundles.root_digest(b"{}")}

    assert len(found | {desired.deletions_digest(b"{}")}) == 4


@given(st.binary(max_size=64))
def test_a_digest_is_the_id_of_the_sealed_blob(plain: bytes) -> None:
    assert canonical.digest("manifest", plain) == sealing.seal("manifest", plain).id


def test_a_manifest_has_one_digest_however_its_keys_stand() -> None:
    one = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "b"}}

    assert bundles.manifest_bytes(one) == bundles.manifest_bytes(_reversed(one))


def test_an_object_id_is_its_group_kind_namespace_and_name_and_never_its_version() -> None:
    manifest = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"}}
    older = {**manifest, "apiVersion": "apps/v1beta1"}

    assert ids.object_id(manifest) == ids.object_id(older)
    assert ids.object_id(manifest) == ids.ObjectId(group="apps", kind="Deployment", namespace="shop", name="web")


def test_what_has_no_hooks_and_no_dependencies_is_written_as_before_there_were_any() -> None:
    """So that no digest changed when they came, and nobody was published for nothing."""
    bundle = ids.BundleId("shop/web")
    index = bundles.BundleIndex(bundle, bundles.BundleOptions(), ())
    root = bundles.ClusterRoot((bundles.RootEntry(bundle, canonical.Digest("ab")),))

    assert canonical.encode(index) == b'{"bundle":"shop/web","objects":[],"options":{},"type":"BundleIndex"}'
    assert canonical.encode(root) == (
        b'{"bundles":[{"bundle":"shop/web","index":"ab"}],"kept":[],"type":"ClusterRoot"}'
    )
