"""When an object that existed before us may become ours."""

from typing import Any

import pytest

from agents.domain import adoption, inventory
from protocol import naming
from protocol.bundles import Adopt
from tests.agents.domain import examples

OURS = {"manager": "flotilla", "operation": "Apply"}


def live(*managers: dict[str, str], **data: Any) -> dict[str, Any]:
    metadata = {"name": "x", "uid": "u", "resourceVersion": "7", "managedFields": list(managers)}
    return {"kind": "ConfigMap", "metadata": metadata, "data": data}


@pytest.mark.parametrize(
    ("managers", "ours"),
    [
        ([], False),
        ([{"manager": "kubectl", "operation": "Apply"}], False),
        ([{"manager": "flotilla", "operation": "Update"}], False),
        ([{"manager": "kubectl", "operation": "Apply"}, OURS], True),
    ],
)
def test_our_manager_is_known_by_name_and_operation(managers: list[dict[str, str]], *, ours: bool) -> None:
    """An update under our name is somebody's merge patch."""
    assert adoption.has_our_manager(live(*managers)) is ours


def test_the_owners_of_an_object_are_known_by_their_uids() -> None:
    assert adoption.owners({"metadata": {"ownerReferences": [{"uid": "a"}, {"uid": "b"}]}}) == ("a", "b")
    assert adoption.owners({"metadata": {}}) == ()


def test_an_object_without_managed_fields_is_not_ours() -> None:
    """Some API servers have none."""
    assert not adoption.has_our_manager({"metadata": {"name": "x"}})


def test_a_live_object_is_known_by_its_uid_or_by_an_intent_that_was_carried_out() -> None:
    """The intent counts only with our manager on the object; the UID counts whatever the object is called."""
    intent, twin = examples.entry(uid=""), examples.entry(examples.config_map("other"), uid="u")

    assert adoption.known_as(None, {}, live(OURS)) is None
    assert adoption.known_as(intent, {}, live()) is None
    assert adoption.known_as(intent, {}, live(OURS)) == intent
    assert adoption.known_as(None, inventory.by_uid(examples.owned(twin, intent)), live()) == twin


def test_never_is_never() -> None:
    """Not even what was ours once."""
    assert "adopt: never" in adoption.refusal(Adopt.NEVER, live(OURS), None)


def test_always_needs_no_comparison() -> None:
    """Conflicts are the API server's to find."""
    assert not adoption.needs_dry_run(Adopt.ALWAYS, live())
    assert adoption.refusal(Adopt.ALWAYS, live(), None) == ""


def test_what_was_ours_needs_no_comparison() -> None:
    """We released it, or its entry was lost."""
    assert not adoption.needs_dry_run(Adopt.IF_NO_DIFF, live(OURS))
    assert adoption.refusal(Adopt.IF_NO_DIFF, live(OURS), None) == ""


def test_an_equal_object_is_adopted() -> None:
    """What the server counts and what we annotate is no difference."""
    dry_run = live({"manager": "flotilla", "operation": "Apply"}, colour="blue")
    dry_run["metadata"]["resourceVersion"] = "8"
    dry_run["metadata"]["annotations"] = {f"{naming.PREFIX}bundle": "test/web"}

    assert adoption.needs_dry_run(Adopt.IF_NO_DIFF, live(colour="blue"))
    assert adoption.refusal(Adopt.IF_NO_DIFF, live(colour="blue"), dry_run) == ""


@pytest.mark.parametrize(
    ("before", "after", "path"),
    [
        ({"colour": "blue"}, {"colour": "red"}, ".data.colour"),
        ({}, {"colour": "red"}, ".data.colour"),
        ({"items": [1, {"a": 2}]}, {"items": [1, {"a": 3}]}, ".data.items[1].a"),
        ({"items": [1]}, {"items": [1, 2]}, ".data.items"),
    ],
)
def test_a_different_object_is_refused_by_its_path(before: dict[str, Any], after: dict[str, Any], path: str) -> None:
    """The first path that differs; no value, for it may be secret."""
    found = adoption.refusal(Adopt.IF_NO_DIFF, live(**before), live(**after))

    assert f"differs from Git at {path} " in found
    assert "red" not in found
