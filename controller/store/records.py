"""What a log store takes and gives, and how it refuses.

StoreError
├── Conflict       (Transient) somebody else was first: decide again
├── BatchTooLarge  (Terminal)  more than one atomic batch takes
├── Unavailable    (Transient) the outcome could not be learned within its bound
└── Gap            (Terminal)  an event is missing (I4)
"""

import datetime

import msgspec

from controller import errors

ID_HEADER = "ce-id"
"""The event's own id: by it an append whose answer was lost is found again."""

BATCH_EVENTS_MAX = 1000
"""nats-server's limit of an atomic batch."""

BATCH_BYTES_MAX = 64 * 1024 * 1024
"""Bodies of one append together: it is held in memory here and staged on the server's disk until it commits."""


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
    at: datetime.datetime | None = None
    """When, by the server's clock; None: the reader was not told."""


class StoreError(errors.HubError):
    """The log could not be written or read."""


class Conflict(StoreError, errors.Transient):
    """Somebody else was first: decide again."""


class BatchTooLarge(StoreError, errors.Terminal):
    """More than one atomic batch takes."""


class Unavailable(StoreError, errors.Unavailable):
    """The outcome could not be learned within its bound."""


class Gap(StoreError, errors.Terminal):
    """Something that was stored is missing."""
