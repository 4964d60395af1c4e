"""What the agent knows of its API server itself: which cluster it is, its version, and what it serves.

Charts are rendered by it, so that the hub has to hear when somebody installs a custom kind. It is looked at again and
again: whatever changed between two looks is told in one hello.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import msgspec
import structlog

from agents import errors
from agents.domain import serving
from agents.kube import client, discovery
from agents.kube import errors as kube_errors

VERSION_PATH = "/version"
CLUSTER_PATH = "/api/v1/namespaces/kube-system"

JITTER = 0.2
"""Share by which the interval varies: the agents of a fleet that started together do not all ask at once."""


class Facts(msgspec.Struct, frozen=True):
    """What the API server says about itself."""

    cluster_uid: str
    served: serving.Served


class Survey:
    """Looks at one API server."""

    def __init__(self, api: client.Client, facts: Facts, *, interval_s: float, chance: random.Random) -> None:
        self._api = api
        self._interval_s = interval_s
        self._chance = chance
        self.facts = facts
        """As of the last look."""

    async def run(self, changed: Callable[[], None]) -> None:
        """Look, for ever; `changed` is called where something else is served than before."""
        while True:
            await asyncio.sleep(self._interval_s * self._chance.uniform(1 - JITTER, 1 + JITTER))
            try:
                found = await _look(self._api)
            except kube_errors.KubeError as error:
                # What was known stays so: an API server that does not answer serves what it served.
                structlog.get_logger().debug("what is served is not known now", reason=str(error))
                continue
            before = self.facts.served
            self.facts = msgspec.structs.replace(self.facts, served=serving.looked(before, found))
            if serving.differ(before, self.facts.served):
                changed()


async def facts(api: client.Client) -> Facts:
    """The first look; raise KubeError."""
    kube_system: dict[str, Any] = await api.get(CLUSTER_PATH)
    return Facts(kube_system["metadata"]["uid"], serving.looked(None, await _look(api)))


async def check(api: client.Client, found: Facts) -> None:
    """The address of an API server outlives its cluster; nothing may be written into the next one unasked."""
    kube_system: dict[str, Any] = await api.get(CLUSTER_PATH)
    uid = kube_system["metadata"]["uid"]
    if uid != found.cluster_uid:
        raise errors.AnotherCluster(f"cluster: has UID {uid} now, had {found.cluster_uid}")


async def _look(api: client.Client) -> serving.Look:
    version: dict[str, Any] = await api.get(VERSION_PATH)
    names, doubtful = await discovery.api_versions(api)
    return serving.Look(version.get("gitVersion", "unknown"), names, doubtful)
