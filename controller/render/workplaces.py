"""The directory that a child works in: fresh, private, of regular files that we wrote, and gone afterwards."""

import contextlib
import errno
import fcntl
import os
import pathlib
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping

import msgspec

from controller.render import errors, limits

PREFIX = "flotilla-render-"
"""Of everything that `room` removes, if nobody holds it any more."""


_OF_THE_COMMIT = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST)
"""A name of 300 characters stands in a tree, but not on a disk, and an archive may hold a file below a file; a full
disk is no fact of the commit."""


MEMORY = pathlib.Path("/dev/shm")  # noqa: S108  # no name in it is used before its owner is looked at
"""Where Linux has files that lie in memory, for everybody."""

FREE_BYTES_MIN = 32 * limits.MIB
"""As long as there is less in it, places are made on the disk. A container most often has 64 MiB."""

Made = dict[str, None]
"""Directories that were made, outer ones first."""


class Place(msgspec.Struct, frozen=True):
    """Where one child works."""

    root: pathlib.Path

    @property
    def work(self) -> pathlib.Path:
        """The files that it was given."""
        return self.root / "work"

    @property
    def home(self) -> pathlib.Path:
        """What it may take for its user's home."""
        return self.root / "home"

    def left_in(self, directory: str, suffix: str) -> dict[str, bytes]:
        """Name → content of the regular files of a kind in a directory; raise UnreadableError if they are too large."""
        found: dict[str, bytes] = {}
        size = 0
        for path in sorted((self.work / directory).iterdir()):
            if not path.name.endswith(suffix):
                continue
            about = path.lstat()  # nothing runs any more that could exchange it
            size += about.st_size
            if not stat.S_ISREG(about.st_mode) or size > limits.CHILD_INPUT_BYTES_MAX:
                raise errors.UnreadableError(f"{path.name}: no regular file, or too large")
            found[path.name] = path.read_bytes()
        return found


@contextlib.contextmanager
def laid_out(name: str, files: Mapping[str, bytes], directory: str, *, above: pathlib.Path | None) -> Iterator[Place]:
    """A fresh place in `above` (None: the system's directory for such) that holds these files, and `directory` even if
    none is in it, as long as the block runs; raise UnreadableError if they are too many."""
    if len(files) > limits.CHILD_INPUT_FILES_MAX:
        raise errors.UnreadableError(f"{name}: more than {limits.CHILD_INPUT_FILES_MAX} files to read")
    if sum(map(len, files.values())) > limits.CHILD_INPUT_BYTES_MAX:
        raise errors.UnreadableError(f"{name}: more than {limits.CHILD_INPUT_BYTES_MAX} bytes to read")
    # Resolved, because programs print what they resolved, and messages must not name it.
    root = os.path.realpath(tempfile.mkdtemp(prefix=PREFIX, dir=above))
    place = Place(pathlib.Path(root))
    work = str(place.work)
    made: Made = {root: None}
    try:
        _make(f"{root}/home", made)
        _make(work, made)
        if directory != ".":
            _check(directory)
            _make(f"{work}/{directory}", made)
        _write_all(work, files, made)
        yield place
    finally:
        _clear(place, files, made)


def fitting(memory: pathlib.Path | None, files: Mapping[str, bytes]) -> pathlib.Path | None:
    """The directory in memory, if a place of these files may be made in it."""
    if memory is None or sum(map(len, files.values())) > limits.CHILD_SMALL_BYTES_MAX:
        return None
    about = os.statvfs(memory)
    return memory if about.f_bavail * about.f_frsize >= FREE_BYTES_MIN else None


@contextlib.contextmanager
def room_in_memory(memory: pathlib.Path = MEMORY) -> Iterator[pathlib.Path | None]:
    """A room of this user in memory; None where there is no such memory, or somebody else has taken its name. To make
    and remove directories on a disk takes a tenth of a rendering, and much longer if the disk is busy."""
    own = memory / f"{PREFIX}{os.geteuid()}"
    if not _is_memory(memory) or not _is_ours(own):
        yield None
        return
    with room(own) as found:
        yield found


