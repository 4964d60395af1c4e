"""How much of an object we hold, by its managedFields: all that Git says, or less since others wrote to it.

Whoever changes a field of ours takes it out of our entry, and does not put it back by giving it Git's value again. So
what our entry lacks, beside what a dry run of our apply would put there, was changed by somebody, even where nothing
differs any more.
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from agents.domain import ownership
from protocol import canonical

Object = dict[str, Any]

EVERYTHING = 0
"""In place of a digest: our entry has every field of ours, so it tells what becomes of them."""

_DIGEST_BYTES = 8
"""Two states of one object are compared, so chance collisions do not matter."""

_IDENTITY = frozenset({"apiVersion", "kind", "metadata"})
_NAMED = frozenset({"name", "namespace"})
"""Which object it is; nobody holds that."""

_RESTLESS = frozenset({"managedFields", "resourceVersion", "generation"})
"""Of the metadata: what the server writes whenever anything else is written."""


class _Absent(msgspec.Struct, frozen=True):
    """Stands where there is nothing."""


_ABSENT = _Absent()


def is_plain(manifest: Object, live: Object) -> bool:
    """Is everything that is sent in the live object, and ours, by the look of it? False: not, or only the API server
    can tell, as where it writes a quantity in its own way."""
    fields = _ours(live)
    rest = {name: value for name, value in manifest.items() if name not in _IDENTITY}
    metadata = {name: value for name, value in manifest["metadata"].items() if name not in _NAMED}
    return _is_held(rest, live, fields) and _is_held(metadata, live["metadata"], fields.get("f:metadata") or {})


def lost(live: Object, after: Object) -> dict[str, Any]:
    """Fields that are there, and that our apply (`after`, its dry run) would make ours again, with their values."""
    return dict(_lost(_ours(live), _ours(after), live, ""))


def content(live: Object) -> int:
    """The digest of all that an object is beside its status, so that a change that no entry tells is noticed."""
    rest = {name: value for name, value in live.items() if name not in ("status", "metadata")}
    metadata = {name: value for name, value in live["metadata"].items() if name not in _RESTLESS}
    plain = canonical.encode([rest, metadata])
    return int.from_bytes(hashlib.blake2b(plain, digest_size=_DIGEST_BYTES).digest(), "big") or 1


def last_writer(live: Object) -> ownership.Owner | None:
    """Who else wrote to the object last, not before our last apply; None: nobody, as far as is recorded. Writes through
    a subresource do not count: they take no field of ours away."""
    applied = ownership.time_of(_entry(live).get("time", ""))
    if applied is None:
        return None
    timed = [
        (at, one)
        for one in ownership.owners(live)
        if not one.subresource and (at := ownership.time_of(one.time)) is not None and at >= applied
    ]
    return max(timed, key=lambda pair: pair[0])[1] if timed else None


def _entry(live: Object) -> dict[str, Any]:
    """Our entry among the managedFields."""
    for entry in live["metadata"].get("managedFields") or ():
        if ownership.is_ours(entry.get("manager", ""), entry.get("operation", "")):
            found: dict[str, Any] = entry
            return found
    return {}


def _ours(live: Object) -> dict[str, Any]:
    """Our `fieldsV1`."""
    return _entry(live).get("fieldsV1") or {}


def _is_held(wanted: Any, live: Any, fields: Mapping[str, Any]) -> bool:
    """Is what is wanted there, and among these fields? What is held as a whole has to be the same as a whole."""
    if fields and isinstance(wanted, dict) and isinstance(live, dict):
        return all(
            name in live and f"f:{name}" in fields and _is_held(value, live[name], fields[f"f:{name}"])
            for name, value in wanted.items()
        )
    if fields and isinstance(wanted, list) and isinstance(live, list):
        return _are_held(wanted, live, fields)
    return _is_same(wanted, live)


def _are_held(wanted: list[Any], live: list[Any], fields: Mapping[str, Any]) -> bool:
    """The same of a list's items, by their keys or by themselves."""
    left = list(wanted)
    for key in fields.keys() - {"."}:
        one = next((item for item in left if _is_meant(item, key)), _ABSENT)
        there = _part(live, key)
        if isinstance(one, _Absent) or isinstance(there, _Absent) or not _is_held(one, there, fields[key]):
            return False
        left.remove(one)
    return not left


def _is_same(wanted: Any, live: Any) -> bool:
    """Python takes True for 1, and 1.0 for 1; JSON does not."""
    return canonical.encode(wanted) == canonical.encode(live)


def _lost(held: Mapping[str, Any], wanted: Mapping[str, Any], value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """The leaves of `wanted` that are not in `held`, in what a path leads to."""
    for key, below in wanted.items():
        if key == ".":
            continue
        place = ownership.step(key)
        if not place:
            if held != wanted:
                yield path, value  # items that have no name are told as the whole list
            return
        there = _part(value, key)
        if isinstance(there, _Absent):
            continue  # what is not there is a difference, and told as that
        if below:
            yield from _lost(held.get(key) or {}, below, there, path + place)
        elif key not in held:
            yield path + place, there


def _part(value: Any, key: str) -> Any:
    """What an element of a path leads to."""
    kind, _, name = key.partition(":")
    if kind == "f":
        return value.get(name, _ABSENT) if isinstance(value, dict) else _ABSENT
    items = value if isinstance(value, list) else ()
    return next((item for item in items if _is_meant(item, key)), _ABSENT)


def _is_meant(item: Any, key: str) -> bool:
    """Does an element of a path mean this item of a list? A key that the item lacks has a default there."""
    kind, _, text = key.partition(":")
    if kind == "v":
        return _is_same(item, msgspec.json.decode(text))
    if kind != "k" or not isinstance(item, dict):
        return False
    return all(_is_same(item.get(name, value), value) for name, value in msgspec.json.decode(text).items())
