"""Which fields of an object are ours, and whose the others are, as its managedFields tell.

The API server writes down who set each field. Whoever changes or takes away a field that we applied takes it out of our
entry, and whoever applies under our name changes its time. So an object whose entry is as it was after our last apply
has not drifted, whatever else became of it: defaults, status, and fields that others added are never in our entry. That
makes the metadata of an object enough to notice drift, and a digest of our entry enough to remember it by.
"""

import datetime
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from agents.domain import forecast
from protocol import canonical, naming

Object = dict[str, Any]

DIGEST_BYTES = 8
"""Of our fields, per object in memory: two states of one object are compared, so chance collisions do not matter."""

NOTHING_OURS = 0


class Owner(msgspec.Struct, frozen=True):
    """Who holds a field."""

    manager: str
    operation: str
    subresource: str
    time: str
    """When it wrote last, in RFC 3339; empty where that is not recorded."""


class Sighting(msgspec.Struct, frozen=True, gc=False):
    """One object at one moment: all that is remembered of it to notice drift."""

    uid: str
    version: str
    """resourceVersion; of an object that is gone, that of its deletion, or empty where nobody knows it."""
    fields: int
    """Digest of the fields that are ours; NOTHING_OURS: there are none."""
    gone: bool = False


GONE = Sighting("", "", NOTHING_OURS, gone=True)
"""What was looked for and is not there."""


def sighting(live: Object) -> Sighting:
    """What to remember of a live object."""
    metadata = live["metadata"]
    return Sighting(metadata["uid"], metadata["resourceVersion"], owned(metadata.get("managedFields") or ()))


def owned(entries: Iterable[Mapping[str, Any]]) -> int:
    """The digest of our fields in a list of managedFields."""
    for entry in entries:
        if is_ours(entry.get("manager", ""), entry.get("operation", "")):
            return digest(entry.get("fieldsV1") or {}, entry.get("time", ""))
    return NOTHING_OURS


def is_ours(manager: str, operation: str) -> bool:
    """Are these the fields that we applied?"""
    return manager == naming.FIELD_MANAGER and operation == "Apply"


def digest(fields: Any, time: str) -> int:
    """Of one `fieldsV1`, however it was written, and of the time of the last apply that changed anything."""
    plain = canonical.encode([fields, time])
    return int.from_bytes(hashlib.blake2b(plain, digest_size=DIGEST_BYTES).digest(), "big")


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


def others(live: Object) -> dict[str, Owner]:
    """Who else holds which fields, as paths like `.spec.containers[name=web].image`; the one who wrote last where
    several hold one. What a list holds by another key than its items' names is told of the whole list."""
    found: dict[str, Owner] = {}
    for owner, fields in _foreign(live):
        for path in _paths(fields, ""):
            if path not in found or found[path].time <= owner.time:
                found[path] = owner
    return found


def owners(live: Object) -> list[Owner]:
    """Who else is named in the managedFields."""
    return [owner for owner, _ in _foreign(live)]


def time_of(text: str) -> datetime.datetime | None:
    """A time as managedFields have it; None: it is not one."""
    try:
        found = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None  # whoever wrote the managedFields by hand
    return found if found.tzinfo is not None else found.replace(tzinfo=datetime.UTC)


def _foreign(live: Object) -> Iterator[tuple[Owner, Mapping[str, Any]]]:
    """The entries of others, each with its `fieldsV1`."""
    for entry in live["metadata"].get("managedFields") or ():
        manager, operation = entry.get("manager", ""), entry.get("operation", "")
        if not is_ours(manager, operation):
            owner = Owner(manager, operation, entry.get("subresource", ""), entry.get("time", ""))
            yield owner, entry.get("fieldsV1") or {}


def holder(path: str, owners: Mapping[str, Owner]) -> Owner | None:
    """Who holds a field: it, or what it is a part of, or else some part of it."""
    above = [one for one in owners if is_within(path, one)]
    below = [one for one in owners if is_within(one, path)]
    if above:
        return owners[max(above, key=len)]
    return max((owners[one] for one in below), key=lambda owner: owner.time, default=None)


def is_within(path: str, other: str) -> bool:
    """Is a path the other one, or does it lead on from there?"""
    return path == other or path.startswith((f"{other}.", f"{other}["))


def _paths(fields: Mapping[str, Any], path: str) -> Iterator[str]:
    """The leaves of a `fieldsV1`."""
    for key, below in fields.items():
        if key == ".":
            continue
        here = path + step(key)
        if below:
            yield from _paths(below, here)
        else:
            yield here


def step(key: str) -> str:
    """One element of a path (structured-merge-diff's: `f:` a field, `k:` an item by its key, `v:`, `i:` an item)."""
    kind, _, name = key.partition(":")
    if kind == "f":
        return forecast.step(name)
    names = msgspec.json.decode(name) if kind == "k" else None
    if isinstance(names, dict) and list(names) == ["name"]:
        return f"[name={names['name']}]"
    return ""
