"""The objects of one cluster, their order of changes, and a bounded memory of it for watches.

An object is kept as the bytes that are served: a read copies nothing, and a cluster of a scale run stays small.
"""

import collections
from collections.abc import Callable, Iterable

import msgspec

from agents.sandbox.schema import Object, Resource

EVENTS_MAX = 1000  # per cluster: longer than any watch's gap at a reconnect, and 2 MB at most for 2 KB objects

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
    """The changes since a version are no longer all in memory."""


def key_of(resource: Resource) -> Key:
    return (resource.group, resource.plural)


class Store:
    """Objects by collection and name. Every change gets the next version and is told to the listeners."""

    def __init__(self, *, events_max: int = EVENTS_MAX) -> None:
        self.version = 1
        self._collections: dict[Key, dict[Name, Record]] = {}
        self._history: collections.deque[Event] = collections.deque(maxlen=events_max)
        self._dependents: dict[str, set[tuple[Key, Name]]] = {}
        self._listeners: list[Listener] = []
        self._watchers: dict[Key, list[Callable[[], None]]] = {}

    def listen(self, listener: Listener) -> None:
        """Call the listener at every change, within the change: what reacts to objects is never behind."""
        self._listeners.append(listener)

    def get(self, key: Key, name: Name) -> Record | None:
        return self._collections.get(key, {}).get(name)

    def collection(self, key: Key, namespace: str = "") -> Iterable[Record]:
        """Return a collection's objects, of one namespace or of all, in the order of their names."""
        found = self._collections.get(key, {})
        return [found[name] for name in sorted(found) if not namespace or name[0] == namespace]

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
        self._index(key, previous, record)
        self._tell(Event("MODIFIED" if previous else "ADDED", key, record, previous))
        return record

    def remove(self, key: Key, name: Name) -> Record:
        """Take an object out; the last event carries it with the version of its deletion, as the real server does."""
        previous = self._collections[key].pop(name)
        self.version += 1
        value = previous.decode()
        value["metadata"]["resourceVersion"] = str(self.version)
        record = msgspec.structs.replace(previous, raw=encode(value), version=self.version)
        self._index(key, previous, None)
        self._tell(Event("DELETED", key, record, previous))
        return record

    def drop(self, key: Key) -> None:
        """Forget a collection whose kind is no longer served."""
        for name in list(self._collections.get(key, ())):
            self.remove(key, name)

    def dependents(self, uid: str) -> Iterable[tuple[Key, Name]]:
        """Return the objects that name this one as an owner."""
        return sorted(self._dependents.get(uid, ()))

    def _index(self, key: Key, previous: Record | None, record: Record | None) -> None:
        before = previous.owners if previous else ()
        after = record.owners if record else ()
        if before == after:
            return
        for uid in before:
            known = self._dependents.get(uid, set())
            known.discard((key, (previous or record).name))  # type: ignore[union-attr]  # one of the two is there
            if not known:
                self._dependents.pop(uid, None)
        for uid in after:
            self._dependents.setdefault(uid, set()).add((key, record.name))  # type: ignore[union-attr]

    def _tell(self, event: Event) -> None:
        self._history.append(event)
        for wake in self._watchers.get(event.key, ()):
            wake()
        for listener in self._listeners:
            listener(event)

    def since(self, key: Key, version: int) -> list[Event]:
        """Return a collection's changes after a version; `TooOld` when some of them are forgotten."""
        if len(self._history) == self._history.maxlen and version < self._history[0].record.version - 1:
            raise TooOld
        out: list[Event] = []
        for event in reversed(self._history):
            if event.record.version <= version:
                break
            if event.key == key:
                out.append(event)
        return out[::-1]

    def watch(self, key: Key, wake: Callable[[], None]) -> None:
        self._watchers.setdefault(key, []).append(wake)

    def unwatch(self, key: Key, wake: Callable[[], None]) -> None:
        self._watchers[key].remove(wake)
