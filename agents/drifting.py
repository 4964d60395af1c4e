"""Looking at objects that nobody applies now: how they are, and, where anybody cares, how they differ from Git.

A server-side dry run of our apply tells what would change, and the managedFields of the live object whose these fields
are. Both are of the version that was read: who writes in between is looked at again.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from agents import applying, blobs, clock, errors
from agents.domain import adoption, drift, forecast, health, holding, ignoring, ownership, plan, resources, statuses
from agents.kube import client, rehearsing
from agents.kube import errors as kube_errors
from protocol import bundles, drifts
from protocol.status import Action

WORKERS_MAX = 8
"""Looks at a time: half of the requests that an agent may have, and none of them is urgent."""

LOOKS_MAX = 3
"""Looks at one object that others write to meanwhile, before it counts as failed and is looked at again later."""

Known = statuses.Observations
"""How objects were when we applied them or looked at them last."""

NOTHING_KNOWN: Known = {}


class _Rehearsed(msgspec.Struct, frozen=True):
    """An object, and what our apply would make of it."""

    live: dict[str, Any]
    after: dict[str, Any]
    with_status: bool
    """Git has a status of it, too."""


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
        What still is as it is `known` to have been, or plainly is as Git says, costs no dry run."""
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

    async def _look(self, item: plan.Wanted, known: statuses.Observed | None) -> statuses.Observed:
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
            if known is not None and _is_as_known(known, seen, live):
                return msgspec.structs.replace(seen, drift=known.drift if known.loose else None, loose=known.loose)
            sent = ignoring.settled(manifest, live, item.options, of=item.object)
            if holding.is_plain(sent, live):
                return seen
            try:
                after = await self._api.apply(path, applying.pinned(sent, live), force=True)
            except kube_errors.Conflict:  # somebody wrote to it since it was read
                if attempt == LOOKS_MAX - 1:
                    raise
            else:
                return self._compared(item, seen, _Rehearsed(live, after, "status" in manifest), known=known)
        raise AssertionError("the last look returned or raised")

    def _compared(
        self, item: plan.Wanted, seen: statuses.Observed, rehearsed: "_Rehearsed", *, known: statuses.Observed | None
    ) -> statuses.Observed:
        """What an apply would change, and what it would make ours again without changing it."""
        veil = self._veil if resources.kind_of(item.object) == resources.SECRET else forecast.open_
        live, after = rehearsed.live, rehearsed.after
        changes = forecast.changes(live, after, veil=veil, with_status=rehearsed.with_status)
        lost = ignoring.counted(holding.lost(live, after), live, item.options, of=item.object)
        found = drift.changed(item, changes, live, self._clock.now())
        if found is None and (drift.policy(item) is bundles.Drift.REVERT or _is_news(known, seen)):
            taken = {path: forecast.text(value, veil) for path, value in lost.items()}
            found = drift.passed(item, taken, live, at=self._clock.now())
        loose = holding.content(live) if changes or lost else holding.EVERYTHING
        return msgspec.structs.replace(seen, drift=found, loose=loose)

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


def _is_as_known(known: statuses.Observed, seen: statuses.Observed, live: dict[str, Any]) -> bool:
    """Is nothing other than it was at the last look, as far as that concerns us?"""
    if known.sighting is None or seen.sighting is None or ownership.has_drifted(known.sighting, seen.sighting):
        return False
    return known.loose in (holding.EVERYTHING, holding.content(live))


def _is_news(known: statuses.Observed | None, seen: statuses.Observed) -> bool:
    """Did our entry change since the last look? Who does not remember one cannot tell, and says nothing twice."""
    if known is None or known.sighting is None or seen.sighting is None:
        return False
    return ownership.has_drifted(known.sighting, seen.sighting)
