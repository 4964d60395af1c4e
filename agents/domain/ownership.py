"""Which fields of an object are ours, and whose the others are, as its managedFields tell.

The API server writes down who set each field. Whoever changes or takes away a field that we applied takes it out of our
entry, so an object whose entry is as it was after our last apply has not drifted, whatever else became of it: defaults,
status, and fields that others added are never in our entry. That makes the metadata of an object enough to notice
drift, and a digest of our entry enough to remember it by.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from protocol import canonical, naming

Object = dict[str, Any]

DIGEST_BYTES = 8
"""Of our fields, per object in memory: two states of one object are compared, so chance collisions do not matter."""

NOTHING_OURS = 0


class Sighting(msgspec.Struct, frozen=True, gc=False):
    """One object at one moment: all that is remembered of it to notice drift."""

    uid: str
    version: str
    """resourceVersion; of an object that is gone, that of its deletion, or empty where nobody knows it."""
    fields: int
    """Digest of the fields that are ours; NOTHING_OURS: there are none."""
    gone: bool = False


def sighting(live: Object) -> Sighting:
    """What to remember of a live object."""
    metadata = live["metadata"]
    return Sighting(metadata["uid"], metadata["resourceVersion"], owned(metadata.get("managedFields") or ()))


def owned(entries: Iterable[Mapping[str, Any]]) -> int:
    """The digest of our fields in a list of managedFields."""
    for entry in entries:
        if is_ours(entry.get("manager", ""), entry.get("operation", "")):
            return digest(entry.get("fieldsV1") or {})
    return NOTHING_OURS


def is_ours(manager: str, operation: str) -> bool:
    """Are these the fields that we applied?"""
    return manager == naming.FIELD_MANAGER and operation == "Apply"


def digest(fields: Any) -> int:
    """Of one `fieldsV1`, however it was written."""
    return int.from_bytes(hashlib.blake2b(canonical.encode(fields), digest_size=DIGEST_BYTES).digest(), "big")


def is_older(one: Sighting, other: Sighting) -> bool:
    """Was `one` seen before `other`? Versions of one kind are numbers that grow; what is no number is never older."""
    both = one.version.isdecimal() and other.version.isdecimal()
    return both and int(one.version) < int(other.version)


def has_drifted(known: Sighting, now: Sighting) -> bool:
    """Did something happen to our fields, or to the object itself? What is older than what is known tells nothing."""
    if is_older(now, known):
        return False
    if now.gone or known.gone:
        return now.gone != known.gone
    return (now.uid, now.fields) != (known.uid, known.fields)


def has_changed(known: Sighting, now: Sighting) -> bool:
    """Is there anything new about the object, drift or not?"""
    return has_drifted(known, now) or (not is_older(now, known) and now.version != known.version)
