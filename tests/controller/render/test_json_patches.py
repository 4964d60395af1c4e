"""JSON patches: RFC 6902 to the letter, and no patch that hurts."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.render import errors, json_patches

DOCUMENT: dict[str, Any] = {"a": {"b": [1, 2, {"c": 3}]}, "x/y": {"~": 1}, "": 0, "t": True}


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        ([("add", "/a/n", {"value": 1})], {"a": {"b": [1, 2, {"c": 3}], "n": 1}}),
        ([("add", "/a/b", {"value": 1})], {"a": {"b": 1}}),
        ([("add", "/a/b/0", {"value": 0})], {"a": {"b": [0, 1, 2, {"c": 3}]}}),
        ([("add", "/a/b/3", {"value": 0})], {"a": {"b": [1, 2, {"c": 3}, 0]}}),
        ([("add", "/a/b/-", {"value": 0})], {"a": {"b": [1, 2, {"c": 3}, 0]}}),
        ([("add", "/a/n", {"value": None})], {"a": {"b": [1, 2, {"c": 3}], "n": None}}),
        ([("remove", "/a/b/1", {})], {"a": {"b": [1, {"c": 3}]}}),
        ([("remove", "/a/b", {})], {"a": {}}),
        ([("replace", "/a/b/2/c", {"value": 4})], {"a": {"b": [1, 2, {"c": 4}]}}),
        ([("replace", "/x~1y/~0", {"value": 2})], {"x/y": {"~": 2}}),
        ([("replace", "/", {"value": 2})], {"": 2}),
        ([("move", "/n", {"from": "/a/b/0"})], {"a": {"b": [2, {"c": 3}]}, "n": 1}),
        ([("move", "/a", {"from": "/a"})], {}),
        ([("copy", "/n", {"from": "/a/b/2"}), ("replace", "/n/c", {"value": 9})], {"n": {"c": 9}}),
        ([("test", "/a/b", {"value": [1, 2, {"c": 3.0}]})], {}),
        ([("test", "/a/b/0", {"value": 1}), ("remove", "/a/b", {})], {"a": {}}),
    ],
)
def test_operations_change_what_they_name_and_nothing_else(
    operations: list[tuple[str, str, dict[str, Any]]], expected: dict[str, Any]
) -> None:
    before = copy.deepcopy(DOCUMENT)
    found = json_patches.apply(DOCUMENT, [{"op": name, "path": path, **more} for name, path, more in operations])

    assert found == DOCUMENT | expected
    assert before == DOCUMENT


def test_the_whole_can_be_replaced_and_tested() -> None:
    operations = [{"op": "test", "path": "", "value": {"a": 1}}, {"op": "replace", "path": "", "value": [1]}]

    assert json_patches.apply({"a": 1}, operations) == [1]


@pytest.mark.parametrize(
    ("operation", "reason"),
    [
        ({"op": "add", "path": "/n/m", "value": 1}, "add /n/m: there is no 'n'"),
        ({"op": "add", "path": "/t/m", "value": 1}, "add /t/m: what should hold it is neither an object nor a list"),
        ({"op": "add", "path": "/a/b/4", "value": 1}, "add /a/b/4: the list has 3 items, none with index 4"),
        ({"op": "add", "path": "/a/b/01", "value": 1}, "add /a/b/01: '01' is no index of a list"),
        ({"op": "add", "path": "/a/b/-1", "value": 1}, "add /a/b/-1: '-1' is no index of a list"),
        ({"op": "remove", "path": "/a/b/-"}, "remove /a/b/-: '-' is no index of a list"),
        ({"op": "remove", "path": "/n"}, "remove /n: there is no 'n'"),
        ({"op": "remove", "path": ""}, "remove : the whole object cannot be removed"),
        ({"op": "replace", "path": "/n", "value": 1}, "replace /n: there is no 'n'"),
        ({"op": "move", "path": "/a/b", "from": "/a"}, "move /a/b: a value cannot be moved into itself"),
        ({"op": "copy", "path": "/n"}, "copy /n: from is missing, or no string"),
        ({"op": "test", "path": "/t", "value": 1}, "test /t: the value is another"),
        ({"op": "add", "path": "/n"}, "add /n: value is missing"),
        ({"op": "add", "path": "n", "value": 1}, "add n: path does not begin with /"),
        ({"op": "add", "path": "/~2", "value": 1}, "add /~2: path has a ~ that is neither ~0 (a ~) nor ~1 (a /)"),
        (
            {"op": "set", "path": "/n"},
            "set /n: no such operation (there are add, remove, replace, move, copy, test)",
        ),
        ({"path": "/n"}, "None /n: no such operation (there are add, remove, replace, move, copy, test)"),
    ],
)
def test_what_cannot_be_done_is_refused_with_operation_path_and_reason(operation: dict[str, Any], reason: str) -> None:
    with pytest.raises(errors.UnreadableError) as caught:
        json_patches.apply(DOCUMENT, [operation])

    assert caught.value.reason == reason


@pytest.mark.parametrize(
    "operations",
    [
        [{"op": "copy", "path": "/n", "from": ""}] * 200,
        [{"op": "copy", "path": "/a/-", "from": "/a"}] * 60,
        [{"op": "copy", "path": "/b/-", "from": ""}, {"op": "copy", "path": "/a/-", "from": ""}] * 60,
    ],
)
def test_copies_cannot_fill_memory_or_stack(operations: list[dict[str, Any]]) -> None:
    with pytest.raises(errors.UnreadableError, match=r"values after the patch|nested deeper"):
        json_patches.apply({"a": [1, 2], "b": []}, operations)


def test_copies_of_a_long_text_cannot_fill_memory() -> None:
    operations = [{"op": "copy", "path": f"/{number}", "from": "/a"} for number in range(100)]

    with pytest.raises(errors.UnreadableError, match="characters after the patch"):
        json_patches.apply({"a": "x" * 1_000_000}, operations)


def test_many_operations_on_a_large_list_end() -> None:
    with pytest.raises(errors.UnreadableError, match="too many operations"):
        json_patches.apply({"a": [0] * 100_000}, [{"op": "add", "path": "/a/0", "value": 1}] * 5_000)


SMALL = st.recursive(
    st.integers(0, 2) | st.booleans() | st.none() | st.sampled_from(["", "a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "", "~", "/"]), inner),
    max_leaves=8,
)
POINTERS = st.lists(st.sampled_from(["a", "b", "", "0", "1", "-", "~0", "~1", "~", "x"]), max_size=3).map(
    lambda steps: "".join(f"/{step}" for step in steps)
)
OPERATIONS = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]), "path": POINTERS},
    optional={"value": SMALL, "from": POINTERS},
)


@given(SMALL, st.lists(OPERATIONS | st.dictionaries(st.sampled_from(["op", "path", "value"]), SMALL), max_size=5))
def test_any_patch_is_applied_or_refused(document: Any, operations: list[dict[str, Any]]) -> None:
    before = copy.deepcopy(document)
    try:
        json.dumps(json_patches.apply(document, operations))
    except errors.UnreadableError as error:
        assert error.reason  # noqa: PT017  that it is this error and no other is the test

    assert document == before


@given(SMALL, SMALL)
def test_a_value_that_was_added_is_found_and_removed_again(document: Any, value: Any) -> None:
    operations = [
        {"op": "add", "path": "/k", "value": value},
        {"op": "test", "path": "/k", "value": value},
        {"op": "move", "path": "/l", "from": "/k"},
        {"op": "remove", "path": "/l"},
    ]

    assert json_patches.apply({"d": document}, operations) == {"d": document}
