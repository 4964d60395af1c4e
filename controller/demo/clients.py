"""What the demo talks to: the hub's API as anybody would, and the clusters themselves, to check what the hub says."""

import base64
import contextlib
import json
import pathlib
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import yaml

from controller import errors

TIMEOUT_S = 60.0
"""Every answer comes from this machine, which may be busy."""


class AnswerError(errors.Terminal):
    """The hub or a cluster answered with an error."""


class HubClient:
    """The hub's HTTP API."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = f"{url}/api/v1"

    async def get(self, path: str) -> Any:
        """The decoded answer; AnswerError if it is none."""
        return await self._ask("GET", path, None)

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """The decoded answer; AnswerError if it is none."""
        return await self._ask("POST", path, body)

    async def delete(self, path: str) -> None:
        """AnswerError if it is refused."""
        await self._ask("DELETE", path, None)

    async def items(self, path: str) -> list[dict[str, Any]]:
        """The items of a list."""
        found = (await self.get(path))["items"]
        assert isinstance(found, list)
        return found

    async def _ask(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        async with self._session.request(method, f"{self._url}/{path}", json=body) as response:
            found = await response.json(content_type=None)
            if response.status >= 400:
                raise AnswerError(f"{method} {path}: {response.status} ({found})")
            return found


class ClusterClient:
    """One cluster's Kubernetes API."""

    def __init__(self, session: aiohttp.ClientSession, url: str, token: str) -> None:
        self._session = session
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"}

    async def find(self, path: str) -> dict[str, Any] | None:
        """The object at this path, or None if there is none."""
        async with self._session.get(f"{self._url}/{path}", headers=self._headers) as response:
            if response.status == 404:
                return None
            found = await response.json()
            if response.status >= 400:
                raise AnswerError(f"{path}: {response.status} ({found})")
            assert isinstance(found, dict)
            return found

    async def patch(self, path: str, change: Mapping[str, Any], *, manager: str) -> None:
        """Change an object as a person with `kubectl` would, by a merge patch; AnswerError if it is refused."""
        headers = {**self._headers, "Content-Type": "application/merge-patch+json"}
        url, body = f"{self._url}/{path}?fieldManager={manager}", json.dumps(change)
        async with self._session.patch(url, data=body, headers=headers) as response:
            if response.status >= 400:
                raise AnswerError(f"PATCH {path}: {response.status} ({await response.text()})")


@contextlib.asynccontextmanager
async def hub_client(
    url: str, token_file: pathlib.Path, *, authority: pathlib.Path | None = None
) -> AsyncIterator[HubClient]:
    """A client that shows the admin token. `authority`: what the hub's certificate is held against."""
    headers = {"Authorization": f"Bearer {_text(token_file).strip()}"}
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    trust = True if authority is None else ssl.create_default_context(cadata=_text(authority))
    connector = aiohttp.TCPConnector(ssl=trust)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout, connector=connector) as session:
        yield HubClient(session, url)


@contextlib.asynccontextmanager
async def cluster_clients(kubeconfig: pathlib.Path) -> AsyncIterator[dict[str, ClusterClient]]:
    """A client for every context of the sandbox's kubeconfig."""
    document = yaml.safe_load(_text(kubeconfig))
    users = {entry["name"]: entry["user"] for entry in document["users"]}
    servers = {entry["name"]: entry["cluster"] for entry in document["clusters"]}
    authority = base64.b64decode(next(iter(servers.values()))["certificate-authority-data"]).decode()
    trust = ssl.create_default_context(cadata=authority)
    connector = aiohttp.TCPConnector(ssl=trust)
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        yield {
            entry["name"]: ClusterClient(
                session,
                servers[entry["context"]["cluster"]]["server"],
                users[entry["context"]["user"]]["token"],
            )
            for entry in document["contexts"]
        }


def _text(path: pathlib.Path) -> str:
    return path.read_text()
