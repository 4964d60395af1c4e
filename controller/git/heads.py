"""From a ref as people write it to the one that a remote advertises."""

import re
from collections.abc import Mapping

import msgspec

from controller.git import errors

HEAD = "HEAD"
BRANCHES = "refs/heads/"
TAGS = "refs/tags/"
PEELED = "^{}"

_COMMIT = re.compile(r"[0-9a-f]{40}")
_REF_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|^[-/]|/$|\.lock(/|$)|\.$")
"""git-check-ref-format(1); a pattern or a range must never reach a refspec."""


class Heads(msgspec.Struct, frozen=True):
    """What a remote advertised."""

    oids: Mapping[str, str]
    """Full ref name → object; an annotated tag also stands peeled, as `refs/tags/v1^{}`."""
    head_branch: str = ""
    """The ref that the remote's HEAD points to; empty where it is detached or the server does not say."""


class Target(msgspec.Struct, frozen=True):
    """The ref to fetch."""

    remote: str
    """Full ref name, `HEAD`, or a commit id."""
    short: str
    """As a revision shows it."""
    oid: str
    """What the remote says it is: a commit, or a tag object."""


def is_commit(ref: str) -> bool:
    """Is it a full commit id?"""
    return _COMMIT.fullmatch(ref) is not None


def check(ref: str) -> None:
    """Raise RefVanished if no repository can have a ref of this name."""
    if _REF_FORBIDDEN.search(ref):
        raise errors.RefVanished(f"ref {ref!r}: not the name of a branch, tag or commit")


def find(heads: Heads, ref: str) -> Target:
    """The advertised ref that `ref` means; empty: the remote's HEAD."""
    if not heads.oids:
        raise errors.EmptyRepository("repository: has no commit yet (push a branch first)")
    if is_commit(ref):
        return Target(remote=ref, short=ref, oid=ref)
    if not ref or ref == HEAD:
        return _head(heads)
    if ref.startswith("refs/"):
        return _full(heads, ref)
    return _short(heads, ref)


def _head(heads: Heads) -> Target:
    if HEAD not in heads.oids:
        raise errors.RefVanished("ref HEAD: the remote's HEAD points to no branch it has (name a ref)")
    if heads.head_branch in heads.oids:
        return _target(heads, heads.head_branch)
    return Target(remote=HEAD, short=HEAD, oid=heads.oids[HEAD])


def _full(heads: Heads, ref: str) -> Target:
    if ref not in heads.oids:
        raise errors.RefVanished(f"ref {ref}: the remote has none (deleted or renamed?)")
    return _target(heads, ref)


def _short(heads: Heads, ref: str) -> Target:
    found = [name for name in (BRANCHES + ref, TAGS + ref) if name in heads.oids]
    if not found:
        raise errors.RefVanished(f"ref {ref}: the remote has no such branch or tag (deleted or renamed?)")
    if len(found) > 1:
        # Whoever may push a tag could else move what a branch of that name deploys, or the other way round.
        raise errors.RefAmbiguous(f"ref {ref}: a branch and a tag have this name (write {found[0]} or {found[1]})")
    return _target(heads, found[0])


def _target(heads: Heads, name: str) -> Target:
    short = name.removeprefix(BRANCHES).removeprefix(TAGS)
    return Target(remote=name, short=short, oid=heads.oids[name])
