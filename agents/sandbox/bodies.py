"""Request bodies: JSON, or YAML for server-side apply, both bounded in size, depth and count of nodes."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import yaml

from agents.sandbox import statuses
from agents.sandbox.schema import Json

BYTES_MAX = 3 * 1024 * 1024  # the real server's limit on a request body
DEPTH_MAX = 100  # manifests are shallow; beyond this somebody is testing the parser
NODES_MAX = 200_000  # more than fits in BYTES_MAX of honest YAML; an alias counts what it stands for

_RESOLVER = yaml.resolver.Resolver()
_LETTERS = {"y": True, "Y": True, "n": False, "N": False}
_OCTAL = re.compile(r"[-+]?0[0-7]+")


def decode(body: bytes) -> Json:
    """Decode a body: JSON when it begins like an object, else one YAML document."""
    if not body.strip():
        raise statuses.bad_request("unable to decode: the body is empty")
    if body.lstrip()[:1] in (b"{", b"["):
        try:
            return msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise statuses.bad_request(f"couldn't get version/kind; json parse error: {error}") from error
    return _Document(body).value()


class _Document:
    """One YAML document, built from the parser's events: its composer can be made to crash or to fill memory."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._events: Iterator[yaml.Event] = iter(())
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._nodes = 0

    def value(self) -> Json:
        try:
            self._events = iter(yaml.parse(self._body, Loader=yaml.CSafeLoader))
            for event in self._events:
                if isinstance(event, yaml.DocumentStartEvent):
                    return self._node(next(self._events), depth=0)
        except yaml.YAMLError as error:
            raise statuses.bad_request(f"error converting YAML to JSON: {error}") from error
        return None

    def _node(self, event: yaml.Event, *, depth: int) -> Json:
        self._count(1)
        if depth > DEPTH_MAX:
            raise statuses.bad_request(f"error converting YAML to JSON: nested deeper than {DEPTH_MAX}")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event.anchor)
        before = self._nodes
        value = self._content(event, depth)
        anchor = getattr(event, "anchor", None)
        if anchor:
            self._anchors[anchor] = (value, self._nodes - before + 1)
        return value

    def _content(self, event: yaml.Event, depth: int) -> Json:
        if isinstance(event, yaml.ScalarEvent):
            return _scalar(event)
        if isinstance(event, yaml.SequenceStartEvent):
            return [self._node(item, depth=depth + 1) for item in self._until(yaml.SequenceEndEvent)]
        return self._mapping(depth)

    def _mapping(self, depth: int) -> dict[str, Json]:
        out: dict[str, Json] = {}
        for key_event in self._until(yaml.MappingEndEvent):
            key = self._node(key_event, depth=depth + 1)
            if not isinstance(key, str | int | float | bool):
                raise statuses.bad_request("error converting YAML to JSON: a key is not a scalar")
            name = str(key).lower() if isinstance(key, bool) else str(key)
            out[name] = self._node(next(self._events), depth=depth + 1)
        return out

    def _until(self, end: type[yaml.Event]) -> Iterator[yaml.Event]:
        for event in self._events:
            if isinstance(event, end):
                return
            yield event

    def _alias(self, anchor: str | None) -> Json:
        if anchor is None or anchor not in self._anchors:
            raise statuses.bad_request(f"error converting YAML to JSON: unknown anchor '{anchor}' referenced")
        value, nodes = self._anchors[anchor]
        self._count(nodes)
        return value

    def _count(self, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > NODES_MAX:
            raise statuses.bad_request(f"error converting YAML to JSON: more than {NODES_MAX} nodes")


def _scalar(event: yaml.ScalarEvent) -> Json:
    text: str = event.value
    if event.style or event.tag == "!":  # quoted, or a block
        return text
    if text in _LETTERS:  # YAML 1.1 as Go reads it, and PyYAML does not
        return _LETTERS[text]
    tag = event.tag or _RESOLVER.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    match tag.rpartition(":")[2]:
        case "null":
            return None
        case "bool":
            return text.lower() in ("yes", "true", "on")
        case "int":
            return _integer(text)
        case "float":
            return _float(text)
    return text  # timestamps stay what they are written as


def _integer(text: str) -> Json:
    plain = text.replace("_", "")
    if _OCTAL.fullmatch(plain):
        return int(plain, 8)
    try:
        return int(plain, 0)
    except ValueError:  # base 60, which Kubernetes reads as a string
        return text


def _float(text: str) -> Json:
    try:
        return float(text.replace("_", ""))
    except ValueError:  # base 60, `.inf` and `.nan` have no JSON number
        return text
