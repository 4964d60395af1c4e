"""From bytes to configuration documents: a file is read whole or not at all.

What was cut off in the middle must never pass for a shorter configuration (I1): a file has to end with a line break, as
every editor and serialiser writes it, and a document has to be complete.
"""

import pathlib
from collections.abc import Iterator
from typing import Any

import yaml

from controller import errors
from controller.domain import declarations, documents, rejections
from controller.domain.documents import Document

FILE_BYTES_MAX = 4 * 1024 * 1024
"""Of one file: some 20,000 clusters. A larger one is something else."""

TOTAL_BYTES_MAX = 16 * 1024 * 1024
"""Of all files of a directory."""

FILES_MAX = 2_000
"""Files of a directory: each is read at every look."""

DEPTH_MAX = 32
"""Nesting of a document; ours need eight."""

NODES_MAX = 500_000
"""Values of one file: 20,000 clusters with a dozen labels each."""

ENDINGS = (".yaml", ".yml", ".json")


class ConfigurationError(errors.Terminal):
    """The configuration cannot be read or makes no sense; nothing was changed."""


def parse(name: str, text: bytes) -> tuple[Document, ...]:
    """The documents of one file; raise rejections.Invalid, with the place, if anything in it is not as it must be."""
    return tuple(documents.parse(raw, place) for raw, place in _load(name, text))


def read(path: pathlib.Path) -> tuple[Document, ...]:
    """All documents of a file, or of the files below a directory; raise ConfigurationError if one is not readable."""
    try:
        return declarations.unique([one for name, text in _contents(path) for one in parse(name, text)])
    except OSError as error:
        raise ConfigurationError(f"configuration {path}: cannot be read ({error.strerror or error})") from error
    except rejections.Invalid as error:
        raise ConfigurationError(f"configuration {error}") from error


def _contents(path: pathlib.Path) -> Iterator[tuple[str, bytes]]:
    total = 0
    for file in _files_below(path) if path.is_dir() else [path]:
        with file.open("rb") as stream:
            text = stream.read(FILE_BYTES_MAX + 1)
        total += len(text)
        if total > TOTAL_BYTES_MAX:
            raise rejections.Invalid(f"{path.name}: the files together are larger than {TOTAL_BYTES_MAX} bytes")
        name = file.name if file == path else str(file.relative_to(path))
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


def _load(name: str, text: bytes) -> Iterator[tuple[Any, documents.Place]]:
    if len(text) > FILE_BYTES_MAX:
        raise rejections.Invalid(f"{name}: larger than {FILE_BYTES_MAX} bytes")
    try:
        _check_bounds(name, text)
        loader = yaml.CSafeLoader(text)
        number = 0
        while loader.check_node():
            number += 1
            node = loader.get_node()
            assert node is not None, "check_node said that there is one"
            place = documents.Place(file=name, number=number, line=node.start_mark.line + 1)
            _check_keys(node, place)
            raw = loader.construct_document(node)
            if raw is not None:
                yield raw, place
    except (yaml.YAMLError, ValueError) as error:
        raise rejections.Invalid(f"{name}: not readable as YAML ({_one_line(error)})") from error


def _check_bounds(name: str, text: bytes) -> None:
    """Before anything is built: PyYAML's builders recurse in C, and repeat what aliases name."""
    depth = 0
    for nodes, event in enumerate(yaml.parse(text, Loader=yaml.CSafeLoader)):
        assert event.start_mark is not None, "libyaml marks every event"
        line = event.start_mark.line + 1
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent):
            raise rejections.Invalid(f"{name}: line {line}: aliases are not read in configuration documents")
        if depth > DEPTH_MAX or nodes > NODES_MAX:
            raise rejections.Invalid(f"{name}: line {line}: nested deeper than {DEPTH_MAX}, or over {NODES_MAX} values")


def _check_keys(node: yaml.Node, place: documents.Place) -> None:
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _check_keys(item, place)
    elif isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                raise rejections.Invalid(f"{place}: line {key.start_mark.line + 1}: duplicate key {key.value!r}")
            seen.add(key.value)
            _check_keys(value, place)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
