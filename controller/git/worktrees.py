"""A working tree read as the commit that it would become: `git add -A` and a commit, without writing a byte into it.

Changes that nobody added count, files that Git ignores do not, links and submodules are what they would be in a tree.
Objects that the repository does not have yet go into a directory of ours. No program `git` is needed.
"""

import contextlib
import hashlib
import os
import pathlib
import stat
import tempfile
import threading
from collections.abc import Iterator, Mapping
from typing import NoReturn

import msgspec
import pygit2
import pygit2.enums

from controller.git import errors, library, objects, trees

FILE_BYTES_MAX = 64 * 1024 * 1024
"""A file that is not in the repository yet and larger is not taken: nobody reads files half as long."""

Tree = dict[bytes, "Tree | tuple[int, str]"]
"""Names → what stands there: mode and OID, or what stands below."""

_WORKTREE = (
    pygit2.enums.FileStatus.WT_NEW
    | pygit2.enums.FileStatus.WT_MODIFIED
    | pygit2.enums.FileStatus.WT_TYPECHANGE
    | pygit2.enums.FileStatus.WT_RENAMED
    | pygit2.enums.FileStatus.WT_UNREADABLE
    | pygit2.enums.FileStatus.CONFLICTED
)
_OURS_FIRST = 1000
"""libgit2 writes into the first backend; those of a repository have the priorities 1 and 2."""


class Snapshot(msgspec.Struct, frozen=True):
    """A working tree as it was when it was looked at."""

    reader: "Reader"
    tree: str
    """OID of its root."""
    root: pathlib.Path
    """Where the repository's root is; without a repository, the directory that was asked for."""
    path: str
    """The directory that was asked for, from the root; `.`: the root itself."""
    is_repository: bool
    """Whether there is a repository; without one, nothing outside the directory can be read."""


class Reader:
    """Reads the objects in one thread; a file that could not be taken is an error once somebody wants it."""

    def __init__(self, reader: trees.Reader, untaken: Mapping[str, str | None]) -> None:
        self._reader = reader
        self._untaken = untaken

    def entries(self, tree: str) -> tuple[objects.TreeEntry, ...]:
        """What stands in a tree, in Git's order."""
        return self._reader.entries(tree)

    def blob(self, oid: str, *, bytes_max: int) -> bytes | None:
        """A file's content; None if it is longer than `bytes_max`, or than FILE_BYTES_MAX."""
        if oid in self._untaken:
            reason = self._untaken[oid]
            if reason is not None:
                raise errors.Malformed(reason)
            return None
        return self._reader.blob(oid, bytes_max=bytes_max)


class NoDirectory(errors.Malformed):
    """Whoever named it meant something else."""


@contextlib.contextmanager
def taken(directory: pathlib.Path) -> Iterator[Snapshot]:
    """Take the working tree around a directory, or the directory alone where no repository is; raise GitError if that
    cannot be done. What was taken lasts as long as the context."""
    where = _directory(directory)
    with tempfile.TemporaryDirectory(prefix="flotilla-") as scratch, contextlib.ExitStack() as stack:
        try:
            repository, is_repository = _opened(where, pathlib.Path(scratch))
            stack.callback(repository.free)
            root = pathlib.Path(repository.workdir).resolve()
            found = _Taking(repository)
            tree = found.write()
        except library.FAILURES as error:
            raise errors.Malformed(f"{directory}: its working tree cannot be read ({error})") from error
        reader = Reader(trees.Reader(repository, threading.Event()), found.untaken)
        yield Snapshot(reader, tree, root, where.relative_to(root).as_posix(), is_repository)


def _directory(path: pathlib.Path) -> pathlib.Path:
    try:
        where = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "links in a circle"
        raise NoDirectory(f"{path}: cannot be read ({reason})") from error
    if not where.is_dir():
        raise NoDirectory(f"{path}: not a directory")
    return where


def _opened(where: pathlib.Path, scratch: pathlib.Path) -> tuple[pygit2.Repository, bool]:
    # A checkout of CI often belongs to another user; libgit2 runs no hooks that could make that matter.
    pygit2.settings.owner_validation = False
    found = pygit2.discover_repository(str(where))
    if found is None:
        repository = pygit2.init_repository(str(scratch / "objects.git"), bare=True)
        repository.workdir = str(where)
        return repository, False
    repository = pygit2.Repository(found)
    if not repository.workdir or not where.is_relative_to(pathlib.Path(repository.workdir).resolve()):
        raise errors.Malformed(f"{where}: a repository without a working tree")
    repository.odb.add_backend(pygit2.OdbBackendLoose(str(scratch), 1, False), _OURS_FIRST)
    return repository, True


