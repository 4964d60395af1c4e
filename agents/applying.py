"""Carrying out a stage of the plan: look, write intents, apply, write what became of it.

  new objects are read first ─▶ intents of all in one write ─▶ applies, some at a time ─▶ UIDs of all in one write

What is ours already is sent with its UID in the manifest, which makes the API server refuse it (409) if the object is
gone or another one; those are looked at like new ones in a second round. A failure is that object's alone.

An object with ignored fields is read first, for what stands in them, and sent with the version that was read.
"""

import asyncio
import functools
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, TypeVar

import msgspec

from agents import blobs, errors, inventory_store
from agents.domain import adoption, health, ignoring, inventory, ownership, plan, resources, retry, statuses
from agents.kube import client
from agents.kube import errors as kube_errors
from protocol import bundles, crashpoints, ids, naming
from protocol.canonical import NO_DIGEST, Digest
from protocol.status import Action

T = TypeVar("T")

ATTEMPTS_MAX = 3
"""Tries at one request before it counts as failed: a server that sheds load for a second is no failure."""

RETRY_BASE_S = 0.2
RETRY_CEILING_S = 5.0
"""Longest pause between those tries; whoever asks for more is retried with its bundle."""

MANIFESTS_PER_READ = 8
"""Manifests that a worker reads from the disk at a time, to share the cost of going there."""

OUTAGE_FAILURES = 32
"""Requests that fail in a row with no answer at all before the rest of the stage is given up: two rounds of the
concurrent requests. One object behind a hanging webhook does not get there."""

READS_MAX = 5
"""Reads of one object with ignored fields that others write to meanwhile, before that counts as failed."""

BUNDLE_ANNOTATION = f"{naming.PREFIX}bundle"


class Results(msgspec.Struct):
    """What became of a stage; objects in neither were not tried."""

    applied: dict[ids.ObjectId, statuses.Observed]
    failures: dict[ids.ObjectId, statuses.Failure]


class _Task(msgspec.Struct, frozen=True):
    """One apply, decided."""

    wanted: plan.Wanted
    uid: str = ""
    """Must be that of the live object; empty: there is none, as far as we have seen."""
    force: bool = False
    adopted: Digest = NO_DIGEST
    version: str = ""
    """resourceVersion before, where it is known."""
    adopting: bool = False
    """It existed before us, and becomes ours with this apply."""

    @property
    def is_new(self) -> bool:
        """Needs an intent: under this id the inventory holds nothing, or another object."""
        return not self.uid or self.adopting or self.wanted.entry is None


class _Mismatch(Exception):
    """The live object is not the one with our UID."""


