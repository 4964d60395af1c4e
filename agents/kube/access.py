"""How the agent gets to its API server: a kubeconfig's context (certificates, tokens, exec plugins) or the pod's
service account. kubernetes_asyncio reads them; what is used of it afterwards is the HTTP session.
"""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from kubernetes_asyncio import client as kubernetes_client
from kubernetes_asyncio import config as kubernetes_config
from kubernetes_asyncio.config import incluster_config

from agents.kube import errors

CONNECTIONS_MAX = 160
"""To one API server: every watch holds one for itself, and the requests beside them must not wait for it."""


SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where Kubernetes puts it."""


class Access(msgspec.Struct, frozen=True):
    """Which API server, with whose credentials."""

    kubeconfig: Path | None = None
    """None: the service account of the pod that the agent runs in."""
    context: str = ""
    """Empty: the kubeconfig's current context."""
    service_account: Path = SERVICE_ACCOUNT
    """Directory with the pod's token and authority, where there is no kubeconfig."""


class Session:
    """An HTTP session that knows its API server and carries its credentials; they can be read anew."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._api: Any = None
        self._renewal = asyncio.Lock()
        self._renewed = 0

    async def open(self) -> None:
        """Read the configuration; raise ConfigurationError if it cannot be used."""
        configuration = kubernetes_client.Configuration()
        configuration.connection_pool_maxsize = CONNECTIONS_MAX
        try:
            if self._access.kubeconfig is None:
                incluster_config.InClusterConfigLoader(
                    token_filename=str(self._access.service_account / "token"),
                    cert_filename=str(self._access.service_account / "ca.crt"),
                ).load_and_set(client_configuration=configuration)
            else:
                await kubernetes_config.load_kube_config(
                    config_file=str(self._access.kubeconfig),
                    context=self._access.context or None,
                    client_configuration=configuration,
                    persist_config=False,
                )
            api = kubernetes_client.ApiClient(configuration=configuration)
        except (kubernetes_config.ConfigException, OSError, TypeError, ValueError) as error:
            where = self._access.kubeconfig or "service account"
            raise errors.ConfigurationError(f"{where}: cannot be used ({error})") from error
        previous, self._api = self._api, api
        if previous is not None:
            await previous.close()

    async def close(self) -> None:
        if self._api is not None:
            await self._api.close()

    async def renew(self, seen: int) -> None:
        """Read the credentials again, once for all requests that saw the same ones (`seen`) refused."""
        async with self._renewal:
            if self._renewed == seen:
                self._renewed += 1
                await self.open()

    @property
    def renewed(self) -> int:
        """How often the credentials were read again."""
        return self._renewed

    @property
    def host(self) -> str:
        return str(self._api.configuration.host)

    @property
    def http(self) -> aiohttp.ClientSession:
        return self._api.rest_client.pool_manager  # type: ignore[no-any-return]

    async def arguments(self) -> dict[str, Any]:
        """What each request needs beside its own: credentials (a token may be read from its file), proxy, server
        name."""
        headers: dict[str, str] = {}
        await self._api.update_params_for_auth(headers, [], ["BearerToken"])
        found: dict[str, Any] = {"headers": headers}
        rest = self._api.rest_client
        if rest.server_hostname:
            found["server_hostname"] = rest.server_hostname
        if rest.proxy:
            found["proxy"] = rest.proxy
        return found
