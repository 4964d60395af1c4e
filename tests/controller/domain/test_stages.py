"""The plan of a rollout: every affected cluster in exactly one stage, in an order that a person can explain."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.domain import catalogs, rejections, stages, strategies
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


def strategy(name: str, *clusters: int, **said: Any) -> strategies.Strategy:
    """A bundle that changes on these clusters, by default on all."""
    members = frozenset(IDS[number] for number in clusters) if clusters else frozenset(IDS)
    return strategies.Strategy(ids.BundleId(f"shop/{name}"), catalogs.Rollout(**said), members)


def partition(*names: str, called: str = "", most: str = "") -> catalogs.Partition:
    return catalogs.Partition((selectors.Target(names=names),), called, most)


def staged(
    *found: strategies.Strategy, policy: specs.RolloutPolicy = specs.DEFAULT_POLICY, declared: bool = False
) -> list[tuple[str, list[int], int, str]]:
    """Each stage: its name, its clusters by number, its cap, and why."""
    situation = stages.Situation(
        affected=FLEET, online=frozenset(IDS), wishes=found, declared=declared, inherited=frozenset()
    )
    return [
        (stage.name, [IDS.index(one) for one in stage.clusters], stage.max_concurrency, stage.reason)
        for stage in stages.plan(policy, situation)
    ]


def test_the_partitions_of_a_changed_bundle_are_the_stages() -> None:
    """In their order, without a canary; the cap of each is the lower of its own and the policy's."""
    first, second = partition("c3", "c1", called="eu", most="1"), partition("c[0-4]", most="100%")
    policy = specs.RolloutPolicy(max_concurrency="50%")

    assert staged(strategy("web", partitions=(first, second)), policy=policy) == [
        ("eu", [1, 3], 1, "partition of shop/web"),
        ("partition-2", [0, 2, 4], 2, "partition of shop/web"),
        ("rest", [5], 1, "all others"),
    ]


def test_of_two_bundles_with_partitions_the_first_by_id_is_heard() -> None:
    """The other one's partition says so; a bundle speaks only for clusters in which it changes."""
    api = strategy("api", 0, 1, 2, partitions=(partition("c[0-3]", called="early"),))
    web = strategy("web", partitions=(partition("c[2-4]", called="early"),))

    assert [(name, members, why) for name, members, _, why in staged(api, web)] == [
        ("early", [0, 1, 2], "partition of shop/api"),
        ("early-2", [3, 4], "partition of shop/web, without those of shop/api"),
        ("rest", [5], "all others"),
    ]


def test_the_strictest_size_splits_whom_no_partition_names() -> None:
    sizes = strategy("api", auto_partition_size="50%"), strategy("web", auto_partition_size="2")
    named = strategy("zoo", partitions=(partition("c1", called="part-1"),))

    assert [(name, members, why) for name, members, _, why in staged(*sizes, named)] == [
        ("part-1", [1], "partition of shop/zoo"),
        ("part-1-2", [0, 2], "2 at a time, as shop/web says"),
        ("part-2", [3, 4], "2 at a time, as shop/web says"),
        ("part-3", [5], "2 at a time, as shop/web says"),
    ]


def test_partitions_that_name_nobody_leave_the_canary() -> None:
    found = staged(strategy("web", partitions=(partition("x"),)))

    assert [name for name, *_ in found] == ["canary", "rest"]


def test_a_size_says_nothing_where_nobody_is_left() -> None:
    found = staged(strategy("web", partitions=(partition("*"),), auto_partition_size="1"))

    assert [name for name, *_ in found] == ["partition-1"]


def test_the_strictest_cap_of_the_changed_bundles_holds_where_it_is_lower() -> None:
    """A share is one of all clusters that the revision changes."""
    policy = specs.RolloutPolicy(max_concurrency="100%")
    found = staged(
        strategy("api", max_concurrency="50%"),
        strategy("web", max_concurrency="2"),
        strategy("zoo", auto_partition_size=""),
        policy=policy,
    )

    assert [(name, cap, why) for name, _, cap, why in found] == [
        ("canary", 1, "the first online by name"),
        ("rest", 2, "all others; 2 in flight, as shop/web says"),
    ]