class Applier:
    """Applies objects to one cluster."""

    def __init__(
        self,
        api: client.Client,
        *,
        store: inventory_store.InventoryStore,
        library: blobs.Library,
        workers_max: int,
        chance: random.Random,
        boundary: crashpoints.Boundary,
    ) -> None:
        self._api = api
        self._store = store
        self._library = library
        self._workers_max = workers_max
        self._chance = chance
        self._boundary = boundary

    async def apply(
        self,
        items: Sequence[plan.Wanted],
        observed: statuses.Observations,
        *,
        order: str,
        stop: Callable[[], bool],
    ) -> Results:
        """Apply the items, which are one stage. `order` names the generation; `stop` says that a newer one is here.

        Raises only where the inventory cannot be written, or the agent itself is at fault.
        """
        results = Results({}, {})
        known = [item for item in items if item.entry is not None and item.entry.uid]
        fresh = [item for item in items if item.entry is None or not item.entry.uid]
        tasks = [_known_task(item, observed.get(item.object)) for item in known]
        again = await self._round([*tasks, *await self._look(fresh, results)], results, order=order, stop=stop)
        if again:
            await self._round(await self._look(again, results), results, order=order, stop=stop)
        return results

    async def _round(
        self, tasks: list[_Task], results: Results, *, order: str, stop: Callable[[], bool]
    ) -> list[plan.Wanted]:
        """Intents, applies, UIDs. Returns those whose live object was not the expected one."""
        entries = self._store.entries
        intents = [_entry(task, order, uid="", adopted=task.adopted) for task in tasks if task.is_new]
        missing = tuple(entry for entry in intents if entries.get(entry.object) != entry)
        await self._store.write(inventory.Changes(put=missing))
        pool = Pool(tasks, stop)
        done: list[tuple[_Task, client.Applied]] = []
        again: list[plan.Wanted] = []

        async def work() -> None:
            while part := pool.take(MANIFESTS_PER_READ):
                plains = await self._library.plain_all((task.wanted.digest for task in part), bundles.MANIFEST_TAG)
                for task in part:
                    try:
                        done.append((task, await self._send(task, plains[task.wanted.digest], pool)))
                    except _Mismatch:
                        again.append(task.wanted)
                    except (kube_errors.KubeError, errors.AgentError) as error:
                        results.failures[task.wanted.object] = failed(task.wanted, error)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(self._workers_max, len(tasks))):
                group.create_task(work())
        await self._complete(done, results, order)
        return sorted(again, key=lambda item: item.object)

    async def _complete(self, done: list[tuple[_Task, client.Applied]], results: Results, order: str) -> None:
        completed = []
        for task, applied in done:
            adopted = task.adopted
            if not task.uid and not applied.created:
                # It appeared between our look and our apply: somebody else created it.
                adopted = task.wanted.digest
            entry = _entry(task, order, uid=applied.live["metadata"]["uid"], adopted=adopted)
            entry = msgspec.structs.replace(entry, api_version=applied.live["apiVersion"])
            if _differs(entry, self._store.entries.get(entry.object)):
                completed.append(entry)
            results.applied[task.wanted.object] = _observed(task, applied)
        await self._store.write(inventory.Changes(put=tuple(completed)))

    async def _send(self, task: _Task, plain: bytes | errors.AgentError, pool: "Pool") -> client.Applied:
        if isinstance(plain, errors.AgentError):
            raise plain
        manifest = readied(task.wanted, plain)
        if task.uid:
            manifest["metadata"]["uid"] = task.uid
        path = path_of(task.wanted, manifest)
        item = task.wanted
        try:
            if task.uid and ignoring.needs_live(manifest, item.options, item.object):
                applied = await self._send_kept(task, manifest, path, pool=pool)
            else:
                applied = await self._patiently(lambda: self._api.apply(path, manifest, force=task.force), pool)
        except (kube_errors.Conflict, kube_errors.Invalid) as error:
            if task.uid and await self._is_another(task, path):
                raise _Mismatch from error
            raise
        self._boundary("apply")
        return applied

    async def _send_kept(self, task: _Task, manifest: dict[str, Any], path: str, *, pool: "Pool") -> client.Applied:
        """Send with what is ignored as the live object has it; if somebody writes to it meanwhile, read again."""
        item = task.wanted
        for attempt in range(READS_MAX):
            try:
                live = await self._patiently(lambda: self._api.get(path), pool)
            except (kube_errors.NotFound, kube_errors.NamespaceMissing) as error:
                raise _Mismatch from error
            if live["metadata"]["uid"] != task.uid:
                raise _Mismatch
            sent = pinned(ignoring.settled(manifest, live, item.options, of=item.object), live)
            try:
                return await self._patiently(functools.partial(self._api.apply, path, sent, force=task.force), pool)
            except kube_errors.Conflict as error:
                if error.held or attempt == READS_MAX - 1:
                    raise
        raise AssertionError("the last attempt returned or raised")

    async def _is_another(self, task: _Task, path: str) -> bool:
        """Was the refusal about the UID? The wording differs between servers; the object does not."""
        try:
            live = await self._api.get(path)
        except kube_errors.NotFound:
            return True
        return bool(live["metadata"]["uid"] != task.uid)

    async def _patiently(self, call: Callable[[], Awaitable[T]], pool: "Pool") -> T:
        for attempt in range(ATTEMPTS_MAX):
            try:
                answer = await call()
            except kube_errors.Transient as error:
                pool.count(error)
                if attempt == ATTEMPTS_MAX - 1 or error.retry_after_s > RETRY_CEILING_S or pool.outage:
                    raise
                delay = retry.backoff(
                    attempt, base_s=RETRY_BASE_S, ceiling_s=RETRY_CEILING_S, chance=self._chance.random()
                )
                await asyncio.sleep(max(delay, error.retry_after_s))
            except kube_errors.Terminal:
                pool.count(None)
                raise
            else:
                pool.count(None)
                return answer
        raise AssertionError("the last attempt returned or raised")

    async def _look(self, items: Sequence[plan.Wanted], results: Results) -> list[_Task]:
        """Read what is new to us, and decide what to do about what is there."""
        if not items:
            return []
        pool = Pool(items, lambda: False)
        uids = inventory.by_uid(self._store.entries)
        decided: list[_Task] = []

        async def work() -> None:
            while part := pool.take(1):
                item = part[0]
                try:
                    decided.append(await self._decide(item, uids, pool))
                except (kube_errors.KubeError, errors.AgentError) as error:
                    results.failures[item.object] = failed(item, error)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(self._workers_max, len(items))):
                group.create_task(work())
        return sorted(decided, key=lambda task: task.wanted.object)

    async def _decide(self, item: plan.Wanted, uids: dict[str, inventory.Entry], pool: "Pool") -> _Task:
        path = item.resource.path(item.object.namespace, item.object.name)
        try:
            live = await self._patiently(lambda: self._api.get(path), pool)
        except (kube_errors.NotFound, kube_errors.NamespaceMissing):
            return _Task(item)
        metadata = live["metadata"]
        ours = adoption.known_as(item.entry, uids, live)
        if ours is not None:
            force = inventory.forced(ours, item.digest)
            return _Task(item, metadata["uid"], force, ours.adopted, metadata["resourceVersion"])
        await self._refuse_or_adopt(item, live, path)
        return _Task(item, metadata["uid"], False, item.digest, metadata["resourceVersion"], adopting=True)

    async def _refuse_or_adopt(self, item: plan.Wanted, live: dict[str, Any], path: str) -> None:
        dry_run = None
        if adoption.needs_dry_run(item.options.adopt, live):
            manifest = readied(item, await self._library.plain(item.digest, bundles.MANIFEST_TAG))
            path = path_of(item, manifest)
            if ignoring.needs_live(manifest, item.options, item.object):
                live = await self._api.get(path)
                manifest = ignoring.settled(manifest, live, item.options, of=item.object)
            manifest = {**manifest, "metadata": {**manifest["metadata"], "uid": live["metadata"]["uid"]}}
            dry_run = (await self._api.apply(path, manifest, force=False, dry_run=True)).live
            live = await self._api.get(path)  # in the manifest's version, as the dry run is
        refusal = adoption.refusal(item.options.adopt, live, dry_run)
        if refusal:
            raise kube_errors.AlreadyExists(f"{item.object}: {refusal}")


