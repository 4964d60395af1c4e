"""Merge patches, JSON patches and strategic merge patches."""

from typing import Any

import pytest

from agents.sandbox import patches, schema, statuses, strategic


@pytest.mark.parametrize(
    ("document", "patch", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": "foo"}, ["c"], ["c"]),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_the_examples_of_rfc_7396(document: Any, patch: Any, expected: Any) -> None:
    assert patches.merge_patch(document, patch) == expected


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ({"op": "add", "path": "/l/1", "value": 9}, {"a/b": 1, "l": [1, 9, 2]}),
        ({"op": "add", "path": "/l/-", "value": 9}, {"a/b": 1, "l": [1, 2, 9]}),
        ({"op": "remove", "path": "/l/0"}, {"a/b": 1, "l": [2]}),
        ({"op": "replace", "path": "/a~1b", "value": 2}, {"a/b": 2, "l": [1, 2]}),
        ({"op": "move", "from": "/a~1b", "path": "/c"}, {"c": 1, "l": [1, 2]}),
        ({"op": "copy", "from": "/l/1", "path": "/c"}, {"a/b": 1, "c": 2, "l": [1, 2]}),
        ({"op": "test", "path": "/l", "value": [1, 2]}, {"a/b": 1, "l": [1, 2]}),
        ({"op": "replace", "path": "", "value": {}}, {}),
    ],
)
def test_a_json_patch(operation: dict[str, Any], expected: Any) -> None:
    document = {"a/b": 1, "l": [1, 2]}

    assert patches.json_patch(document, [operation]) == expected
    assert document == {"a/b": 1, "l": [1, 2]}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "/q"},
        {"op": "replace", "path": "/q", "value": 1},
        {"op": "add", "path": "/l/7", "value": 1},
        {"op": "add", "path": "/q/r", "value": 1},
        {"op": "test", "path": "/l", "value": []},
        {"op": "leap", "path": "/l"},
        {"op": "add", "path": "l", "value": 1},
    ],
)
def test_a_json_patch_that_cannot_run_is_refused(operation: dict[str, Any]) -> None:
    with pytest.raises(statuses.Failure) as refused:
        patches.json_patch({"l": [1]}, [operation])

    assert refused.value.code == 422


def patched(document: Any, patch: Any) -> Any:
    catalog = schema.builtin()
    kind = next(found for found in catalog.resources if found.kind == "Pod").type
    return strategic.merge_patch(kind, document, patch)


WEB = {"name": "web", "image": "nginx:1"}


@pytest.mark.parametrize(
    ("before", "patch", "expected"),
    [
        ({"containers": [WEB]}, {"containers": [{"name": "web", "tty": True}]}, {"containers": [{**WEB, "tty": True}]}),
        ({"containers": [WEB]}, {"containers": [{"name": "b"}]}, {"containers": [WEB, {"name": "b"}]}),
        ({"containers": [WEB]}, {"containers": [{"name": "web", "$patch": "delete"}]}, {"containers": []}),
        (
            {"containers": [WEB]},
            {"containers": [{"$patch": "replace"}, {"name": "b"}]},
            {"containers": [{"name": "b"}]},
        ),
        ({"nodeSelector": {"a": "b"}}, {"nodeSelector": {"$patch": "replace", "c": "d"}}, {"nodeSelector": {"c": "d"}}),
        ({"tolerations": [{"key": "a"}]}, {"tolerations": [{"key": "b"}]}, {"tolerations": [{"key": "b"}]}),
        (
            {"containers": [WEB, {"name": "b"}]},
            {"$setElementOrder/containers": [{"name": "b"}, {"name": "web"}]},
            {"containers": [{"name": "b"}, WEB]},
        ),
        ({"hostname": "a", "subdomain": "b"}, {"$retainKeys": ["hostname"]}, {"hostname": "a"}),
    ],
)
def test_a_strategic_merge_patch(before: Any, patch: Any, expected: Any) -> None:
    assert patched({"spec": before}, {"spec": patch})["spec"] == expected


def test_members_are_deleted_from_a_set_by_value() -> None:
    patch = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["c"]}}

    assert patched({"metadata": {"finalizers": ["a", "b"]}}, patch) == {"metadata": {"finalizers": ["b", "c"]}}
