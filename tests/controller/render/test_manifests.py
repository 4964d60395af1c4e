"""From a file's bytes to manifests: what is checked, what is left out, and how a person is told."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.render import limits, manifests
from protocol import bundles
from tests.controller.repositories import config_map


def read(text: str, name: str = "a.yaml") -> manifests.File:
    return manifests.read(name, text.encode())


def problem(text: str, name: str = "a.yaml") -> tuple[str, int]:
    file = read(text, name)
    assert file.manifests == ()
    (found,) = file.problems
    return found.reason, found.line


def names(file: manifests.File) -> list[str]:
    assert file.problems == ()
    return [str(manifest.id) for manifest in file.manifests]


def test_several_documents_are_several_objects() -> None:
    text = "---\n".join([config_map("a"), "# nothing\n", config_map("b", namespace="shop")])

    assert names(read(text)) == ["ConfigMap a", "ConfigMap shop/b"]


def test_lists_are_flattened_in_order() -> None:
    inner = {"apiVersion": "v1", "kind": "ConfigMapList", "items": [json.loads(as_json("b")), json.loads(as_json("c"))]}
    outer = {"apiVersion": "v1", "kind": "List", "items": [json.loads(as_json("a")), inner]}

    assert names(read(json.dumps(outer), "a.json")) == ["ConfigMap a", "ConfigMap b", "ConfigMap c"]
    assert names(read(json.dumps({"apiVersion": "v1", "kind": "List", "items": []}))) == []


def as_json(name: str, **metadata: object) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}})


def test_json_is_read_whatever_the_file_is_called() -> None:
    assert names(read(as_json("a", annotations={"smile": "\U0001f600"}), "a.yaml")) == ["ConfigMap a"]
    assert names(read(as_json("a") + "\n" + as_json("b"), "a.json")) == ["ConfigMap a", "ConfigMap b"]
    assert names(read("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}")) == ["ConfigMap a"]


@pytest.mark.parametrize(
    ("text", "reason", "line"),
    [
        ("just text\n", "not a Kubernetes object but a string", 1),
        ("- a\n", "not a Kubernetes object but a list", 1),
        ("\nkind: ConfigMap\nmetadata: {name: a}\n", "apiVersion is missing", 2),
        ("apiVersion: v1\nmetadata: {name: a}\n", "kind is missing", 1),
        ("replicas: 3\n", ".flotillaignore", 1),
        ("apiVersion: v1\nkind: ConfigMap\n", "metadata is missing", 1),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {}\n", ".flotillaignore", 1),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: a-}\n", "generateName", 1),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: 12}\n", "metadata.name is a number", 1),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: no}\n", "namespace is a boolean", 1),
        ("apiVersion: 1\nkind: ConfigMap\nmetadata: {name: a}\n", "apiVersion is a number", 1),
        ("apiVersion: a/b/v1\nkind: ConfigMap\nmetadata: {name: a}\n", "apiVersion 'a/b/v1'", 1),
        ("apiVersion: v1\nkind: [A]\nmetadata: {name: a}\n", "kind is a list", 1),
        ("apiVersion: v1\nkind: A\nmetadata: {name: a, labels: {on: 1.10}}\n", "metadata.labels.true is a number", 1),
        ("apiVersion: v1\nkind: A\nmetadata: {name: a, annotations: [b]}\n", "metadata.annotations is a list", 1),
        ("a: 1\na: 2\n", "duplicate key 'a'", 2),
    ],
)
def test_what_no_server_would_take_is_told_with_its_line(text: str, reason: str, line: int) -> None:
    found = problem(text)

    assert reason in found[0]
    assert found[1] == line


@pytest.mark.parametrize(
    ("text", "reason", "line"),
    [
        ('{"a": 1,\n "a": 2}', "duplicate key 'a'", 2),
        ('{"a": NaN}', "NaN", 0),
        ('{"a": 1e999}', "beyond all floats", 0),
        ('{"a": ' + "9" * 5000 + "}", "beyond all floats", 0),
        ('{"a": "\\ud83d"}', "surrogate", 0),
        ('{"a": 1', "not JSON", 1),
        ('{"a": 1}\n]', "not JSON", 2),
        ("a: 1", "not JSON", 1),
        ("[" * 100_000, "nested deeper", 0),
        ("[" * 150 + "]" * 150, "nested deeper", 0),
        ("[" + "1," * 500_001 + "1]", "more than 500000 values", 0),
    ],
)
def test_json_is_held_to_the_rules_of_yaml(text: str, reason: str, line: int) -> None:
    found = problem(text, "a.json")

    assert reason in found[0]
    assert found[1] == line


def test_one_bad_object_does_not_hide_the_other_errors_of_its_file() -> None:
    file = read("---\n".join(["kind: A\n", config_map("a"), "kind: B\n"]))

    assert [found.line for found in file.problems] == [1, 8]


def test_endless_errors_end() -> None:
    assert len(read("--- a\n" * 1000).problems) == limits.ERRORS_MAX


def test_what_a_server_sets_is_left_out() -> None:
    file = read(
        "apiVersion: v1\nkind: Service\nmetadata: {name: a, uid: x, resourceVersion: '7', creationTimestamp: null}\n"
        "spec: {}\nstatus: {loadBalancer: {}}\n"
    )

    (manifest,) = file.manifests
    assert json.loads(manifest.plain) == {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {}}
    (warning,) = file.warnings
    assert warning.reason == "Service a: metadata.resourceVersion, metadata.uid left out (a server sets it)"


def test_an_object_over_the_limit_is_an_error() -> None:
    reason, _ = problem(config_map("a", "x" * bundles.MANIFEST_BYTES_MAX))

    assert reason == f"ConfigMap a: larger than {bundles.MANIFEST_BYTES_MAX} bytes"


def test_equal_objects_have_equal_bytes_however_they_are_written() -> None:
    one = read('apiVersion: v1\nkind: A\nmetadata: {name: a}\nspec: {x: 1.0, w: "é", z: [~, yes]}\n')
    two = read('{"kind": "A", "spec": {"z": [null, true], "w": "\\u00e9", "x": 1}, "metadata": {"name": "a"},'
               ' "apiVersion": "v1"}')  # fmt: skip

    assert one.manifests[0].plain == two.manifests[0].plain


def check_any(name: str, data: bytes) -> None:
    """Any bytes give manifests whose bytes are JSON, or problems with a reason."""
    file = manifests.read(name, data)
    for manifest in file.manifests:
        json.loads(manifest.plain)
    assert all(found.reason for found in (*file.problems, *file.warnings))


@given(st.sampled_from(["a.yaml", "a.json"]), st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_manifests_or_problems(name: str, data: bytes) -> None:
    check_any(name, data)


VALUES = st.sampled_from(
    ["v1", "a", "", "no", "1", "[]", "{}", "{name: a}", "{name: {}}", "{name: a, labels: {a: no}}"]
)


@given(st.dictionaries(st.sampled_from(["apiVersion", "kind", "metadata", "items", "status"]), VALUES))
def test_any_half_made_object_is_a_manifest_or_a_problem(fields: dict[str, str]) -> None:
    check_any("a.yaml", "".join(f"{key}: {value}\n" for key, value in fields.items()).encode())
