"""Where mirrors lie on disk, so that a kill at any moment leaves a whole one or none.

A mirror is a directory `<source>/<digest of the URL>.<generation>.git`. A clone grows under another name and gets its
own only when it is complete. The generation before stays until the next one comes, for readers still inside.
"""

import contextlib
import hashlib
import os
import pathlib
import re
import shutil
from collections.abc import Iterator

from controller.git import errors, urls
from protocol import ids

_INCOMING = "incoming"
_COMPLETE = re.compile(r"(?P<key>[0-9a-f]{16})\.(?P<generation>\d{6})\.git")
_LEFTOVERS = ("objects/pack/*.lock", "objects/pack/pack_git2_*", "objects/pack/tmp_*", "objects/??/tmp_obj_*")
_LOCKS = ("*.lock", "refs/**/*.lock", "objects/info/*.lock")


@contextlib.contextmanager
def writing(directory: pathlib.Path) -> Iterator[None]:
    """Turn what the file system refuses into our error."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
        raise errors.Unstorable(f"mirrors in {directory}: cannot be written ({reason})") from error


class Store:
    """The mirrors of one source and URL. One process at a time owns the directory."""

    def __init__(self, directory: pathlib.Path, source: ids.SourceName, url: urls.Url) -> None:
        self._directory = directory / ids.dns_label(source, "source")
        self._key = hashlib.sha256(url.text.encode()).hexdigest()[:16]

    def open(self) -> pathlib.Path | None:
        """The complete mirror, cleaned of what a killed process left; everything else of the source is removed."""
        with writing(self._directory):
            self._directory.mkdir(parents=True, exist_ok=True)
            current = max(self._generations(), default=None)
            for path in self._directory.iterdir():
                if path != current:
                    shutil.rmtree(path)
            if current is not None:
                _tidy(current)
        return current

    def incoming(self) -> pathlib.Path:
        """An empty place for a clone to grow in."""
        path = self._directory / _INCOMING
        with writing(self._directory):
            if path.exists():
                shutil.rmtree(path)
        return path

    def complete(self) -> pathlib.Path:
        """Make the finished clone the current mirror."""
        generations = self._generations()
        number = int(generations[-1].name.split(".")[1]) + 1 if generations else 1
        path = self._directory / f"{self._key}.{number:06d}.git"
        with writing(self._directory):
            (self._directory / _INCOMING).rename(path)
            for old in generations[:-1]:
                shutil.rmtree(old)
        return path

    def _generations(self) -> list[pathlib.Path]:
        found = []
        for path in self._directory.iterdir():
            match = _COMPLETE.fullmatch(path.name)
            if match is not None and match["key"] == self._key:
                found.append(path)
        return sorted(found)


def forget(directory: pathlib.Path, source: ids.SourceName) -> None:
    """Remove all that is kept of a source."""
    path = directory / ids.dns_label(source, "source")
    with writing(path):
        if path.exists():
            shutil.rmtree(path)


def packs(mirror: pathlib.Path) -> int:
    """How many packs a mirror has."""
    with writing(mirror):
        return sum(1 for _ in (mirror / "objects" / "pack").glob("*.idx"))


def _tidy(path: pathlib.Path) -> None:
    """Remove a killed process's locks, which would stop every fetch to come, and its half-written packs."""
    for pattern in (*_LEFTOVERS, *_LOCKS):
        for left in path.glob(pattern):
            with contextlib.suppress(FileNotFoundError):
                left.unlink()