class _Taking:
    """Puts the tree together from the index and from what differs from it."""

    def __init__(self, repository: pygit2.Repository) -> None:
        self._repository = repository
        self._root = os.fsencode(repository.workdir)
        self.untaken: dict[str, str | None] = {}
        """Files that stand in the tree and were not read: OID → why; None: too large."""

    def write(self) -> str:
        """The OID of the tree."""
        found: dict[bytes, tuple[int, str]] = {
            os.fsencode(entry.path): (int(entry.mode), str(entry.id)) for entry in self._repository.index
        }
        is_sparse = self._setting("core.sparseCheckout")
        for path, flags in self._repository.status(untracked_files="all").items():
            name = os.fsencode(path).rstrip(b"/")
            if flags & _WORKTREE:
                self._take(found, name)
            elif flags & pygit2.enums.FileStatus.WT_DELETED and not is_sparse:
                found.pop(name, None)
        return str(self._write(_nested(found)))

    def _take(self, found: dict[bytes, tuple[int, str]], name: bytes) -> None:
        before = found.pop(name, None)
        try:
            about = os.lstat(self._root + name)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            found[name] = self._untakable(name, error)
            return
        if stat.S_ISDIR(about.st_mode):
            found[name] = before or self._repository_below(name)
        elif stat.S_ISLNK(about.st_mode):
            found[name] = (
                pygit2.enums.FileMode.LINK,
                str(self._repository.create_blob(os.readlink(self._root + name))),
            )
        elif stat.S_ISREG(about.st_mode):
            found[name] = self._file(name, about)

    def _file(self, name: bytes, about: os.stat_result) -> tuple[int, str]:
        executable = about.st_mode & stat.S_IXUSR
        mode = pygit2.enums.FileMode.BLOB_EXECUTABLE if executable else pygit2.enums.FileMode.BLOB
        if about.st_size > FILE_BYTES_MAX:
            oid = self._placeholder(name, f"{about.st_size} bytes")
            self.untaken[oid] = None
            return mode, oid
        try:
            # By its path, for Git's attributes say what becomes of line ends.
            return mode, str(self._repository.create_blob_fromworkdir(os.fsdecode(name)))
        except OSError as error:
            return self._untakable(name, error)

    def _untakable(self, name: bytes, error: OSError) -> tuple[int, str]:
        # libgit2's own text calls such a file locked, and names its whole path.
        reason = os.strerror(error.errno) if error.errno else "no permission, or locked"
        oid = self._placeholder(name, reason)
        self.untaken[oid] = f"{os.fsdecode(name)}: cannot be read ({reason})"
        return pygit2.enums.FileMode.BLOB, oid

    def _placeholder(self, name: bytes, reason: str) -> str:
        return str(self._repository.create_blob(b"not taken: " + name + b": " + reason.encode()))

    def _repository_below(self, name: bytes) -> tuple[int, str]:
        """Another repository that lies in this one: a submodule that nobody declared, which is never read."""
        try:
            head = str(pygit2.Repository(os.fsdecode(self._root + name)).head.target)
        except library.FAILURES:
            head = "0" * 40  # it has no commit yet
        return pygit2.enums.FileMode.COMMIT, head

    def _setting(self, name: str) -> bool:
        config = self._repository.config
        return name in config and config.get_bool(name)

    def _write(self, nested: Tree) -> pygit2.Oid:
        rows = []
        for name, found in nested.items():
            if isinstance(found, dict):
                rows.append((name, b"40000", self._write(found).raw))
            else:
                rows.append((name, b"%o" % found[0], bytes.fromhex(found[1])))
        # Git sorts a directory as if its name ended in a slash.
        rows.sort(key=lambda row: row[0] + (b"/" if row[1] == b"40000" else b""))
        raw = b"".join(mode + b" " + name + b"\0" + oid for name, mode, oid in rows)
        oid = pygit2.Oid(raw=hashlib.sha1(b"tree %d\0" % len(raw) + raw, usedforsecurity=False).digest())
        # Written again, an object of the repository would get a new date.
        return oid if oid in self._repository.odb else self._repository.odb.write(pygit2.enums.ObjectType.TREE, raw)


def _nested(found: Mapping[bytes, tuple[int, str]]) -> Tree:
    root: Tree = {}
    for path, what in found.items():
        *above, name = path.split(b"/")
        level = root
        for part in above:
            below = level.setdefault(part, {})
            if not isinstance(below, dict):
                _torn(path)
            level = below
        if isinstance(level.get(name), dict):
            _torn(path)
        level[name] = what
    return root


def _torn(path: bytes) -> NoReturn:
    raise errors.Malformed(f"{os.fsdecode(path)}: a file and a directory at once (it changed while it was read)")
