"""What is left alone though it may differ from Git, and what is told of it."""

import datetime
from typing import Any

import msgspec
import pytest

from agents.domain import drift, forecast, plan
from protocol import bundles, drifts, ids, reports
from protocol.bundles import Drift
from tests.agents.domain.examples import ONE, TWO, bundle_id, config_map, entry, index, wanted

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


def test_a_bundle_that_says_something_else_of_drift_is_known_by_name() -> None:
    """What it says of pruning and adopting is no matter here; a new bundle says nothing else than before."""
    before = [index("web", drift=Drift.ALERT), index("api", ignore=FIELD), index("db"), index("gone")]
    after = [index("web"), index("api"), index("db", prune=bundles.Prune.NEVER), index("new", drift=Drift.OFF)]

    assert drift.restated(before, after) == {bundle_id("web"), bundle_id("api")}
    assert drift.restated(before, before) == NONE


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


def test_what_is_off_or_ignored_is_not_compared() -> None:
    found = [drift.is_compared(item(entry(), drift=one)) for one in (Drift.REVERT, Drift.ALERT, Drift.OFF)]

    assert found == [True, True, False]
    assert drift.is_compared(item(entry(), drift=Drift.ALERT, ignore=FIELD))
    assert not drift.is_compared(item(entry(), drift=Drift.ALERT, ignore=WHOLE))


def test_what_was_adopted_is_alerted_about_until_git_changes_it() -> None:
    """New content of other objects of the bundle changes nothing for it."""
    adopted = item(entry(adopted=ONE))
    changed = item(entry(adopted=TWO))

    assert (drift.policy(adopted), drift.policy(changed)) == (Drift.ALERT, Drift.REVERT)
    assert drift.policy(item(entry(adopted=ONE), drift=Drift.OFF)) is Drift.OFF
    assert drift.policy(item(None)) is Drift.REVERT
    assert drift.is_left_alone(adopted, NEW)
    assert not drift.is_left_alone(changed, NEW)
    assert not drift.is_applied_whole(adopted, NEW)


AT = datetime.datetime(2026, 11, 5, 15, tzinfo=datetime.UTC)
KUBECTL = {
    "manager": "kubectl",
    "operation": "Update",
    "subresource": "scale",
    "time": "2026-11-05T13:00:00Z",
    "fieldsV1": {"f:data": {"f:a": {}}},
}
LIVE = {
    "metadata": {
        "managedFields": [
            {**KUBECTL, "time": "2026-11-05T12:00:00Z"},
            KUBECTL,
            {**KUBECTL, "manager": "flotilla", "operation": "Apply", "time": "2026-11-05T14:00:00Z"},
            {"manager": "untimed", "fieldsV1": {"f:data": {"f:u": {}}}},
            {"manager": "odd", "time": "yesterday", "fieldsV1": {"f:data": {"f:o": {}}}},
            {"manager": "local", "time": "2026-11-05T13:00:00", "fieldsV1": {"f:data": {"f:l": {}}}},
        ]
    }
}


def found(*fields: tuple[str, str, str], left_out: int = 0, **changes: Any) -> drifts.Drift:
    """The drift that fields (name, in the cluster, in Git) come to."""
    told = forecast.Changes(tuple(reports.FieldChange(*field) for field in fields), left_out)
    made = drift.changed(item(entry(), **changes), told, LIVE, AT)
    assert made is not None
    return made


def test_the_fields_are_told_with_both_values_and_whoever_changed_them() -> None:
    drifted = found((".data.a", "2", "1"), (".data.b", "", "1"), (".data.c", "3", ""))

    assert drifted == drifts.Drift(
        object=config_map(),
        bundle=bundle_id("web"),
        policy=Drift.REVERT,
        kind=drifts.Kind.CHANGED,
        since=AT,
        fields=(
            drifts.Field(
                ".data.a",
                "1",
                "2",
                "kubectl",
                "Update",
                "scale",
                datetime.datetime(2026, 11, 5, 13, tzinfo=datetime.UTC),
            ),
            drifts.Field(".data.b", expected="1"),
            drifts.Field(".data.c", actual="3"),
        ),
    )
    assert drift.told(drifted) == (
        "changed by kubectl at 2026-11-05T13:00:00Z: .data.a is 2, in Git 1; .data.b is not there, in Git 1; "
        ".data.c is 3, in Git not there"
    )
    assert drift.told(found((".data.x", "2", "1"))).startswith(".data.x is 2")
    assert drift.told(found((".data.u", "2", "1"))) == "changed by untimed: .data.u is 2, in Git 1"


