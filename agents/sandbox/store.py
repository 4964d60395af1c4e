"""The objects of one cluster, their order of changes, and a bounded memory of it for watches.

An object is kept as the bytes that are served: a read copies nothing, and a cluster of a scale run stays small.
"""

import collections
from collections.abc import Callable, Iterable, Mapping

import msgspec

from agents.sandbox.schema import Object, Resource

EVENTS_MAX = 1000  # per cluster: longer than any watch's gap at a reconnect
EVENTS_BYTES_MAX = 512 * 1024  # per cluster: hundreds of them must not remember more than they hold

DELETED_MARK = b'"deletionTimestamp"'
"""Where these bytes are not in an object, it is not on its way out; that saves decoding nearly all of them."""

Key = tuple[str, str]  # group and plural: one collection for all served versions
Name = tuple[str, str]  # namespace ("" when cluster-scoped) and name

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder().decode


class Record(msgspec.Struct, frozen=True, eq=False):
    """One stored object: its bytes, and what lists, watches and the garbage collector ask without decoding them."""

    raw: bytes
    version: int
    name: Name
    uid: str
    labels: dict[str, str]
    owners: tuple[str, ...]

    def decode(self) -> Object:
        document: Object = decode(self.raw)
        return document


class Event(msgspec.Struct, frozen=True, eq=False):
    """One change; `previous` is what a watch with a selector needs to see an object leave its selection."""

    type: str
    key: Key
    record: Record
    previous: Record | None = None


Listener = Callable[[Event], None]


class TooOld(Exception):
    """The changes since a version are no longer all in memory; `oldest` is the first version that would do."""

    def __init__(self, oldest: int) -> None:
        super().__init__(f"changes are remembered since {oldest}")
        self.oldest = oldest


def key_of(resource: Resource) -> Key:
    return (resource.group, resource.plural)


def path_of(name: Name) -> str:
    """Return what objects are ordered by, in lists over all namespaces too: `a-b/x` comes before `a/x`."""
    return "/".join(name) if name[0] else name[1]


def _ordered(found: Mapping[Name, Record], namespace: str) -> list[Record]:
    names = [name for name in found if name[0] == namespace] if namespace else list(found)
    return [found[name] for name in sorted(names, key=path_of)]


