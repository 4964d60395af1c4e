"""A source's life (aggregate `source`)."""

import enum

import msgspec

from protocol import ids, specs
from protocol.canonical import Digest


class Revision(msgspec.Struct, frozen=True, rename="camel"):
    """What a source's ref resolved to."""

    ref: str
    """The branch or tag by its short name, for example `main`."""
    commit: str
    """40 hexadecimal digits."""
    tree: str

    def __str__(self) -> str:
        return f"{self.ref}@sha1:{self.commit}"


class Problem(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Why something of a commit cannot be used; the text a person reads."""

    path: str
    """File or directory, relative to the repository's root; empty where the source as a whole is meant."""
    reason: str
    line: int = 0
    """1-based; 0 where no line is to blame."""

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line else self.path
        return f"{place}: {self.reason}" if place else self.reason


class FailureKind(enum.StrEnum):
    """Why a source could not be resolved at all."""

    UNREACHABLE = "unreachable"
    AUTHENTICATION = "authentication"
    UNTRUSTED = "untrusted"
    """The remote cannot prove who it is: its host key or certificate is not one that we believe."""
    REF_VANISHED = "refVanished"
    EMPTY = "empty"
    PATH_VANISHED = "pathVanished"
    NO_BUNDLE = "noBundle"
    CORRUPT = "corrupt"
    INTERNAL = "internal"


class SourceDeclared(msgspec.Struct, frozen=True, rename="camel", tag="SourceDeclared"):
    """New, or changed: the whole spec."""

    name: ids.SourceName
    spec: specs.SourceSpec
    managed_by: specs.ManagedBy


class SourceSuspended(msgspec.Struct, frozen=True, rename="camel", tag="SourceSuspended"):
    """Not polled and not rolled out; what the clusters have stays."""

    name: ids.SourceName
    reason: str


class SourceResumed(msgspec.Struct, frozen=True, rename="camel", tag="SourceResumed"):
    name: ids.SourceName


class SourceRemoved(msgspec.Struct, frozen=True, rename="camel", tag="SourceRemoved"):
    """Its workloads stay, unowned, unless `prune` says that they go (held, as a whole)."""

    name: ids.SourceName
    prune: bool


class RevisionResolved(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag="RevisionResolved"):
    """A commit was read and rendered; its good bundles may roll out."""

    name: ids.SourceName
    revision: Revision
    catalog: Digest
    previous: Digest
    """The catalog whose last good entries stand in for bundles in error."""
    renderer: str
    bundles: int
    objects: int
    problems: tuple[Problem, ...] = ()
    """At most PROBLEMS_MAX; `problem_count` counts all."""
    problem_count: int = 0
    warnings: tuple[Problem, ...] = ()
    rollback: bool = False
    """The ref moved elsewhere than forward, and two polls agreed on it or an operator accepted it."""


class ResolveFailed(msgspec.Struct, frozen=True, rename="camel", tag="ResolveFailed"):
    """The source says nothing at present; the last good state stays. Recorded when the reason changes."""

    name: ids.SourceName
    kind: FailureKind
    reason: str


class ResolveRecovered(msgspec.Struct, frozen=True, rename="camel", tag="ResolveRecovered"):
    """After a failure the source answers again, with the revision it had."""

    name: ids.SourceName


class RollbackSeen(msgspec.Struct, frozen=True, rename="camel", tag="RollbackSeen"):
    """The ref moved elsewhere than forward; it counts when the next poll sees the same, unless it is unrelated."""

    name: ids.SourceName
    commit: str
    unrelated: bool
    """The new commit shares no history with the present one: it waits for HistoryAccepted."""


class HistoryAccepted(msgspec.Struct, frozen=True, rename="camel", tag="HistoryAccepted"):
    """An operator let the source go on with an unrelated history: this commit and what follows from it."""

    name: ids.SourceName
    commit: str
    replaces: str
    """The commit in force when it was accepted."""


PROBLEMS_MAX = 50
"""Problems that one event names: a person reads the first few; the event stays far below a message's limit."""

Event = (
    SourceDeclared
    | SourceSuspended
    | SourceResumed
    | SourceRemoved
    | RevisionResolved
    | ResolveFailed
    | ResolveRecovered
    | RollbackSeen
    | HistoryAccepted
)
