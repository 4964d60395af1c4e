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
    assert ownership.digest({"f:a": {}, "f:b": {}}, "") == ownership.digest({"f:b": {}, "f:a": {}}, "")


def test_a_field_that_is_ours_no_longer_is_another_digest() -> None:
    less = ownership.sighting(live(entry("flotilla", {"f:data": {}})))

    assert less.fields != ownership.sighting(live(entry("flotilla", OURS))).fields
    assert ownership.sighting(live(entry("flotilla", None))).fields == ownership.digest({}, "")


def test_whoever_applies_under_our_name_is_seen_by_the_time() -> None:
    later = ownership.sighting(live({**entry("flotilla", OURS), "time": "2026-11-05T12:00:00Z"}))

    assert later.fields != ownership.sighting(live(entry("flotilla", OURS))).fields


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


WEB = 'k:{"name":"web"}'
PORT = 'k:{"containerPort":80,"protocol":"TCP"}'


def held(*entries: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {path: (owner.manager, owner.time) for path, owner in ownership.others(live(*entries)).items()}


def test_the_fields_of_others_are_paths_as_people_read_them() -> None:
    fields = {
        "f:metadata": {"f:annotations": {".": {}, "f:team.io/a": {}}, "f:finalizers": {'v:"x"': {}}},
        "f:spec": {"f:containers": {WEB: {".": {}, "f:image": {}, "f:ports": {PORT: {"f:containerPort": {}}}}}},
    }

    assert held(entry("flotilla", OURS), entry("kubectl", fields, "Update"), entry("nothing", None)) == {
        '.metadata.annotations["team.io/a"]': ("kubectl", ""),
        ".metadata.finalizers": ("kubectl", ""),
        ".spec.containers[name=web].image": ("kubectl", ""),
        ".spec.containers[name=web].ports.containerPort": ("kubectl", ""),
    }


def test_of_several_the_one_who_wrote_last_holds_a_field() -> None:
    first, last = ({**entry(name, OURS), "time": f"2026-11-05T1{at}:00:00Z"} for at, name in enumerate("ab"))

    assert held(last, first) == held(first, last) == {".data.colour": ("b", "2026-11-05T11:00:00Z")}


@pytest.mark.parametrize(
    ("path", "manager"),
    [
        (".spec.selector", "whole"),
        (".spec.selector.matchLabels.app", "whole"),
        (".spec", "part"),
        (".spec.replicas", "part"),
        (".spec.replicasMax", ""),
        (".data", ""),
    ],
)
def test_who_holds_a_field_holds_what_is_in_it(path: str, manager: str) -> None:
    """And who holds a part of something is told of the whole."""
    owners = ownership.others(
        live(
            {**entry("whole", {"f:spec": {"f:selector": {}}}), "time": "2026-11-05T12:00:00Z"},
            {**entry("part", {"f:spec": {"f:replicas": {}}}), "time": "2026-11-05T13:00:00Z"},
        )
    )
    found = ownership.holder(path, owners)

    assert (found.manager if found else "") == manager
