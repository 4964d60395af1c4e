"""A backup's file: a tar with everything the hub must not lose, and a manifest by which each part is checked.

  streams/NAME.snapshot, streams/NAME.json   the four streams
  state/…                                    the state directory: keys, tokens, NATS accounts, Git mirrors
  manifest.json                              size and SHA-256 of each of them; the last member

It holds private keys: mode 0600 from its first byte on. It appears under its name once it is complete and read back.
"""

import contextlib
import datetime
import hashlib
import io
import os
import pathlib
import stat
import tarfile
from collections.abc import Iterable, Iterator
from typing import IO

import msgspec

from controller import errors

FORMAT = 1
MANIFEST = "manifest.json"
STATE = "state"
STREAMS = "streams"

MANIFEST_BYTES_MAX = 256 * 1024 * 1024
"""A million files; more is no manifest of ours."""

READ_BYTES = 1024 * 1024
"""At a time: no part is ever whole in memory."""


class ArchiveError(errors.Terminal):
    """A backup that cannot be written, or is not what its manifest says."""


class Part(msgspec.Struct, frozen=True):
    """One member."""

    size: int
    sha256: str


class StreamFacts(msgspec.Struct, frozen=True, rename="camel"):
    """For people: how much of a stream is in it."""

    messages: int
    last_sequence: int


class Manifest(msgspec.Struct, frozen=True, rename="camel"):
    """What the archive holds."""

    format: int
    at: datetime.datetime
    version: str
    """Of Flotilla."""
    streams: dict[str, StreamFacts]
    parts: dict[str, Part]


class _Hashed:
    """Reads on, and knows the digest of what was read."""

    def __init__(self, inner: IO[bytes]) -> None:
        self._inner = inner
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        found = self._inner.read(size)
        self.digest.update(found)
        return found


class Writer:
    """An archive under way."""

    def __init__(self, tar: tarfile.TarFile, at: datetime.datetime) -> None:
        self._tar = tar
        self._at = at
        self.parts: dict[str, Part] = {}

    def add(self, name: str, source: IO[bytes]) -> None:
        """Add what a file holds at this moment."""
        size = os.fstat(source.fileno()).st_size
        hashed = _Hashed(source)
        self._tar.addfile(self._member(name, size), hashed)
        self.parts[name] = Part(size, hashed.digest.hexdigest())

    def add_bytes(self, name: str, content: bytes) -> None:
        """Add a small part."""
        self._tar.addfile(self._member(name, len(content)), io.BytesIO(content))
        self.parts[name] = Part(len(content), hashlib.sha256(content).hexdigest())

    def _member(self, name: str, size: int) -> tarfile.TarInfo:
        member = tarfile.TarInfo(name)
        member.size, member.mode, member.mtime = size, 0o600, int(self._at.timestamp())
        return member


@contextlib.contextmanager
def writing(path: pathlib.Path, at: datetime.datetime) -> Iterator[Writer]:
    """An archive that stands at `path` once the block has ended well and all of it was read back; never over another
    file. Raise ArchiveError."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        if path.exists():
            raise ArchiveError(f"backup {path}: there is already such a file")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
                    yield Writer(tar, at)
                file.flush()
                os.fsync(file.fileno())
            check(partial)
            os.link(partial, path)
        finally:
            partial.unlink(missing_ok=True)
        _sync(path.parent)
    except OSError as error:
        raise ArchiveError(f"backup {path}: cannot be written ({error.strerror or error})") from error


def state_files(directory: pathlib.Path, left_out: Iterable[str]) -> Iterator[pathlib.Path]:
    """Regular files below a directory, relative to it, but for those below `left_out`. In a Git repository, what names
    objects comes before the objects: whatever is named is there later, too."""
    skipped = {directory / name for name in left_out}
    found = []
    for root, folders, files in os.walk(directory):
        place = pathlib.Path(root)
        folders[:] = [name for name in folders if place / name not in skipped]
        found += [place / name for name in files if place / name not in skipped]
    for path in sorted(found, key=lambda one: ("objects" in one.parts, one)):
        with contextlib.suppress(FileNotFoundError):  # packed by Git, or a temporary file of somebody's
            if stat.S_ISREG(path.lstat().st_mode):
                yield path.relative_to(directory)


def check(path: pathlib.Path) -> Manifest:
    """Read all of it and compare it with its manifest; raise ArchiveError."""
    found: dict[str, Part] = {}
    manifest: Manifest | None = None
    for name, size, source in members(path):
        if name == MANIFEST:
            manifest = _manifest(path, size, source)
            continue
        digest = hashlib.sha256()
        while block := source.read(READ_BYTES):
            digest.update(block)
        found[name] = Part(size, digest.hexdigest())
    if manifest is None:
        raise ArchiveError(f"backup {path}: has no manifest (it was cut off, or is none of ours)")
    differing = sorted(
        name for name in found.keys() | manifest.parts.keys() if found.get(name) != manifest.parts.get(name)
    )
    if differing:
        raise ArchiveError(
            f"backup {path}: damaged ({len(differing)} parts differ from the manifest: {differing[0]} …)"
        )
    return manifest


def members(path: pathlib.Path) -> Iterator[tuple[str, int, IO[bytes]]]:
    """Name, size and content of each member, in their order; raise ArchiveError for what no backup of ours holds."""
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                if not member.isreg() or not _is_ours(member.name):
                    raise ArchiveError(f"backup {path}: holds what no backup does ({member.name})")
                source = tar.extractfile(member)
                assert source is not None, "a regular file has content"
                yield member.name, member.size, source
    except (tarfile.TarError, OSError, EOFError) as error:
        raise ArchiveError(f"backup {path}: cannot be read ({error})") from error


def _is_ours(name: str) -> bool:
    """Is it the name of a file below one of our folders, or of the manifest, in the one way to write it?"""
    path = pathlib.PurePosixPath(name)
    if path.as_posix() != name or ".." in path.parts:
        return False
    return name == MANIFEST or (path.parts[0] in (STATE, STREAMS) and len(path.parts) > 1)


def _manifest(path: pathlib.Path, size: int, source: IO[bytes]) -> Manifest:
    try:
        if size > MANIFEST_BYTES_MAX:
            raise ArchiveError(f"backup {path}: its manifest is larger than {MANIFEST_BYTES_MAX} bytes")
        found = msgspec.json.decode(source.read(), type=Manifest)
    except msgspec.MsgspecError as error:
        raise ArchiveError(f"backup {path}: its manifest cannot be read ({error})") from error
    if found.format != FORMAT:
        raise ArchiveError(f"backup {path}: of format {found.format} (this release reads {FORMAT})")
    return found


def _sync(directory: pathlib.Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
