"""Bytes to typed messages and back, with the upcasters that keep old bytes readable.

A wire type changes only by new optional fields. Anything else is a new tag and an upcaster from the old one: a function
over the raw object, which must return a later tag. Unknown fields are ignored; an unknown tag is a DecodeError, which
the reader reports and survives.
"""

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import msgspec

from protocol import canonical

T = TypeVar("T")
Raw = dict[str, Any]
Upcaster = Callable[[Raw], Raw]

TAG = "type"
UPCASTS_MAX = 64
"""Longest chain from an old tag to a present one: a longer one is a loop."""


class DecodeError(ValueError):
    """Bytes that are no message of the expected kind."""


class Codec(Generic[T]):
    """Encodes and decodes one tagged type or a union of them."""

    def __init__(self, kind: Any, upcasters: Mapping[str, Upcaster] | None = None) -> None:
        self._decoder: msgspec.json.Decoder[T] = msgspec.json.Decoder(kind)
        self._kind = kind
        self._upcasters = dict(upcasters or {})

    def encode(self, message: T) -> bytes:
        """Canonical JSON."""
        return canonical.encode(message)

    def decode(self, data: bytes) -> T:
        """Read a message of any known age; raise DecodeError with the reason if it is none."""
        try:
            if not self._upcasters:
                return self._decoder.decode(data)
            raw = msgspec.json.decode(data)
            return msgspec.convert(self._upcast(raw), self._kind)  # type: ignore[no-any-return]
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise DecodeError(f"message: {error}") from error

    def _upcast(self, raw: Any) -> Any:
        for _ in range(UPCASTS_MAX):
            tag = raw.get(TAG) if isinstance(raw, dict) else None
            if not isinstance(tag, str) or tag not in self._upcasters:
                return raw
            raw = self._upcast_once(raw, tag)
        raise DecodeError(f"message: more than {UPCASTS_MAX} upcasts, last tag {tag!r}")

    def _upcast_once(self, raw: Raw, tag: str) -> Raw:
        try:
            return self._upcasters[tag](raw)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            # An upcaster reads what nobody has validated: a body with its tag, but not of its shape, is no message.
            raise DecodeError(f"message: {tag} cannot be read as of today ({error!r})") from error


def tag_of(message: msgspec.Struct) -> str:
    """The tag that a message carries on the wire."""
    tag = message.__struct_config__.tag
    assert isinstance(tag, str), f"{type(message).__name__} is not a tagged wire type"
    return tag
