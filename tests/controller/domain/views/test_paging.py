"""Pages of a list that changes while it is read."""

import hypothesis
from hypothesis import strategies as st

from controller.domain.views import paging

names = st.lists(st.text("abc", min_size=1, max_size=4), unique=True).map(sorted)


def everything(members: list[str], limit: int) -> list[str]:
    """All members, page by page."""
    found: list[str] = []
    after = ""
    while True:
        part = paging.part(members, key=lambda one: one, after=after, limit=limit)
        found += part.members
        after = part.following
        if not after:
            return found


@hypothesis.given(members=names, limit=st.integers(1, 5))
def test_the_pages_of_a_list_are_the_list(members: list[str], limit: int) -> None:
    assert everything(members, limit) == members


def test_what_went_away_in_between_hides_nothing() -> None:
    first = paging.part(["a", "b", "c", "d"], key=lambda one: one, after="", limit=2)
    second = paging.part(["a", "c", "d"], key=lambda one: one, after=first.following, limit=2)

    assert (first.members, second.members, second.following) == (["a", "b"], ["c", "d"], "")
