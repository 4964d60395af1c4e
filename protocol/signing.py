"""Ed25519 over desired states and over questions about them (RFC 8032), each with its own prefix."""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from protocol import desired, plans


class SignatureError(ValueError):
    """A message that no trusted key signed."""


class Signer:
    """Signs with the hub's private key."""

    def __init__(self, seed: bytes) -> None:
        """`seed`: the 32 bytes of an Ed25519 private key."""
        self._key = ed25519.Ed25519PrivateKey.from_private_bytes(seed)
        self.public_key = self._key.public_key().public_bytes_raw().hex()

    def sign(self, payload: bytes) -> bytes:
        """The 64 bytes of a signature over the payload of a desired state."""
        return self._key.sign(desired.SIGNED_PREFIX + payload)

    def sign_request(self, payload: bytes) -> bytes:
        """The 64 bytes of a signature over the payload of a plan request."""
        return self._key.sign(plans.SIGNED_PREFIX + payload)


def new_seed() -> bytes:
    """A fresh private key as 32 bytes, from the operating system's randomness."""
    key = ed25519.Ed25519PrivateKey.generate()
    return key.private_bytes(serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption())


def verify(message: desired.SignedDesired, *, trusted: frozenset[str]) -> None:
    """Raise SignatureError unless a key in `trusted` (hexadecimal public keys) signed the message's payload."""
    _verify("desired state", message, signed=desired.SIGNED_PREFIX + message.payload, trusted=trusted)


def verify_request(message: plans.SignedPlanRequest, *, trusted: frozenset[str]) -> None:
    """Raise SignatureError unless a key in `trusted` signed the request's payload."""
    _verify("plan request", message, signed=plans.SIGNED_PREFIX + message.payload, trusted=trusted)


def _verify(
    what: str, message: desired.SignedDesired | plans.SignedPlanRequest, *, signed: bytes, trusted: frozenset[str]
) -> None:
    if message.key not in trusted:
        raise SignatureError(f"{what}: signed by an unknown key {message.key[:16]}…")
    try:
        key = ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(message.key))
    except ValueError as error:
        raise SignatureError(f"{what}: the trusted key {message.key[:16]!r} is no public key") from error
    try:
        key.verify(message.signature, signed)
    except InvalidSignature as error:
        raise SignatureError(f"{what}: signature of key {message.key[:16]}… does not match") from error
