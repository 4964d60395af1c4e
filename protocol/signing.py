"""Ed25519 over desired states (RFC 8032)."""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from protocol import desired


class SignatureError(ValueError):
    """A desired state that no trusted key signed."""


class Signer:
    """Signs desired states with the hub's private key."""

    def __init__(self, seed: bytes) -> None:
        """`seed`: the 32 bytes of an Ed25519 private key."""
        self._key = ed25519.Ed25519PrivateKey.from_private_bytes(seed)
        self.public_key = self._key.public_key().public_bytes_raw().hex()

    def sign(self, payload: bytes) -> bytes:
        """The 64 bytes of a signature over the payload of a desired state."""
        return self._key.sign(desired.SIGNED_PREFIX + payload)


def new_seed() -> bytes:
    """A fresh private key as 32 bytes, from the operating system's randomness."""
    key = ed25519.Ed25519PrivateKey.generate()
    return key.private_bytes(serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption())


def verify(message: desired.SignedDesired, *, trusted: frozenset[str]) -> None:
    """Raise SignatureError unless a key in `trusted` (hexadecimal public keys) signed the message's payload."""
    if message.key not in trusted:
        raise SignatureError(f"desired state: signed by an unknown key {message.key[:16]}…")
    try:
        key = ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(message.key))
    except ValueError as error:
        raise SignatureError(f"desired state: the trusted key {message.key[:16]!r} is no public key") from error
    try:
        key.verify(message.signature, desired.SIGNED_PREFIX + message.payload)
    except InvalidSignature as error:
        raise SignatureError(f"desired state: signature of key {message.key[:16]}… does not match") from error