class Store:
    """Objects by collection and name. Every change gets the next version and is told to the listeners."""

    def __init__(self, *, events_max: int = EVENTS_MAX, bytes_max: int = EVENTS_BYTES_MAX) -> None:
        self.version = 1
        self._collections: dict[Key, dict[Name, Record]] = {}
        self._history: collections.deque[Event] = collections.deque()
        self._history_bytes = 0
        self._compacted = 0  # the version before which nothing is remembered of any collection
        self._forgotten: dict[Key, int] = {}  # of each collection, that of the newest change no longer remembered
        self._events_max, self._bytes_max = events_max, bytes_max
        self._places: dict[str, tuple[Key, Name]] = {}
        self._dependents: dict[str, set[tuple[Key, Name]]] = {}
        self._listeners: list[Listener] = []
        self._watchers: dict[Key, list[Callable[[], None]]] = {}

    def listen(self, listener: Listener) -> None:
        """Call the listener at every change, within the change: what reacts to objects is never behind."""
        self._listeners.append(listener)

    def get(self, key: Key, name: Name) -> Record | None:
        return self._collections.get(key, {}).get(name)

    def collection(self, key: Key, namespace: str = "") -> Iterable[Record]:
        """Return a collection's objects, of one namespace or of all, in the order of their paths."""
        return _ordered(self._collections.get(key, {}), namespace)

    def collection_at(self, key: Key, namespace: str, *, version: int) -> Iterable[Record]:
        """Return a collection as it was at a version; `TooOld` when changes since then are forgotten."""
        found = dict(self._collections.get(key, {}))
        for event in reversed(self.since(key, version)):
            found.pop(event.record.name, None)
            if event.previous is not None:
                found[event.record.name] = event.previous
        return _ordered(found, namespace)

    def occupied(self) -> Iterable[Key]:
        return [key for key, found in self._collections.items() if found]

    def count(self) -> int:
        return sum(map(len, self._collections.values()))

    def put(self, key: Key, value: Object) -> Record:
        """Store an object under the next version, which is written into it."""
        self.version += 1
        meta = {**value["metadata"], "resourceVersion": str(self.version)}
        name = (meta.get("namespace", ""), meta["name"])
        owners = tuple(owner["uid"] for owner in meta.get("ownerReferences", ()))
        ordered = {"kind": value["kind"], "apiVersion": value["apiVersion"], **value, "metadata": meta}
        record = Record(encode(ordered), self.version, name, meta["uid"], meta.get("labels") or {}, owners)
        objects = self._collections.setdefault(key, {})
        previous = objects.get(name)
        objects[name] = record
        self._index(key, name, before=previous, after=record)
        self._tell(Event("MODIFIED" if previous else "ADDED", key, record, previous))
        return record

    def remove(self, key: Key, name: Name) -> Record:
        """Take an object out; the last event carries it with the version of its deletion, as the real server does."""
        previous = self._collections[key].pop(name)
        self.version += 1
        value = previous.decode()
        value["metadata"]["resourceVersion"] = str(self.version)
        record = msgspec.structs.replace(previous, raw=encode(value), version=self.version)
        self._index(key, name, before=previous, after=None)
        self._tell(Event("DELETED", key, record, previous))
        return record

    def dependents(self, uid: str) -> Iterable[tuple[Key, Name]]:
        """Return the objects that name this one as an owner."""
        return sorted(self._dependents.get(uid, ()))

    def place(self, uid: str) -> tuple[Key, Name] | None:
        """Return where the object with a UID is, if it is there."""
        return self._places.get(uid)

    def _index(self, key: Key, name: Name, *, before: Record | None, after: Record | None) -> None:
        if before is not None:
            self._places.pop(before.uid, None)
        if after is not None:
            self._places[after.uid] = (key, name)
        owners_before, owners_after = before.owners if before else (), after.owners if after else ()
        if owners_before == owners_after:
            return
        for uid in owners_before:
            known = self._dependents.get(uid, set())
            known.discard((key, name))
            if not known:
                self._dependents.pop(uid, None)
        for uid in owners_after:
            self._dependents.setdefault(uid, set()).add((key, name))

    def _tell(self, event: Event) -> None:
        self._history.append(event)
        self._history_bytes += len(event.record.raw)
        while len(self._history) > self._events_max or self._history_bytes > self._bytes_max:
            self._forget_oldest()
        for wake in self._watchers.get(event.key, ()):
            wake()
        for listener in self._listeners:
            listener(event)

    def forget(self) -> None:
        """Forget all changes so far, as the real server does when it compacts: watches from before must list again."""
        while self._history:
            self._forget_oldest()
        self._compacted = self.version

    def _forget_oldest(self) -> None:
        oldest = self._history.popleft()
        self._history_bytes -= len(oldest.record.raw)
        self._forgotten[oldest.key] = oldest.record.version

    def begin(self, key: Key) -> None:
        """Remember a collection's changes from now on, as the real server does from when a kind is first served."""
        self._forgotten.setdefault(key, self.version)

    def since(self, key: Key, version: int) -> list[Event]:
        """Return a collection's changes after a version; `TooOld` when some of them are forgotten."""
        oldest = max(self._compacted, self._forgotten.get(key, 0))
        if version < oldest:
            raise TooOld(oldest)
        out: list[Event] = []
        for event in reversed(self._history):
            if event.record.version <= version:
                break
            if event.key == key:
                out.append(event)
        return out[::-1]

    def watch(self, key: Key, wake: Callable[[], None]) -> None:
        self._watchers.setdefault(key, []).append(wake)

    def watching(self) -> int:
        """Return how many watches there are."""
        return sum(map(len, self._watchers.values()))

    def unwatch(self, key: Key, wake: Callable[[], None]) -> None:
        self._watchers[key].remove(wake)
