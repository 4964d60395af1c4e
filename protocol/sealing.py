"""Blobs, sealed so that only who knows a blob's id can read it.

Convergent encryption: the key is derived from the content's own digest, so equal content is stored once and yet
its public name opens nothing. id = SHA-256(type tag, 0, plain bytes); key = HKDF-SHA256(id);
name = SHA-256("name" + id).
One key seals one content for ever, which is why a fixed nonce is safe here.
"""

import hashlib
import hmac
import re

import msgspec
import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import aead

from protocol import desired
from protocol.canonical import Digest

PLAIN_BYTES_MAX = 8 * 1024 * 1024
"""No blob unpacks to more: an index of 60,000 objects, or a manifest eight times etcd's limit."""

_DIGEST = re.compile(r"[0-9a-f]{64}")
_NONCE = bytes(12)
_COMPRESSION_LEVEL = 3
_HKDF_INFO = b"flotilla.blob.v1"


class BlobError(ValueError):
    """Bytes that are not the blob they are said to be."""


class Sealed(msgspec.Struct, frozen=True):
    """A blob as it is stored: its public name and bytes that tell nothing without its id."""

    id: Digest
    name: Digest
    data: bytes


def blob_name(blob: Digest) -> Digest:
    """The public name of the blob with this id."""
    return Digest(hashlib.sha256(b"name" + bytes.fromhex(blob)).hexdigest())


def seal(tag: str, plain: bytes) -> Sealed:
    """Compress and encrypt; the same bytes always give the same sealed blob. Raise BlobError if they are too many."""
    body = desired.tagged(tag, plain)
    if len(body) > PLAIN_BYTES_MAX:
        raise BlobError(f"{tag} of {len(body)} bytes: a blob holds at most {PLAIN_BYTES_MAX}")
    blob = Digest(hashlib.sha256(body).hexdigest())
    # The content size goes into the frame, so that unpacking can refuse a bomb before it explodes.
    packed = zstandard.ZstdCompressor(level=_COMPRESSION_LEVEL, write_content_size=True).compress(body)
    data = aead.ChaCha20Poly1305(_key(blob)).encrypt(_NONCE, packed, None)
    return Sealed(id=blob, name=blob_name(blob), data=data)


def open_blob(blob: Digest, tag: str, data: bytes) -> bytes:
    """The plain bytes of the blob with this id and tag; raise BlobError if `data` is anything else."""
    if _DIGEST.fullmatch(blob) is None:
        raise BlobError(f"{tag} {blob[:16]!r}: not the id of a blob")
    try:
        packed = aead.ChaCha20Poly1305(_key(blob)).decrypt(_NONCE, data, None)
        # The library's own limit does not count where the frame says its size: it would allocate that much.
        if zstandard.frame_content_size(packed) > PLAIN_BYTES_MAX:
            raise BlobError(f"{tag} {blob[:16]}…: unpacks to more than {PLAIN_BYTES_MAX} bytes")
        body = zstandard.ZstdDecompressor().decompress(packed, max_output_size=PLAIN_BYTES_MAX)
    except (InvalidTag, zstandard.ZstdError) as error:
        raise BlobError(f"{tag} {blob[:16]}…: the stored bytes do not open with its key") from error
    return check(blob, tag, body)


def check(blob: Digest, tag: str, body: bytes) -> bytes:
    """Strip the tag of a tagged body that must hash to `blob`; raise BlobError if it does not."""
    if not hmac.compare_digest(hashlib.sha256(body).hexdigest(), blob):
        raise BlobError(f"{tag} {blob[:16]}…: the content does not hash to its id")
    found, _, plain = body.partition(b"\0")
    if found != tag.encode():
        raise BlobError(f"{tag} {blob[:16]}…: the blob is of type {found[:32]!r}")
    return plain


def _key(blob: Digest) -> bytes:
    """HKDF-SHA256 (RFC 5869) with an empty salt; one block is the 32 bytes that ChaCha20 takes."""
    extracted = hmac.new(bytes(32), bytes.fromhex(blob), hashlib.sha256).digest()
    return hmac.new(extracted, _HKDF_INFO + b"\x01", hashlib.sha256).digest()
