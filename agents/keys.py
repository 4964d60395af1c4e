"""The agent's own NATS identity, made where it is used: the private part never travels."""

import os
from pathlib import Path

import nkeys

from agents import errors

SEED_BYTES = 32


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
