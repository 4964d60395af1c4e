"""The Lease in the cluster (`coordination.k8s.io`), read and written with optimistic locking."""

from typing import Any

from agents import errors, mark_store
from agents.domain import leases
from agents.kube import client
from agents.kube import errors as kube_errors
from protocol import naming

NAME = "agent"
COLLECTION = f"/apis/coordination.k8s.io/v1/namespaces/{naming.NAMESPACE}/leases"
PATH = f"{COLLECTION}/{NAME}"
BOOT_ANNOTATION = f"{naming.PREFIX}boot"


class LeaseStore:
    """The Lease of one cluster."""

    def __init__(self, api: client.Client) -> None:
        """`api`: one that nobody's lease closes."""
        self._api = api
        self._version = ""
        """The resourceVersion that was read or written last; empty: there is no Lease."""

    async def read(self) -> leases.Record:
        """The record as it stands; NOBODY only if the API server says that there is none. Errors raise."""
        try:
            found = await self._api.get(PATH)
        except (kube_errors.NotFound, kube_errors.NamespaceMissing):
            self._version = ""
            return leases.NOBODY
        self._version = found["metadata"]["resourceVersion"]
        return _record(found)

    async def write(self, record: leases.Record) -> None:
        """Replace the record; raise Superseded if it is not the one that was read or written last."""
        try:
            if self._version:
                patch = _lease(record)
                patch["metadata"]["resourceVersion"] = self._version
                stored = await self._api.merge(PATH, patch)
            else:
                await mark_store.ensure_namespace(self._api)
                stored = await self._api.create(COLLECTION, _lease(record))
        except (kube_errors.Conflict, kube_errors.AlreadyExists, kube_errors.NotFound) as error:
            raise errors.Superseded(f"lease: changed by somebody else ({error})") from error
        self._version = stored["metadata"]["resourceVersion"]


def _lease(record: leases.Record) -> dict[str, Any]:
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": NAME,
            "namespace": naming.NAMESPACE,
            "annotations": {BOOT_ANNOTATION: str(record.boot)},
        },
        "spec": {
            "holderIdentity": record.holder,
            "leaseDurationSeconds": record.duration_s,
            "acquireTime": record.acquired,
            "renewTime": record.renewed,
            "leaseTransitions": record.transitions,
        },
    }


def _record(found: dict[str, Any]) -> leases.Record:
    spec, metadata = found.get("spec") or {}, found["metadata"]
    boot = str((metadata.get("annotations") or {}).get(BOOT_ANNOTATION, "0"))
    return leases.Record(
        holder=str(spec.get("holderIdentity") or ""),
        duration_s=int(spec.get("leaseDurationSeconds") or 0),
        renewed=str(spec.get("renewTime") or ""),
        acquired=str(spec.get("acquireTime") or ""),
        transitions=int(spec.get("leaseTransitions") or 0),
        boot=int(boot) if boot.isdecimal() else 0,
    )
