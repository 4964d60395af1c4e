"""A catalog: all that one commit of one source says, rendered and named by digests.

It is stored as a blob, named by the event that accepted the commit. A bundle that could not be read or rendered keeps
the entry it had before, with the error beside it: one bad file never empties a bundle.
"""

import enum

import msgspec

from protocol import ids, selectors
from protocol.canonical import NO_DIGEST, Digest
from protocol.codec import Codec
from protocol.events.sources import Problem, Revision


class Move(enum.StrEnum):
    """How a source's commit follows the one before it."""

    SAME = "same"
    FORWARD = "forward"
    """The old commit is an ancestor of the new one."""
    BACKWARD = "backward"
    """The new commit is an ancestor of the old one: somebody moved the ref back."""
    REWRITTEN = "rewritten"
    """Neither is an ancestor of the other, but they have one in common: an amended commit, another branch."""
    UNRELATED = "unrelated"
    """No common ancestor, or the old commit is not known any more: perhaps another repository."""


class Entry(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One bundle of a commit."""

    bundle: ids.BundleId
    path: str
    tree: str
    """OID of the bundle's Git tree when it was last rendered without an error; empty: never."""
    inputs: str = ""
    """Digest of what the rendering of `tree` depended on beside it (I2): renderer, paths, ignore files above it."""
    spoiled: str = ""
    """Fingerprint of what gave `errors`: as long as it stays, so do the errors, unread."""
    index: Digest = NO_DIGEST
    """The rendered content, the last good one; empty where there never was one."""
    objects: int = 0
    name: str = ""
    """`name` of flotilla.yaml, for people."""
    labels: dict[str, str] = {}
    targets: tuple[selectors.Target, ...] | None = None
    """Narrows the source's targets; None: as the source says."""
    errors: tuple[Problem, ...] = ()
    """Not empty: this commit's content is not used, the last good content stays."""
    warnings: tuple[Problem, ...] = ()


class Catalog(msgspec.Struct, frozen=True, rename="camel", tag="Catalog"):
    """One resolved commit of one source, its bundles in the order of their ids."""

    source: ids.SourceName
    revision: Revision
    renderer: str
    """Name and version of what rendered it (I2)."""
    entries: tuple[Entry, ...]


CATALOG: Codec[Catalog] = Codec(Catalog)


def is_complete(catalog: Catalog) -> bool:
    """Did every bundle resolve? Only then may something that is not there count as taken away."""
    return all(not entry.errors for entry in catalog.entries)


def errors(catalog: Catalog) -> tuple[Problem, ...]:
    """All errors of a commit, in the order of its bundles."""
    return tuple(error for entry in catalog.entries for error in entry.errors)


def carried(entry: Entry, *, because: tuple[Problem, ...]) -> Entry:
    """The last good entry of a bundle that this commit has, but spoiled."""
    return msgspec.structs.replace(entry, errors=because)


def fingerprint(tree: str, inputs: str) -> str:
    """All that a bundle's entry follows from."""
    return f"{tree}.{inputs}"


def resolved_from(entry: Entry) -> str:
    """The fingerprint of the commit that gave the entry, with its errors or without."""
    return entry.spoiled or fingerprint(entry.tree, entry.inputs)
