"""The inventory in the cluster: sharded ConfigMaps, written key by key under optimistic locking.

What is in memory is what was read and written last. After any failed write it counts as unknown and is read again
before anything rests on it: an inventory that cannot be read stops applies and prunes, and is never taken for an
empty one.
"""

import asyncio
from typing import Any

import msgspec

from agents import errors, mark_store
from agents.domain import inventory, shards
from agents.kube import client
from agents.kube import errors as kube_errors
from protocol import crashpoints, ids, naming

LABEL = f"{naming.PREFIX}inventory"
NAME_PREFIX = "inventory-"


class _Shard(msgspec.Struct):
    """One ConfigMap: its version, and how full it is."""

    version: str
    load: shards.Load


class InventoryStore:
    """The inventory of one cluster."""

    def __init__(self, api: client.Client, boundary: crashpoints.Boundary) -> None:
        self._api = api
        self._boundary = boundary
        self._entries: dict[ids.ObjectId, inventory.Entry] = {}
        self._places: dict[ids.ObjectId, int] = {}
        self._shards: dict[int, _Shard] = {}
        self._read = False
        self._size = 0
        self.revision = 0
        """Another one whenever what is in memory is something else."""

    @property
    def entries(self) -> inventory.Inventory:
        assert self._read, "the inventory was read before it is used"
        return self._entries

    def __len__(self) -> int:
        return self._size

    async def ensure_read(self) -> None:
        """Read the whole inventory unless what is in memory is known to be right. Errors raise."""
        if self._read:
            return
        entries: dict[ids.ObjectId, inventory.Entry] = {}
        places: dict[ids.ObjectId, int] = {}
        found: dict[int, _Shard] = {}
        async for item in self._api.list(mark_store.COLLECTION, params={"labelSelector": LABEL}):
            number = _number(item["metadata"]["name"])
            load = shards.Load()
            for key, value in (item.get("data") or {}).items():
                entry = _decode(key, value)
                if entry.object in places:
                    raise errors.Unreadable(f"inventory: {entry.object} stands in two shards")
                entries[entry.object], places[entry.object] = entry, number
                load = load.plus(shards.size(entry))
            found[number] = _Shard(item["metadata"]["resourceVersion"], load)
        self._entries, self._places, self._shards = entries, places, found
        self._read = True
        self._changed()

    async def write(self, changes: inventory.Changes) -> None:
        """Make the changes, one request a shard. Raise Superseded if another agent wrote meanwhile."""
        if not changes:
            return
        patches, places = self._patches(changes)
        # Until all is written, nobody may rest on what is in memory.
        self._read = False
        try:
            async with asyncio.TaskGroup() as tasks:
                for number, data in sorted(patches.items()):
                    tasks.create_task(self._write_shard(number, data))
        except* (kube_errors.KubeError, errors.AgentError) as group:
            raise _first(group) from group
        self._remember(changes, places)
        self._read = True
        self._changed()
        self._boundary("inventory")

    def _patches(self, changes: inventory.Changes) -> tuple[dict[int, dict[str, str | None]], dict[ids.ObjectId, int]]:
        loads = {number: shard.load for number, shard in self._shards.items()}
        patches: dict[int, dict[str, str | None]] = {}
        places: dict[ids.ObjectId, int] = {}
        for object_id in changes.remove:
            number = self._places.get(object_id)
            if number is not None:
                patches.setdefault(number, {})[shards.key(object_id)] = None
        for entry in changes.put:
            number = self._places.get(entry.object)
            if number is None:
                number = shards.place(entry, loads)
                loads[number] = loads.get(number, shards.Load()).plus(shards.size(entry))
            places[entry.object] = number
            patches.setdefault(number, {})[shards.key(entry.object)] = shards.encode(entry)
        return patches, places

    async def _write_shard(self, number: int, data: dict[str, str | None]) -> None:
        name, shard = f"{NAME_PREFIX}{number}", self._shards.get(number)
        try:
            if shard is not None:
                patch = {"metadata": {"resourceVersion": shard.version}, "data": data}
                stored = await self._api.merge(f"{mark_store.COLLECTION}/{name}", patch)
            else:
                await mark_store.ensure_namespace(self._api)
                values = {key: value for key, value in data.items() if value is not None}
                body = mark_store.config_map(name, values, {LABEL: str(number)})
                stored = await self._api.create(mark_store.COLLECTION, body)
        except (kube_errors.Conflict, kube_errors.AlreadyExists, kube_errors.NotFound) as error:
            raise errors.Superseded(f"inventory shard {number}: changed by somebody else ({error})") from error
        self._shards[number] = _Shard(stored["metadata"]["resourceVersion"], shard.load if shard else shards.Load())

    def _changed(self) -> None:
        self.revision += 1
        self._size = sum(1 for _ in inventory.owned(self._entries))

    def _remember(self, changes: inventory.Changes, places: dict[ids.ObjectId, int]) -> None:
        for object_id in changes.remove:
            number, entry = self._places.pop(object_id, None), self._entries.pop(object_id, None)
            if number is not None and entry is not None:
                load = self._shards[number].load
                self._shards[number].load = shards.Load(load.entries - 1, load.size - shards.size(entry))
        for entry in changes.put:
            if entry.object not in self._entries:
                self._shards[places[entry.object]].load = self._shards[places[entry.object]].load.plus(
                    shards.size(entry)
                )
            self._entries[entry.object] = entry
            self._places[entry.object] = places[entry.object]


def _decode(key: str, value: str) -> inventory.Entry:
    try:
        return shards.decode(key, value)
    except shards.ShardError as error:
        raise errors.Unreadable(str(error)) from error


def _number(name: str) -> int:
    digits = name.removeprefix(NAME_PREFIX)
    if digits == name or not digits.isdecimal():
        raise errors.Unreadable(f"ConfigMap {naming.NAMESPACE}/{name}: labelled as inventory, but not named as a shard")
    return int(digits)


def _first(group: BaseExceptionGroup[Any]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
