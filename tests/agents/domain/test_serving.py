"""What counts as served, from one look to the next."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.domain import serving
from agents.domain.serving import Look, Served

NAMES = ["boats.example/v1", "boats.example/v1/Boat", "cars.example/v1", "cars.example/v1/Car"]

looks = st.builds(
    Look,
    st.sampled_from(["v1.34.0", "v1.35.0"]),
    st.frozensets(st.sampled_from(NAMES)),
    st.frozensets(st.sampled_from(["boats.example/v1", "cars.example/v1"])),
)


def after(*found: Look) -> Served:
    served = None
    for look in found:
        served = serving.looked(served, look)
    assert served is not None
    return served


def look(*names: str, doubtful: frozenset[str] = frozenset()) -> Look:
    return Look("v1.35.0", frozenset(names), doubtful)


def test_what_is_new_counts_at_once() -> None:
    assert after(look(), look(*NAMES)).api_versions == tuple(NAMES)


def test_what_is_gone_counts_when_two_looks_in_a_row_agree() -> None:
    assert after(look(*NAMES), look()).api_versions == tuple(NAMES)
    assert after(look(*NAMES), look(), look()).api_versions == ()
    assert after(look(*NAMES), look(), look(*NAMES), look()).api_versions == tuple(NAMES)


def test_what_a_server_that_is_away_served_is_not_gone() -> None:
    away = look("boats.example/v1", *NAMES[2:], doubtful=frozenset({"boats.example/v1"}))

    assert after(look(*NAMES), away, away, away).api_versions == tuple(NAMES)


def test_a_newer_version_of_kubernetes_counts_at_once() -> None:
    before, now = after(look()), after(look(), Look("v1.36.0"))

    assert now.kubernetes_version == "v1.36.0"
    assert serving.differ(before, now)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("v1.9.11", "v1.10.0"),
        ("v1.35.4", "v1.35.11"),
        ("v1.35", "v1.35.1+k3s1"),
        ("v1.35.4-eks-1", "v1.35.4-eks-2"),
        ("unknown", "v1.35.4"),
    ],
)
def test_servers_that_are_upgraded_one_by_one_do_not_take_the_version_back_and_forth(old: str, new: str) -> None:
    upgrading = [Look(old), *[Look(new), *[Look(old)] * (serving.OLDER_LOOKS - 1)] * 3]

    versions = [after(*upgrading[:count]).kubernetes_version for count in range(1, len(upgrading) + 1)]

    assert versions == [old, *[new] * (len(upgrading) - 1)]
    assert after(*upgrading, Look(old)).kubernetes_version == old, "somebody went back"


def test_that_something_may_be_gone_makes_no_difference_yet() -> None:
    assert not serving.differ(after(look(*NAMES)), after(look(*NAMES), look()))


def test_no_more_is_told_than_a_report_holds() -> None:
    many = [f"g{number:05}.example/v1" for number in range(serving.API_VERSIONS_MAX)]

    assert after(look(*many), look("zebras.example/v1")).api_versions == tuple(many)


@given(st.lists(looks, min_size=1, max_size=8), looks)
def test_looks_that_agree_give_what_they_found(before: list[Look], last: Look) -> None:
    """And one look never takes anything away."""
    served = after(*before)
    once = serving.looked(served, last)
    thrice = after(*before, last, last, last)

    assert set(once.api_versions) >= last.names
    assert set(once.api_versions) | served.missed >= set(served.api_versions)
    doubted = {name for name in served.api_versions if "/".join(name.split("/")[:2]) in last.doubtful}
    assert set(thrice.api_versions) == last.names | doubted
