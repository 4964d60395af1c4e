"""Reading objects again: those that are not healthy yet, and the pods that tell why."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import structlog

from agents.domain import health, plan, resources, statuses
from agents.kube import client
from agents.kube import errors as kube_errors
from protocol.status import Health

PODS_READ_MAX = 50
"""Pods of one workload looked through for a reason; all of them usually fail for the same one."""

_WORKLOADS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"})
PODS = resources.Resource(group="", version="v1", kind="Pod", plural="pods", namespaced=True)


class Observer:
    """Reads objects of one cluster."""

    def __init__(self, api: client.Client) -> None:
        self._api = api
        self._log = structlog.get_logger()

    async def read(
        self, items: Sequence[plan.Wanted], observed: statuses.Observations
    ) -> dict[plan.Wanted, statuses.Observed]:
        """How the items stand now. What cannot be read is Unknown; what is not there is Missing."""
        async with asyncio.TaskGroup() as tasks:
            reads = {item: tasks.create_task(self._read(item, observed[item.object])) for item in items}
        return {item: task.result() for item, task in reads.items()}

    async def _read(self, item: plan.Wanted, seen: statuses.Observed) -> statuses.Observed:
        try:
            live = await self._api.get(item.resource.path(item.object.namespace, item.object.name))
        except (kube_errors.NotFound, kube_errors.NamespaceMissing):
            return msgspec.structs.replace(seen, assessment=health.MISSING)
        except kube_errors.KubeError as error:
            unknown = health.Assessment(Health.UNKNOWN, error.reason, "the object could not be read")
            return msgspec.structs.replace(seen, assessment=unknown)
        assessment = await self._explained(item, live, health.assess(live))
        return msgspec.structs.replace(
            seen, assessment=assessment, version=live["metadata"]["resourceVersion"], uid=live["metadata"]["uid"]
        )

    async def _explained(
        self, item: plan.Wanted, live: dict[str, Any], assessment: health.Assessment
    ) -> health.Assessment:
        """Add what a failing pod says; a pod that cannot be read leaves the reason as it is."""
        selector = health.selector(live)
        settled = assessment.health in (Health.HEALTHY, Health.SUSPENDED)
        if settled or not selector or item.object.kind not in _WORKLOADS:
            return assessment
        path = PODS.collection(item.object.namespace)
        try:
            page = await self._api.get(path, {"labelSelector": selector, "limit": str(PODS_READ_MAX)})
        except kube_errors.KubeError as error:
            self._log.debug("pods not read", object=str(item.object), reason=str(error))
            return assessment
        return health.explained(assessment, page.get("items") or ())
