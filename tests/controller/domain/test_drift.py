"""The fold of drift reports: open drifts, and those that are over."""

import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.domain import drift
from protocol import bundles, desired, drifts, ids, reports
from protocol.drifts import Means

AT = datetime.datetime(2026, 11, 5, 12, tzinfo=datetime.UTC)
CLUSTER = ids.ClusterId("A" * 56)


def one(name: str, bundle: str = "web", since: datetime.datetime = AT) -> drifts.Drift:
    object_id = ids.ObjectId("", "ConfigMap", "web", name)
    policy = bundles.Drift.ALERT
    return drifts.Drift(object_id, ids.BundleId(f"test/{bundle}"), policy, drifts.Kind.CHANGED, since)


def origin(order: drift.Order) -> reports.Origin:
    return reports.Origin(CLUSTER, order[0], order[1], AT, 1, 1, desired.GENESIS)


def detected(state: drift.Drifts, number: int, *found: drifts.Drift, boot: int = 1, **more: Any) -> drift.Drifts:
    order = (boot, number)
    return drift.detected(state, reports.DriftDetected(origin(order), found, **more), order)


def corrected(
    state: drift.Drifts, number: int, *found: drifts.Drift, means: Means = Means.REVERTED, boot: int = 1
) -> drift.Drifts:
    ended = tuple(drifts.Correction(item, means, AT) for item in found)
    return drift.corrected(state, reports.DriftCorrected(origin((boot, number)), ended), (boot, number))


def names(state: drift.Drifts) -> tuple[list[str], list[str]]:
    """Open and closed."""
    return sorted(one.drift.object.name for one in state.open.values()), [
        item.drift.object.name for item in state.closed
    ]


def test_a_drift_is_open_until_it_is_corrected() -> None:
    state = detected(drift.Drifts(), 1, one("a"), one("b"))
    assert names(state) == (["a", "b"], [])

    state = corrected(state, 2, one("a"))
    assert names(state) == (["b"], ["a"])
    assert (state.closed[0].means, state.closed[0].at, state.closed[0].said) == (Means.REVERTED, AT, (1, 2))


def test_a_correction_alone_tells_all() -> None:
    assert names(corrected(drift.Drifts(), 2, one("a"))) == ([], ["a"])


def test_a_late_report_undoes_no_newer_one() -> None:
    state = corrected(drift.Drifts(), 2, one("a"))
    assert names(detected(state, 1, one("a"))) == ([], ["a"])

    state = detected(drift.Drifts(), 5, one("a"))
    assert names(corrected(state, 4, one("a"))) == (["a"], ["a"])
    again = detected(state, 3, one("a", "other"), left_out=7)
    assert again == state, "neither the drift nor how many are left out"


def test_what_a_whole_list_does_not_name_is_over() -> None:
    """Unless it was said later than the list."""
    state = detected(drift.Drifts(), 1, one("a"), one("b"))
    state = detected(state, 1, one("a"), boot=2, all=True, left_out=3)
    assert (names(state), state.left_out, state.listed) == ((["a"], []), 3, (2, 1))

    assert detected(state, 9, one("c")) == state, "of the boot before"
    second = detected(drift.Drifts(), 2, one("b"))
    assert names(detected(second, 1, one("a"), all=True)) == (["a", "b"], [])


def test_few_of_those_that_are_over_are_kept_and_each_once() -> None:
    state = drift.Drifts()
    for number in range(drift.CLOSED_MAX + 5):
        state = corrected(state, number, one(f"c{number:02}"))
    assert (len(state.closed), state.closed[0].drift.object.name) == (drift.CLOSED_MAX, "c05")

    again = corrected(state, drift.CLOSED_MAX + 4, one(f"c{drift.CLOSED_MAX + 4}"))
    assert again == state
    later = corrected(state, 99, one("c54", since=AT + datetime.timedelta(hours=1)))
    assert [item.drift.object.name for item in later.closed[-2:]] == ["c54", "c54"]


def test_what_a_bundle_had_that_left_is_forgotten() -> None:
    state = detected(drift.Drifts(), 1, one("a"), one("b", "other"))

    assert names(drift.only(state, {ids.BundleId("test/web")})) == (["a"], [])
    assert drift.only(state, {ids.BundleId("test/web"), ids.BundleId("test/other")}) is state


steps = st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.booleans()), max_size=8)


@pytest.mark.parametrize("repeated", [False, True])
@given(steps=steps, data=st.data())
def test_whatever_the_order_of_arrival_the_same_is_open(repeated: bool, steps: Any, data: st.DataObject) -> None:
    """And a report that comes twice says nothing new."""

    def fold(order: list[int]) -> list[str]:
        state = drift.Drifts()
        for at in order:
            name, opens, whole = steps[at]
            said, more = (detected, {"all": whole}) if opens else (corrected, {})
            state = said(state, at + 1, one(name), **more)
        return names(state)[0]

    present = list(range(len(steps)))
    mixed = data.draw(st.permutations(present * (2 if repeated else 1)))
    assert fold(mixed) == fold(present)
