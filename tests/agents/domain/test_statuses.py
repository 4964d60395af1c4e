"""From what is known of objects to the status of bundles."""

import datetime
from typing import Any

import pytest

from agents.domain import dependencies, drift, health, plan, statuses
from protocol import drifts, ids, reports, status
from protocol.status import Action, Health, Sync
from tests.agents.domain import examples
from tests.agents.domain.examples import ONE, TWO, bundle_id, composed, config_map, index, wanted

NOON = datetime.datetime(2026, 11, 5, 12, tzinfo=datetime.UTC)


def seen(item: plan.Wanted, **changes: Any) -> statuses.Observed:
    fields: dict[str, Any] = {
        "digest": item.digest,
        "bundle": item.bundle,
        "uid": "u",
        "version": "1",
        "action": Action.UNCHANGED,
        "assessment": health.HEALTHY,
        **changes,
    }
    return statuses.Observed(**fields)


def compose(
    *objects: ids.ObjectId,
    observed: dict[ids.ObjectId, statuses.Observed] | None = None,
    failures: dict[ids.ObjectId, statuses.Failure] | None = None,
) -> reports.BundleStatus:
    part = index("web", *objects)
    planned = plan.make((part,), {}, examples.KNOWN)
    return composed(planned, [(part, TWO)], observed or {}, failures or {})[bundle_id("web")]


def test_a_bundle_that_is_there_and_works() -> None:
    """Synced, healthy, and how much the last apply changed."""
    one, two = wanted(config_map("one")), wanted(config_map("two"))
    observed = {one.object: seen(one, action=Action.CREATED), two.object: seen(two)}

    assert compose(one.object, two.object, observed=observed) == reports.BundleStatus(
        bundle=bundle_id("web"), index=TWO, sync=Sync.SYNCED, health=Health.HEALTHY, objects=2, changed=1,
        healths={"Healthy": 2},
    )  # fmt: skip


def test_a_bundle_with_a_failure_is_out_of_sync() -> None:
    """Failed applies are named first, then what is not healthy; what never came to be is missing."""
    one, two = wanted(config_map("one")), wanted(config_map("two"))
    waiting = health.Assessment(Health.PROGRESSING, "Waiting", "for something")
    found = compose(
        one.object,
        two.object,
        observed={one.object: seen(one, assessment=waiting)},
        failures={two.object: statuses.failure(two, "Invalid", "no")},
    )

    assert (found.sync, found.health, found.failed) == (Sync.OUT_OF_SYNC, Health.MISSING, 1)
    assert [(item.object.name, item.reason) for item in found.failures] == [("two", "Invalid"), ("one", "Waiting")]


def test_what_drifted_and_stays_so_is_out_of_sync_but_not_failed() -> None:
    """It is named after failures and before what is not healthy; what was not tried yet outweighs it."""
    one, two = wanted(config_map("one")), wanted(config_map("two"))
    waiting = health.Assessment(Health.PROGRESSING, "Waiting", "for something")
    observed = {
        one.object: seen(one, drift=drift.lost(one, drifts.Kind.GONE, NOON)),
        two.object: seen(two, assessment=waiting),
    }
    found = compose(one.object, two.object, observed=observed)

    assert (found.sync, found.failed, found.drifted) == (Sync.OUT_OF_SYNC, 0, 1)
    assert [(item.object.name, item.reason) for item in found.failures] == [("one", "Drifted"), ("two", "Waiting")]
    assert compose(one.object, two.object, observed={one.object: observed[one.object]}).sync is Sync.UNKNOWN


def test_a_rejected_object_counts_as_failed_and_missing() -> None:
    """It was not even tried."""
    found = compose(ids.ObjectId("no.such", "Thing", "web", "x"))

    assert (found.sync, found.health, found.failed) == (Sync.OUT_OF_SYNC, Health.MISSING, 1)


def test_what_was_not_tried_yet_is_unknown() -> None:
    """Neither failed nor synced: never seen, or seen with an older manifest."""
    one = wanted(config_map("one"))

    assert compose(one.object).sync is Sync.UNKNOWN
    assert compose(one.object, observed={one.object: seen(one, digest=TWO)}).sync is Sync.UNKNOWN


def test_failures_are_bounded() -> None:
    """The first twenty; the number tells the rest."""
    objects = [config_map(f"x{number:02}") for number in range(30)]
    failures = {item: statuses.failure(wanted(item), "Invalid", "no") for item in objects}
    found = compose(*objects, failures=failures)

    assert (found.failed, len(found.failures)) == (30, reports.FAILURES_MAX)


@pytest.mark.parametrize(
    ("reason", "kept"), [("Invalid", False), ("InternalError", False), ("Forbidden", True), ("Conflict", True)]
)
def test_a_message_about_a_secret_is_withheld_where_it_may_quote_it(reason: str, *, kept: bool) -> None:
    """Conflicts and refusals name fields and people, never values."""
    secret = wanted(ids.ObjectId("", "Secret", "web", "x"), resource=examples.SECRET)

    assert ("correct-horse" in statuses.failure(secret, reason, "correct-horse").message) is kept
    assert "correct-horse" in statuses.failure(wanted(), reason, "correct-horse").message


def test_what_an_admission_webhook_says_of_a_secret_is_withheld() -> None:
    secret = wanted(ids.ObjectId("", "Secret", "web", "x"), resource=examples.SECRET)
    said = 'admission webhook "strength.example.com" denied the request: correct-horse is weak (403)'

    assert "correct-horse" not in statuses.failure(secret, "Forbidden", said).message


@pytest.mark.parametrize(("kind", "kept"), [("Secret", False), ("ConfigMap", True)])
def test_the_same_holds_for_a_delete(kind: str, *, kept: bool) -> None:
    said = statuses.discreet(ids.ObjectId("", kind, "web", "x"), "Invalid", "correct-horse")

    assert ("correct-horse" in said) is kept


