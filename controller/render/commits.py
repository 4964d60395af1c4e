"""A commit's files by path, with a record of what was looked at.

What a rendering looked at outside its bundle is part of what its result follows from: as long as every recorded object
is the same in a later commit, absent ones included, the result is.
"""

from collections.abc import Iterator

from controller.git import objects
from controller.render import discovery, errors, limits, patterns

ABSENT = ""
"""Recorded for a path at which nothing stands."""


class Commit:
    """One commit, read through a reader."""

    def __init__(self, reader: discovery.Reader, tree: str) -> None:
        self._reader = reader
        self._root = objects.TreeEntry(name="", oid=tree, kind=objects.Kind.DIRECTORY)
        self._trees: dict[str, dict[str, objects.TreeEntry]] = {}
        self.looked_at: dict[str, str] = {}
        """Path → OID of every entry that was asked for by its path."""

    def entry(self, path: str) -> objects.TreeEntry | None:
        """What stands at a normalized path (`.`: the root); None if nothing does. Links are not followed."""
        found: objects.TreeEntry | None = self._root
        for name in segments(path):
            if found is None or found.kind is not objects.Kind.DIRECTORY:
                found = None
                break
            found = self._children(found.oid).get(name)
        self.looked_at[path] = found.oid if found is not None else ABSENT
        return found

    def file(self, path: str, *, bytes_max: int = limits.FILE_BYTES_MAX) -> bytes:
        """A file's content; raise UnreadableError if there is none, or more than that."""
        found = self.entry(path)
        if found is None:
            raise errors.UnreadableError(f"{path}: there is no such file in the commit")
        return self.content(path, found, bytes_max=bytes_max)

    def content(self, path: str, entry: objects.TreeEntry, *, bytes_max: int = limits.FILE_BYTES_MAX) -> bytes:
        """The content of an entry that must be a file; raise UnreadableError if it is none, or longer."""
        if entry.kind is not objects.Kind.FILE:
            raise errors.UnreadableError(f"{path}: a {entry.kind.value}, not a file")
        data = self.blob(entry.oid, bytes_max=bytes_max)
        if data is None:
            raise errors.UnreadableError(f"{path}: larger than {bytes_max} bytes")
        return data

    def blob(self, oid: str, *, bytes_max: int) -> bytes | None:
        """A file's content by its object; None if it is longer."""
        return self._reader.blob(oid, bytes_max=bytes_max)

    def walk(self, path: str) -> Iterator[tuple[str, objects.TreeEntry]]:
        """Everything below a directory that is no directory itself, with its path, in a fixed order; links and
        submodules included. Nothing, where no directory stands."""
        found = self.entry(path)
        if found is None or found.kind is not objects.Kind.DIRECTORY:
            return
        pending = [(segments(path), found.oid)]
        seen = 0
        while pending:
            above, tree = pending.pop()
            seen += 1
            if seen > limits.DIRECTORIES_MAX or len(above) > limits.DIRECTORY_DEPTH_MAX:
                raise errors.UnreadableError(f"{path}: more directories than are read, or deeper ones")
            for name, entry in sorted(self._children(tree).items()):
                here = (*above, name)
                if entry.kind is objects.Kind.DIRECTORY:
                    pending.append((here, entry.oid))
                else:
                    yield "/".join(here), entry

    def _children(self, tree: str) -> dict[str, objects.TreeEntry]:
        found = self._trees.get(tree)
        if found is None:
            found = self._trees[tree] = {entry.name: entry for entry in self._reader.entries(tree)}
        return found


def segments(path: str) -> patterns.Segments:
    """The names of a normalized path; none for the root."""
    return () if path == discovery.ROOT else tuple(path.split("/"))


def prefix(directory: str) -> str:
    """What the paths of everything below a directory begin with."""
    return "" if directory == discovery.ROOT else f"{directory}/"


def resolved(base: str, path: str) -> str:
    """A path written in a file: relative to the directory `base`, or from the root with a leading `/`. Raise
    UnreadableError if it leaves the repository."""
    found: list[str] = [] if path.startswith("/") else list(segments(base))
    for name in path.split("/"):
        if name in ("", "."):
            continue
        if name != "..":
            found.append(name)
        elif found:
            found.pop()
        else:
            raise errors.UnreadableError(f"{path[:200]}: leads out of the repository")
    return "/".join(found) or discovery.ROOT
