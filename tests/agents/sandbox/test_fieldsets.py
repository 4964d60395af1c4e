"""The algebra of field sets: it is that of plain sets of paths, in a form that needs no decoding."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.sandbox import fieldsets
from agents.sandbox.fieldsets import FieldSet

ELEMENTS = st.sampled_from(["f:a", "f:b", "f:spec", 'k:{"name":"web"}', 'v:"x"'])
PATHS = st.frozensets(st.lists(ELEMENTS, min_size=1, max_size=4).map(tuple), max_size=8)


def built(paths: frozenset[tuple[str, ...]]) -> FieldSet:
    """A set made of its paths, one by one."""
    out: FieldSet = {}
    for path in paths:
        node: FieldSet = {}
        for element in reversed(path):
            node = {element: node}
        out = fieldsets.union(out, node)
    return out


def listed(fields: FieldSet) -> frozenset[tuple[str, ...]]:
    return frozenset(fieldsets.paths(fields))


@given(PATHS)
def test_a_set_is_its_paths(paths: frozenset[tuple[str, ...]]) -> None:
    assert listed(built(paths)) == paths


@given(PATHS)
def test_a_set_survives_the_wire(paths: frozenset[tuple[str, ...]]) -> None:
    fields = built(paths)

    assert json.loads(json.dumps(fields)) == fields
    assert built(listed(json.loads(json.dumps(fields)))) == fields


@given(PATHS, PATHS)
def test_the_operations_are_those_of_sets(left: frozenset[tuple[str, ...]], right: frozenset[tuple[str, ...]]) -> None:
    a, b = built(left), built(right)

    assert listed(fieldsets.union(a, b)) == left | right
    assert listed(fieldsets.intersection(a, b)) == left & right
    assert listed(fieldsets.difference(a, b)) == left - right


@given(PATHS, PATHS)
def test_equal_sets_have_one_form(left: frozenset[tuple[str, ...]], right: frozenset[tuple[str, ...]]) -> None:
    assert fieldsets.union(built(left), built(right)) == built(left | right)
    assert fieldsets.intersection(built(left), built(right)) == built(left & right)
    assert fieldsets.difference(built(left), built(right)) == built(left - right)


@given(PATHS, PATHS)
def test_without_takes_what_is_below_along(left: frozenset[tuple[str, ...]], right: frozenset[tuple[str, ...]]) -> None:
    kept = {path for path in left if not any(path[: len(cut)] == cut for cut in right)}

    assert listed(fieldsets.without(built(left), built(right))) == kept


@given(PATHS, st.lists(ELEMENTS, min_size=1, max_size=4).map(tuple))
def test_membership_is_that_of_the_paths(paths: frozenset[tuple[str, ...]], path: tuple[str, ...]) -> None:
    assert fieldsets.has(built(paths), path) == (path in paths)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (("f:spec", "f:replicas"), ".spec.replicas"),
        (("f:containers", 'k:{"name":"web"}', "f:image"), '.containers[name="web"].image'),
        (("f:ports", 'k:{"containerPort":80,"protocol":"TCP"}'), '.ports[containerPort=80,protocol="TCP"]'),
        (("f:finalizers", 'v:"a/b"'), '.finalizers[="a/b"]'),
        (("f:args", "i:2"), ".args[2]"),
    ],
)
def test_a_path_is_printed_as_the_server_does(path: tuple[str, ...], expected: str) -> None:
    assert fieldsets.text(path) == expected
