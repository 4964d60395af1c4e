"""The plan of a rollout: every affected cluster in exactly one stage, in an order that a person can explain."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.domain import rejections, stages
from protocol import ids, naming, selectors, specs
from tests.controller.domain import examples

FLEET = tuple(examples.cluster(number) for number in range(6))
IDS = [cluster.id for cluster in FLEET]


def planned(
    policy: specs.RolloutPolicy = specs.DEFAULT_POLICY,
    *,
    online: list[ids.ClusterId] = IDS,
    inherited: list[ids.ClusterId] = [],  # noqa: B006 - never changed
    fleet: tuple[stages.Cluster, ...] = FLEET,
) -> dict[str, tuple[ids.ClusterId, ...]]:
    """The clusters of each stage."""
    situation = stages.Situation(affected=fleet, online=frozenset(online), inherited=frozenset(inherited))
    return {stage.name: stage.clusters for stage in stages.plan(policy, situation)}


def test_without_a_policy_the_first_cluster_online_is_the_canary() -> None:
    assert planned(online=IDS[2:]) == {"canary": (IDS[2],), "rest": (*IDS[:2], *IDS[3:])}


def test_clusters_labelled_as_canaries_are_the_canaries() -> None:
    labelled = examples.cluster(6, labels={naming.CANARY_LABEL: "true"})

    assert planned(fleet=(*FLEET, labelled)) == {"canary": (labelled.id,), "rest": tuple(IDS)}


def test_with_nobody_online_the_first_by_name_is_the_canary_and_says_so() -> None:
    situation = stages.Situation(affected=FLEET, online=frozenset())
    first, _rest = stages.plan(specs.DEFAULT_POLICY, situation)

    assert (first.clusters, first.reason) == ((IDS[0],), "the first by name; none is online")


def test_whoever_was_left_behind_comes_first() -> None:
    assert planned(inherited=[IDS[3]]) == {"inherited": (IDS[3],), "canary": (IDS[0],), "rest": (*IDS[1:3], *IDS[4:])}


def test_if_everybody_was_left_behind_there_is_no_canary() -> None:
    assert planned(inherited=IDS) == {"inherited": tuple(IDS)}


def test_nobody_affected_is_no_stage() -> None:
    assert planned(fleet=()) == {}


def test_the_stages_of_a_policy_take_what_they_select_and_the_rest_is_left() -> None:
    policy = specs.RolloutPolicy(
        stages=(
            specs.StageSpec(name="first", selector=selectors.Selector(names=("c[0-2]",)), limit=1),
            specs.StageSpec(name="second", selector=selectors.Selector(names=("c[0-3]",))),
            specs.StageSpec(name="none", selector=selectors.Selector(names=("x",))),
        )
    )

    assert planned(policy) == {"first": (IDS[0],), "second": tuple(IDS[1:4]), "rest": tuple(IDS[4:])}


@given(
    inherited=st.sets(st.sampled_from(IDS)),
    online=st.sets(st.sampled_from(IDS)),
    specs_=st.lists(
        st.builds(
            specs.StageSpec,
            name=st.sampled_from("abc"),
            selector=st.builds(selectors.Selector, names=st.sampled_from([(), ("c1",), ("c[2-4]",)])),
            limit=st.integers(0, 3),
        ),
        max_size=3,
        unique_by=lambda stage: stage.name,
    ),
)
def test_every_affected_cluster_stands_in_exactly_one_stage(
    inherited: set[ids.ClusterId], online: set[ids.ClusterId], specs_: list[specs.StageSpec]
) -> None:
    found = planned(specs.RolloutPolicy(stages=tuple(specs_)), online=list(online), inherited=list(inherited))

    assert sorted(cluster for clusters in found.values() for cluster in clusters) == sorted(IDS)
    assert all(found.values())


@pytest.mark.parametrize(
    ("limit", "count", "expected"),
    [("1", 10, 1), ("7", 3, 7), ("25%", 10, 3), ("25%", 1, 1), ("1%", 10, 1), ("100%", 10, 10), ("50%", 0, 1)],
)
def test_a_cap_is_a_number_or_a_share_rounded_up(limit: str, count: int, expected: int) -> None:
    assert stages.concurrency(limit, count) == expected


@pytest.mark.parametrize("limit", ["", "0", "0%", "101%", "-1", "1.5", "a", "%", "5%%", " 5", "1e3"])
def test_a_cap_of_neither_form_is_refused(limit: str) -> None:
    with pytest.raises(rejections.Invalid, match="neither a number above 0 nor a share"):
        stages.concurrency(limit, 10)


@given(limit=st.text(max_size=5), count=st.integers(0, 10_000))
def test_any_cap_is_at_least_one_or_refused(limit: str, count: int) -> None:
    try:
        assert stages.concurrency(limit, count) >= 1
    except rejections.Invalid as error:
        assert repr(limit) in str(error)  # noqa: PT017 - either outcome is right
