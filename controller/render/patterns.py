"""Shell globs over paths, and gitignore's rules over names, matched in polynomial time.

Python's `re` backtracks, holding the interpreter's lock: a hostile `*a*a*a*b` in an ignore file would stop the hub.
`fnmatch` writes its stars as atomic groups, so names are left to it one by one; `**` is counted through here.
"""

import fnmatch
import re
from collections.abc import Sequence

import msgspec

from controller.render import errors, limits

Segments = tuple[str, ...]

_ANY_DEPTH = "**"


class Rule(msgspec.Struct, frozen=True):
    """One line of an ignore file."""

    segments: Segments
    """Relative to the directory that the file stands in."""
    negated: bool = False
    directories_only: bool = False


class Rules(msgspec.Struct, frozen=True):
    """An ignore file that holds from a directory on downwards."""

    directory: Segments
    rules: tuple[Rule, ...]


def matches(pattern: Sequence[str], path: Sequence[str]) -> bool:
    """Does the whole path match? `*` stays within a name, `**` stands for any number of names."""
    if _ANY_DEPTH not in pattern:
        return len(pattern) == len(path) and all(map(_is_named, path, pattern))
    # reached[i]: the pattern's first i segments match the part of the path seen so far.
    reached = [True, *([False] * len(pattern))]
    _skip_any_depth(pattern, reached)
    for name in path:
        after = [False] * (len(pattern) + 1)
        for at, segment in enumerate(pattern):
            if not reached[at]:
                continue
            if segment == _ANY_DEPTH:
                after[at] = True
            elif _is_named(name, segment):
                after[at + 1] = True
        reached = after
        _skip_any_depth(pattern, reached)
    return reached[-1]


def may_match_below(pattern: Sequence[str], path: Sequence[str]) -> bool:
    """Could a path below `path` match? Only then is the directory worth a look."""
    for length in range(1, len(pattern)):
        if matches(pattern[:length], path):
            return True
    return not path or (bool(pattern) and pattern[-1] == _ANY_DEPTH and matches(pattern, path))


def _is_named(name: str, segment: str) -> bool:
    # `apps/*` is what most sources say, and is asked of every directory with every commit.
    return segment == "*" or (name == segment if segment.isalnum() else fnmatch.fnmatchcase(name, segment))


def _skip_any_depth(pattern: Sequence[str], reached: list[bool]) -> None:
    for at, segment in enumerate(pattern):
        if reached[at] and segment == _ANY_DEPTH:
            reached[at + 1] = True


def parse_rules(directory: Segments, data: bytes) -> Rules:
    """Read an ignore file (gitignore(5)); raise UnreadableError if it is not text."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise errors.UnreadableError("not UTF-8") from error
    found = tuple(rule for line in text.splitlines() if (rule := _rule(line)) is not None)
    if len(found) > limits.IGNORE_RULES_MAX:
        raise errors.UnreadableError(f"more than {limits.IGNORE_RULES_MAX} rules")
    return Rules(directory, found)


def is_ignored(rules: Sequence[Rules], path: Segments, *, is_directory: bool) -> bool:
    """Is this name left out? The last rule that matches decides; of directories nothing below is asked."""
    for source in reversed(rules):
        relative = path[len(source.directory) :]
        for rule in reversed(source.rules):
            if rule.directories_only and not is_directory:
                continue
            if matches(rule.segments, relative):
                return not rule.negated
    return False


def _rule(line: str) -> Rule | None:
    line = re.sub(r"(?<!\\)[ \t]+$", "", line.rstrip("\r"))
    if not line or line.startswith("#"):
        return None
    negated = line.startswith("!")
    body = line[1:] if negated else line
    directories_only = body.endswith("/")
    body = body.rstrip("/") if directories_only else body
    anchored = "/" in body
    segments = tuple(_segment(part) for part in body.split("/") if part)
    if not segments:
        return None
    if segments[-1] == _ANY_DEPTH and len(segments) > 1:
        segments = (*segments, "*")  # `a/**` is what stands below `a`, not `a` itself
    return Rule(segments if anchored else (_ANY_DEPTH, *segments), negated, directories_only)


def _segment(part: str) -> str:
    """gitignore's escapes and `[^…]` in fnmatch's terms."""
    part = re.sub(r"\\(.)", lambda found: f"[{found[1]}]" if found[1] in "*?[" else found[1], part)
    return part.replace("[^", "[!")