def _is_memory(directory: pathlib.Path) -> bool:
    try:
        mounts = pathlib.Path("/proc/mounts").read_text()
    except OSError:
        return False
    return any(line.split()[1:3] == [str(directory), "tmpfs"] for line in mounts.splitlines())


def _is_ours(directory: pathlib.Path) -> bool:
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        about = directory.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(about.st_mode) and about.st_uid == os.geteuid() and not about.st_mode & 0o077


@contextlib.contextmanager
def room(above: pathlib.Path) -> Iterator[pathlib.Path]:
    """A directory in `above` for all the places of one process, which a lock marks as in use for as long as it lives.
    What processes that were killed left there is removed."""
    above.mkdir(mode=0o700, exist_ok=True)
    with contextlib.ExitStack() as stack:
        with contextlib.ExitStack() as alone:
            _lock(above, alone, wait=True)
            for left in above.glob(f"{PREFIX}*"):
                # Whoever ends removes its own at any time: then there is nothing to remove.
                with contextlib.ExitStack() as held, contextlib.suppress(FileNotFoundError):
                    left.chmod(0o700)  # a program may have taken our rights away
                    if _lock(left, held, wait=False):
                        _remove(left)
            own = pathlib.Path(tempfile.mkdtemp(prefix=PREFIX, dir=above))
            _lock(own, stack, wait=True)
        try:
            yield own
        finally:
            _remove(own)


def _lock(directory: pathlib.Path, holding: contextlib.ExitStack, *, wait: bool) -> bool:
    """Lock a directory for as long as the stack stands; False if somebody else has it and we do not wait."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    holding.callback(os.close, descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def _make(path: str, made: Made) -> None:
    """Make a directory of a place, and those above it."""
    missing = []
    while path not in made:
        missing.append(path)
        path = os.path.dirname(path)
    for one in reversed(missing):
        os.mkdir(one, 0o700)
        made[one] = None


def _write_all(work: str, files: Mapping[str, bytes], made: Made) -> None:
    # Strings, not paths: of a rendering's own time, that was a tenth.
    for path, content in files.items():
        _check(path)
        try:
            _make(f"{work}/{path}".rpartition("/")[0], made)
            with open(f"{work}/{path}", "wb", opener=_of_ours) as target:
                target.write(content)
        except OSError as error:
            kind = errors.UnreadableError if error.errno in _OF_THE_COMMIT else errors.MissingError
            raise kind(f"{path[:200]}: cannot be laid out ({os.strerror(error.errno or 0)})") from error


def _of_ours(path: str, flags: int) -> int:
    """Open a file that nobody else may read: it may hold a password."""
    return os.open(path, flags, 0o600)


def _check(path: str) -> None:
    if path.startswith("/") or "\0" in path or not {"", ".", ".."}.isdisjoint(path.split("/")):
        raise errors.UnreadableError(f"{path[:200]}: no path of a file within the repository")


def _clear(place: Place, files: Mapping[str, bytes], made: Made) -> None:
    """Remove a place: by what was put there, which is most often all; to look for more takes half as long again."""
    if any(map(os.path.islink, made)):  # nothing is removed through a link that the program put in a directory's place
        _remove(place.root)
        return
    work = str(place.work)
    try:
        for path in files:
            os.unlink(f"{work}/{path}")
        for directory in reversed(made):
            os.rmdir(directory)
    except (OSError, ValueError):  # the program left something, or took it away; or not all was laid out
        _remove(place.root)


def _remove(root: pathlib.Path) -> None:
    """Remove a directory, even one in which a program took rights away from its owner."""
    shutil.rmtree(root, ignore_errors=True)
    if root.exists():
        root.chmod(0o700)
        for path, _, _ in os.walk(root):  # top down: what is opened here is entered next
            for entry in os.scandir(path):
                if entry.is_dir(follow_symlinks=False):
                    pathlib.Path(entry.path).chmod(0o700)
        shutil.rmtree(root, ignore_errors=True)
