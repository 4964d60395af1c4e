"""The inventory: every object that is ours in a cluster, and what must be known of it to apply, move or prune it.

An entry is written before the object is applied (intent: it has no UID yet) and completed after. Its key is the object
with its namespace resolved; beside it stands the namespace as the manifest wrote it, because that is what the hub
names. A settled entry is a tombstone: the object is gone or released, and the entry remembers how that debt ended
until the hub has heard it, that is, until a desired state no longer names the debt.
"""

from collections.abc import Iterable, Mapping

import msgspec

from protocol import bundles, canonical, ids, reports
from protocol.canonical import Digest

ENTRIES_PER_SHARD_MAX = 2000
"""One ConfigMap may hold 1 MiB of data and an entry needs about 300 bytes; one object ended near 8,000 short ones."""

SHARD_BYTES_MAX = 800 * 1024
"""Keys and values of one shard: under the ConfigMap's limit of 1 MiB even when every entry of it is completed."""

ENTRY_GROWTH_BYTES = 200
"""What a UID, a settled debt or a take-over may add to an entry later; set aside when the entry is placed."""


class Settled(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """How the debt for an object ended."""

    debt: ids.DebtId
    outcome: reports.Outcome
    reason: str = ""


class Entry(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One object that is ours."""

    object: ids.ObjectId
    """With the namespace resolved; empty for cluster-scoped objects."""
    bundle: ids.BundleId
    api_version: str
    """Used at the last apply."""
    plural: str
    digest: Digest
    """Of the manifest that was last applied; of an intent, of the one about to be."""
    written_namespace: str = ""
    uid: str = ""
    """Empty: an intent whose apply nobody has confirmed."""
    adopted: Digest = canonical.NO_DIGEST
    """The manifest at which an object that existed before us was taken over; empty: we created it."""
    prune: bundles.Prune = bundles.Prune.OWNED
    taken_from: ids.BundleId = ids.BundleId("")
    """The bundle that had it before, as long as the generation of that step is the newest."""
    taken_at: str = ""
    settled: Settled | None = None

    @property
    def written(self) -> ids.ObjectId:
        """The id that the hub uses."""
        return msgspec.structs.replace(self.object, namespace=self.written_namespace)

    @property
    def claim(self) -> tuple[ids.BundleId, ids.ObjectId]:
        """Whose it is, as the hub names it."""
        return self.bundle, self.written


Inventory = Mapping[ids.ObjectId, Entry]


class Changes(msgspec.Struct, frozen=True):
    """What one write does to the inventory."""

    put: tuple[Entry, ...] = ()
    remove: tuple[ids.ObjectId, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.put or self.remove)


def owned(entries: Inventory) -> Iterable[Entry]:
    """The entries that are no tombstones."""
    return (entry for entry in entries.values() if entry.settled is None)


def by_uid(entries: Inventory) -> dict[str, Entry]:
    """What is ours, by the UIDs that are known."""
    return {entry.uid: entry for entry in owned(entries) if entry.uid}


def forced(entry: Entry, digest: Digest) -> bool:
    """May an apply of this manifest overrule other field managers?

    Of what we created, yes: a difference is drift. Of what we adopted, only once Git has changed it; until then the
    fields have the values that others gave them.
    """
    return not entry.adopted or digest != entry.adopted


def stale_tombstones(entries: Inventory, named: frozenset[ids.DebtId]) -> tuple[ids.ObjectId, ...]:
    """Tombstones whose debt is named no longer: the hub knows."""
    return tuple(
        object_id
        for object_id, entry in entries.items()
        if entry.settled is not None and entry.settled.debt not in named
    )
