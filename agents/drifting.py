"""Looking at what is left alone: how it is, and, where the bundle wants to know, how it differs from Git.

A server-side dry run of our apply tells what would change. Where something would, a second one without force tells
whose fields these are. Both are of the version that was read: who writes in between is looked at again.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from agents import applying, blobs, errors
from agents.domain import adoption, drift, forecast, health, ignoring, inventory, plan, resources, statuses
from agents.kube import client, rehearsing
from agents.kube import errors as kube_errors
from protocol import bundles
from protocol.status import Action

WORKERS_MAX = 8
"""Looks at a time: half of the requests that an agent may have, and none of them is urgent."""

LOOKS_MAX = 3
"""Looks at one object that others write to meanwhile, before it counts as failed and is looked at again later."""


class Looker:
    """Looks at objects of one cluster, and changes nothing."""

    def __init__(self, api: client.Client, library: blobs.Library) -> None:
        self._api = rehearsing.Rehearsal(api)
        self._library = library

    async def look(self, items: Sequence[plan.Wanted], *, stop: Callable[[], bool]) -> applying.Results:
        """How the items are. What is not there, or is another object, is Missing; what cannot be told is a failure."""
        results = applying.Results({}, {})
        pool = applying.Pool(items, stop)

        async def work() -> None:
            while part := pool.take(1):
                item = part[0]
                try:
                    results.applied[item.object] = await self._look(item)
                except (kube_errors.KubeError, errors.AgentError) as error:
                    pool.count(error if isinstance(error, kube_errors.KubeError) else None)
                    results.failures[item.object] = applying.failed(item, error)
                else:
                    pool.count(None)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(WORKERS_MAX, len(items))):
                group.create_task(work())
        return results

    async def _look(self, item: plan.Wanted) -> statuses.Observed:
        assert item.entry is not None, "only what is ours is left alone"
        if not drift.is_compared(item):
            return self._seen(item, await self._api.find(item.resource.path(item.object.namespace, item.object.name)))
        plain = await self._library.plain(item.digest, bundles.MANIFEST_TAG)
        manifest = applying.readied(item, plain)
        path = applying.path_of(item, manifest)
        for attempt in range(LOOKS_MAX):
            live = await self._api.find(path)
            seen = self._seen(item, live)
            if live is None or seen.drift:
                return seen
            try:
                return msgspec.structs.replace(seen, drift=await self._difference(item, manifest, path, live))
            except kube_errors.Conflict:  # somebody wrote to it since it was read
                if attempt == LOOKS_MAX - 1:
                    raise
        raise AssertionError("the last look returned or raised")

    async def _difference(self, item: plan.Wanted, manifest: dict[str, Any], path: str, live: dict[str, Any]) -> str:
        assert item.entry is not None
        sent = applying.pinned(ignoring.kept(manifest, live, ignoring.pointers(item.options, item.object)), live)
        force = inventory.forced(item.entry, item.digest)
        try:
            after = await self._api.apply(path, sent, force=force)
            secret = resources.kind_of(item.object) == resources.SECRET
            changes = forecast.changes(live, after, secret=secret, with_status="status" in manifest)
            managers = await self._managers(path, sent) if changes and force else ()
        except kube_errors.Conflict as error:
            if not error.held:
                raise
            return drift.held([(one.manager, one.field) for one in error.held], live)
        return drift.described(changes, managers, live)

    async def _managers(self, path: str, sent: dict[str, Any]) -> Sequence[str]:
        """Who holds what we would change; nobody, where a field was only taken away."""
        try:
            await self._api.apply(path, sent, force=False)
        except kube_errors.Conflict as error:
            if not error.held:
                raise
            return [one.manager for one in error.held]
        return ()

    def _seen(self, item: plan.Wanted, live: dict[str, Any] | None) -> statuses.Observed:
        assert item.entry is not None
        told = item.options.drift is bundles.Drift.ALERT
        seen = statuses.Observed(
            digest=item.digest,
            bundle=item.bundle,
            uid=item.entry.uid,
            version="",
            action=Action.UNCHANGED,
            assessment=health.MISSING,
            drift=drift.GONE if told else "",
        )
        if live is None:
            return seen
        metadata = live["metadata"]
        if metadata["uid"] != item.entry.uid:
            return msgspec.structs.replace(seen, uid=metadata["uid"], drift=drift.REPLACED if told else "")
        return msgspec.structs.replace(
            seen,
            version=metadata["resourceVersion"],
            assessment=health.assess(live),
            owners=adoption.owners(live),
            drift="",
        )
