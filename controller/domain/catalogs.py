"""A catalog: all that one commit of one source says, rendered and named by digests.

It is stored as a blob, named by the event that accepted the commit. A bundle that could not be read or rendered keeps
the entry it had before, with the error beside it: one bad file never empties a bundle.
"""

import enum

import msgspec

from protocol import bundles, ids, selectors
from protocol.canonical import NO_DIGEST, Digest
from protocol.codec import Codec
from protocol.events.sources import Problem, Revision

SPOILED_BY_OTHERS = "dependsOn"
"""As an entry's `spoiled`: another bundle, or a file outside of it, may mend it, so that its own files do not say if it
is the same."""

SPOILED_FOR_NOW = "missing"
"""As an entry's `spoiled`: a program or a chart was not to be had, or the machine too slow. The same commit may render
later."""


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


class Choice(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Which clusters a customization of a bundle is for."""

    target: selectors.Target
    deploys: bool = True
    """False: these clusters do not get the bundle."""
    name: str = ""
    """For people."""


class Need(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Bundles of the same source that must stand in a cluster first: by name, or by labels."""

    name: str = ""
    """A bundle's name, or its path."""
    match_labels: dict[str, str] = {}
    match_expressions: tuple[selectors.Expression, ...] = ()
    state: bundles.DependencyState = bundles.DependencyState.READY
    path: str = ""
    """The file that says it."""


class Variant(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A bundle's content for the clusters that match the same customizations and give its variables the same values."""

    index: Digest = NO_DIGEST
    """The rendered content, the last good one; empty where there never was one."""
    objects: int = 0
    matched: tuple[int, ...] = ()
    """The places of the customizations, in order."""
    inputs: dict[str, str | None] = {}
    """The variables that the rendering asked for, and what it was told; None: the cluster has none of that name."""
    origin: str = ""
    """Fingerprint of all else that it was rendered from: settings, files and renderers (I2)."""
    looked_at: dict[str, str] = {}
    """Path → OID of what was read outside the bundle's directory; empty: nothing stood there."""
    errors: tuple[Problem, ...] = ()
    """Not empty: what this commit says for these clusters cannot be used, their last good content stays."""
    warnings: tuple[Problem, ...] = ()


class Partition(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Clusters that get a bundle together."""

    targets: tuple[selectors.Target, ...]
    """Alternatives."""
    name: str = ""
    """For people."""
    max_concurrency: str = ""
    """Clusters in flight at once: a number, or a share of the partition's. Empty: as the policy says."""


class Rollout(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """How a bundle wants to make its way through the fleet, where no policy is declared for its source."""

    max_concurrency: str = ""
    """Clusters in flight at once, if the policy does not allow fewer: a number, or a share of all. Empty: no wish."""
    auto_partition_size: str = ""
    """Clusters that no partition names go so many at a time: a number, or a share. Empty: no wish."""
    partitions: tuple[Partition, ...] = ()
    """In order."""


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
    tried: str = ""
    """With SPOILED_FOR_NOW: the fingerprint of what could not be rendered for now."""
    looked_at: dict[str, str] = {}
    """With `tried` and `errors`: path → OID of what was read outside the bundle's directory."""
    variants: tuple[Variant, ...] = ()
    """One for each distinct input that some cluster of the source has; they overlap for no cluster."""
    choices: tuple[Choice, ...] = ()
    first_match: bool = False
    """Only the first customization that matches counts."""
    name: str = ""
    """`name` of flotilla.yaml, for people."""
    labels: dict[str, str] = {}
    targets: tuple[selectors.Target, ...] | None = None
    """Narrows the source's targets; None: as the source says."""
    paused: bool = False
    """Whoever has it keeps what it has, and nobody else gets it."""
    rollout: Rollout | None = None
    needs: tuple[Need, ...] = ()
    """What the bundle says that must stand in a cluster first."""
    depends_on: tuple[bundles.Dependency, ...] = ()
    """The bundles of the same source that this means."""
    errors: tuple[Problem, ...] = ()
    """Not empty: this commit's content is not used for any cluster, the last good content stays."""
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
    return not any(problems(entry) for entry in catalog.entries)


def errors(catalog: Catalog) -> tuple[Problem, ...]:
    """All errors of a commit, in the order of its bundles."""
    return tuple(error for entry in catalog.entries for error in problems(entry))


def is_tried_again(entry: Entry) -> bool:
    """Is something wrong with the bundle that is not in the commit, so that rendering it once more is worth it?"""
    return entry.spoiled == SPOILED_FOR_NOW


def problems(entry: Entry) -> tuple[Problem, ...]:
    """What is wrong with a bundle, as a whole or for some clusters; each is told once."""
    of_variants = (error for variant in entry.variants for error in variant.errors)
    return tuple(dict.fromkeys((*entry.errors, *of_variants)))


def warnings(entry: Entry) -> tuple[Problem, ...]:
    """What is odd about a bundle, as a whole or for some clusters; each is told once."""
    of_variants = (warning for variant in entry.variants for warning in variant.warnings)
    return tuple(dict.fromkeys((*entry.warnings, *of_variants)))


def indexes_named(catalog: Catalog) -> frozenset[Digest]:
    """The bundle indexes that a catalog names."""
    found = {variant.index for entry in catalog.entries for variant in entry.variants}
    return frozenset(found - {NO_DIGEST})


def objects(entry: Entry) -> int:
    """How many objects a bundle has, in the largest of its variants."""
    return max((variant.objects for variant in entry.variants), default=0)


def carried(entry: Entry, *, because: tuple[Problem, ...]) -> Entry:
    """The last good entry of a bundle that this commit has, but spoiled."""
    return msgspec.structs.replace(entry, errors=because, tried="", looked_at={})


def fingerprint(tree: str, inputs: str) -> str:
    """All that a bundle's entry follows from."""
    return f"{tree}.{inputs}"


def is_open(entry: Entry) -> bool:
    """May the same bundle resolve to something else, for what is wrong with it is not in its own files alone?"""
    return entry.spoiled in (SPOILED_BY_OTHERS, SPOILED_FOR_NOW)


def resolved_from(entry: Entry) -> str:
    """The fingerprint of the commit that gave the entry, with its errors or without."""
    return entry.tried if is_tried_again(entry) else entry.spoiled or fingerprint(entry.tree, entry.inputs)
