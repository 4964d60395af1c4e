"""A source's decider: which commits count, which wait, and for whom."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.domain import catalogs, rejections, sources
from protocol import ids, selectors, specs
from protocol.canonical import Digest
from protocol.events import sources as events

SHOP = ids.SourceName("shop")
COMMAND = specs.ManagedBy.COMMAND
SPEC = specs.SourceSpec(url="https://example.com/shop.git", all_clusters=True)

PARENTS = {"a0": "", "a1": "a0", "a2": "a1", "x1": "a0", "b0": "", "b1": "b0", "c0": ""}
"""Three histories; `x1` is `a1`, amended."""

commits = st.sampled_from(sorted(PARENTS))


def ancestors(commit: str) -> list[str]:
    found = []
    while commit:
        found.append(commit)
        commit = PARENTS[commit]
    return found


def moved(old: str, new: str) -> catalogs.Move:
    if old == new:
        return catalogs.Move.SAME
    if old in ancestors(new):
        return catalogs.Move.FORWARD
    if new in ancestors(old):
        return catalogs.Move.BACKWARD
    return catalogs.Move.REWRITTEN if set(ancestors(old)) & set(ancestors(new)) else catalogs.Move.UNRELATED


def folded(state: sources.Source | None, found: tuple[events.Event, ...]) -> sources.Source:
    for event in found:
        state = sources.evolve(state, event)
    assert state is not None
    return state


def declared() -> sources.Source:
    return folded(None, sources.declare(None, SHOP, SPEC, by=COMMAND))


def resolution(commit: str) -> events.RevisionResolved:
    return events.RevisionResolved(
        name=SHOP, revision=events.Revision(ref="main", commit=commit, tree="t"), catalog=Digest(commit),
        previous=Digest(""), renderer="raw", bundles=1, objects=1,
    )  # fmt: skip


def polled(state: sources.Source, commit: str) -> tuple[events.Event, ...]:
    """What a poll that finds the ref at this commit decides, as the reactor puts it together."""
    if state.revision is None or state.revision.commit == commit:
        return sources.resolved(state, resolution(commit))
    accepted = bool(state.accepted) and moved(state.accepted, commit) in (catalogs.Move.SAME, catalogs.Move.FORWARD)
    move = moved(state.revision.commit, commit)
    if sources.counts(state, commit, move, accepted=accepted):
        return sources.resolved(state, resolution(commit))
    return sources.moved_away(state, commit, move)


def after(*commits_: str, state: sources.Source | None = None) -> sources.Source:
    state = state or declared()
    for commit in commits_:
        state = folded(state, polled(state, commit))
    return state


def at(state: sources.Source) -> str:
    assert state.revision is not None
    return state.revision.commit


def test_a_ref_that_goes_forward_counts_at_once() -> None:
    assert at(after("a0", "a2")) == "a2"


@pytest.mark.parametrize("commit", ["a0", "x1"])
def test_a_ref_that_moved_back_or_was_rewritten_counts_when_two_polls_agree(commit: str) -> None:
    assert at(after("a2", commit)) == "a2"
    assert at(after("a2", commit, commit)) == commit


def test_two_polls_that_disagree_do_not_count() -> None:
    assert at(after("a2", "a0", "x1", "a0")) == "a2"


def test_an_unrelated_history_waits_however_often_it_is_seen() -> None:
    state = after("a2", "b0", "b0", "b0", "b0")

    assert (at(state), state.unrelated_seen) == ("a2", "b0")


@pytest.mark.parametrize("commit", ["b0", "b1"])
def test_an_accepted_commit_and_what_follows_from_it_count(commit: str) -> None:
    state = after("a2", "b0")
    state = folded(state, sources.accept(state, "b0"))

    state = after(commit, state=state)

    assert (at(state), state.unrelated_seen, state.accepted) == (commit, "", "")


def test_an_acceptance_is_of_no_other_history_and_of_no_earlier_commit() -> None:
    state = after("a2", "b1")
    state = folded(state, sources.accept(state, "b1"))

    assert at(after("c0", "c0", state=state)) == "a2"
    assert at(after("b0", "b0", state=state)) == "a2"


def test_only_the_commit_that_waits_can_be_accepted() -> None:
    state = after("a2", "b0")

    with pytest.raises(rejections.Changed, match="b0"):
        sources.accept(state, "b1")
    with pytest.raises(rejections.Invalid, match="no unrelated history"):
        sources.accept(after("a2"), "b0")
    with pytest.raises(rejections.Invalid):
        sources.accept(after("a2"), "")


def test_a_ref_that_comes_back_ends_the_wait_and_the_acceptance() -> None:
    state = after("a2", "b0")
    state = folded(state, sources.accept(state, "b0"))

    assert at(after("a2", "b0", state=state)) == "a2"


def test_a_failure_while_it_waits_ends_when_the_remote_answers_again() -> None:
    state = after("a2", "b0")
    failed = folded(state, sources.failed(state, events.FailureKind.UNREACHABLE, "gone"))

    state = after("b0", state=failed)

    assert (state.failure, state.unrelated_seen) == (None, "b0")


def test_the_event_says_what_was_accepted_in_place_of_what() -> None:
    assert sources.accept(after("a2", "b0"), "b0") == (events.HistoryAccepted(name=SHOP, commit="b0", replaces="a2"),)


def test_known_hosts_that_would_not_fit_into_an_event_are_refused() -> None:
    credentials = specs.GitCredentials(known_hosts="#" * (specs.KNOWN_HOSTS_CHARACTERS_MAX + 1))
    spec = msgspec.structs.replace(SPEC, credentials=credentials)

    with pytest.raises(rejections.Invalid, match="knownHostsFile"):
        sources.declare(None, SHOP, spec, by=COMMAND)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("poll"), commits),
        st.tuples(st.just("accept"), commits),
        st.tuples(st.just("fail"), st.sampled_from(["gone", "slow"])),
    ),
    max_size=30,
)


@given(steps)
def test_no_commit_of_another_history_counts_before_it_or_an_ancestor_was_accepted(
    taken: list[tuple[str, str]],
) -> None:
    state, allowed = declared(), set[str]()
    for step, word in taken:
        before = state
        found = decided(state, step, word)
        state = folded(state, found)
        if step == "accept" and found:
            allowed.add(word)
        if before.revision is not None and state.revision != before.revision:
            assert state.revision is not None
            new = state.revision.commit
            unrelated = moved(before.revision.commit, new) is catalogs.Move.UNRELATED
            assert not unrelated or allowed & set(ancestors(new))
            allowed.clear()


@given(steps)
def test_every_decision_that_was_taken_is_not_taken_again(taken: list[tuple[str, str]]) -> None:
    state = declared()
    for step, word in taken:
        state = folded(state, decided(state, step, word))
        again = decided(state, step, word)
        if step == "poll" and state.rollback_seen == word:
            assert [type(event) for event in again] == [events.RevisionResolved]
        else:
            assert again == ()


def decided(state: sources.Source, step: str, word: str) -> tuple[events.Event, ...]:
    if step == "poll":
        return polled(state, word)
    if step == "fail":
        return sources.failed(state, events.FailureKind.UNREACHABLE, word)
    try:
        return sources.accept(state, word)
    except rejections.Rejection:
        return ()


@pytest.mark.parametrize("value", ["==prod", "prod,tier=web", "a b"])
def test_a_target_that_no_cluster_could_ever_match_is_refused(value: str) -> None:
    """Its label is none that Kubernetes, or we, would let a cluster have."""
    wrong = {"env": value}
    for target in (
        selectors.Target(match_labels=wrong),
        selectors.Target(match_labels={"env": "prod"}, exclude=(selectors.Selector(match_labels=wrong),)),
    ):
        spec = specs.SourceSpec(url="https://git.example/shop.git", targets=(target,))
        with pytest.raises(rejections.Invalid, match="is not a label value"):
            sources.declare(None, "shop", spec, by=specs.ManagedBy.COMMAND)
