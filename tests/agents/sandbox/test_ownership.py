"""The laws of server-side apply, on random values of a type with every merge rule."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.sandbox import comparison, crds, fieldsets, merging, ownership, statuses
from agents.sandbox.ownership import Applied, Entry, Writer

STRING = {"type": "string"}
TYPE = crds.of_schema(
    {
        "type": "object",
        "properties": {
            "text": STRING,
            "map": {"type": "object", "additionalProperties": STRING},
            "struct": {"type": "object", "properties": {"a": STRING, "b": STRING}},
            "whole": {"type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": STRING},
            "list": {"type": "array", "items": STRING},
            "set": {"type": "array", "x-kubernetes-list-type": "set", "items": STRING},
            "items": {
                "type": "array",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["id"],
                "items": {"type": "object", "properties": {"id": STRING, "x": STRING, "y": STRING}},
            },
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        },
    }
)

TEXT = st.sampled_from(["1", "2", "3"])
KEYS = st.sampled_from(["a", "b", "c"])


def texts(size: int = 3) -> st.SearchStrategy[dict[str, str]]:
    return st.dictionaries(KEYS, TEXT, min_size=1, max_size=size)


ITEM = st.fixed_dictionaries({"id": KEYS}, optional={"x": TEXT, "y": TEXT})
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "text": TEXT,
        "map": texts(),
        "struct": st.dictionaries(st.sampled_from(["a", "b"]), TEXT, min_size=1),
        "whole": texts(),
        "list": st.lists(TEXT, min_size=1, max_size=3),
        "set": st.lists(KEYS, min_size=1, max_size=3, unique=True),
        "items": st.lists(ITEM, min_size=1, max_size=3, unique_by=lambda item: item["id"]),
        "free": st.dictionaries(KEYS, st.one_of(TEXT, texts(), st.lists(TEXT, max_size=2)), min_size=1, max_size=2),
    },
)
Value = dict[str, Any]


def writer(manager: str, *, force: bool = False) -> Writer:
    return Writer(manager=manager, api_version="example.com/v1", time="2026-01-01T00:00:00Z", force=force)


def applied(manager: str, config: Value, on: Applied | None = None, *, force: bool = True) -> Applied:
    live, entries = (on.value, on.entries) if on else ({}, [])
    given = ownership.configuration(TYPE, config)
    return ownership.apply(TYPE, live, given, entries=entries, writer=writer(manager, force=force))


def settled(value: Any) -> Any:
    """A value without nulls and what is empty: what becomes empty in a removal is null until the server writes it."""
    if isinstance(value, dict):
        cleaned = {name: settled(child) for name, child in value.items()}
        return {name: child for name, child in cleaned.items() if child not in (None, {}, [])}
    return {} if value is None else value


def same(left: Value, right: Value) -> bool:
    """Whether two values differ in no field; the order of what is told apart by keys is no field."""
    found = comparison.compare(TYPE, left, right)
    return not (found.added or found.modified or found.removed)


def fields_of(entries: list[Entry], manager: str) -> fieldsets.FieldSet:
    return next((entry.fields_v1 for entry in entries if entry.manager == manager), {})


@given(VALUES, VALUES)
def test_an_apply_twice_is_an_apply_once(before: Value, config: Value) -> None:
    once = applied("one", config, applied("two", before))
    twice = applied("one", config, once)

    assert not twice.changed
    assert (twice.value, twice.entries) == (once.value, once.entries)


@given(VALUES, VALUES)
def test_a_forced_apply_gets_what_it_wants(before: Value, config: Value) -> None:
    after = applied("one", config, applied("two", before))

    assert merging.merge(TYPE, after.value, config) == after.value
    assert fields_of(after.entries, "one") == merging.field_set(TYPE, config)


@given(VALUES, VALUES)
def test_who_applies_alone_decides_everything(first: Value, second: Value) -> None:
    after = applied("one", second, applied("one", first))

    assert same(settled(after.value), settled(applied("one", second).value))


@given(VALUES)
def test_who_wants_nothing_any_more_leaves_nothing(config: Value) -> None:
    after = applied("one", {}, applied("one", config))

    assert settled(after.value) == {}
    assert after.entries == []


@given(VALUES, VALUES)
def test_an_apply_never_changes_what_another_owns_unless_forced(theirs: Value, mine: Value) -> None:
    before = applied("two", theirs)
    try:
        after = applied("one", mine, before, force=False)
    except statuses.Conflict:
        return  # refused: that is the other way to keep the promise

    assert same(merging.merge(TYPE, after.value, theirs), after.value)
    assert fields_of(after.entries, "two") == fields_of(before.entries, "two")


@given(VALUES, VALUES)
def test_dropping_a_field_keeps_what_another_owns(theirs: Value, mine: Value) -> None:
    both = applied("one", mine, applied("two", theirs))
    owned = fields_of(both.entries, "two")
    after = applied("one", {}, both)
    whole_items = {path[:2] for path in fieldsets.paths(fields_of(both.entries, "one")) if path[0] == "f:items"}
    safe = {path for path in fieldsets.paths(owned) if path[:2] not in whole_items}

    assert safe <= set(fieldsets.paths(fields_of(after.entries, "two")))


@given(VALUES, VALUES)
def test_values_differ_in_no_field_exactly_when_they_are_equal(left: Value, right: Value) -> None:
    found = comparison.compare(TYPE, left, right)

    assert (found is comparison.SAME) == (left == right)


@given(VALUES, VALUES)
def test_what_one_side_adds_the_other_lacks(left: Value, right: Value) -> None:
    there, back = comparison.compare(TYPE, left, right), comparison.compare(TYPE, right, left)

    assert (there.added, there.removed) == (back.removed, back.added)
    assert there.modified == back.modified


@given(VALUES, VALUES)
def test_an_update_owns_what_it_has_changed(before: Value, after: Value) -> None:
    live = applied("one", before)
    entries = ownership.update(TYPE, live.value, after, entries=live.entries, writer=writer("two"))
    written = comparison.compare(TYPE, live.value, after).written
    kept = set(fieldsets.paths(fields_of(entries, "one")))

    assert set(fieldsets.paths(fields_of(entries, "two"))) == set(fieldsets.paths(written))
    assert not kept & set(fieldsets.paths(written))


def test_the_eleventh_updater_merges_the_oldest_two() -> None:
    value: Value = {}
    entries: list[Entry] = []
    for number in range(ownership.UPDATERS_MAX + 1):
        changed = {"map": {**value.get("map", {}), f"k{number}": "1"}}
        by = Writer(manager=f"m{number:02}", api_version="example.com/v1", time=f"2026-01-01T00:00:{number:02}Z")
        entries = ownership.update(TYPE, value, changed, entries=entries, writer=by)
        value = changed
    oldest = fields_of(entries, ownership.ANCIENT)

    assert len(entries) == ownership.UPDATERS_MAX
    assert oldest == {"f:map": {".": {}, "f:k0": {}, "f:k1": {}}}


def test_an_applier_is_the_same_in_another_version() -> None:
    first = Entry("one", "Apply", "example.com/v1", {"f:a": {}})
    second = Entry("one", "Apply", "example.com/v2", {"f:a": {}})

    assert first.identity == second.identity
    assert (
        Entry("one", "Update", "example.com/v1", {}).identity != Entry("one", "Update", "example.com/v2", {}).identity
    )


@pytest.mark.parametrize(
    ("live", "config", "expected"),
    [
        ("abc", "abc", "abc"),
        ("abcd", "dca", "bdca"),
        ("abcd", "x", "abcdx"),
        ("", "ba", "ba"),
        ("axb", "ba", "xba"),
    ],
)
def test_a_merged_list_has_the_order_of_the_configuration(live: str, config: str, expected: str) -> None:
    merged = merging.merge(TYPE, {"set": list(live)}, {"set": list(config)})

    assert "".join(merged["set"]) == expected
