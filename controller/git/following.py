"""Following a remote's ref in one bare repository: what it points to now, fetched. Every call here blocks."""

import functools
import hashlib
import pathlib

import pygit2
import pygit2.enums

from controller.domain import catalogs
from controller.git import errors, heads, library, remotes
from controller.git.conversations import Conversation
from protocol.events import sources

_REFS = "refs/flotilla/"

_NAMES_KEPT_MAX = 1_000
"""Refs whose local names are kept: a hub follows one for each source."""


@functools.lru_cache(_NAMES_KEPT_MAX)  # pygit2 1.21 never lets go of a name that it looked up: let it be one text
def local_ref(remote: str) -> str:
    """The name under which a remote's ref is kept: hashed, since `a` may go and `a/b` come (a directory, then)."""
    return _REFS + hashlib.sha256(remote.encode()).hexdigest()[:32]


def refspec(target: heads.Target) -> str:
    """Fetch exactly this; forced, because a remote's ref may move anywhere."""
    return f"+{target.remote}:{local_ref(target.remote)}"


def look_up(path: pathlib.Path, ref: str, conversation: Conversation) -> heads.Target:
    """What the remote says `ref` is."""
    heads.check(ref)
    return heads.find(remotes.list_heads(path, conversation), ref)


def present(path: pathlib.Path, target: heads.Target) -> sources.Revision | None:
    """The revision, if what the remote advertises is here already."""
    with library.opened(path) as repository:
        if target.oid not in repository:
            return None
        return _revision(repository, target, target.oid)


def fetch(path: pathlib.Path, target: heads.Target, conversation: Conversation) -> None:
    """Fetch what the target points to by the time the server answers."""
    try:
        remotes.fetch(path, [refspec(target)], conversation)
    except (errors.Unreachable, errors.Corrupt):
        if not heads.is_commit(target.remote):
            raise
        # Not every server gives out a commit by its id: it may still stand in what a branch or tag holds.
        everything = [f"+{heads.BRANCHES}*:{_REFS}heads/*", f"+{heads.TAGS}*:{_REFS}tags/*"]
        remotes.fetch(path, everything, conversation)


def fetch_quickly(path: pathlib.Path, target: heads.Target, conversation: Conversation) -> bool:
    """Fetch what the target points to into an empty repository; False if that did not work."""
    return remotes.fetch_quickly(path, [refspec(target)], conversation)


def revision(path: pathlib.Path, target: heads.Target) -> sources.Revision:
    """What was fetched for the target; raise Corrupt if it is not there."""
    with library.opened(path) as repository:
        if heads.is_commit(target.remote):
            if target.oid not in repository:
                raise errors.RefVanished(f"ref {target.short}: the remote gives out no such commit")
            return _revision(repository, target, target.oid)
        try:
            oid = repository.references[local_ref(target.remote)].target
        except library.FAILURES as error:
            raise errors.Corrupt(f"mirror: ref {target.remote} was fetched and is not there") from error
        return _revision(repository, target, str(oid))


def moved(path: pathlib.Path, old: str, new: str) -> catalogs.Move:
    """How `new` follows `old`."""
    if old == new:
        return catalogs.Move.SAME
    with library.opened(path) as repository:
        if old not in repository:
            # Force-pushed away before a new clone: nothing of what it was is known here.
            return catalogs.Move.UNRELATED
        try:
            if repository.descendant_of(pygit2.Oid(hex=new), pygit2.Oid(hex=old)):
                return catalogs.Move.FORWARD
            if repository.descendant_of(pygit2.Oid(hex=old), pygit2.Oid(hex=new)):
                return catalogs.Move.BACKWARD
            if repository.merge_base(pygit2.Oid(hex=old), pygit2.Oid(hex=new)) is not None:
                return catalogs.Move.REWRITTEN
        except library.FAILURES as error:
            raise errors.Corrupt(f"mirror: the history of {new} cannot be read") from error
        return catalogs.Move.UNRELATED


def _revision(repository: pygit2.Repository, target: heads.Target, oid: str) -> sources.Revision:
    try:
        commit = repository[oid].peel(pygit2.enums.ObjectType.COMMIT)
        tree = str(commit.tree_id)
        whole = tree in repository
    except pygit2.InvalidSpecError as error:
        raise errors.RefVanished(f"ref {target.short}: does not point to a commit") from error
    except library.FAILURES as error:
        raise errors.Corrupt(f"mirror: commit of {target.short} cannot be read") from error
    if not whole:
        raise errors.Corrupt(f"mirror: the tree of commit {commit.id} is missing")
    return sources.Revision(ref=target.short, commit=str(commit.id), tree=tree)
