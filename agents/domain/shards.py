"""Where in the cluster each entry of the inventory stands: shards, one ConfigMap each, one key per entry.

An entry never moves between shards, so that a change of it is a change of one key of one object.
"""

import hashlib
from collections.abc import Mapping

import msgspec

from agents.domain import inventory
from protocol import canonical, ids

KEY_HEX_DIGITS = 40
"""160 bits of SHA-256: no two ids of a cluster share a key."""


class ShardError(ValueError):
    """A stored entry that cannot be read."""


class Load(msgspec.Struct, frozen=True):
    """How full a shard is."""

    entries: int = 0
    size: int = 0

    def plus(self, size: int) -> "Load":
        return Load(self.entries + 1, self.size + size)

    def has_room(self, size: int) -> bool:
        within = self.size + size <= inventory.SHARD_BYTES_MAX
        return within and self.entries < inventory.ENTRIES_PER_SHARD_MAX


_decoder = msgspec.json.Decoder(inventory.Entry)


def key(object_id: ids.ObjectId) -> str:
    """The data key of an entry; a hash, because ids are longer than keys may be and hold other characters."""
    return hashlib.sha256(str(object_id).encode()).hexdigest()[:KEY_HEX_DIGITS]


def encode(entry: inventory.Entry) -> str:
    return canonical.encode(entry).decode()


def decode(name: str, value: str) -> inventory.Entry:
    """Read one entry; raise ShardError if it is none, or stands under a key that is not its own."""
    try:
        entry = _decoder.decode(value)
    except msgspec.MsgspecError as error:
        raise ShardError(f"inventory entry {name}: unreadable ({error})") from error
    if key(entry.object) != name:
        raise ShardError(f"inventory entry {name}: is the entry of {entry.object}")
    return entry


def size(entry: inventory.Entry) -> int:
    """The bytes that an entry may come to need in its shard."""
    return KEY_HEX_DIGITS + len(encode(entry)) + inventory.ENTRY_GROWTH_BYTES


def place(entry: inventory.Entry, loads: Mapping[int, Load]) -> int:
    """The shard for a new entry: the first with room, else a new one after the last."""
    needed = size(entry)
    for shard in sorted(loads):
        if loads[shard].has_room(needed):
            return shard
    return max(loads, default=-1) + 1
