"""Canonical JSON and the digests over it.

Two processes that mean the same must write the same bytes: keys sorted, no white space, UTF-8, the shortest form
of a number. A digest is SHA-256 over a type tag, a zero byte and the canonical bytes, in lower-case hexadecimal; the
tag keeps a manifest from ever passing for an index.
"""

import hashlib
from typing import Any, NewType

import msgspec

Digest = NewType("Digest", str)
"""64 lower-case hexadecimal digits."""

NO_DIGEST = Digest("")
"""Stands where there is nothing to name, such as the previous root of a first generation."""

_encoder = msgspec.json.Encoder(order="sorted")


def encode(value: Any) -> bytes:
    """Canonical JSON of a Struct or of builtins; equal values give equal bytes."""
    return _encoder.encode(value)


def digest(tag: str, plain: bytes) -> Digest:
    """SHA-256 of `tag`, a zero byte and `plain`, as 64 hexadecimal digits."""
    return Digest(hashlib.sha256(tag.encode() + b"\0" + plain).hexdigest())