class Pool:
    """Work for several workers, and a breaker for the case that nobody answers any more."""

    def __init__(self, items: Sequence[Any], stop: Callable[[], bool]) -> None:
        self._items: Iterator[Any] = iter(items)
        self._stop = stop
        self._silent = 0
        self.outage = False

    def take(self, number: int) -> list[Any]:
        """The next items; none left, or none wanted any more: an empty list."""
        if self.outage or self._stop():
            return []
        return [item for _, item in zip(range(number), self._items, strict=False)]

    def count(self, error: kube_errors.KubeError | None) -> None:
        """An answer (None) or a failure: many failures to get any answer in a row are an outage."""
        silent = isinstance(error, kube_errors.Unreachable | kube_errors.TimedOut)
        self._silent = self._silent + 1 if silent else 0
        self.outage = self.outage or self._silent >= OUTAGE_FAILURES


def failed(wanted: plan.Wanted, error: Exception) -> statuses.Failure:
    """The failure that an error of an apply is."""
    if isinstance(error, kube_errors.KubeError):
        return statuses.failure(wanted, error.reason, str(error), retry_after_s=error.retry_after_s)
    reason = "Unreadable" if isinstance(error, errors.Terminal) else "BlobUnavailable"
    return statuses.failure(wanted, reason, str(error))


