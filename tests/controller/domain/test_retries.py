"""When a bundle is tried again that the machine could not render."""

import datetime
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.domain import catalogs, retries
from protocol import ids
from tests.controller.domain import examples

START = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)


def entry(path: str = "web", tried: str = "tree.inputs", *, whole: bool = False) -> catalogs.Entry:
    if whole:
        return catalogs.Entry(ids.bundle_id(examples.SHOP, path), path, "tree")
    bundle = ids.bundle_id(examples.SHOP, path)
    return catalogs.Entry(bundle, path, "", spoiled=catalogs.SPOILED_FOR_NOW, tried=tried)


def catalog(*entries: catalogs.Entry) -> catalogs.Catalog:
    return examples.catalog(examples.SHOP, *entries)


def later(seconds: float) -> datetime.datetime:
    return START + datetime.timedelta(seconds=seconds)


def look(at_s: float = 0.0, *resting: str, took_s: float = 0.0) -> retries.Look:
    return retries.Look(later(at_s - took_s), later(at_s), frozenset(resting))


def pauses(took_s: float, count: int) -> list[float]:
    """How long each try is waited for, if all of them take so long."""
    found, known, at_s = list[float](), retries.NONE, 0.0
    for _ in range(count):
        known = retries.after(known, catalog(entry()), look(at_s, took_s=took_s))
        found.append(retries.next_s(known, later(at_s), later(at_s)))
        at_s += found[-1]
    return found


@pytest.mark.parametrize(
    ("took_s", "expected"),
    [
        (0.1, [30.0, 60.0, 120.0, 240.0, 480.0, 600.0, 600.0]),
        (20.0, [30.0, 200.0, 200.0, 240.0, 480.0, 600.0, 600.0]),
        (1800.0, [30.0, 3600.0, 3600.0]),
    ],
)
def test_pauses_grow_to_a_bound_and_with_what_a_try_takes(took_s: float, expected: list[float]) -> None:
    assert pauses(took_s, len(expected)) == expected


def test_a_bundle_rests_until_it_is_due() -> None:
    said = catalog(entry("api", whole=True), entry())
    known = retries.after(retries.NONE, said, look())

    assert known.keys() == {"web"}
    for at_s, rests in ((0, True), (29.9, True), (30, False), (-3569, True), (-3571, False)):
        assert retries.resting(known, later(at_s)) == (frozenset({"web"}) if rests else frozenset())
        assert retries.is_due(said, known, later(at_s)) is not rests
    assert retries.is_due(said, retries.NONE, START), "after a restart"
    assert not retries.is_due(catalog(entry(whole=True)), known, later(30))


def test_what_is_due_and_was_not_looked_at_is_not_waited_for() -> None:
    known = retries.after(retries.NONE, catalog(entry()), look())

    assert retries.next_s(known, later(10), later(11)) == 19.0
    assert retries.next_s(known, later(29), later(31)) == 0.0, "it became due meanwhile"
    assert retries.next_s(known, later(30), later(31)) == math.inf


def test_another_content_begins_anew_and_a_rest_goes_on() -> None:
    first = retries.after(retries.NONE, catalog(entry()), look())
    second = retries.after(first, catalog(entry()), look(30))
    resting = retries.after(second, catalog(entry()), look(40, "web"))
    other = retries.after(second, catalog(entry(tried="new.inputs")), look(40, "web"))

    assert resting == second
    assert retries.next_s(other, later(40), later(40)) == retries.PAUSE_S
    assert retries.after(second, catalog(entry(whole=True)), look(90)) == {}


@given(st.lists(st.tuples(st.floats(0, 5000), st.floats(0, 7200), st.booleans()), max_size=12))
def test_a_pause_is_bounded_whatever_happens(steps: list[tuple[float, float, bool]]) -> None:
    known, at_s = retries.NONE, 0.0
    for waited_s, took_s, is_same in steps:
        at_s += waited_s
        resting = retries.resting(known, later(at_s))
        said = catalog(entry(tried="a" if is_same else f"{at_s}"))
        known = retries.after(known, said, retries.Look(later(at_s), later(at_s + took_s), resting))
        at_s += took_s
        assert known["web"].due <= later(at_s + retries.COSTLY_PAUSE_S_MAX)
