"""Namespaces that bundles use and do not contain: created where they are missing, never ours, never deleted."""

from agents import mark_store
from agents.kube import client
from protocol import ids


class Namespaces:
    """Those of one cluster."""

    def __init__(self, api: client.Client) -> None:
        self._api = api
        self._seen: set[str] = set()

    async def ensure(self, name: str) -> None:
        """Create it unless it is there, or was when we looked; raise KubeError."""
        if name not in self._seen:
            await mark_store.ensure_namespace(self._api, name)
            self._seen.add(name)

    def missed(self, of: ids.ObjectId) -> None:
        """The object's namespace is not there any more."""
        self._seen.discard(of.namespace)
