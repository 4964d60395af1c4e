"""The store: versions, a bounded memory of changes, and who owns whom."""

import pytest

from agents.sandbox import store
from agents.sandbox.schema import Object
from agents.sandbox.store import Store, TooOld

KEY = ("", "configmaps")
OTHER = ("", "secrets")


def value(name: str, **meta: object) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "uid": f"uid-{name}", **meta}}


def test_every_change_has_a_version_of_its_own() -> None:
    found = Store()
    versions = [found.put(KEY, value("a")).version, found.put(OTHER, value("b")).version]
    versions.append(found.remove(KEY, ("", "a")).version)

    assert versions == [2, 3, 4]
    assert found.version == 4


def test_a_watch_hears_of_its_own_collection_only() -> None:
    found = Store()
    found.put(KEY, value("a"))
    found.put(OTHER, value("b"))
    found.put(KEY, value("a"))
    found.remove(KEY, ("", "a"))

    assert [event.type for event in found.since(KEY, 0)] == ["ADDED", "MODIFIED", "DELETED"]
    assert [event.type for event in found.since(KEY, 2)] == ["MODIFIED", "DELETED"]


def test_what_is_forgotten_is_too_old() -> None:
    found = Store(events_max=2)
    for _ in range(3):
        found.put(KEY, value("a"))

    assert len(found.since(KEY, 2)) == 2
    with pytest.raises(TooOld):
        found.since(KEY, 1)


def test_a_busy_collection_does_not_age_a_quiet_one() -> None:
    found = Store(events_max=2)
    found.put(KEY, value("a"))
    for _ in range(2):
        found.put(OTHER, value("b"))
    found.put(KEY, value("b"))

    assert [event.record.name[1] for event in found.since(KEY, 2)] == ["b"]
    with pytest.raises(TooOld) as refused:
        found.since(OTHER, 2)
    assert refused.value.oldest == 3


def test_a_collection_can_be_seen_as_it_was() -> None:
    found = Store()
    for name in ("a", "b"):
        found.put(KEY, value(name))
    found.put(KEY, value("a", labels={"x": "y"}))
    found.remove(KEY, ("", "b"))
    found.put(KEY, value("c"))
    states = {
        version: [(record.name[1], record.version) for record in found.collection_at(KEY, "", version=version)]
        for version in (1, 3, 4, 6)
    }

    assert states == {1: [], 3: [("a", 2), ("b", 3)], 4: [("a", 4), ("b", 3)], 6: [("a", 4), ("c", 6)]}


def test_nothing_is_remembered_from_before_a_collection_begins() -> None:
    found = Store()
    found.put(OTHER, value("b"))
    found.begin(KEY)
    found.put(KEY, value("a"))
    found.begin(KEY)

    assert len(found.since(KEY, 2)) == 1
    with pytest.raises(TooOld):
        found.since(KEY, 1)


def test_the_memory_of_changes_is_bounded_in_bytes() -> None:
    size = len(Store().put(KEY, value("a")).raw)
    found = Store(bytes_max=3 * size + 10)  # a version of two digits is a byte longer
    for _ in range(10):
        found.put(KEY, value("a"))

    assert len(found.since(KEY, 8)) == 3
    with pytest.raises(TooOld):
        found.since(KEY, 7)


def test_dependents_follow_their_owner_references() -> None:
    found = Store()
    found.put(KEY, value("a", ownerReferences=[{"uid": "x"}]))
    before = list(found.dependents("x"))
    found.put(KEY, value("a", ownerReferences=[{"uid": "y"}]))

    assert before == [(KEY, ("", "a"))]
    assert (list(found.dependents("x")), list(found.dependents("y"))) == ([], before)
    found.remove(KEY, ("", "a"))
    assert list(found.dependents("y")) == []
    assert found.place("uid-a") is None


def test_an_object_begins_with_its_kind() -> None:
    """Lists cut the kind off the front of the stored bytes."""
    raw = Store().put(KEY, {"metadata": {"name": "a", "uid": "u"}, "apiVersion": "v1", "kind": "ConfigMap"}).raw

    assert raw.startswith(b'{"kind":"ConfigMap","apiVersion":"v1",')
    assert store.decode(raw)["metadata"]["resourceVersion"] == "2"
