"""From a ref as people write it to the one that a remote advertises."""

import pytest

from controller.git import errors, heads

A, B = "a" * 40, "b" * 40
ADVERTISED = heads.Heads(
    oids={
        "HEAD": A,
        "refs/heads/main": A,
        "refs/heads/team/next": B,
        "refs/heads/v1": A,
        "refs/tags/v1": B,
        "refs/tags/v2": B,
        "refs/tags/v2^{}": A,
        "refs/pull/7/head": B,
    },
    head_branch="refs/heads/main",
)


@pytest.mark.parametrize(
    ("ref", "remote", "short"),
    [
        ("", "refs/heads/main", "main"),
        ("HEAD", "refs/heads/main", "main"),
        ("main", "refs/heads/main", "main"),
        ("team/next", "refs/heads/team/next", "team/next"),
        ("refs/heads/v1", "refs/heads/v1", "v1"),
        ("refs/tags/v1", "refs/tags/v1", "v1"),
        ("v2", "refs/tags/v2", "v2"),
        ("refs/pull/7/head", "refs/pull/7/head", "refs/pull/7/head"),
        (B, B, B),
    ],
)
def test_branches_tags_full_names_and_commits(ref: str, remote: str, short: str) -> None:
    found = heads.find(ADVERTISED, ref)

    assert (found.remote, found.short) == (remote, short)


def test_a_name_of_a_branch_and_a_tag_is_ambiguous() -> None:
    with pytest.raises(errors.RefAmbiguous, match="refs/heads/v1 or refs/tags/v1"):
        heads.find(ADVERTISED, "v1")


@pytest.mark.parametrize("ref", ["gone", "refs/heads/gone", "abc1234", "refs/tags/v3"])
def test_what_is_not_advertised_has_vanished(ref: str) -> None:
    with pytest.raises(errors.RefVanished):
        heads.find(ADVERTISED, ref)


def test_a_detached_head_is_followed_as_head() -> None:
    found = heads.find(heads.Heads(oids={"HEAD": B, "refs/heads/main": A}), "")

    assert (found.remote, found.short, found.oid) == ("HEAD", "HEAD", B)


def test_a_head_that_points_nowhere_asks_for_a_name() -> None:
    with pytest.raises(errors.RefVanished, match="name a ref"):
        heads.find(heads.Heads(oids={"refs/heads/main": A}), "")


def test_a_remote_without_refs_is_empty() -> None:
    with pytest.raises(errors.EmptyRepository):
        heads.find(heads.Heads(oids={}), "main")


@pytest.mark.parametrize(
    "ref", ["a b", "a..b", "*", "a:b", "-x", "/a", "a/", "a\0", "a\n", "@{1}", "a~1", "a^", "x.lock"]
)
def test_what_no_ref_can_be_called_never_reaches_a_refspec(ref: str) -> None:
    with pytest.raises(errors.RefVanished, match="not the name"):
        heads.check(ref)
