"""The high-water mark in the cluster: a ConfigMap that says which desired state was accepted last.

It is written before anything of that state is applied, under optimistic locking, so that two agents of one cluster,
or an agent whose disk was restored, cannot take the cluster back.
"""

from typing import Any

import msgspec

from agents import errors
from agents.domain import acceptance
from agents.kube import client
from agents.kube import errors as kube_errors
from protocol import canonical, naming

NAME = "high-water-mark"
KEY = "mark"
NAMESPACES = "/api/v1/namespaces"
COLLECTION = f"{NAMESPACES}/{naming.NAMESPACE}/configmaps"

_decoder = msgspec.json.Decoder(acceptance.Standing)


class MarkStore:
    """Reads and writes the mark of one cluster."""

    def __init__(self, api: client.Client) -> None:
        self._api = api
        self._version = ""
        """The resourceVersion that was read last; empty: the mark is not there."""

    async def read(self) -> acceptance.Standing:
        """The mark as it stands; NOWHERE only if the API server says that it is not there. Errors raise."""
        try:
            found = await self._api.get(f"{COLLECTION}/{NAME}")
        except (kube_errors.NotFound, kube_errors.NamespaceMissing):
            self._version = ""
            return acceptance.NOWHERE
        self._version = found["metadata"]["resourceVersion"]
        return _decode(found)

    async def write(self, standing: acceptance.Standing) -> None:
        """Raise the mark; raise Superseded if it is not where it was when it was read last."""
        data = {KEY: canonical.encode(standing).decode()}
        try:
            if self._version:
                patch = {"metadata": {"resourceVersion": self._version}, "data": data}
                stored = await self._api.merge(f"{COLLECTION}/{NAME}", patch)
            else:
                await ensure_namespace(self._api)
                stored = await self._api.create(COLLECTION, config_map(NAME, data))
        except (kube_errors.Conflict, kube_errors.AlreadyExists, kube_errors.NotFound) as error:
            raise errors.Superseded(f"high-water mark: changed by somebody else ({error})") from error
        self._version = stored["metadata"]["resourceVersion"]


def _decode(found: dict[str, Any]) -> acceptance.Standing:
    try:
        return _decoder.decode((found.get("data") or {}).get(KEY, ""))
    except msgspec.MsgspecError as error:
        # Never taken for "no mark": that would let an old state in.
        raise errors.SetupError(f"ConfigMap {naming.NAMESPACE}/{NAME}: holds no mark ({error})") from error


def config_map(name: str, data: dict[str, str], labels: dict[str, str] | None = None) -> dict[str, Any]:
    """A ConfigMap of the agent's own."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": naming.NAMESPACE, "labels": labels or {}},
        "data": data,
    }


async def ensure_namespace(api: client.Client, name: str = naming.NAMESPACE) -> None:
    """Create a namespace unless it is there. It is never ours: nothing ever deletes it."""
    try:
        await api.get(f"{NAMESPACES}/{name}")
    except kube_errors.NotFound:
        try:
            await api.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        except kube_errors.AlreadyExists:
            return  # somebody was faster
