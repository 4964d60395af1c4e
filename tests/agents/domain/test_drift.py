"""What is left alone though it may differ from Git, and what is told of it."""

from typing import Any

import pytest

from agents.domain import drift, forecast, plan
from protocol import bundles, ids, reports
from protocol.bundles import Drift
from tests.agents.domain.examples import ONE, TWO, bundle_id, config_map, entry, wanted

WHOLE = (bundles.IgnoreRule(kind="ConfigMap"),)
FIELD = (bundles.IgnoreRule(kind="ConfigMap", pointers=("/data/a",)),)


def item(kept: Any = None, **said: Any) -> plan.Wanted:
    return wanted(entry=kept, options=bundles.BundleOptions(**said))


NONE: frozenset[ids.BundleId] = frozenset()
NEW = frozenset({bundle_id("web")})


@pytest.mark.parametrize("said", [Drift.ALERT, Drift.OFF])
def test_what_has_the_content_of_git_is_left_alone(said: Drift) -> None:
    assert drift.is_left_alone(item(entry(), drift=said), NONE)
    assert not drift.is_created_again(item(entry(), drift=said), NONE)


@pytest.mark.parametrize(
    "kept",
    [None, entry(uid=""), entry(digest=TWO), entry(bundle="other"), entry(written_namespace="")],
    ids=["not ours", "an intent", "other content", "another bundle's", "written otherwise"],
)
def test_what_has_not_is_new_content_and_applied(kept: Any) -> None:
    found = item(kept, drift=Drift.ALERT)

    assert not drift.is_left_alone(found, NONE)
    assert drift.renewed(plan.Plan((found,), (), ())) == NEW


def test_a_bundle_with_some_new_content_is_applied_whole() -> None:
    """Also what of it was left alone until then."""
    old = item(entry(), drift=Drift.ALERT)
    fresh = wanted(config_map("fresh"), options=bundles.BundleOptions(drift=Drift.ALERT))
    other = wanted(config_map("other"), "other", entry=entry(config_map("other"), "other"))

    assert drift.renewed(plan.Plan((old, other), (), ())) == NONE
    assert drift.renewed(plan.Plan((old, fresh, other), (), ())) == NEW
    assert not drift.is_left_alone(old, NEW)
    assert drift.is_applied_whole(old, NEW)
    assert drift.is_created_again(old, NEW)
    assert not drift.is_applied_whole(other, frozenset({other.bundle}))


def test_drift_is_reverted_unless_the_bundle_says_otherwise() -> None:
    assert not drift.is_left_alone(item(entry()), NONE)
    assert not drift.is_left_alone(item(entry(), ignore=FIELD), NONE)
    assert not drift.is_applied_whole(item(entry()), NONE)


def test_an_object_that_is_ignored_as_a_whole_is_left_alone_whatever_git_says() -> None:
    """It is only created, again if it is gone; other content of it is no new content."""
    found = item(entry(digest=TWO), ignore=WHOLE)

    assert drift.is_left_alone(found, NEW)
    assert drift.is_created_again(found, NONE)
    assert not drift.is_left_alone(item(None, ignore=WHOLE), NONE)
    assert drift.renewed(plan.Plan((found,), (), ())) == NONE


def test_only_alert_compares_and_nothing_of_what_is_ignored() -> None:
    found = [drift.is_compared(item(entry(), drift=one)) for one in (Drift.REVERT, Drift.ALERT, Drift.OFF)]

    assert found == [False, True, False]
    assert drift.is_compared(item(entry(), drift=Drift.ALERT, ignore=FIELD))
    assert not drift.is_compared(item(entry(), drift=Drift.ALERT, ignore=WHOLE))


LIVE = {
    "metadata": {
        "managedFields": [
            {"manager": "kubectl", "time": "2026-11-05T12:00:00Z"},
            {"manager": "kubectl", "time": "2026-11-05T13:00:00Z"},
            {"manager": "flotilla", "time": "2026-11-05T14:00:00Z"},
            {"manager": "untimed"},
        ]
    }
}


def changes(*fields: tuple[str, str, str], left_out: int = 0) -> forecast.Changes:
    return forecast.Changes(tuple(reports.FieldChange(*field) for field in fields), left_out)


def test_the_fields_are_told_with_both_values_and_whoever_changed_them() -> None:
    found = changes((".data.a", "2", "1"), (".data.b", "", "1"), (".data.c", "3", ""))

    assert drift.described(found, ["kubectl", "kubectl"], LIVE) == (
        "changed by kubectl at 2026-11-05T13:00:00Z: .data.a is 2, in Git 1; .data.b is not there, in Git 1; "
        ".data.c is 3, in Git not there"
    )
    assert drift.described(found, (), LIVE).startswith(".data.a is 2")
    assert drift.described(changes((".a", "2", "1")), ["untimed"], LIVE) == "changed by untimed: .a is 2, in Git 1"


def test_no_change_is_no_drift() -> None:
    assert drift.described(changes(), ["kubectl"], LIVE) == ""


def test_what_is_told_is_bounded() -> None:
    many = changes(*((f".data.k{number}", "1", "2") for number in range(20)), left_out=3)
    long = changes((".data.a", "x" * 200, "y" * 200), (".data.b", "x" * 200, "y" * 200))

    assert drift.described(many, (), LIVE).endswith("; and 18 more")
    assert len(drift.described(long, (), LIVE)) == reports.MESSAGE_CHARS_MAX


def test_what_others_hold_of_an_adopted_object_is_told_by_field() -> None:
    fields = [("kubectl", ".data.a"), ("untimed", ".data.b"), ("kubectl", ".data.a")]

    assert drift.held(fields, {"metadata": {}}) == "changed by kubectl, untimed: .data.a, .data.b"
    many = [("kubectl", f".data.k{number}") for number in range(7)]
    assert drift.held(many, {"metadata": {}}).endswith(".data.k4 and 2 more")


def test_the_object_is_compared_under_the_id_it_has_in_the_cluster() -> None:
    rule = bundles.IgnoreRule(kind="ConfigMap", namespace="web")
    found = wanted(config_map(namespace="web"), entry=entry(digest=ONE), options=bundles.BundleOptions(ignore=(rule,)))

    assert drift.is_left_alone(found, NONE)
