"""From bytes to configuration documents: a file is read whole or not at all.

What was cut off in the middle must never pass for a shorter configuration (I1): a file has to end with a line break, as
every editor and serialiser writes it, and a document has to be complete.
"""

import hashlib
import pathlib
from collections.abc import Iterator, Sequence

from controller import errors
from controller.domain import declarations, documents, rejections
from controller.domain.documents import Document
from controller.render import errors as render_errors
from controller.render import manifests

FILE_BYTES_MAX = 4 * 1024 * 1024
"""Of one file: some 20,000 clusters. A larger one is something else."""

TOTAL_BYTES_MAX = 16 * 1024 * 1024
"""Of all files of a directory."""

FILES_MAX = 2_000
"""Files of a directory: each is read at every look."""

ENDINGS = (".yaml", ".yml", ".json")

Contents = Sequence[tuple[str, bytes]]
"""Files by name, as they are."""


class ConfigurationError(errors.Terminal):
    """The configuration cannot be read or makes no sense; nothing was changed."""


def contents(path: pathlib.Path) -> Contents:
    """The bytes of a file, or of the files below a directory; raise ConfigurationError if they cannot be had whole."""
    try:
        return list(_contents(path))
    except OSError as error:
        raise ConfigurationError(f"configuration {path.name}: cannot be read ({error.strerror or error})") from error
    except rejections.Invalid as error:
        raise ConfigurationError(f"configuration {error}") from error


def fingerprint(found: Contents) -> bytes:
    """Equal for equal files of equal names."""
    total = hashlib.sha256()
    for name, text in found:
        total.update(hashlib.sha256(name.encode()).digest() + hashlib.sha256(text).digest())
    return total.digest()


def declared(found: Contents) -> tuple[Document, ...]:
    """All documents of the files; raise ConfigurationError if anything in one is not as it must be."""
    try:
        return declarations.unique([one for name, text in found for one in parse(name, text)])
    except rejections.Invalid as error:
        raise ConfigurationError(f"configuration {error}") from error


def parse(name: str, text: bytes) -> tuple[Document, ...]:
    """The documents of one file; raise rejections.Invalid, with the place, if anything in it is not as it must be."""
    if len(text) > FILE_BYTES_MAX:
        raise rejections.Invalid(f"{name}: larger than {FILE_BYTES_MAX} bytes")
    try:
        found = manifests.load(name, text)
    except render_errors.UnreadableError as error:
        line = f" line {error.line}:" if error.line else ""
        raise rejections.Invalid(f"{name}:{line} {error.reason}") from error
    return tuple(
        documents.parse(one.value, documents.Place(file=name, number=number, line=one.line))
        for number, one in enumerate(found, start=1)
    )


def _contents(path: pathlib.Path) -> Iterator[tuple[str, bytes]]:
    total = 0
    for file in _files_below(path) if path.is_dir() else [path]:
        with file.open("rb") as stream:
            text = stream.read(FILE_BYTES_MAX + 1)
        total += len(text)
        if total > TOTAL_BYTES_MAX:
            raise rejections.Invalid(f"{path.name}: the files together are larger than {TOTAL_BYTES_MAX} bytes")
        name = file.name if file == path else str(file.relative_to(path))
        # Half a JSON document is none, and needs no such check.
        if text and not text.endswith(b"\n") and file.suffix != ".json":
            raise rejections.Invalid(f"{name}: does not end with a line break: it may have been cut off")
        yield name, text


def _files_below(path: pathlib.Path) -> list[pathlib.Path]:
    """Names that begin with a dot are left out: a mounted ConfigMap keeps its versions in such directories."""
    found = sorted(
        file
        for file in path.rglob("*")
        if file.suffix in ENDINGS
        and not any(part.startswith(".") for part in file.relative_to(path).parts)
        and file.is_file()
    )
    if len(found) > FILES_MAX:
        raise rejections.Invalid(f"{path.name}: more than {FILES_MAX} files")
    return found
