"""Where a loader of YAML stands: the collections that it is in, and the values that aliases may repeat."""

from typing import Any

import msgspec

MERGE = "<<"
_NOTHING: frozenset[str] = frozenset()


class Frame:
    """A collection that is being read."""

    __slots__ = ("anchor", "characters", "height", "is_mapping", "key", "merged", "nodes", "seen_merge", "value")

    def __init__(self, value: Any, anchor: str | None, nodes: int, characters: int) -> None:
        self.value = value
        self.is_mapping = type(value) is dict
        self.anchor = anchor
        self.nodes = nodes
        self.characters = characters
        self.height = 1
        self.key: str | None = None
        self.merged: set[str] | frozenset[str] = _NOTHING
        """Keys that a merge brought, which a key of the mapping itself may override."""
        self.seen_merge = False


class Anchored(msgspec.Struct, frozen=True):
    """A finished value that aliases may repeat, and what each repetition costs."""

    value: Any
    nodes: int
    characters: int
    height: int


class MergeKey(str):
    """The plain key `<<`; a quoted one is a key like any other."""

    __slots__ = ()


MERGE_KEY = MergeKey(MERGE)
