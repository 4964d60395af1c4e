"""The records of hooks in the cluster: a few ConfigMaps, written key by key under optimistic locking.

Like the inventory, what cannot be read is never taken for nothing: a hook that ran would run again.
"""

import asyncio
import hashlib
from collections.abc import Mapping

import msgspec

from agents import errors, mark_store
from agents.domain import hook_records
from agents.kube import client
from agents.kube import errors as kube_errors
from protocol import canonical, crashpoints, ids, naming

LABEL = f"{naming.PREFIX}hooks"
NAME_PREFIX = "hooks-"

SHARDS = 64
"""ConfigMaps, made as they are needed: a record has some 250 bytes for each hook, and one ConfigMap holds 1 MiB."""

KEY_HEX_DIGITS = 40

_decoder = msgspec.json.Decoder(hook_records.Record)


class HookStore:
    """The records of one cluster."""

    def __init__(self, api: client.Client, boundary: crashpoints.Boundary) -> None:
        self._api = api
        self._boundary = boundary
        self._records: dict[ids.BundleId, hook_records.Record] = {}
        self._versions: dict[str, str] = {}
        self._read = False
        self._lock = asyncio.Lock()
        """Bundles go on beside each other, and share shards."""

    @property
    def records(self) -> Mapping[ids.BundleId, hook_records.Record]:
        """By bundle, as they were read and written last."""
        return self._records

    async def ensure_read(self) -> None:
        """Read all records unless what is in memory is known to be right. Errors raise."""
        if self._read:
            return
        records: dict[ids.BundleId, hook_records.Record] = {}
        versions: dict[str, str] = {}
        async for item in self._api.list(mark_store.COLLECTION, params={"labelSelector": LABEL}):
            versions[item["metadata"]["name"]] = item["metadata"]["resourceVersion"]
            for key, value in (item.get("data") or {}).items():
                record = _decode(key, value)
                records[record.bundle] = record
        self._records, self._versions = records, versions
        self._read = True

    async def write(self, record: hook_records.Record) -> None:
        """Put a record in the place of the one before it. Raise Superseded if another agent wrote meanwhile."""
        await self._write(record.bundle, canonical.encode(record).decode())
        self._records[record.bundle] = record
        self._boundary("hook")

    async def remove(self, bundle: ids.BundleId) -> None:
        """Forget a bundle."""
        await self._write(bundle, None)
        self._records.pop(bundle, None)

    async def _write(self, bundle: ids.BundleId, value: str | None) -> None:
        key = _key(bundle)
        name = f"{NAME_PREFIX}{int(key, 16) % SHARDS}"
        async with self._lock:
            if not self._read:
                raise errors.Superseded("hooks: what is in memory may not be what is in the cluster")
            # Until it is written, nobody may rest on what is in memory.
            self._read = False
            self._versions[name] = await self._put(name, {key: value})
            self._read = True

    async def _put(self, name: str, data: dict[str, str | None]) -> str:
        version = self._versions.get(name, "")
        try:
            if version:
                patch = {"metadata": {"resourceVersion": version}, "data": data}
                stored = await self._api.merge(f"{mark_store.COLLECTION}/{name}", patch)
            else:
                await mark_store.ensure_namespace(self._api)
                values = {key: value for key, value in data.items() if value is not None}
                body = mark_store.config_map(name, values, {LABEL: "records"})
                stored = await self._api.create(mark_store.COLLECTION, body)
        except (kube_errors.Conflict, kube_errors.AlreadyExists, kube_errors.NotFound) as error:
            raise errors.Superseded(f"records of hooks {name}: changed by somebody else ({error})") from error
        return str(stored["metadata"]["resourceVersion"])


def _key(bundle: ids.BundleId) -> str:
    """A hash, because ids are longer than keys may be and hold other characters."""
    return hashlib.sha256(bundle.encode()).hexdigest()[:KEY_HEX_DIGITS]


def _decode(key: str, value: str) -> hook_records.Record:
    try:
        record = _decoder.decode(value)
    except msgspec.MsgspecError as error:
        raise errors.Unreadable(f"record of hooks {key}: unreadable ({error})") from error
    if _key(record.bundle) != key:
        raise errors.Unreadable(f"record of hooks {key}: is that of {record.bundle}")
    return record
