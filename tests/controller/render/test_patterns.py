"""Globs and ignore rules; where Git is at hand, compared with what Git itself ignores."""

import pathlib
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.render import errors, limits, patterns


def split(path: str) -> patterns.Segments:
    return tuple(part for part in path.split("/") if part)


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("", "", True),
        ("", "a", False),
        ("apps", "apps", True),
        ("apps/*", "apps/shop", True),
        ("apps/*", "apps", False),
        ("apps/*", "apps/shop/web", False),
        ("apps/*/prod", "apps/shop/prod", True),
        ("apps/**", "apps", True),
        ("apps/**", "apps/shop/web", True),
        ("**/prod", "prod", True),
        ("**/prod", "apps/shop/prod", True),
        ("**/prod", "apps/prod/shop", False),
        ("apps/**/prod", "apps/prod", True),
        ("app[12]", "app2", True),
        ("app?", "app", False),
    ],
)
def test_globs_match_whole_paths(pattern: str, path: str, matches: bool) -> None:
    assert patterns.matches(split(pattern), split(path)) is matches


@given(st.lists(st.sampled_from(["a", "b", "*", "**"]), max_size=5), st.lists(st.sampled_from("ab"), max_size=6))
def test_a_directory_is_looked_into_if_something_below_may_match(pattern: list[str], path: list[str]) -> None:
    if patterns.matches(pattern, path):
        for length in range(len(path)):
            assert patterns.may_match_below(pattern, path[:length])


def ignored(rules: str, path: str, directory: str = "", *, is_directory: bool = False) -> bool:
    parsed = patterns.parse_rules(split(directory), rules.encode())
    return patterns.is_ignored([parsed], split(path), is_directory=is_directory)


RULES = [
    "a",
    "*.yaml",
    "!b.yaml",
    "a/",
    "/a",
    "a/b",
    "a/**",
    "**/b",
    "a/**/b",
    "\\#x",
    "\\!x",
    "# x",
    "x ",
    "x\\ ",
    "[ab]",
    "[^a]",
    "?",
    "!a",
    "*",
    "/*/b.yaml",
    "**",
    "a/*",
    "!a/b",
    "",
    "/",
    "b.*",
    "[",
    "a\\*",
    "\\a",
    "**/",
    "/**/a",
]
PATHS = [
    "a",
    "b",
    "a.yaml",
    "b.yaml",
    "a/b",
    "a/b.yaml",
    "b/a",
    "a/b/b",
    "#x",
    "!x",
    "x",
    "x ",
    "b/b.yaml",
    "c/a/b",
    "a*",
]


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git to compare with")
@settings(max_examples=60)
@given(rules=st.lists(st.sampled_from(RULES), min_size=1, max_size=5))
def test_git_ignores_the_same(tmp_path_factory: pytest.TempPathFactory, rules: list[str]) -> None:
    root = tmp_path_factory.mktemp("ignores")
    text = "\n".join(rules) + "\n"
    (root / ".gitignore").write_text(text)
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    for path in PATHS:
        parents = [path[:at] for at, character in enumerate(path) if character == "/"]
        ours = any(ignored(text, parent, is_directory=True) for parent in parents) or ignored(text, path)
        assert (path, ours) == (path, _git_ignores(root, path))


def _git_ignores(root: pathlib.Path, path: str) -> bool:
    command = ["git", "-c", "core.excludesFile=/dev/null", "-C", str(root), "check-ignore", "-q", "--no-index", path]
    return subprocess.run(command, check=False).returncode == 0


def test_rules_are_relative_to_the_directory_of_their_file() -> None:
    assert ignored("/web\n", "apps/web", "apps", is_directory=True)
    assert not ignored("/web\n", "apps/shop/web", "apps", is_directory=True)
    assert ignored("web/\n", "apps/shop/web", "apps", is_directory=True)
    assert not ignored("web/\n", "apps/web", "apps")


def test_a_nearer_file_overrules_one_above() -> None:
    above = patterns.parse_rules((), b"*.json\n")
    near = patterns.parse_rules(("apps",), b"!keep.json\n")

    assert patterns.is_ignored([above, near], ("apps", "x.json"), is_directory=False)
    assert not patterns.is_ignored([above, near], ("apps", "keep.json"), is_directory=False)


@pytest.mark.parametrize("data", [b"\xff", b"a\n" * (limits.IGNORE_RULES_MAX + 1)])
def test_an_ignore_file_that_cannot_be_read_is_an_error(data: bytes) -> None:
    with pytest.raises(errors.UnreadableError):
        patterns.parse_rules((), data)


def test_hostile_patterns_come_to_an_end() -> None:
    """By trying every way they would not within the time limit of a test, nor within anybody's life."""
    assert not ignored("*a" * 30 + "b\n", "a" * 250)
    assert not ignored("/".join(["**", "a"] * 30) + "/b\n", "/".join("a" * 60))