def readied(wanted: plan.Wanted, plain: bytes) -> dict[str, Any]:
    """The manifest as it is sent: in its namespace, annotated with its bundle."""
    try:
        manifest = msgspec.json.decode(plain)
        if ids.object_id(manifest) != wanted.written:
            raise errors.Unreadable(f"{wanted.object}: the manifest is that of {ids.object_id(manifest)}")
        metadata = dict(manifest["metadata"])
        metadata["annotations"] = {**(metadata.get("annotations") or {}), BUNDLE_ANNOTATION: wanted.bundle}
    except (msgspec.MsgspecError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise errors.Unreadable(f"{wanted.object}: the manifest is no Kubernetes object") from error
    if wanted.object.namespace:
        metadata["namespace"] = wanted.object.namespace
    else:
        metadata.pop("namespace", None)
    return {**manifest, "metadata": metadata}


def pinned(manifest: dict[str, Any], live: dict[str, Any]) -> dict[str, Any]:
    """The manifest for this very version of the object: the API server refuses it (409) once there is another."""
    found = live["metadata"]
    version = {"uid": found["uid"], "resourceVersion": found["resourceVersion"]}
    return {**manifest, "metadata": {**manifest["metadata"], **version}}


def path_of(wanted: plan.Wanted, manifest: dict[str, Any]) -> str:
    """Where the object stands at the API server, in the manifest's own version."""
    resource = wanted.resource.at(resources.version_of(str(manifest["apiVersion"])))
    return resource.path(wanted.object.namespace, wanted.object.name)


def _known_task(item: plan.Wanted, seen: statuses.Observed | None) -> _Task:
    assert item.entry is not None, "only what is in the inventory is known"
    version = seen.version if seen is not None and seen.uid == item.entry.uid else ""
    return _Task(item, item.entry.uid, inventory.forced(item.entry, item.digest), item.entry.adopted, version)


def _entry(task: _Task, order: str, *, uid: str, adopted: Digest) -> inventory.Entry:
    item, previous = task.wanted, task.wanted.entry
    taken_from, taken_at = ids.BundleId(""), ""
    if previous is not None and item.moves:
        taken_from, taken_at = previous.bundle, order
    elif previous is not None and previous.taken_at == order:
        taken_from, taken_at = previous.taken_from, previous.taken_at
    return inventory.Entry(
        object=item.object,
        bundle=item.bundle,
        api_version=item.resource.api_version,
        plural=item.resource.plural,
        digest=item.digest,
        written_namespace=item.written.namespace,
        uid=uid,
        adopted=adopted,
        prune=item.options.prune,
        taken_from=taken_from,
        taken_at=taken_at,
    )


def _differs(entry: inventory.Entry, stored: inventory.Entry | None) -> bool:
    """Worth a write? A take-over of an older generation may stand until something else changes."""
    if stored is None or entry.taken_at:
        return stored != entry
    return msgspec.structs.replace(stored, taken_from=ids.BundleId(""), taken_at="") != entry


def _observed(task: _Task, applied: client.Applied) -> statuses.Observed:
    metadata = applied.live["metadata"]
    return statuses.Observed(
        digest=task.wanted.digest,
        bundle=task.wanted.bundle,
        uid=metadata["uid"],
        version=metadata["resourceVersion"],
        action=_action(task, applied),
        assessment=health.assess(applied.live),
        owners=adoption.owners(applied.live),
        sighting=ownership.sighting(applied.live),
    )


def _action(task: _Task, applied: client.Applied) -> Action:
    if applied.created:
        return Action.CREATED
    if task.version:
        same = task.version == applied.live["metadata"]["resourceVersion"]
        return Action.UNCHANGED if same else Action.CONFIGURED
    # The first apply after a start: nobody remembers the version before.
    entry = task.wanted.entry
    return Action.UNCHANGED if entry is not None and entry.digest == task.wanted.digest else Action.CONFIGURED
