"""The agent's own NATS identity, made where it is used: the private part never travels."""

import hmac
import os
from pathlib import Path

import nkeys

from agents import errors
from agents.domain import forecast

SEED_BYTES = 32

VEIL_PURPOSE = b"flotilla: values of Secrets in drift reports"
"""Keeps this use of the seed apart from any other."""

VEIL_DIGITS = 16
"""Enough to tell two values apart."""


def generate(path: Path) -> str:
    """Write a new user seed to a file that did not exist (0600); return its public key (`U…`)."""
    seed = nkeys.encode_seed(os.urandom(SEED_BYTES), nkeys.PREFIX_BYTE_USER)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(bytes(seed) + b"\n")
    except OSError as error:
        raise errors.SetupError(f"{path}: the key was not written ({error})") from error
    return str(nkeys.from_seed(bytearray(seed)).public_key.decode())


def veil(seed: bytes) -> forecast.Veil:
    """What is told in place of a secret value: equal for equal values, for this agent alone, and nothing to go back
    from, since the key never leaves it."""
    key = hmac.digest(seed, VEIL_PURPOSE, "sha256")

    def veiled(value: str) -> str:
        return f"hmac:{hmac.digest(key, value.encode(), 'sha256').hex()[:VEIL_DIGITS]}"

    return veiled
