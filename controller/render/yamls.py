"""YAML as Kubernetes reads it, from untrusted bytes, with every limit checked before it can hurt.

Built over the events of libyaml's parser: PyYAML's loaders recurse in C (a deeply nested file ends the process) and
expand aliases without a bound. No timestamps and no numbers of base 60. Refused, where kubectl picks one reading in
silence: duplicate keys, a merge (`<<`) that would override a key before it, keys that are null or floats, infinities,
and tags other than YAML's own for plain JSON types. Values that an alias repeats are shared: treat them as read-only.
"""

import re
from typing import Any, TypeAlias

import msgspec
import yaml
from yaml import cyaml

from controller.render import errors, limits, scalars

Place: TypeAlias = tuple[str | int, ...]
"""Keys and indexes from a document's root to a value."""

OPENINGS = ("${cluster.", "${vars.")
"""How a reference to a variable begins."""

_STANDARD = "tag:yaml.org,2002:"
_NON_SPECIFIC = "!"
_MERGE = "<<"
_TAG_DIRECTIVE = re.compile(rb"(?:^|[\r\n]|\xc2\x85|\xe2\x80[\xa8\xa9])%TAG")
"""At the beginning of what libyaml takes for a line."""

_BOM = b"\xef\xbb\xbf"


class Document(msgspec.Struct, frozen=True):
    """One document of a file."""

    line: int
    value: Any
    lines: dict[Place, int] = {}
    """The line of each key, if asked for."""


class Plain(str):
    """A plain scalar that begins as a reference to a variable does: what replaces it is read as a plain scalar, too.

    Encoders may refuse it; whoever asks for it replaces it by what it refers to.
    """

    __slots__ = ()


def load(data: bytes, *, with_lines: bool = False, with_plain: bool = False) -> list[Document]:
    """All documents that are not empty, with `Plain` scalars if asked for; raise UnreadableError with the line."""
    loader = _Loader(_inspected(data), with_lines)
    loader.with_plain = with_plain
    return loader.documents()


def load_text(data: bytes) -> list[Document]:
    """All documents that are not empty; scalars are the text that was written, plain nulls are None."""
    return _TextLoader(_inspected(data), with_lines=True).documents()


def line_at(data: bytes, index: int, place: Place) -> int:
    """The line of the value at this place of the document with this index, else of what holds it."""
    loader = _Loader(_inspected(data), with_lines=False)
    loader.watched = (index, place)
    documents = loader.documents()
    return loader.watched_line or (documents[index].line if index < len(documents) else 0)


def _inspected(data: bytes) -> bytes:
    data = checked(data)
    if b"%TAG" in data and len(_TAG_DIRECTIVE.findall(data)) > limits.TAG_DIRECTIVES_MAX:
        raise errors.UnreadableError(f"more than {limits.TAG_DIRECTIVES_MAX} %TAG directives")
    return data


def checked(data: bytes) -> bytes:
    """The bytes without a byte order mark; raise UnreadableError if they are too many or not UTF-8."""
    if len(data) > limits.FILE_BYTES_MAX:
        raise errors.UnreadableError(f"larger than {limits.FILE_BYTES_MAX} bytes")
    data = data.removeprefix(_BOM)
    try:
        data.decode()
    except UnicodeDecodeError as error:
        raise errors.UnreadableError("not UTF-8", line_of(data, error.start)) from error
    return data


def line_of(data: bytes, at: int) -> int:
    """The 1-based line of a byte."""
    return data.count(b"\n", 0, at) + 1


class _Frame:
    """A collection that is being read."""

    __slots__ = ("anchor", "characters", "height", "key", "merged", "nodes", "seen_merge", "value")

    def __init__(self, value: Any, anchor: str | None, nodes: int, characters: int) -> None:
        self.value = value
        self.anchor = anchor
        self.nodes = nodes
        self.characters = characters
        self.height = 1
        self.key: str | None = None
        self.merged: set[str] = set()
        """Keys that a merge brought, which a key of the mapping itself may override."""
        self.seen_merge = False


class _Anchored(msgspec.Struct, frozen=True):
    """A finished value that aliases may repeat, and what each repetition costs."""

    value: Any
    nodes: int
    characters: int
    height: int


class _MergeKey(str):
    """The plain key `<<`; a quoted one is a key like any other."""

    __slots__ = ()


_MERGE_KEY = _MergeKey(_MERGE)


