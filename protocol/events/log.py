"""Every event of the log, and the record that holds one.

A record names the hash of the record before it in its aggregate: a chain per aggregate, so that a lost or changed event
is noticed (I4).
"""

import datetime
import hashlib

import msgspec

from protocol import codec
from protocol.canonical import Digest
from protocol.events import clusters, deletions, fleet, rollouts, sources, tokens

Event = fleet.Event | sources.Event | clusters.Event | rollouts.Event | deletions.Event | tokens.Event


class Record(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The body of a message of the LOG."""

    id: str
    at: datetime.datetime
    by: str
    """Who: a person's or token's name, or the reactor that decided."""
    previous: Digest
    """Hash of the aggregate's record before this one; empty for the first."""
    event: Event
    cause: str = ""
    """Id of the event, or name of the command, that led to it."""


RECORD: codec.Codec[Record] = codec.Codec(Record)


def record_hash(subject: str, body: bytes) -> Digest:
    """The hash of a stored record: over its subject and the bytes as stored."""
    return Digest(hashlib.sha256(subject.encode() + b"\0" + body).hexdigest())
