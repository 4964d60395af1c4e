"""Regular expressions from untrusted files, matched without backtracking.

Python's `re` needs exponential time for some short patterns, holding the interpreter's lock. Here a part of a pattern
maps the set of positions that it may begin at to the set that it may end at, so that each position counts once; a
bound of steps ends what is still too much. Read is what RE2 and Python have in common: literals, `.`, classes,
groups, `|`, `*`, `+`, `?`, `{m,n}`, `^`, `$`, and the escapes of punctuation and of `\\d`, `\\w`, `\\s`. A pattern
matches whole texts, as Kustomize's do.
"""

import functools
from collections.abc import Callable, Iterable
from typing import TypeAlias

from controller.render import errors

PATTERN_CHARACTERS_MAX = 512
"""One that names twenty objects of 25 characters."""

TEXT_CHARACTERS_MAX = 512
"""Names have up to 253 characters, and API groups as well."""

STEPS_MAX = 50_000
"""Positions looked at for one match: about 20 ms. `.*a.*b.*` on the longest name needs 2,000."""

NESTING_MAX = 20
REPEATS_MAX = 1000
"""As in RE2: the largest number in `{m,n}`."""

Positions: TypeAlias = frozenset[int]
_Node: TypeAlias = Callable[["_Match", Positions], Positions]
_Test: TypeAlias = Callable[[str], bool]

_SPECIAL = frozenset("\\.+*?()|[]{}^$")
_DIGITS = frozenset("0123456789")
_WORD = _DIGITS | frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
_CLASSES = {"d": _DIGITS, "w": _WORD, "s": frozenset("\t\n\f\r ")}


class Regex:
    """A pattern, read."""

    def __init__(self, pattern: str) -> None:
        """Raises UnreadableError if it is malformed, too long, or uses what is not read here."""
        self.pattern = pattern
        self._literal = not _SPECIAL.intersection(pattern)
        if len(pattern) > PATTERN_CHARACTERS_MAX:
            raise errors.UnreadableError(f"pattern longer than {PATTERN_CHARACTERS_MAX} characters")
        self._node = _Reader(pattern).node()

    def matches(self, text: str) -> bool:
        """Does the whole text match? Raises UnreadableError if that takes too many steps to tell."""
        if self._literal:
            return text == self.pattern
        if len(text) > TEXT_CHARACTERS_MAX:
            return False  # no name is so long: the API server refuses it
        return len(text) in self._node(_Match(self.pattern, text), frozenset([0]))


@functools.lru_cache(maxsize=1024)
def compiled(pattern: str) -> Regex:
    """The pattern, read once; raises UnreadableError as Regex does."""
    return Regex(pattern)


class _Match:
    """One text, and the steps that are left."""

    def __init__(self, pattern: str, text: str) -> None:
        self.text = text
        self._pattern = pattern
        self._steps = STEPS_MAX

    def spend(self, steps: int) -> None:
        self._steps -= steps + 1
        if self._steps < 0:
            raise errors.UnreadableError(f"pattern {self._pattern[:60]!r}: takes too long to match (make it simpler)")


def _character(test: _Test) -> _Node:
    def ends(match: _Match, begins: Positions) -> Positions:
        match.spend(len(begins))
        text = match.text
        return frozenset(at + 1 for at in begins if at < len(text) and test(text[at]))

    return ends


def _at_begin(match: _Match, begins: Positions) -> Positions:
    match.spend(1)
    return begins & {0}


def _at_end(match: _Match, begins: Positions) -> Positions:
    match.spend(1)
    return begins & {len(match.text)}


def _sequence(nodes: list[_Node]) -> _Node:
    def ends(match: _Match, begins: Positions) -> Positions:
        for node in nodes:
            if not begins:
                break
            begins = node(match, begins)
        return begins

    return ends


def _alternatives(nodes: list[_Node]) -> _Node:
    def ends(match: _Match, begins: Positions) -> Positions:
        return frozenset().union(*(node(match, begins) for node in nodes))

    return ends


def _repeated(node: _Node, least: int, most: int | None) -> _Node:
    def ends(match: _Match, begins: Positions) -> Positions:
        for _ in range(least):
            match.spend(1)
            begins = node(match, begins)
            if not begins:
                return begins
        found = fresh = begins
        left = most - least if most is not None else len(match.text) + 1
        while fresh and left > 0:
            match.spend(1)
            fresh = node(match, fresh) - found
            found |= fresh
            left -= 1
        return found

    return ends


