"""Reading a commit's trees and files by their object ids, from a mirror. Every call here blocks.

An object that is missing is an error of the mirror, never an absent file: what follows from a commit must follow from
all of it (I1).
"""

import pathlib
import threading

import pygit2
import pygit2.enums

from controller.git import errors, library, objects


class Reader:
    """Reads one mirror, in one thread."""

    def __init__(self, repository: pygit2.Repository, abandoned: threading.Event) -> None:
        self._repository = repository
        self._abandoned = abandoned

    @property
    def abandoned(self) -> threading.Event:
        """Set when nobody waits any more for what is read."""
        return self._abandoned

    @property
    def mirror(self) -> pathlib.Path:
        """Where the objects are, for another process that reads them."""
        return pathlib.Path(self._repository.path)

    def entries(self, tree: str) -> tuple[objects.TreeEntry, ...]:
        """What stands in a tree, in Git's order."""
        return objects.parse_tree(tree, self._read(tree, pygit2.enums.ObjectType.TREE))

    def blob(self, oid: str, *, bytes_max: int) -> bytes | None:
        """A file's content; None if it is longer than `bytes_max`."""
        if self._size(oid) > bytes_max:
            return None
        return self._read(oid, pygit2.enums.ObjectType.BLOB)

    def _size(self, oid: str) -> int:
        try:
            return self._repository.odb.read_header(pygit2.Oid(hex=oid))[1]
        except library.FAILURES as error:
            raise errors.Corrupt(f"object {oid}: not in the mirror, or damaged") from error

    def _read(self, oid: str, kind: pygit2.enums.ObjectType) -> bytes:
        if self._abandoned.is_set():
            raise errors.Abandoned(f"object {oid}: not read (cancelled)")
        try:
            found, data = self._repository.read(pygit2.Oid(hex=oid))
        except library.FAILURES as error:
            raise errors.Corrupt(f"object {oid}: not in the mirror, or damaged") from error
        if found != kind:
            raise errors.Malformed(f"object {oid}: a tree says it is a {kind.name.lower()}, it is another type")
        return data
