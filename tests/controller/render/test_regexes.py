"""Regular expressions without backtracking: they agree with Python's, and none takes long."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.render import errors, regexes

ATOMS = st.sampled_from(["a", "b", "-", ".", "[ab]", "[^a]", "[a-c0]", "[]a]", "[a-]", r"\d", r"\W", r"\.", r"\["])
REPEATS = st.sampled_from(["", "", "*", "+", "?", "{2}", "{1,}", "{0,2}", "*?", "{1,3}?"])
PATTERNS = st.recursive(
    st.tuples(ATOMS, REPEATS).map("".join) | st.sampled_from(["^", "$"]),
    lambda inner: (
        st.lists(inner, max_size=3).map("".join)
        | st.lists(inner, min_size=1, max_size=3).map(lambda found: f"({'|'.join(found)})")
        | st.tuples(inner, REPEATS).map(lambda found: f"(?:{found[0]}){found[1]}")
    ),
    max_leaves=6,
)


@given(PATTERNS, st.text("ab-.0[]c", max_size=8))
def test_it_agrees_with_python(pattern: str, text: str) -> None:
    # Python's $ matches before a last line feed, too; names have none.
    assert regexes.Regex(pattern).matches(text) is (re.fullmatch(pattern, text, re.ASCII) is not None)


@pytest.mark.parametrize(
    "pattern",
    [
        "(a*)*b",
        "(a|a)*b",
        "(a|aa)+$b",
        "a*a*a*a*a*a*a*a*b",
        "((((a*)*)*)*)*b",
        "(.{0,500}){0,500}b",
        "(a{1,50}){1,50}b",
    ],
)
def test_what_python_never_finishes_comes_to_an_end(pattern: str) -> None:
    """Within the time limit of a test, that is; Python would not within anybody's life."""
    try:
        assert not regexes.Regex(pattern).matches("a" * 253)
    except errors.UnreadableError as error:
        assert "takes too long" in error.reason  # noqa: PT017  either is an answer; that there is one is what counts


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(", "not closed"),
        (")", "closes nothing"),
        ("*a", "nothing before it"),
        ("a**", "repetition of a repetition"),
        ("a{2,1}", "wrong order"),
        ("a{x}", "no repetition"),
        ("a{1001}", "no repetition"),
        ("[a", "more is expected"),
        ("[b-a]", "end is before"),
        ("[[:alpha:]]", "[:class:]"),
        ("(?i)a", "begins with ?"),
        (r"\b", "not read here"),
        ("a\\", "more is expected"),
        ("(" * 30 + ")" * 30, "nested deeper"),
        ("a" * 600, "longer than"),
    ],
)
def test_what_is_not_read_is_said(pattern: str, reason: str) -> None:
    with pytest.raises(errors.UnreadableError) as caught:
        regexes.Regex(pattern)

    assert reason in caught.value.reason


@given(st.text("ab|()[]{}*+?\\^$.-,12:", max_size=20), st.text("ab1-", max_size=20))
def test_any_pattern_is_matched_or_refused(pattern: str, text: str) -> None:
    try:
        assert regexes.Regex(pattern).matches(text) in (True, False)
    except errors.UnreadableError:
        return
