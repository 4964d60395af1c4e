"""Which states are accepted: strictly increasing, and forks are seen."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.domain import acceptance
from agents.domain.acceptance import Mark, Verdict
from protocol import desired, ids, reports
from tests.agents.domain.examples import ONE, TWO

marks = st.builds(Mark, st.integers(0, 3), st.integers(0, 3), st.sampled_from([ONE, TWO]), st.sampled_from([ONE, TWO]))

STATE = desired.DesiredState(
    cluster=ids.ClusterId("A"),
    cluster_uid="uid",
    epoch=2,
    generation=7,
    previous_root=ONE,
    root=TWO,
    revisions=(),
    deletions=ONE,
    log_head=desired.LogHead(5, ONE),
)


@pytest.mark.parametrize(
    ("offered", "verdict"),
    [
        (Mark(2, 8, ONE, ONE), Verdict.NEWER),
        (Mark(3, 1, ONE, ONE), Verdict.NEWER),
        (Mark(2, 6, ONE, ONE), Verdict.STALE),
        (Mark(1, 9, ONE, ONE), Verdict.STALE),
        (Mark(2, 7, TWO, ONE), Verdict.SAME),
        (Mark(2, 7, ONE, ONE), Verdict.FORK),
        (Mark(2, 7, TWO, TWO), Verdict.FORK),
    ],
)
def test_an_offer_is_judged_by_its_order_and_its_content(offered: Mark, verdict: Verdict) -> None:
    """The epoch counts before the generation; the same order with another root or other deletions is a fork."""
    assert acceptance.judge(offered, acceptance.mark_of(STATE)) is verdict


@given(st.lists(marks, max_size=8))
def test_the_mark_only_rises(offers: list[Mark]) -> None:
    """Whatever is offered in whatever order, what is accepted is strictly increasing and ends at the highest."""
    mark, accepted = acceptance.NOTHING, []
    for offered in offers:
        if acceptance.judge(offered, mark) is Verdict.NEWER:
            mark = offered
            accepted.append(offered.order)

    assert accepted == sorted(set(accepted))
    assert mark.order == max((offered.order for offered in offers), default=(0, 0))


def test_only_stale_and_fork_are_refusals() -> None:
    """The rest is nothing to tell."""
    found = [acceptance.refusal(verdict) for verdict in (Verdict.NEWER, Verdict.SAME, Verdict.STALE, Verdict.FORK)]

    assert found == [None, None, reports.Refusal.STALE, reports.Refusal.FORK]


def test_a_state_is_for_one_cluster() -> None:
    """By its account and by the UID of its kube-system."""
    here = ids.ClusterId("A")

    assert acceptance.foreign(STATE, cluster=here, cluster_uid="uid") == ""
    assert "cluster A" in acceptance.foreign(STATE, cluster=ids.ClusterId("B"), cluster_uid="uid")
    assert "UID uid" in acceptance.foreign(STATE, cluster=here, cluster_uid="other")


def test_a_standing_is_the_mark_and_the_log_head() -> None:
    """What reports return to the hub."""
    assert acceptance.standing_at(STATE) == acceptance.Standing(Mark(2, 7, TWO, ONE), STATE.log_head)
    assert str(acceptance.mark_of(STATE)) == "2.7"
    assert acceptance.standing_at(msgspec.structs.replace(STATE, epoch=3)).mark.order == (3, 7)
