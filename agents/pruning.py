"""Carrying out named deletions, and settling the debts of those that need no call.

Per object: read it, ask the pure rules again, look at what would cascade, make sure that no newer desired state has
been verified, then delete it with its UID and its version as preconditions. Only a 404 for that very object ends the
debt as gone. Whatever goes wrong leaves the entry where it is and is reported.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import structlog

from agents import inventory_store
from agents.domain import adoption, inventory, prune, resources, statuses
from agents.kube import client, discovery
from agents.kube import errors as kube_errors
from protocol import crashpoints, desired, ids, reports

ATTEMPTS_MAX = 3
"""Reads and deletes of an object whose version moves in between; controllers write statuses at any time."""

Judged = dict[ids.DebtId, prune.Judgement]


class Outcome(msgspec.Struct, frozen=True):
    """What became of all named deletions."""

    confirmations: tuple[reports.Confirmation, ...]
    undeleted: tuple[reports.Undeleted, ...]


class Pruner:
    """Prunes one cluster."""

    def __init__(
        self,
        api: client.Client,
        kinds: discovery.Discovery,
        *,
        store: inventory_store.InventoryStore,
        boundary: crashpoints.Boundary,
    ) -> None:
        self._api = api
        self._discovery = kinds
        self._store = store
        self._boundary = boundary
        self._log = structlog.get_logger()

    async def settle(
        self,
        deletions: desired.Deletions,
        world: prune.World,
        *,
        observed: statuses.Observations,
        newest: Callable[[], bool],
    ) -> Outcome:
        """Settle what can be settled; `newest` says whether the deletions are still those of the newest verified
        state."""
        judged: Judged = {item.debt: prune.judge(item, world) for item in deletions.items}
        await self._complete_intents(judged)
        deletes = [item for item in judged.values() if isinstance(item, prune.Delete)]
        run = _Run(self._api, self._discovery, newest=newest, boundary=self._boundary)
        if deletes:
            await run.survey(self._store.entries, world, observed)
        for wave in prune.waves(deletes):
            settled = await run.wave(wave)
            judged.update(settled)
            await self._record(settled.values(), deletions)
        await self._record(judged.values(), deletions)
        return _outcome(judged)

    async def complete_strays(self, world: prune.World) -> None:
        """Intents that nobody wants or names any more, left by a crash: ours after all, or released."""
        for entry in prune.strays(world, self._store.entries):
            try:
                live = await self._api.get(_path(entry))
            except kube_errors.NotFound:
                await self._store.write(inventory.Changes(remove=(entry.object,)))
            except kube_errors.KubeError as error:
                self._log.info("intent not resolved", object=str(entry.object), reason=str(error))
            else:
                await self._store.write(_resolved(entry, live))

    async def _complete_intents(self, judged: Judged) -> None:
        """An entry without UID is a crash between its intent and its confirmation: the object tells whether it is
        ours."""
        for debt, item in list(judged.items()):
            if isinstance(item, prune.Delete) and not item.entry.uid:
                judged[debt] = await self._completed(item)

    async def _completed(self, item: prune.Delete) -> prune.Judgement:
        try:
            live = await self._api.get(_path(item.entry))
        except kube_errors.NotFound:
            return prune.Settle(item.deletion, reports.Outcome.GONE, "", item.entry)
        except kube_errors.KubeError as error:
            return _held(item, error)
        if not adoption.has_our_manager(live):
            return prune.Settle(item.deletion, reports.Outcome.RELEASED, "NotOurs", item.entry)
        entry = msgspec.structs.replace(item.entry, uid=live["metadata"]["uid"])
        await self._store.write(inventory.Changes(put=(entry,)))
        return prune.Delete(item.deletion, entry)

    async def _record(self, judgements: Sequence[prune.Judgement] | Any, deletions: desired.Deletions) -> None:
        """Settled entries become tombstones; tombstones that nobody asks for any more go."""
        entries = self._store.entries
        put = []
        for item in judgements:
            if isinstance(item, prune.Settle) and item.entry is not None:
                mark = inventory.Settled(item.deletion.debt, item.outcome, item.reason)
                entry = msgspec.structs.replace(item.entry, settled=mark)
                if entries.get(entry.object) != entry:
                    put.append(entry)
        stale = inventory.stale_tombstones(entries, frozenset(item.debt for item in deletions.items))
        remove = tuple(sorted(set(stale) - {entry.object for entry in put}))
        await self._store.write(inventory.Changes(put=tuple(put), remove=remove))


class _Run:
    """One pass over the deletions."""

    def __init__(
        self,
        api: client.Client,
        kinds: discovery.Discovery,
        *,
        newest: Callable[[], bool],
        boundary: crashpoints.Boundary,
    ) -> None:
        self._api = api
        self._discovery = kinds
        self._newest = newest
        self._boundary = boundary
        self._owners: dict[ids.ObjectId, tuple[str, ...] | None] = {}
        """UIDs of the owners of what stays; None: they could not be read."""
        self._doomed: set[str] = set()

    async def survey(self, entries: inventory.Inventory, world: prune.World, observed: statuses.Observations) -> None:
        """Who belongs to whom among what is ours and stays; read where no apply has shown it since the start."""
        self._doomed = set(prune.doomed(entries))
        staying = [entry for entry in inventory.owned(entries) if entry.uid and entry.claim not in world.named]
        self._owners = {entry.object: observed[entry.object].owners for entry in staying if entry.object in observed}
        unseen = [entry for entry in staying if entry.object not in observed]
        async with asyncio.TaskGroup() as tasks:
            reads = {entry.object: tasks.create_task(self._read_owners(entry)) for entry in unseen}
        self._owners.update({object_id: read.result() for object_id, read in reads.items()})

    async def _read_owners(self, entry: inventory.Entry) -> tuple[str, ...] | None:
        try:
            live = await self._api.get(_path(entry))
        except (kube_errors.NotFound, kube_errors.NotServed):
            return ()  # the garbage collector does not find it either
        except kube_errors.KubeError:
            return None
        return tuple(owner["uid"] for owner in live["metadata"].get("ownerReferences") or ())

    async def wave(self, deletes: list[prune.Delete]) -> Judged:
        """Delete what may go at the same time."""
        async with asyncio.TaskGroup() as tasks:
            running = {item.deletion.debt: tasks.create_task(self._one(item)) for item in deletes}
        return {debt: task.result() for debt, task in running.items()}

    async def _one(self, item: prune.Delete) -> prune.Judgement:
        try:
            for _ in range(ATTEMPTS_MAX):
                try:
                    return await self._delete(item)
                except kube_errors.Conflict as error:
                    last = error  # its version moved since we read it: ask all questions again
            return _held(item, last)
        except kube_errors.KubeError as error:
            return _held(item, error)

    async def _delete(self, item: prune.Delete) -> prune.Judgement:
        path = _path(item.entry)
        try:
            live = await self._api.get(path)
        except kube_errors.NotFound:
            return self._gone(item)
        judged = prune.judge_live(item, live)
        if isinstance(judged, prune.Delete):
            judged = prune.cascades(judged, await self._others(judged, live))
        if not isinstance(judged, prune.Delete):
            return judged
        if not self._newest():
            return prune.Hold(item.deletion, "Superseded", "a newer desired state is here")
        self._boundary("prune")
        try:
            await self._api.delete(path, uid=item.entry.uid, resource_version=live["metadata"]["resourceVersion"])
            self._boundary("prune")
            live = await self._api.get(path)
        except kube_errors.NotFound:
            return self._gone(item)
        if live["metadata"]["uid"] != item.entry.uid:
            return self._gone(item, "another object has the name now")
        judged = prune.judge_live(item, live)
        return prune.Hold(item.deletion, "Terminating", "the delete was accepted") if judged is item else judged

    def _gone(self, item: prune.Delete, reason: str = "") -> prune.Settle:
        self._doomed.add(item.entry.uid)
        return prune.Settle(item.deletion, reports.Outcome.GONE, reason, item.entry)

    async def _others(self, item: prune.Delete, live: dict[str, Any]) -> list[str]:
        """What the API server or its garbage collector would delete along with the object."""
        kind = resources.kind_of(item.entry.object)
        dependents = prune.dependents(item.entry, self._owners)
        if kind == resources.NAMESPACE:
            collections = await self._discovery.contents()
            namespace = item.entry.object.name
        elif kind == resources.DEFINITION:
            collections = [_instances(live)]
            namespace = ""
        else:
            return dependents
        found = [
            (resources.GroupKind(resource.group, resource.kind), content["metadata"])
            for resource in collections
            async for content in self._api.list(resource.collection(namespace), metadata_only=True)
        ]
        return sorted({*dependents, *prune.blockers(found, self._doomed)})


def _resolved(entry: inventory.Entry, live: dict[str, Any]) -> inventory.Changes:
    if adoption.has_our_manager(live):
        return inventory.Changes(put=(msgspec.structs.replace(entry, uid=live["metadata"]["uid"]),))
    return inventory.Changes(remove=(entry.object,))


def _instances(definition: dict[str, Any]) -> resources.Resource:
    """Where the objects of a CustomResourceDefinition stand, in any version that is served."""
    spec = definition["spec"]
    served = [version["name"] for version in spec["versions"] if version.get("served")]
    if not served:
        raise kube_errors.NotServed(
            f"{definition['metadata']['name']}: serves no version, so nobody can see its objects"
        )
    names = spec["names"]
    return resources.Resource(
        group=spec["group"], version=served[0], kind=names["kind"], plural=names["plural"], namespaced=False
    )


def _path(entry: inventory.Entry) -> str:
    """By the path of the last apply: an API that is no longer served must not look like another one."""
    object_id = entry.object
    resource = resources.Resource(
        group=object_id.group,
        version=resources.version_of(entry.api_version),
        kind=object_id.kind,
        plural=entry.plural,
        namespaced=bool(object_id.namespace),
    )
    return resource.path(object_id.namespace, object_id.name)


def _held(item: prune.Delete, error: kube_errors.KubeError) -> prune.Hold:
    return prune.Hold(item.deletion, error.reason, statuses.discreet(item.entry.object, error.reason, str(error)))


def _outcome(judged: Judged) -> Outcome:
    confirmations, undeleted = [], []
    for debt, item in sorted(judged.items()):
        if isinstance(item, prune.Settle):
            confirmations.append(reports.Confirmation(debt, item.deletion.object, item.outcome, item.reason))
        elif isinstance(item, prune.Hold):
            undeleted.append(reports.Undeleted(debt, item.deletion.object, item.reason, item.message))
        else:
            raise AssertionError(f"{item.entry.object}: neither settled nor held")  # noqa: TRY004  # not about a type
    return Outcome(tuple(confirmations), tuple(undeleted))
