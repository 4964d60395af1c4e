"""What is remembered of an object to notice drift, and what of it is drift."""

from typing import Any

import pytest

from agents.domain import ownership
from agents.domain.ownership import Sighting

OURS = {"f:data": {"f:colour": {}}}
KNOWN = Sighting("uid", "10", 7)


def live(*entries: dict[str, Any], version: str = "10") -> dict[str, Any]:
    return {"metadata": {"uid": "uid", "resourceVersion": version, "managedFields": list(entries)}}


def entry(manager: str, fields: dict[str, Any] | None, operation: str = "Apply") -> dict[str, Any]:
    return {"manager": manager, "operation": operation, **({"fieldsV1": fields} if fields is not None else {})}


def test_only_the_fields_that_we_applied_are_remembered() -> None:
    """Whatever others set beside them, or somebody updates under our name, is none of them."""
    alone = ownership.sighting(live(entry("flotilla", OURS)))
    among = ownership.sighting(
        live(
            entry("kubectl", {"f:spec": {}}, "Update"),
            entry("flotilla", {"f:x": {}}, "Update"),
            entry("flotilla", OURS),
        )
    )

    assert among == alone
    assert alone.fields != ownership.NOTHING_OURS


def test_the_order_of_fields_does_not_matter() -> None:
    assert ownership.digest({"f:a": {}, "f:b": {}}) == ownership.digest({"f:b": {}, "f:a": {}})


def test_a_field_that_is_ours_no_longer_is_another_digest() -> None:
    less = ownership.sighting(live(entry("flotilla", {"f:data": {}})))

    assert less.fields != ownership.sighting(live(entry("flotilla", OURS))).fields
    assert ownership.sighting(live(entry("flotilla", None))).fields == ownership.digest({})


def test_an_object_without_our_entry_has_nothing_of_ours() -> None:
    assert ownership.sighting(live(entry("kubectl", OURS))).fields == ownership.NOTHING_OURS
    assert ownership.sighting({"metadata": {"uid": "uid", "resourceVersion": "1"}}).fields == ownership.NOTHING_OURS


@pytest.mark.parametrize(
    ("now", "drifted", "changed"),
    [
        (Sighting("uid", "10", 7), False, False),
        (Sighting("uid", "11", 7), False, True),
        (Sighting("uid", "11", 8), True, True),
        (Sighting("other", "11", 7), True, True),
        (Sighting("uid", "11", 0, gone=True), True, True),
        (Sighting("uid", "9", 8), False, False),
        (Sighting("uid", "9", 0, gone=True), False, False),
        (Sighting("", "", 0, gone=True), True, True),
    ],
    ids=["same", "something else", "our fields", "another object", "gone", "older", "gone before", "gone unseen"],
)
def test_drift_is_what_became_of_our_fields_or_of_the_object_itself(
    now: Sighting, drifted: bool, changed: bool
) -> None:
    assert (ownership.has_drifted(KNOWN, now), ownership.has_changed(KNOWN, now)) == (drifted, changed)


def test_what_is_known_to_be_gone_drifts_only_by_coming_back() -> None:
    gone = Sighting("", "", 0, gone=True)

    assert not ownership.has_drifted(gone, Sighting("uid", "12", 0, gone=True))
    assert ownership.has_drifted(gone, Sighting("uid", "12", 7))
