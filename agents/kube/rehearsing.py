"""The API server for those who only ask what would be: it reads, and every apply through it is a dry run."""

from typing import Any

from agents.kube import client, errors

Object = dict[str, Any]


class Rehearsal:
    """Has no way to change anything."""

    def __init__(self, api: client.Client) -> None:
        self._api = api

    async def find(self, path: str) -> Object | None:
        """The object, or None if it is not there; raise KubeError if that cannot be told."""
        try:
            return await self._api.get(path)
        except (errors.NotFound, errors.NamespaceMissing):
            return None

    async def apply(self, path: str, manifest: Object, *, force: bool) -> Object:
        """The object as an apply would leave it."""
        return (await self._api.apply(path, manifest, force=force, dry_run=True)).live