def test_bundles_never_raise_what_the_policy_allows() -> None:
    found = staged(strategy("web", max_concurrency="100%"))

    assert found[-1] == ("rest", [1, 2, 3, 4, 5], 2, "all others")


def test_a_declared_policy_wins_over_what_bundles_say() -> None:
    said = [
        strategy(name, max_concurrency="1", auto_partition_size="1", partitions=(partition("*"),)) for name in "abcde"
    ]
    policy = specs.RolloutPolicy(max_concurrency="100%")
    found = staged(*said, policy=policy, declared=True)

    why = "; the policy counts, not what shop/a, shop/b, shop/c and 2 more says"
    assert [(name, cap, reason.removesuffix(why)) for name, _, cap, reason in found] == [
        ("canary", 1, "the first online by name"),
        ("rest", 5, "all others"),
    ]
    assert all(reason.endswith(why) for *_, reason in found)


@pytest.mark.parametrize(
    ("called", "expected"), [("rest", "rest-2"), ("late", "late-2"), ("a\nb", "ab"), ("\n", "-2"), ("x" * 99, "x" * 63)]
)
def test_a_partition_has_a_name_of_its_own_that_fits_a_line(called: str, expected: str) -> None:
    assert staged(strategy("web", partitions=(partition("*", called=called),)))[0][0] == expected


def test_the_number_of_stages_is_bounded() -> None:
    """More partitions are part of the rest, and a size is raised until it fits."""
    fleet = tuple(
        msgspec.structs.replace(FLEET[0], id=ids.ClusterId(f"A{number:055}"), name=f"edge-{number:03}")
        for number in range(250)
    )
    every = frozenset(cluster.id for cluster in fleet)
    single = tuple(partition(cluster.name) for cluster in fleet)
    for said in (catalogs.Rollout(partitions=single), catalogs.Rollout(auto_partition_size="1")):
        one = strategies.Strategy(ids.BundleId("shop/web"), said, every)
        situation = stages.Situation(affected=fleet, online=every, wishes=(one,))
        found = stages.plan(specs.DEFAULT_POLICY, situation)

        assert len(found) <= stages.PARTITIONS_MAX + 1
        assert sorted(cluster for stage in found for cluster in stage.clusters) == sorted(every)


shares = st.sampled_from(["", "1", "3", "25%", "100%"])
partitions = st.builds(
    catalogs.Partition,
    targets=st.lists(
        st.builds(selectors.Target, names=st.sampled_from([("c1",), ("c[2-4]",), ("*",), ("x",)])),
        min_size=1,
        max_size=2,
    ).map(tuple),
    name=st.sampled_from(["", "a", "rest", "part-1", "canary"]),
    max_concurrency=shares,
)
said = st.builds(
    catalogs.Rollout,
    max_concurrency=shares,
    auto_partition_size=shares,
    partitions=st.lists(partitions, max_size=3).map(tuple),
)


@given(
    inherited=st.sets(st.sampled_from(IDS)),
    found=st.dictionaries(
        st.sampled_from(["shop/a", "shop/b"]), st.tuples(said, st.frozensets(st.sampled_from(IDS), min_size=1))
    ),
    declared=st.booleans(),
)
def test_whatever_bundles_say_every_affected_cluster_stands_in_one_stage_of_its_own_name(
    inherited: set[ids.ClusterId],
    found: dict[str, tuple[catalogs.Rollout, frozenset[ids.ClusterId]]],
    declared: bool,
) -> None:
    """And no cap is above the policy's."""
    situation = stages.Situation(
        affected=FLEET,
        online=frozenset(IDS),
        inherited=frozenset(inherited),
        wishes=tuple(strategies.Strategy(ids.BundleId(name), *found[name]) for name in sorted(found)),
        declared=declared,
    )
    planned = stages.plan(specs.DEFAULT_POLICY, situation)

    assert sorted(cluster for stage in planned for cluster in stage.clusters) == sorted(IDS)
    assert len({stage.name for stage in planned}) == len(planned)
    for stage in planned:
        assert stage.clusters
        allowed = stages.concurrency(specs.DEFAULT_POLICY.max_concurrency, len(stage.clusters))
        assert 1 <= stage.max_concurrency <= allowed


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
