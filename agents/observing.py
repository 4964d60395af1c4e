"""Reading objects again: those that are not healthy yet, and the pods and events that tell why."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import structlog

from agents.domain import event_reasons, health, plan, pods, resources, statuses
from agents.kube import client
from agents.kube import errors as kube_errors
from protocol import drifts
from protocol.status import Health

PODS_READ_MAX = 50
"""Pods of one workload looked through for a reason; all of them usually fail for the same one."""

EVENTS_READ_MAX = 50
"""Events about one object looked through: the server counts repetitions in one event, and forgets after an hour."""

_WORKLOADS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"})
_EXPLAINED = _WORKLOADS | {"Pod", "PersistentVolumeClaim", "Service"}
"""Kinds that others work for, who say in events what keeps them."""

EVENTS = resources.Resource(group="", version="v1", kind="Event", plural="events", namespaced=True)
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
        if seen.drift is not None and seen.drift.kind is not drifts.Kind.CHANGED:
            return seen  # what has its name now is another object: its health is not that of ours
        try:
            live = await self._api.get(item.resource.path(item.object.namespace, item.object.name))
        except (kube_errors.NotFound, kube_errors.NamespaceMissing):
            return msgspec.structs.replace(seen, assessment=health.MISSING)
        except kube_errors.KubeError as error:
            unknown = health.Assessment(Health.UNKNOWN, error.reason, "the object could not be read")
            return msgspec.structs.replace(seen, assessment=unknown)
        assessment = await self.explained(item, live, health.assess(live))
        return msgspec.structs.replace(
            seen, assessment=assessment, version=live["metadata"]["resourceVersion"], uid=live["metadata"]["uid"]
        )

    async def explained(
        self, item: plan.Wanted, live: dict[str, Any], assessment: health.Assessment
    ) -> health.Assessment:
        """Add what a failing pod or an event says; what cannot be read leaves the reason as it is."""
        kind = item.object.kind
        if assessment.health in statuses.RESTING or kind not in _EXPLAINED or "deletionTimestamp" in live["metadata"]:
            return assessment
        try:
            found = [live] if kind == PODS.kind else await self._pods(item, live)
            worst = pods.complaint(found)
            if worst is None or worst.is_vague:
                reason, message = await self._warning(item, pods.unready(found) or live)
                if reason:
                    return health.explained(assessment, reason, message)
        except kube_errors.KubeError as error:
            self._log.debug("reasons not read", object=str(item.object), reason=str(error))
            return assessment
        if worst is None or kind == PODS.kind:
            return assessment
        return health.explained(assessment, worst.reason, worst.message)

    async def _pods(self, item: plan.Wanted, live: dict[str, Any]) -> list[dict[str, Any]]:
        selector = health.selector(live)
        if not selector or item.object.kind not in _WORKLOADS:
            return []
        query = {"labelSelector": selector, "limit": str(PODS_READ_MAX)}
        return (await self._api.get(PODS.collection(item.object.namespace), query)).get("items") or []

    async def _warning(self, item: plan.Wanted, of: dict[str, Any]) -> tuple[str, str]:
        """The newest event that tells what is wrong with an object; nothing, where events may not be read."""
        query = {
            "fieldSelector": f"involvedObject.uid={of['metadata']['uid']}",
            "limit": str(EVENTS_READ_MAX),
        }
        try:
            page = await self._api.get(EVENTS.collection(item.object.namespace), query)
        except kube_errors.KubeError as error:
            self._log.debug("events not read", object=str(item.object), reason=str(error))
            return "", ""
        return event_reasons.newest(page.get("items") or ())
