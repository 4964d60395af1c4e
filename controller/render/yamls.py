"""YAML as Kubernetes reads it, from untrusted bytes, with every limit checked before it can hurt.

Built over the events of libyaml's parser: PyYAML's loaders recurse in C (a deeply nested file ends the process) and
expand aliases without a bound. No timestamps and no numbers of base 60. Refused, where kubectl picks one reading in
silence: duplicate keys, a merge (`<<`) that would override a key before it, keys that are null or floats, infinities,
and tags other than YAML's own for plain JSON types. Values that an alias repeats are shared: treat them as read-only.
"""

import re
from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec
import yaml
from yaml import cyaml

from controller.render import errors, frames, limits, scalars

Place: TypeAlias = tuple[str | int, ...]
"""Keys and indexes from a document's root to a value."""

OPENINGS = ("${cluster.", "${vars.")
"""How a reference to a variable begins."""

_STANDARD = "tag:yaml.org,2002:"
_MAP = f"{_STANDARD}map"
_SEQUENCE = f"{_STANDARD}seq"
_NON_SPECIFIC = "!"
_TAG_DIRECTIVE = re.compile(rb"(?:^|[\r\n]|\xc2\x85|\xe2\x80[\xa8\xa9])%TAG")
"""At the beginning of what libyaml takes for a line."""

_LOOKED_AT = scalars.NUMERIC_STARTS | {"<", "$"}
"""How plain scalars begin that may be more than text: numbers, `<<`, and references to variables."""

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
        self._event: Any = None
        self._start: int | None = None
        self._root: Any = None
        self._frames: list[frames.Frame] = []
        self._frame: frames.Frame | None = None
        """The innermost."""
        self._anchors: dict[str, frames.Anchored | None] = {}
        self._lines: dict[Place, int] = {}

    def documents(self) -> list[Document]:
        parser = cyaml.CParser(self._data)  # type: ignore[attr-defined]  # its stubs do not export it
        try:
            self._read_all(parser.get_event)
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

    def _read_all(self, next_event: Callable[[], Any]) -> None:
        """Most events are scalars, and most of these text in a mapping or a list: that much is done right here."""
        scalar, looked_at, words = yaml.ScalarEvent, _LOOKED_AT, scalars.WORDS
        nodes_max, characters_max = limits.NODES_MAX, limits.EXPANDED_BYTES_MAX
        is_watched = self._with_lines or self.watched is not None
        while (event := next_event()) is not None:
            self._event = event
            if type(event) is not scalar:
                self._read(event)
                continue
            text = event.value
            self._nodes += 1
            self._characters += len(text)
            if self._nodes > nodes_max or self._characters > characters_max:
                self._count(0, 0)
            frame = self._frame
            is_text = not event.implicit[0] or (text[:1] not in looked_at and text not in words)
            if frame is None or is_watched or not is_text or event.tag is not None or event.anchor is not None:
                self._scalar(event)
            elif not frame.is_mapping:
                frame.value.append(text)
            elif frame.key is None and text not in frame.value:
                frame.key = text
            elif frame.key is None or frame.key is frames.MERGE_KEY:
                self._scalar(event)
            else:
                frame.value[frame.key] = text
                frame.key = None

    @property
    def _line(self) -> int:
        """Of the event that is being read."""
        return self._event.start_mark.line + 1 if self._event is not None else 1

    def _read(self, event: Any) -> None:
        """Anything but a scalar."""
        kind = type(event)
        if kind is yaml.MappingStartEvent:
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
        """Any scalar; it is counted already."""
        text = event.value
        frame = self._frame
        if frame is not None and frame.key is None and frame.is_mapping:
            key = self._key(event)
            self._anchor(event.anchor, str(key), len(text))
            self._set_key(frame, key)
            return
        value = self._value(event)
        self._anchor(event.anchor, value, len(text))
        self._add(value, 0)

    def _key(self, event: yaml.ScalarEvent) -> str:
        if event.tag is None and event.implicit[0]:
            if event.value == frames.MERGE:
                return frames.MERGE_KEY
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
        if event.tag is not None and event.tag not in (_NON_SPECIFIC, _MAP if type(value) is dict else _SEQUENCE):
            raise self._refused(f"tag {_shown(event.tag)} (only YAML's own for plain JSON types are read)")
        if len(self._frames) >= limits.DEPTH_MAX:
            raise self._refused(f"nested deeper than {limits.DEPTH_MAX}")
        frame = self._frame
        if frame is not None and frame.key is None and frame.is_mapping:
            raise self._refused("a key that is a list or a mapping")
        if self._start is None:
            self._start = self._line
        self._count(1, 0)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        self._frame = frames.Frame(value, event.anchor, self._nodes - 1, self._characters)
        self._frames.append(self._frame)

    def _end(self) -> None:
        frame = self._frames.pop()
        self._frame = self._frames[-1] if self._frames else None
        if frame.anchor is not None:
            nodes, characters = self._nodes - frame.nodes, self._characters - frame.characters
            self._anchors[frame.anchor] = frames.Anchored(frame.value, nodes, characters, frame.height)
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
        frame = self._frame
        if frame is not None and frame.key is None and frame.is_mapping:
            if not isinstance(anchored.value, str):
                raise self._refused(f"key *{name} is no string")
            self._set_key(frame, str(anchored.value))
            return
        self._add(anchored.value, anchored.height)

    def _anchor(self, name: str | None, value: Any, characters: int) -> None:
        if name is not None:
            self._anchors[name] = frames.Anchored(value, 1, characters, 0)

    def _set_key(self, frame: frames.Frame, key: str) -> None:
        if key is frames.MERGE_KEY:
            if frame.seen_merge:
                raise self._refused("duplicate key <<")
            frame.seen_merge = True
        elif key in frame.value:
            if key not in frame.merged:
                raise self._refused(f"duplicate key {_shown(key)}")
            frame.merged -= {key}
        frame.key = key
        if self._with_lines:
            self._lines[self._place()] = self._line
        if self.watched is not None:
            self._watch(self.watched)

    def _add(self, value: Any, height: int) -> None:
        frame = self._frame
        if frame is None:
            self._start = self._start or self._line
            self._root = value
            return
        if height >= frame.height:
            frame.height = height + 1
        if not frame.is_mapping:
            if self.watched is not None and height == 0:
                self._watch(self.watched)
            frame.value.append(value)
            return
        key, frame.key = frame.key, None
        if key is frames.MERGE_KEY:
            self._merge(frame, value)
        else:
            frame.value[key] = value

    def _merge(self, frame: frames.Frame, value: Any) -> None:
        merged = set(frame.merged)
        frame.merged = merged
        for mapping in value if type(value) is list else [value]:
            if type(mapping) is not dict:
                raise self._refused("<< takes a mapping or a list of mappings")
            for key, item in mapping.items():
                if key in merged:
                    continue  # of several mappings the earlier wins
                if key in frame.value:
                    # kubectl lets the merge win here, YAML's own rule and other readers the key.
                    raise self._refused(f"<< brings key {_shown(key)}, which stands before it (put << first)")
                self._count(1, 0)
                frame.value[key] = item
                merged.add(key)

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