class _Loader:
    """Reads one file."""

    def __init__(self, data: bytes, with_lines: bool) -> None:
        self.with_plain = False
        self.watched: tuple[int, Place] | None = None
        """The index of a document and a place in it whose line is wanted."""
        self.watched_line = 0
        self._data = data
        self._with_lines = with_lines
        self._documents: list[Document] = []
        self._nodes = 0
        self._characters = 0
        self._line = 1
        self._start: int | None = None
        self._root: Any = None
        self._frames: list[_Frame] = []
        self._anchors: dict[str, _Anchored | None] = {}
        self._lines: dict[Place, int] = {}

    def documents(self) -> list[Document]:
        parser = cyaml.CParser(self._data)  # type: ignore[attr-defined]  # its stubs do not export it
        try:
            while (event := parser.get_event()) is not None:
                self._read(event)
        except yaml.MarkedYAMLError as error:
            raise self._refused(_problem(error), _marked_line(error)) from error
        except yaml.reader.ReaderError as error:
            raise self._refused(str(error.reason), line_of(self._data, error.position)) from error
        except UnicodeDecodeError as error:
            # libyaml takes %-escapes in tags that are not UTF-8.
            raise self._refused("a tag that is not UTF-8", self._line) from error
        finally:
            parser.dispose()
        return self._documents

    def _read(self, event: Any) -> None:
        kind = type(event)
        self._line = event.start_mark.line + 1
        if kind is yaml.ScalarEvent:
            self._scalar(event)
        elif kind is yaml.MappingStartEvent:
            self._begin({}, event)
        elif kind is yaml.SequenceStartEvent:
            self._begin([], event)
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            self._end()
        elif kind is yaml.AliasEvent:
            self._alias(event.anchor)
        elif kind is yaml.DocumentStartEvent:
            self._start, self._root, self._anchors, self._lines = None, None, {}, {}
        elif kind is yaml.DocumentEndEvent:
            self._end_document()

    def _end_document(self) -> None:
        if self._root is None:
            return
        if len(self._documents) >= limits.DOCUMENTS_MAX:
            raise self._refused(f"more than {limits.DOCUMENTS_MAX} documents")
        self._documents.append(Document(self._start or 1, self._root, self._lines))

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        text = event.value
        self._count(1, len(text))
        frame = self._frames[-1] if self._frames else None
        if frame is not None and frame.key is None and type(frame.value) is dict:
            key = self._key(event)
            self._anchor(event.anchor, str(key), len(text))
            self._set_key(frame, key)
            return
        value = self._value(event)
        self._anchor(event.anchor, value, len(text))
        self._add(value, 0)

    def _key(self, event: yaml.ScalarEvent) -> str:
        if event.tag is None and event.implicit[0]:
            if event.value == _MERGE:
                return _MERGE_KEY
            try:
                return scalars.key(event.value)
            except ValueError as error:
                raise self._refused(str(error)) from error
        value = self._value(event)
        if not isinstance(value, str):
            raise self._refused(f"key {event.value} has a tag that makes it no string")
        return value

    def _value(self, event: yaml.ScalarEvent) -> scalars.Scalar:
        tag = event.tag
        if tag is None and not event.implicit[0]:
            return event.value
        if tag in (_NON_SPECIFIC, f"{_STANDARD}str"):
            return event.value
        try:
            value = scalars.resolve(event.value)
        except ValueError as error:
            raise self._refused(str(error)) from error
        if tag is not None and _type_tag(value) != tag and (tag, type(value)) != (f"{_STANDARD}float", int):
            raise self._refused(f"tag {_shown(tag)} on a value that is none, or not a tag of plain JSON types")
        if self.with_plain and type(value) is str and value.startswith(OPENINGS):
            return Plain(value)
        return value

    def _begin(self, value: Any, event: yaml.CollectionStartEvent) -> None:
        own = f"{_STANDARD}map" if type(value) is dict else f"{_STANDARD}seq"
        if event.tag not in (None, _NON_SPECIFIC, own):
            raise self._refused(f"tag {_shown(event.tag)} (only YAML's own for plain JSON types are read)")
        if len(self._frames) >= limits.DEPTH_MAX:
            raise self._refused(f"nested deeper than {limits.DEPTH_MAX}")
        frame = self._frames[-1] if self._frames else None
        if frame is not None and frame.key is None and type(frame.value) is dict:
            raise self._refused("a key that is a list or a mapping")
        if self._start is None:
            self._start = self._line
        self._count(1, 0)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        self._frames.append(_Frame(value, event.anchor, self._nodes - 1, self._characters))

    def _end(self) -> None:
        frame = self._frames.pop()
        if frame.anchor is not None:
            nodes, characters = self._nodes - frame.nodes, self._characters - frame.characters
            self._anchors[frame.anchor] = _Anchored(frame.value, nodes, characters, frame.height)
        self._add(frame.value, frame.height)

    def _alias(self, name: str) -> None:
        if name not in self._anchors:
            raise self._refused(f"alias *{name} names no anchor")
        anchored = self._anchors[name]
        if anchored is None:
            raise self._refused(f"anchor &{name} contains itself")
        self._count(anchored.nodes, anchored.characters)
        if len(self._frames) + anchored.height > limits.DEPTH_MAX:
            raise self._refused(f"nested deeper than {limits.DEPTH_MAX} by alias *{name}")
        frame = self._frames[-1] if self._frames else None
        if frame is not None and frame.key is None and type(frame.value) is dict:
            if not isinstance(anchored.value, str):
                raise self._refused(f"key *{name} is no string")
            self._set_key(frame, str(anchored.value))
            return
        self._add(anchored.value, anchored.height)

    def _anchor(self, name: str | None, value: Any, characters: int) -> None:
        if name is not None:
            self._anchors[name] = _Anchored(value, 1, characters, 0)

    def _set_key(self, frame: _Frame, key: str) -> None:
        if key is _MERGE_KEY:
            if frame.seen_merge:
                raise self._refused("duplicate key <<")
            frame.seen_merge = True
        elif key in frame.value:
            if key not in frame.merged:
                raise self._refused(f"duplicate key {_shown(key)}")
            frame.merged.discard(key)
        frame.key = key
        if self._with_lines:
            self._lines[self._place()] = self._line
        if self.watched is not None:
            self._watch(self.watched)

    def _add(self, value: Any, height: int) -> None:
        if not self._frames:
            self._start = self._start or self._line
            self._root = value
            return
        frame = self._frames[-1]
        frame.height = max(frame.height, height + 1)
        if type(frame.value) is list:
            if self.watched is not None and height == 0:
                self._watch(self.watched)
            frame.value.append(value)
            return
        key, frame.key = frame.key, None
        if key is _MERGE_KEY:
            self._merge(frame, value)
        else:
            frame.value[key] = value

    def _merge(self, frame: _Frame, value: Any) -> None:
        for mapping in value if type(value) is list else [value]:
            if type(mapping) is not dict:
                raise self._refused("<< takes a mapping or a list of mappings")
            for key, item in mapping.items():
                if key in frame.merged:
                    continue  # of several mappings the earlier wins
                if key in frame.value:
                    # kubectl lets the merge win here, YAML's own rule and other readers the key.
                    raise self._refused(f"<< brings key {_shown(key)}, which stands before it (put << first)")
                self._count(1, 0)
                frame.value[key] = item
                frame.merged.add(key)

    def _watch(self, watched: tuple[int, Place]) -> None:
        index, place = watched
        depth = len(self._frames)
        if len(self._documents) == index and depth <= len(place) and self._place() == place[:depth]:
            self.watched_line = self._line

    def _count(self, nodes: int, characters: int) -> None:
        self._nodes += nodes
        self._characters += characters
        if self._nodes > limits.NODES_MAX:
            raise self._refused(f"more than {limits.NODES_MAX} values, with aliases repeated")
        if self._characters > limits.EXPANDED_BYTES_MAX:
            raise self._refused(f"more than {limits.EXPANDED_BYTES_MAX} characters, with aliases repeated")

    def _place(self) -> Place:
        return tuple(
            frame.key if frame.key is not None else len(frame.value) if type(frame.value) is list else ""
            for frame in self._frames
        )

    def _refused(self, reason: str, line: int = 0) -> errors.UnreadableError:
        return errors.UnreadableError(reason, line or self._line)


class _TextLoader(_Loader):
    """Reads scalars as they are written."""

    def _key(self, event: yaml.ScalarEvent) -> str:
        value = self._value(event)
        if value is None:
            raise self._refused("key null (put it in quotes)")
        return str(value)

    def _value(self, event: yaml.ScalarEvent) -> scalars.Scalar:
        if event.tag is not None:
            # Refuses the tags that it refuses elsewhere.
            super()._value(event)
        elif event.implicit[0] and event.value in scalars.NULLS:
            return None
        return str(event.value)


def _type_tag(value: scalars.Scalar) -> str:
    names = {str: "str", bool: "bool", int: "int", float: "float", type(None): "null"}
    return _STANDARD + names[type(value)]


def _problem(error: yaml.MarkedYAMLError) -> str:
    return " ".join(part for part in (error.problem, error.context) if part) or "not YAML"


def _marked_line(error: yaml.MarkedYAMLError) -> int:
    mark = error.problem_mark or error.context_mark
    return mark.line + 1 if mark is not None else 0


def _shown(text: str | None) -> str:
    """A piece of the file, short enough for a message."""
    return repr(text if text is None or len(text) <= 60 else f"{text[:60]}…")
