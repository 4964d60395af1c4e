"""Blobs: whoever knows the id reads the very content, and nobody reads anything else."""

import hashlib

import pytest
import zstandard
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import aead
from cryptography.hazmat.primitives.kdf import hkdf
from hypothesis import given
from hypothesis import strategies as st

from protocol import sealing
from protocol.canonical import Digest

PLAIN = b'{"kind":"ConfigMap"}' * 50
SEALED = sealing.seal("manifest", PLAIN)


def _forged(blob: Digest, packed: bytes) -> bytes:
    """What somebody who knows the id could store under the blob's name."""
    return aead.ChaCha20Poly1305(sealing._key(blob)).encrypt(bytes(12), packed, None)


@given(plain=st.binary(max_size=2000), tag=st.sampled_from(["manifest", "index", "root"]))
def test_what_is_sealed_opens_with_its_id_and_tag(plain: bytes, tag: str) -> None:
    sealed = sealing.seal(tag, plain)

    assert sealing.open_blob(sealed.id, tag, sealed.data) == plain


@given(st.binary(max_size=500))
def test_the_same_content_gives_the_same_sealed_bytes(plain: bytes) -> None:
    assert sealing.seal("index", plain) == sealing.seal("index", plain)


def test_the_same_content_under_another_tag_is_another_blob() -> None:
    other = sealing.seal("index", PLAIN)

    assert len({SEALED.id, other.id, SEALED.name, other.name}) == 4


def test_the_name_is_the_hash_of_name_and_id() -> None:
    expected = hashlib.sha256(b"name" + bytes.fromhex(SEALED.id)).hexdigest()

    assert expected == SEALED.name == sealing.blob_name(SEALED.id)


def test_the_sealed_bytes_show_nothing_of_the_content() -> None:
    assert b"ConfigMap" not in SEALED.data
    assert bytes.fromhex(SEALED.id) not in SEALED.data


def test_the_wrong_id_opens_nothing() -> None:
    other = sealing.seal("manifest", b"other")

    with pytest.raises(sealing.BlobError, match="do not open"):
        sealing.open_blob(other.id, "manifest", SEALED.data)


def test_the_public_name_opens_nothing() -> None:
    with pytest.raises(sealing.BlobError, match="do not open"):
        sealing.open_blob(SEALED.name, "manifest", SEALED.data)


def test_the_wrong_tag_is_refused() -> None:
    with pytest.raises(sealing.BlobError, match="of type b'manifest'"):
        sealing.open_blob(SEALED.id, "index", SEALED.data)


@pytest.mark.parametrize("blob", ["", "zz", "ab", "0" * 63, "G" * 64, "A" * 64, f"{SEALED.id}\n"])
def test_what_is_no_id_is_refused(blob: str) -> None:
    with pytest.raises(sealing.BlobError, match="not the id"):
        sealing.open_blob(Digest(blob), "manifest", SEALED.data)


@given(st.integers(0, len(SEALED.data) * 8 - 1))
def test_a_single_flipped_bit_is_refused(bit: int) -> None:
    data = bytearray(SEALED.data)
    data[bit // 8] ^= 1 << bit % 8

    with pytest.raises(sealing.BlobError):
        sealing.open_blob(SEALED.id, "manifest", bytes(data))


@given(st.binary(max_size=200))
def test_any_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(sealing.BlobError):
        sealing.open_blob(SEALED.id, "manifest", data)


@given(st.integers(0, len(SEALED.data) - 1))
def test_a_blob_that_was_cut_is_refused(length: int) -> None:
    with pytest.raises(sealing.BlobError):
        sealing.open_blob(SEALED.id, "manifest", SEALED.data[:length])


def test_another_content_under_the_right_key_is_refused() -> None:
    packed = zstandard.ZstdCompressor().compress(b"manifest\0another")

    with pytest.raises(sealing.BlobError, match="does not hash"):
        sealing.open_blob(SEALED.id, "manifest", _forged(SEALED.id, packed))


@pytest.mark.parametrize("says_its_size", [True, False])
def test_a_bomb_is_refused_before_it_explodes(says_its_size: bool) -> None:
    # 64 MB of zeros in 2 kB. One that says its size would make the library allocate it, whatever limit it is given.
    bomb = zstandard.ZstdCompressor(write_content_size=says_its_size).compress(bytes(64 * 1024 * 1024))

    with pytest.raises(sealing.BlobError, match="unpacks to more" if says_its_size else "do not open"):
        sealing.open_blob(SEALED.id, "manifest", _forged(SEALED.id, bomb))


def test_bytes_that_are_not_compressed_are_refused() -> None:
    with pytest.raises(sealing.BlobError, match="do not open"):
        sealing.open_blob(SEALED.id, "manifest", _forged(SEALED.id, b"no frame"))


def test_the_largest_blob_can_be_sealed_and_opened() -> None:
    plain = bytes(sealing.PLAIN_BYTES_MAX - len(b"manifest\0"))
    sealed = sealing.seal("manifest", plain)

    assert sealing.open_blob(sealed.id, "manifest", sealed.data) == plain


def test_a_blob_too_large_to_open_is_not_sealed() -> None:
    with pytest.raises(sealing.BlobError, match="holds at most"):
        sealing.seal("manifest", bytes(sealing.PLAIN_BYTES_MAX))


def test_the_key_is_hkdf_of_the_id() -> None:

    derived = hkdf.HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=b"flotilla.blob.v1")

    assert sealing._key(SEALED.id) == derived.derive(bytes.fromhex(SEALED.id))
