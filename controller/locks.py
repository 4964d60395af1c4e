"""Who works on a state directory: hubs and their brokers share it, a backup or restore that starts a broker of its own
there wants it alone; and of brokers there is one.

The kernel holds the lock and lets go of it when the process ends, however it ends: the file itself says nothing.
"""

import contextlib
import fcntl
import os
import pathlib
from collections.abc import Iterator

from controller import errors

FILE = "lock"
"""In the state directory; it stays there, empty."""


class LockedError(errors.Terminal):
    """Somebody else works on the state directory, or it cannot be told."""


@contextlib.contextmanager
def shared(directory: pathlib.Path) -> Iterator[None]:
    """Work on the directory beside others for the time of the block; raise LockedError if somebody has it alone."""
    with _held(directory, fcntl.LOCK_SH, "a backup or a restore works on it: try again when it has ended"):
        yield


@contextlib.contextmanager
def alone(directory: pathlib.Path) -> Iterator[None]:
    """Have the directory alone for the time of the block; raise LockedError if anybody works on it."""
    with _held(directory, fcntl.LOCK_EX, "a hub, its nats-server or another backup works on it, or is just starting"):
        yield


@contextlib.contextmanager
def broker(directory: pathlib.Path) -> Iterator[None]:
    """Run the one nats-server on this directory of streams for the time of the block; raise LockedError if another
    runs there: two on one store destroy it."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _held(directory, fcntl.LOCK_EX, "a nats-server runs on it; give its URL by --nats-url"):
        yield


@contextlib.contextmanager
def _held(directory: pathlib.Path, kind: int, otherwise: str) -> Iterator[None]:
    try:
        descriptor = os.open(directory / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LockedError(f"state directory {directory}: cannot be locked ({error.strerror})") from error
    try:
        _lock(directory, descriptor, kind, otherwise)
        yield
    finally:
        os.close(descriptor)


def _lock(directory: pathlib.Path, descriptor: int, kind: int, otherwise: str) -> None:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise LockedError(f"state directory {directory}: {otherwise}") from error
    except OSError as error:
        raise LockedError(f"state directory {directory}: cannot be locked ({error.strerror})") from error