def test_a_message_is_bounded() -> None:
    """Webhooks can be talkative."""
    assert len(statuses.failure(wanted(), "Invalid", "x" * 5000).message) == reports.MESSAGE_CHARS_MAX


def test_applied_means_this_manifest_for_this_bundle_without_a_failure() -> None:
    """Each of the conditions alone is not enough."""
    item = wanted()
    good = {item.object: seen(item)}

    assert statuses.is_applied(item, good, {})
    assert not statuses.is_applied(item, {}, {})
    assert not statuses.is_applied(item, {item.object: seen(item, digest=TWO)}, {})
    assert not statuses.is_applied(item, {item.object: seen(item, bundle=bundle_id("other"))}, {})
    assert not statuses.is_applied(item, good, {item.object: statuses.failure(item, "Invalid", "")})


def test_a_blocked_bundle_is_unknown_and_says_why() -> None:
    """The reason stands at its first object; an empty bundle has none."""
    found = statuses.blocked(index("web", config_map("one"), config_map("two")), ONE, "Unreachable", "no route")

    assert (found.sync, found.health, found.failed) == (Sync.UNKNOWN, Health.UNKNOWN, 2)
    assert [(item.object.name, item.reason) for item in found.failures] == [("one", "Unreachable")]
    assert statuses.blocked(index("web"), ONE, "Unreachable", "").failures == ()


def test_the_worst_part_is_the_health_of_the_whole() -> None:
    """And an empty bundle is healthy."""
    assert compose().health is Health.HEALTHY
    assert status.worst([Health.PROGRESSING, Health.DEGRADED, Health.HEALTHY]) is Health.DEGRADED


def states(found: reports.BundleStatus) -> list[tuple[str, str, str, str]]:
    return [(one.object.name, one.sync.value, one.health.value, one.reason) for one in found.states]


def test_every_object_that_is_not_well_is_told_with_its_reason() -> None:
    """The worst first; those that are well are only counted."""
    bad = health.Assessment(Health.DEGRADED, "Error", "exit code 1")
    waiting = health.Assessment(Health.PROGRESSING, "Waiting", "m")
    items = {name: wanted(config_map(name)) for name in ("a", "b", "c", "d", "e", "f")}
    observed = {
        items["a"].object: seen(items["a"]),
        items["b"].object: seen(items["b"], assessment=waiting, drift=drift.lost(items["b"], drifts.Kind.GONE, NOON)),
        items["c"].object: seen(items["c"], drift=drift.lost(items["c"], drifts.Kind.GONE, NOON)),
        items["d"].object: seen(items["d"], assessment=bad),
        items["e"].object: seen(items["e"], digest=TWO),
    }
    failures = {items["f"].object: statuses.failure(items["f"], "Invalid", "no")}

    found = compose(*(item.object for item in items.values()), observed=observed, failures=failures)

    assert states(found) == [
        ("d", "Synced", "Degraded", "Error"),
        ("f", "OutOfSync", "Missing", "Invalid"),
        ("b", "OutOfSync", "Progressing", "Waiting"),
        ("c", "OutOfSync", "Healthy", "Drifted"),
        ("e", "Unknown", "Healthy", "NotApplied"),
    ]
    assert (found.ailing, found.healths) == (5, {"Degraded": 1, "Healthy": 3, "Missing": 1, "Progressing": 1})
    assert [one.reason for one in found.failures] == ["Invalid", "Drifted", "Drifted", "Error", "Waiting"]


def test_objects_that_are_told_are_bounded() -> None:
    """What is left out is known to be left out."""
    objects = [config_map(f"x{number:03}") for number in range(150)]
    failures = {item: statuses.failure(wanted(item), "Invalid", "m" * 500) for item in objects}
    found = compose(*objects, failures=failures)

    assert (len(found.states), found.ailing, found.healths) == (reports.STATES_MAX, 150, {"Missing": 150})
    assert len(found.states[0].message) == reports.STATE_MESSAGE_CHARS_MAX


def test_a_rejected_object_is_told_as_missing() -> None:
    assert states(compose(ids.ObjectId("no.such", "Thing", "web", "x"))) == [("x", "OutOfSync", "Missing", "NoMatch")]


def test_objects_of_a_bundle_that_waits_are_unknown_unless_they_are_there() -> None:
    part = index("web", config_map("new"), config_map("old"), ids.ObjectId("", "ConfigMap", "web", "old2"))
    there = wanted(config_map("old"))
    planned = plan.make((part,), {}, examples.KNOWN)
    unmet = dependencies.Unmet(bundle_id("db"), "NotReady", "it is not ready")
    observed = {there.object: seen(there)}
    found = composed(planned, [(part, TWO)], observed, {}, {bundle_id("web"): (unmet,)})[bundle_id("web")]

    assert states(found) == [("new", "Unknown", "Unknown", "HeldBack"), ("old2", "Unknown", "Unknown", "HeldBack")]
    assert found.healths == {"Healthy": 1, "Unknown": 2}


def test_all_bundles_of_a_cluster_together_name_a_bounded_number_of_objects() -> None:
    """The first bundles have it first; the numbers stay true."""
    parts = [index(name, *(config_map(f"{name}{number:03}") for number in range(90))) for name in ("a", "b", "c")]
    planned = plan.make(tuple(parts), {}, examples.KNOWN)
    failures = {item.object: statuses.failure(item, "Invalid", "no") for item in planned.wanted}
    found = composed(planned, [(part, TWO) for part in parts], {}, failures)

    assert [(len(one.states), one.ailing) for one in found.values()] == [(90, 90), (90, 90), (20, 90)]
