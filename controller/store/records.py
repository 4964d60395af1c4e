"""What a log store takes and gives, and how it refuses.

StoreError
├── Conflict       somebody else was first: decide again
├── BatchTooLarge  more events than one atomic batch takes
├── Unavailable    the outcome could not be learned within its bound
└── Gap            an event is missing (I4)
"""

import msgspec


class Pending(msgspec.Struct, frozen=True):
    """One event to append."""

    subject: str
    body: bytes
    headers: dict[str, str]
    expected: int | None
    """Last sequence on the subject, on the first event of each aggregate in a batch (0: none yet); else None."""


class Stored(msgspec.Struct, frozen=True):
    """One event as it is stored."""

    sequence: int
    subject: str
    body: bytes
    headers: dict[str, str]


class StoreError(Exception):
    """The log could not be written or read."""


class Conflict(StoreError):
    """Somebody else was first: decide again."""


class BatchTooLarge(StoreError):
    """More events than one atomic batch takes."""


class Unavailable(StoreError):
    """The outcome could not be learned within its bound."""


class Gap(StoreError):
    """An event is missing."""