class _Reader:
    """Reads one pattern."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0
        self._nesting = 0

    def node(self) -> _Node:
        node = self._alternatives()
        if self._at < len(self._pattern):
            raise self._refused("a ) that closes nothing")
        return node

    def _alternatives(self) -> _Node:
        nodes = [self._sequence()]
        while self._taken("|"):
            nodes.append(self._sequence())
        return nodes[0] if len(nodes) == 1 else _alternatives(nodes)

    def _sequence(self) -> _Node:
        nodes: list[_Node] = []
        while self._at < len(self._pattern) and self._pattern[self._at] not in "|)":
            nodes.append(self._repeats(self._atom()))
        return _sequence(nodes)

    def _repeats(self, node: _Node) -> _Node:
        bounds = self._bounds()
        if bounds is None:
            return node
        self._taken("?")  # lazy or greedy: a whole text matches or does not
        if self._at < len(self._pattern) and self._pattern[self._at] in "*+?":
            raise self._refused("a repetition of a repetition")
        return _repeated(node, *bounds)

    def _bounds(self) -> tuple[int, int | None] | None:
        for sign, bounds in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._taken(sign):
                return bounds
        if not self._taken("{"):
            return None
        least, comma, most = self._until("}").partition(",")
        if not self._is_count(least) or (most and not self._is_count(most)):
            raise self._refused("a {…} that is no repetition (write \\{)")
        if not comma:
            return int(least), int(least)
        if most and int(most) < int(least):
            raise self._refused("a {…} whose numbers are in the wrong order")
        return int(least), int(most) if most else None

    def _is_count(self, text: str) -> bool:
        return text.isascii() and text.isdigit() and len(text) <= len(str(REPEATS_MAX)) and int(text) <= REPEATS_MAX

    def _atom(self) -> _Node:
        character = self._next()
        match character:
            case "(":
                return self._group()
            case "[":
                return _character(self._class())
            case ".":
                return _character(lambda found: found != "\n")
            case "^":
                return _at_begin
            case "$":
                return _at_end
            case "\\":
                return _character(self._escape())
        if character in "*+?{}]":
            raise self._refused(f"a {character} with nothing before it, or without \\")
        return _character(character.__eq__)

    def _group(self) -> _Node:
        if self._taken("?") and not self._taken(":"):
            raise self._refused("a group that begins with ? (only (?: is read)")
        self._nesting += 1
        if self._nesting > NESTING_MAX:
            raise self._refused(f"groups nested deeper than {NESTING_MAX}")
        node = self._alternatives()
        self._nesting -= 1
        if not self._taken(")"):
            raise self._refused("a ( that is not closed")
        return node

    def _escape(self) -> _Test:
        character = self._next()
        if character.lower() in _CLASSES:
            known = _CLASSES[character.lower()]
            return known.__contains__ if character.islower() else lambda found: found not in known
        if character.isalnum() or not character.isascii():
            raise self._refused(f"an escape that is not read here: \\{character}")
        return character.__eq__

    def _class(self) -> _Test:
        negated = self._taken("^")
        tests: list[_Test] = ["]".__eq__] if self._taken("]") else [self._range()]  # a ] that comes first is itself
        while not self._taken("]"):
            tests.append(self._range())
        return lambda found: any(test(found) for test in tests) is not negated

    def _range(self) -> _Test:
        first = self._next()
        if first == "[" and self._pattern[self._at : self._at + 1] in (":", "=", "."):
            raise self._refused("a [:class:]")
        if first == "\\":
            return self._escape()
        if self._pattern[self._at : self._at + 1] != "-" or self._pattern[self._at + 1 : self._at + 2] in ("]", ""):
            return first.__eq__
        self._at += 1
        last = self._next()
        if last in "\\[" or last < first:
            raise self._refused("a range in […] whose end is before its beginning, or no plain character")
        return lambda found: first <= found <= last

    def _next(self) -> str:
        if self._at >= len(self._pattern):
            raise self._refused("an end where more is expected")
        self._at += 1
        return self._pattern[self._at - 1]

    def _taken(self, character: str) -> bool:
        if self._pattern[self._at : self._at + 1] != character:
            return False
        self._at += 1
        return True

    def _until(self, character: str) -> str:
        end = self._pattern.find(character, self._at)
        if end < 0:
            raise self._refused(f"no {character} where one is expected")
        found = self._pattern[self._at : end]
        self._at = end + 1
        return found

    def _refused(self, what: str) -> errors.UnreadableError:
        return errors.UnreadableError(f"pattern {self._pattern[:60]!r}: {what}")


def all_match(pairs: Iterable[tuple[str, str]]) -> bool:
    """Does each pattern match its text? An empty pattern matches all."""
    return all(not pattern or compiled(pattern).matches(text) for pattern, text in pairs)
