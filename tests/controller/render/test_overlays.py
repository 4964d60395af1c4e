"""Overlays of files: replaced, removed, patched, added, and never another error."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.render import errors, manifests, overlays, variables

MAP = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: '1', b: '2'}\n"
DEPLOYMENT = b"""apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: ${vars.replicas}
  paused: "${vars.paused}"
  template: {spec: {containers: [{name: a, image: "a:1"}, {name: b, image: "b:1"}]}}
"""


def values(path: str, data: bytes) -> list[Any]:
    return [document.value for document in manifests.load(path, data, with_plain=True)]


def patched(base: bytes, patch: bytes, path: str = "a.yaml") -> list[Any]:
    stem, _, suffix = path.rpartition(".")
    return values(path, overlays.apply({path: base}, {f"{stem}_patch.{suffix}": patch})[path])


def refused(files: dict[str, bytes], overlay: dict[str, bytes]) -> tuple[str, str, int]:
    with pytest.raises(errors.OverlayError) as caught:
        overlays.apply(files, overlay)
    return caught.value.path, caught.value.reason, caught.value.line


def test_files_replace_join_and_remove() -> None:
    files = {"a.yaml": b"a", "sub/b.yaml": b"b", "c.yaml": b"c"}
    found = overlays.apply(files, {"a.yaml": b"A", "sub/b.yaml": b" \n", "d.yaml": b"d", ".gitkeep": b""})

    assert found == {"a.yaml": b"A", "c.yaml": b"c", "d.yaml": b"d"}
    assert files == {"a.yaml": b"a", "sub/b.yaml": b"b", "c.yaml": b"c"}


def test_an_object_is_merged() -> None:
    (found,) = patched(MAP, b"data: {b: '3', c: '4', a: null}")

    assert found["data"] == {"b": "3", "c": "4"}


def test_containers_merge_by_name_and_references_stay_as_they_were() -> None:
    patch = b"spec: {template: {spec: {containers: [{name: b, image: 'b:2'}]}}}"
    (found,) = patched(DEPLOYMENT, patch)
    lookup = {"vars.replicas": "3", "vars.paused": "yes"}.get

    assert found["spec"]["template"]["spec"]["containers"] == [
        {"name": "a", "image": "a:1"},
        {"name": "b", "image": "b:2"},
    ]
    spec = variables.substitute(found, lookup)["spec"]
    assert (spec["replicas"], spec["paused"]) == (3, "yes")


def test_a_plain_reference_of_a_patch_stays_plain() -> None:
    (found,) = patched(DEPLOYMENT, b"spec:\n  replicas: ${vars.x}\n  paused: ${vars.y:-no}\n")
    spec = variables.substitute(found, {"vars.x": "5"}.get)["spec"]

    assert (spec["replicas"], spec["paused"]) == (5, False)


def test_operations_change_a_file_of_one_object() -> None:
    (found,) = patched(MAP, b"- {op: replace, path: /data/a, value: x}\n- {op: remove, path: /data/b}\n")

    assert found["data"] == {"a": "x"}


def test_in_a_file_of_several_objects_a_patch_names_its_own() -> None:
    base = MAP + b"---\n" + MAP.replace(b"name: a", b"name: b")
    found = patched(base, b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\ndata: {a: x}\n")

    assert [one["data"]["a"] for one in found] == ["1", "x"]


def test_json_stays_json() -> None:
    base = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": "\x7f\u2028"}})
    found = overlays.apply({"a.json": base.encode()}, {"a_patch.json": b'{"data": {"b": "x"}}'})["a.json"]

    assert json.loads(found)["data"] == {"a": "\x7f\u2028", "b": "x"}


def test_a_patch_may_delete_an_object() -> None:
    assert patched(MAP, b"$patch: delete") == []


def test_a_patch_finds_what_its_own_overlay_adds() -> None:
    found = overlays.apply({}, {"a_patch.yaml": b"data: {a: x}", "a.yaml": MAP})

    assert values("a.yaml", found["a.yaml"])[0]["data"]["a"] == "x"


@pytest.mark.parametrize(
    ("overlay", "expected"),
    [
        ({"b_patch.yaml": b"a: 1"}, ("b_patch.yaml", "patches b.yaml, which the bundle does not have", 0)),
        ({"a_patch.yml": b"a: 1"}, ("a_patch.yml", "patches a.yml, which the bundle does not have", 0)),
        ({"b.yaml": b""}, ("b.yaml", "an empty file removes the bundle's, which has none of this path", 0)),
        ({"a_patch.yaml": b""}, ("a_patch.yaml", "holds no patch", 0)),
        ({"a_patch.yaml": b"a: 1\na: 2"}, ("a_patch.yaml", "duplicate key 'a'", 2)),
        ({"a_patch.yaml": b"x"}, ("a_patch.yaml", "a.yaml: a patch is an object, or a list of operations", 1)),
        (
            {"a_patch.yaml": b"---\n- {op: remove, path: /x}"},
            ("a_patch.yaml", "a.yaml: remove /x: there is no 'x'", 2),
        ),
        ({"bad_patch.yaml": b"a: 1"}, ("bad_patch.yaml", "bad.yaml: duplicate key 'a' (line 2)", 0)),
        ({"none_patch.yaml": b"a: 1"}, ("none_patch.yaml", "none.yaml: what is patched is no Kubernetes object", 1)),
        (
            {"two_patch.yaml": b"data: {a: x}"},
            (
                "two_patch.yaml",
                "two.yaml: the file has 2 objects: patch without a target: needs a target, or apiVersion, kind and "
                "metadata.name of the object it is for",
                1,
            ),
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_its_file(overlay: dict[str, bytes], expected: tuple[str, str, int]) -> None:
    files = {"a.yaml": MAP, "bad.yaml": b"a: 1\na: 2", "none.yaml": b"a: 1", "two.yaml": MAP + b"---\n" + MAP}

    assert refused(files, overlay) == expected


TEXTS = st.text(max_size=5) | st.sampled_from(
    ["${vars.x}", "no", "0644", "\x85", "\u2028", "\ufeff", "#", "- a", "x" * 300]
)
JSON = st.recursive(
    TEXTS | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=10,
)


@given(JSON)
def test_what_is_written_anew_reads_as_it_was(data: Any) -> None:
    base = json.dumps({"apiVersion": "v1", "kind": "X", "metadata": {"name": "a"}, "data": data}).encode()
    for path in ("a.json", "a.yaml"):
        before = values(path, base)
        assert patched(base, b'{"metadata": {"labels": {"b": "1"}}}', path)[0]["data"] == before[0]["data"]


BYTES = st.binary(max_size=30) | st.text("ab:{}[]- \n$op#'\"", max_size=30).map(str.encode)
CONTENTS = BYTES | st.sampled_from(
    [MAP, DEPLOYMENT, MAP + b"---\n" + DEPLOYMENT, b"- {op: remove, path: /data}", b"a: 1"]
)
PATHS = st.sampled_from(["a.yaml", "b.json", "a_patch.yaml", "b_patch.json", "x/a.yml", "x/a_patch.yml", "_patch.yaml"])


@given(st.dictionaries(PATHS, CONTENTS, max_size=4), st.dictionaries(PATHS, CONTENTS, max_size=4))
def test_any_files_are_laid_over_any_others_or_refused(files: dict[str, bytes], overlay: dict[str, bytes]) -> None:
    try:
        found = overlays.apply(files, overlay)
    except errors.OverlayError as error:
        found = {error.path: b""}

    assert set(found) <= set(files) | set(overlay)
