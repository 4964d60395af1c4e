"""Answers to questions: only the cluster that was asked answers, and only whole answers count."""

import asyncio

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from controller import questions
from controller.domain import observed
from protocol import desired, ids, reports
from tests.fixtures import hub as hubs

A, B = ids.ClusterId("A"), ids.ClusterId("B")
ASKED = {"of-a": A, "of-b": B}


def part(cluster: ids.ClusterId, request: str, number: int = 1, of: int = 1, unchanged: int = 0) -> reports.Planned:
    origin = reports.Origin(cluster, 1, 1, hubs.START, 1, 1, desired.GENESIS)
    return reports.Planned(origin, request, part=number, parts=of, unchanged=unchanged)


def test_an_answer_counts_once_it_is_whole() -> None:
    """In the order of its parts, however they come."""
    question = questions.Question(ASKED)
    question.take(part(A, "of-a", 2, 2))
    assert question.answers() == {}

    question.take(part(A, "of-a", 1, 2))
    assert question.answers() == {A: (part(A, "of-a", 1, 2), part(A, "of-a", 2, 2))}


def test_nobody_answers_for_another_cluster() -> None:
    """Not even with the id that the other one was asked under."""
    question = questions.Question(ASKED)
    question.take(part(B, "of-a"))
    question.take(part(A, "of-b"))
    question.take(part(A, "guessed"))

    assert question.answers() == {}


async def test_waiting_ends_with_the_last_answer_or_with_the_time() -> None:
    question = questions.Question(ASKED)
    waiting = asyncio.create_task(question.answered(60))
    question.take(part(A, "of-a"))
    question.take(part(B, "of-b"))
    await waiting

    late = questions.Question(ASKED)
    late.take(part(A, "of-a"))
    await late.answered(0.01)
    assert set(late.answers()) == {A}
    await questions.Question({}).answered(60)


parts = st.builds(
    part,
    st.sampled_from([A, B, ids.ClusterId("C")]),
    st.sampled_from(["of-a", "of-b", "other"]),
    st.integers(-1, 4),
    st.integers(-1, 4),
    st.integers(0, 1),
)


@given(st.lists(parts, max_size=30))
def test_whatever_comes_an_answer_is_its_own_clusters_and_has_all_its_parts(heard: list[reports.Planned]) -> None:
    question = questions.Question(ASKED)
    for one in heard:
        question.take(one)

    for cluster, answer in question.answers().items():
        assert {item.origin.cluster for item in answer} == {cluster}
        assert [item.part for item in answer] == list(range(1, answer[0].parts + 1))
        assert {item.parts for item in answer} == {answer[0].parts}


def test_a_repeated_part_changes_nothing() -> None:
    question = questions.Question(ASKED)
    first = part(A, "of-a")
    question.take(first)
    question.take(msgspec.structs.replace(first, unchanged=5))
    question.take(part(A, "of-a", 2, 3))

    assert question.answers() == {A: (first,)}


def test_an_answer_says_nothing_of_how_the_cluster_is() -> None:
    """It is a report like others, but of what would be."""
    before = observed.heard(observed.initial(A), hubs.START)
    after = observed.evolve(before, part(A, "of-a"))

    assert (after.bundles, after.root, after.orphans) == (before.bundles, before.root, before.orphans)
