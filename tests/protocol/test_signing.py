"""Signed desired states: only what a trusted key signed, and only as it was signed, verifies."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import desired, messages, plans, signing

SIGNER = signing.Signer(bytes(range(32)))
TRUSTED = frozenset({SIGNER.public_key})


def _message(payload: bytes) -> desired.SignedDesired:
    return desired.SignedDesired(payload=payload, key=SIGNER.public_key, signature=SIGNER.sign(payload))


@given(st.binary(max_size=300))
def test_what_a_trusted_key_signed_verifies(payload: bytes) -> None:
    signing.verify(_message(payload), trusted=TRUSTED)


@given(payload=st.binary(min_size=1, max_size=60), bit=st.integers(0, 479))
def test_a_flipped_bit_of_the_payload_is_refused(payload: bytes, bit: int) -> None:
    message, changed = _message(payload), bytearray(payload)
    changed[bit // 8 % len(payload)] ^= 1 << bit % 8

    with pytest.raises(signing.SignatureError, match="does not match"):
        signing.verify(msgspec.structs.replace(message, payload=bytes(changed)), trusted=TRUSTED)


@given(st.binary(max_size=100))
def test_any_other_signature_is_refused(signature: bytes) -> None:
    with pytest.raises(signing.SignatureError, match="does not match"):
        signing.verify(msgspec.structs.replace(_message(b"x"), signature=signature), trusted=TRUSTED)


def test_a_key_that_is_not_trusted_is_refused() -> None:
    other = signing.Signer(bytes(32))
    message = desired.SignedDesired(payload=b"x", key=other.public_key, signature=other.sign(b"x"))

    with pytest.raises(signing.SignatureError, match="unknown key"):
        signing.verify(message, trusted=TRUSTED)


def test_a_message_that_claims_a_trusted_key_needs_its_signature() -> None:
    other = signing.Signer(bytes(32))
    message = desired.SignedDesired(payload=b"x", key=SIGNER.public_key, signature=other.sign(b"x"))

    with pytest.raises(signing.SignatureError, match="does not match"):
        signing.verify(message, trusted=TRUSTED)


@pytest.mark.parametrize("key", ["", "zz", "ab" * 31])
def test_a_trusted_key_that_is_no_key_is_refused_rather_than_a_crash(key: str) -> None:
    message = desired.SignedDesired(payload=b"x", key=key, signature=b"")

    with pytest.raises(signing.SignatureError, match="no public key"):
        signing.verify(message, trusted=frozenset({key}))


def test_a_signature_over_the_bare_payload_is_none_over_a_desired_state() -> None:
    # The key also signs other things one day: the prefix keeps their signatures apart.
    bare = SIGNER._key.sign(b"x")

    with pytest.raises(signing.SignatureError, match="does not match"):
        signing.verify(desired.SignedDesired(payload=b"x", key=SIGNER.public_key, signature=bare), trusted=TRUSTED)


def test_a_seed_always_gives_the_same_key_and_signature() -> None:
    # RFC 8032: Ed25519 is deterministic, so that golden files can hold signatures.
    again = signing.Signer(bytes(range(32)))

    assert again.public_key == SIGNER.public_key
    assert again.sign(b"x") == SIGNER.sign(b"x")


def test_new_seeds_differ_and_make_keys() -> None:
    first, second = signing.new_seed(), signing.new_seed()

    assert first != second
    assert len(bytes.fromhex(signing.Signer(first).public_key)) == 32


@given(st.binary(max_size=100))
def test_a_signed_question_never_passes_for_a_state_nor_the_other_way_round(payload: bytes) -> None:
    asked = plans.SignedPlanRequest(payload, SIGNER.public_key, SIGNER.sign_request(payload))

    signing.verify_request(asked, trusted=TRUSTED)
    with pytest.raises(signing.SignatureError, match="plan request: signature of key"):
        signing.verify_request(msgspec.structs.replace(asked, signature=SIGNER.sign(payload)), trusted=TRUSTED)
    with pytest.raises(signing.SignatureError, match="desired state: signature of key"):
        signing.verify(msgspec.structs.replace(_message(payload), signature=asked.signature), trusted=TRUSTED)


def test_a_live_message_tells_whether_it_is_a_question() -> None:
    """By its tag alone; what cannot be read is left to whoever refuses such things."""
    asked = plans.SignedPlanRequest(b"x", "key", b"s")

    assert plans.is_request(messages.SIGNED_PLAN_REQUEST.encode(asked))
    assert not plans.is_request(messages.SIGNED.encode(_message(b"x")))
    assert [plans.is_request(data) for data in (b"", b"[]", b"\xff", b'{"type":1}')] == [False] * 4
