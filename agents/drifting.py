"""Looking at objects that nobody applies now: how they are, and, where anybody cares, how they differ from Git.

A server-side dry run of our apply tells what would change, and the managedFields of the live object whose these fields
are. Both are of the version that was read: who writes in between is looked at again.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from agents import applying, blobs, clock, errors
from agents.domain import adoption, drift, forecast, health, ignoring, ownership, plan, resources, statuses
from agents.kube import client, rehearsing
from agents.kube import errors as kube_errors
from protocol import bundles, drifts, ids
from protocol.status import Action

WORKERS_MAX = 8
"""Looks at a time: half of the requests that an agent may have, and none of them is urgent."""

LOOKS_MAX = 3
"""Looks at one object that others write to meanwhile, before it counts as failed and is looked at again later."""

Known = Mapping[ids.ObjectId, ownership.Sighting]
"""How objects were when we applied them or looked at them last."""

NOTHING_KNOWN: Known = {}


class Looker:
    """Looks at objects of one cluster, and changes nothing."""

    def __init__(self, api: client.Client, library: blobs.Library, *, clocks: clock.Clock, veil: forecast.Veil) -> None:
        """`veil` is what is told of a Secret's values."""
        self._api = rehearsing.Rehearsal(api)
        self._library = library
        self._clock = clocks
        self._veil = veil

    async def look(
        self,
        items: Sequence[plan.Wanted],
        *,
        stop: Callable[[], bool],
        known: Known = NOTHING_KNOWN,
    ) -> applying.Results:
        """How the items are. What is not there, or is another object, is Missing; what cannot be told is a failure.
        What still is as it is `known` to have been is not compared."""
        results = applying.Results({}, {})
        pool = applying.Pool(items, stop)

        async def work() -> None:
            while part := pool.take(1):
                item = part[0]
                try:
                    results.applied[item.object] = await self._look(item, known.get(item.object))
                except (kube_errors.KubeError, errors.AgentError) as error:
                    pool.count(error if isinstance(error, kube_errors.KubeError) else None)
                    results.failures[item.object] = applying.failed(item, error)
                else:
                    pool.count(None)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(WORKERS_MAX, len(items))):
                group.create_task(work())
        return results

    async def _look(self, item: plan.Wanted, known: ownership.Sighting | None) -> statuses.Observed:
        assert item.entry is not None, "only what is ours is looked at"
        if not drift.is_compared(item):
            return self._seen(item, await self._api.find(item.resource.path(item.object.namespace, item.object.name)))
        plain = await self._library.plain(item.digest, bundles.MANIFEST_TAG)
        manifest = applying.readied(item, plain)
        path = applying.path_of(item, manifest)
        for attempt in range(LOOKS_MAX):
            live = await self._api.find(path)
            seen = self._seen(item, live)
            if live is None or seen.drift is not None:
                return seen
            if known is not None and seen.sighting is not None and not ownership.has_drifted(known, seen.sighting):
                return seen
            try:
                return msgspec.structs.replace(seen, drift=await self._difference(item, manifest, path, live))
            except kube_errors.Conflict:  # somebody wrote to it since it was read
                if attempt == LOOKS_MAX - 1:
                    raise
        raise AssertionError("the last look returned or raised")

    async def _difference(
        self, item: plan.Wanted, manifest: dict[str, Any], path: str, live: dict[str, Any]
    ) -> drifts.Drift | None:
        sent = applying.pinned(ignoring.settled(manifest, live, item.options, of=item.object), live)
        after = await self._api.apply(path, sent, force=True)
        veil = self._veil if resources.kind_of(item.object) == resources.SECRET else forecast.open_
        changes = forecast.changes(live, after, veil=veil, with_status="status" in manifest)
        return drift.changed(item, changes, live, self._clock.now())

    def _seen(self, item: plan.Wanted, live: dict[str, Any] | None) -> statuses.Observed:
        assert item.entry is not None
        told = drift.is_compared(item)
        seen = statuses.Observed(
            digest=item.digest,
            bundle=item.bundle,
            uid=item.entry.uid,
            version="",
            action=Action.UNCHANGED,
            assessment=health.MISSING,
            drift=drift.lost(item, drifts.Kind.GONE, self._clock.now()) if told else None,
            sighting=ownership.GONE,
        )
        if live is None:
            return seen
        metadata = live["metadata"]
        if metadata["uid"] != item.entry.uid:
            replaced = drift.lost(item, drifts.Kind.REPLACED, self._clock.now()) if told else None
            return msgspec.structs.replace(seen, uid=metadata["uid"], drift=replaced, sighting=ownership.sighting(live))
        return msgspec.structs.replace(
            seen,
            version=metadata["resourceVersion"],
            assessment=health.assess(live),
            owners=adoption.owners(live),
            drift=None,
            sighting=ownership.sighting(live),
        )