def test_of_a_field_that_nobody_holds_whoever_wrote_last_is_named() -> None:
    """As the one who wrote last, not as the one who holds it."""
    last = {**KUBECTL, "manager": "editor", "subresource": "", "time": "2026-11-05T14:00:01Z"}
    live = {"metadata": {"managedFields": [*LIVE["metadata"]["managedFields"], last]}}
    changes = forecast.Changes((reports.FieldChange(".data.b", "", "1"),))
    drifted = drift.changed(item(entry()), changes, live, AT)

    assert drifted is not None
    at = datetime.datetime(2026, 11, 5, 14, 0, 1, tzinfo=datetime.UTC)
    assert drifted.fields == (drifts.Field(".data.b", expected="1", last_writer="editor", last_written=at),)
    assert drift.told(drifted) == (".data.b is not there (last written to by editor at 2026-11-05T14:00:01Z), in Git 1")


def test_what_was_changed_and_changed_back_has_passed() -> None:
    """Whoever holds the field changed it; where nobody does, nothing is known to have happened."""
    passed = drift.passed(item(entry()), {".data.a": "1", ".data.b": "1"}, LIVE, at=AT)

    assert passed is not None
    (field,) = passed.fields
    assert (field.field, field.expected, field.actual, field.manager) == (".data.a", "1", "1", "kubectl")
    assert drift.has_passed(passed)
    assert drift.told(passed) == "changed by kubectl at 2026-11-05T13:00:00Z: .data.a is as in Git again"
    assert drift.passed(item(entry()), {".data.b": "1"}, LIVE, at=AT) is None
    assert not drift.has_passed(found((".data.a", "2", "1")))
    assert not drift.has_passed(drift.lost(item(entry()), drifts.Kind.GONE, AT))


def test_a_time_that_is_none_is_left_out_and_one_without_a_zone_is_utc() -> None:
    assert found((".data.o", "2", "1")).fields[0].time is None
    assert found((".data.l", "2", "1")).fields[0].time == datetime.datetime(2026, 11, 5, 13, tzinfo=datetime.UTC)


def test_no_change_is_no_drift() -> None:
    assert drift.changed(item(entry()), forecast.Changes(()), LIVE, AT) is None


def test_what_is_told_is_bounded() -> None:
    many = found(*((f".data.k{number}", "1", "2") for number in range(20)), left_out=3)
    long = found((".data.x", "x" * 200, "y" * 200), (".data.y", "x" * 200, "y" * 200))

    assert (len(many.fields), many.left_out) == (drifts.FIELDS_MAX, 23 - drifts.FIELDS_MAX)
    assert drift.told(many).endswith("; and 18 more")
    assert len(drift.told(long)) == reports.MESSAGE_CHARS_MAX


def test_what_is_gone_replaced_or_fought_over_is_told() -> None:
    gone, replaced = (drift.lost(item(entry()), kind, AT) for kind in (drifts.Kind.GONE, drifts.Kind.REPLACED))
    fought = msgspec.structs.replace(gone, fighting=drifts.Fight("", "", 3))
    by_name = msgspec.structs.replace(gone, fighting=drifts.Fight("hpa", ".spec.replicas", 4))

    assert (drift.told(gone), drift.told(replaced)) == (drift.GONE, drift.REPLACED)
    assert drift.told(fought) == f"fighting with somebody, reverted 3 times: {drift.GONE}"
    assert drift.told(by_name).startswith("fighting with hpa, reverted 4 times: ")


def test_the_object_is_compared_under_the_id_it_has_in_the_cluster() -> None:
    rule = bundles.IgnoreRule(kind="ConfigMap", namespace="web")
    found = wanted(config_map(namespace="web"), entry=entry(digest=ONE), options=bundles.BundleOptions(ignore=(rule,)))

    assert drift.is_left_alone(found, NONE)
