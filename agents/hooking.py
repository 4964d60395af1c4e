"""Running the hooks of bundles, a step at a time, so that nobody waits for them but their own bundle.

  intent written ─▶ created ─▶ UID written ─▶ looked at again and again ─▶ end written ─▶ deleted, by policy

A hook's object is created, never applied over another: what has its name and was not made for a hook of the bundle is
somebody else's, and the hook fails. What is deleted is deleted by its UID and its version.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import msgspec
import structlog

from agents import applying, blobs, clock, errors, hook_store, namespaces, observing
from agents.domain import health, hook_records, hooks, inventory, plan, resources, statuses
from agents.domain.hook_records import State
from agents.kube import client, discovery, rehearsing
from agents.kube import errors as kube_errors
from protocol import bundles, crashpoints, ids, reports
from protocol.canonical import Digest
from protocol.hooks import Moment, Policy
from protocol.hooks import policies as policies_of
from protocol.status import Health

WORKERS_MAX = 4
"""Bundles whose hooks go on at a time: a quarter of the requests that the agent may have."""

_FINAL = (kube_errors.AlreadyExists, kube_errors.Forbidden, kube_errors.Invalid, errors.Unreadable)
"""Nobody but a person changes these."""


class Item(msgspec.Struct, frozen=True):
    """A bundle whose hooks may go on."""

    index: bundles.BundleIndex
    content: Digest
    installed: bool
    """It has objects in the cluster."""


class Turn(msgspec.Struct, frozen=True):
    """What of hooks is to go on now."""

    items: Sequence[Item]
    moment: Moment
    contained: frozenset[str]
    """Namespaces that bundles contain: nobody else creates them."""
    stop: Callable[[], bool]
    """A newer desired state is here."""


class Means(msgspec.Struct, frozen=True):
    """What hooks are run with."""

    api: client.Client
    kinds: discovery.Discovery
    blobs: blobs.Library
    namespaces: namespaces.Namespaces
    clocks: clock.Clock
    boundary: crashpoints.Boundary
    timeout_s: float
    """After which a hook that runs counts as failed."""


class _Rejected(Exception):
    """The hook's kind or namespace cannot be told."""

    def __init__(self, rejection: plan.Rejection) -> None:
        super().__init__(rejection.message)
        self.rejection = rejection


class Hooks:
    """The hooks of one cluster."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._api = means.api
        self._eyes = rehearsing.Rehearsal(means.api)
        self._store = hook_store.HookStore(means.api, means.boundary)
        self._observer = observing.Observer(means.api)
        self._notes: dict[ids.BundleId, tuple[Digest, hooks.Note]] = {}
        self._log = structlog.get_logger()

    def known(self, index: bundles.BundleIndex, content: Digest) -> hooks.Known:
        """All that is known of a bundle's hooks."""
        noted, note = self._notes.get(index.bundle, (content, None))
        record = self._store.records.get(index.bundle)
        return hooks.Known(index, content, record, note if noted == content else None)

    @property
    def problems(self) -> dict[ids.BundleId, float]:
        """Bundles that have to be tried again, each with the patience that a server asked for, in seconds."""
        return {bundle: note.retry_after_s for bundle, (_, note) in self._notes.items() if note.is_problem}

    def again(self, names: Iterable[ids.BundleId]) -> None:
        """The time of these has come: what could not be done is tried at the next occasion."""
        for bundle in set(names) & self.problems.keys():
            del self._notes[bundle]

    async def ensure_read(self) -> None:
        """Read what is remembered of hooks; errors raise."""
        await self._store.ensure_read()

    async def forget(self, present: frozenset[ids.BundleId]) -> None:
        """Only these bundles are desired, or have objects in the cluster: others that return are installed anew."""
        self._notes = {bundle: found for bundle, found in self._notes.items() if bundle in present}
        for record in list(self._store.records.values()):
            rest = hook_records.left(record)
            if record.bundle in present or rest == record:
                continue
            await (self._store.remove(record.bundle) if rest is None else self._store.write(rest))

    async def advance(self, turn: Turn) -> None:
        """Let hooks go on as far as they can without waiting. Raises only where their records cannot be written."""
        queue = iter([item for item in turn.items if item.index.bundle not in self.problems])

        async def work() -> None:
            for item in queue:
                await self._proceed(item, turn)

        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(min(WORKERS_MAX, len(turn.items))):
                    tasks.create_task(work())
        except* (kube_errors.KubeError, errors.AgentError) as group:
            raise group.exceptions[0] from group

    async def _proceed(self, item: Item, turn: Turn) -> None:
        bundle = item.index.bundle
        if (refusal := hooks.refusal(item.index)) is not None:
            self._note(item, refusal)
            return
        record = self._store.records.get(bundle)
        if record is None or record.content != item.content:
            record = hook_records.begun(record, bundle, item.content, installed=item.installed)
            self._notes.pop(bundle, None)
            await self._store.write(record)
        if turn.moment is Moment.POST and not record.applied:
            await self._store.write(msgspec.structs.replace(record, applied=True))
        goes_on = True
        while goes_on and not turn.stop():
            match hooks.step(item.index, self._store.records[bundle], turn.moment):
                case hooks.Make() as found:
                    goes_on = await self._tried(item, found, self._make(item, found, turn.contained))
                case hooks.Await() as found:
                    goes_on = await self._tried(item, found, self._look(item, found))
                case _:
                    goes_on = False
                    await self._end(item, turn.moment)

    async def _tried(self, item: Item, found: hooks.Make | hooks.Await, trying: Awaitable[bool]) -> bool:
        """Does it go on? Whatever is wrong with a hook is its bundle's alone."""
        try:
            return await trying
        except errors.Superseded:
            raise
        except _Rejected as error:
            reason, message = error.rejection.reason, error.rejection.message
            note = hooks.Note(found.entry.object, found.phase, reason, message, is_problem=True)
            if not error.rejection.retryable:
                note = msgspec.structs.replace(note, is_failure=True)
        except (kube_errors.KubeError, errors.AgentError) as error:
            note = _problem(found, error)
        self._note(item, note)
        return False

    async def _make(self, item: Item, found: hooks.Make, contained: frozenset[str]) -> bool:
        record, entry = self._store.records[item.index.bundle], found.entry
        wanted = await self._wanted(item, entry)
        mark = hooks.mark(record, found.phase, entry.manifest)
        plain = await self._means.blobs.plain(entry.manifest, bundles.MANIFEST_TAG)
        manifest = hooks.marked(applying.readied(wanted, plain), mark)
        path = applying.path_of(wanted, manifest)
        begun = hook_records.run_of(record, found.phase, entry.manifest)
        live = await self._eyes.find(path)
        if live is not None and begun is not None and hooks.is_made_for(live, mark):
            return await self._became(item, found, wanted, live)
        if live is not None and not hooks.is_kept(wanted.object):
            return await self._make_room(item, found, path, live)
        if wanted.object.namespace and wanted.object.namespace not in contained:
            await self._means.namespaces.ensure(wanted.object.namespace)
        now = self._means.clocks.now()
        run = hook_records.Run(found.phase, entry.manifest, State.MAKING, since=now)
        await self._store.write(hook_records.with_run(record, run))
        self._log.info("hook", bundle=item.index.bundle, phase=found.phase, object=str(wanted.object))
        try:
            made = await self._written(item, found, path, manifest, live)
        except kube_errors.NamespaceMissing:
            self._means.namespaces.missed(wanted.object)
            raise
        return await self._became(item, found, wanted, made)

    async def _written(
        self, item: Item, found: hooks.Make, path: str, manifest: dict[str, Any], live: dict[str, Any] | None
    ) -> dict[str, Any]:
        """The object, created; what is never deleted is applied again, if it is ours."""
        if live is None:
            return await self._api.create(path.rpartition("/")[0], manifest)
        uid = live["metadata"]["uid"]
        self._owner(item, found, uid)
        pinned = {**manifest, "metadata": {**manifest["metadata"], "uid": uid}}
        return (await self._api.apply(path, pinned, force=True)).live

    async def _make_room(self, item: Item, found: hooks.Make, path: str, live: dict[str, Any]) -> bool:
        """Delete what was made for the hook before."""
        metadata = live["metadata"]
        owner = self._owner(item, found, metadata["uid"])
        if Policy.BEFORE_CREATION not in policies_of(found.entry):
            reason = "it is there from its run before, and by its policy that is not deleted (before-hook-creation)"
            raise kube_errors.AlreadyExists(f"{found.entry.object}: {reason}")
        if not await self._deleted(path, live):
            note = hooks.Note(found.entry.object, found.phase, hooks.WAITING, "waits until the one before it is gone")
            self._note(item, note)
            return False
        await self._store.write(hook_records.without(owner, metadata["uid"]))
        return True

    def _owner(self, item: Item, found: hooks.Make, uid: str) -> hook_records.Record:
        """Who made the object for a hook: this bundle, or one that has left. Raise AlreadyExists: nobody of us."""
        records = self._store.records
        bundle = item.index.bundle
        for record in records.values():
            mine = record.bundle == bundle or not record.content
            if mine and any(made.uid == uid for made in record.made):
                return record
        raise kube_errors.AlreadyExists(f"{found.entry.object}: exists, and was not made for a hook of this bundle")

    async def _became(self, item: Item, found: hooks.Make, wanted: plan.Wanted, live: dict[str, Any]) -> bool:
        """The object is there: remember it by its UID."""
        record, uid = self._store.records[item.index.bundle], live["metadata"]["uid"]
        begun = hook_records.run_of(record, found.phase, found.entry.manifest)
        assert begun is not None, "an intent is written before its object is made"
        state = State.RUNNING if hooks.is_awaited(wanted.object) else State.SUCCEEDED
        made = hook_records.Made(wanted.object, live["apiVersion"], wanted.resource.plural, uid)
        record = hook_records.with_made(record, made)
        await self._store.write(hook_records.with_run(record, msgspec.structs.replace(begun, state=state, uid=uid)))
        self._notes.pop(item.index.bundle, None)
        return True

    async def _look(self, item: Item, found: hooks.Await) -> bool:
        wanted = await self._wanted(item, found.entry)
        live = await self._eyes.find(wanted.resource.path(wanted.object.namespace, wanted.object.name))
        if live is None or live["metadata"]["uid"] != found.run.uid:
            failed = health.Assessment(Health.MISSING, hooks.GONE, "it was gone before it was seen to end")
            return await self._finish(item, found, State.FAILED, failed)
        state, assessment = hooks.outcome(live), health.assess(live)
        if state is not State.SUCCEEDED:
            assessment = await self._observer.explained(wanted, live, assessment)
        if state is not State.RUNNING:
            return await self._finish(item, found, state, assessment)
        running_s = (self._means.clocks.now() - found.run.since).total_seconds()
        self._note(item, hooks.watched(found, assessment, running_s, self._means.timeout_s))
        return False

    async def _finish(self, item: Item, found: hooks.Await, state: State, why: health.Assessment) -> bool:
        bundle = item.index.bundle
        run = msgspec.structs.replace(found.run, state=state)
        if state is State.FAILED:
            run = msgspec.structs.replace(
                run, reason=why.reason or hooks.FAILED, message=why.message[: reports.STATE_MESSAGE_CHARS_MAX]
            )
        await self._store.write(hook_records.with_run(self._store.records[bundle], run))
        self._notes.pop(bundle, None)
        self._log.info(
            "hook ended", bundle=bundle, phase=found.phase, object=str(found.entry.object), state=state.value
        )
        return True

    async def _end(self, item: Item, moment: Moment) -> None:
        """All hooks of a moment are over: delete what their policies want gone. What cannot be deleted now is tried
        again in the next pass, and holds nobody up."""
        bundle = item.index.bundle
        before = self._store.records[bundle]
        record = hooks.ended(item.index, before, moment)
        if record != before:
            await self._store.write(record)
        for made in record.made:
            if not made.doomed:
                continue
            path = _path(made)
            try:
                live = await self._eyes.find(path)
                is_gone = live is None or live["metadata"]["uid"] != made.uid or await self._deleted(path, live)
            except kube_errors.KubeError as error:
                self._log.info("hook not deleted", bundle=bundle, object=str(made.object), reason=str(error))
                continue
            if is_gone:
                await self._store.write(hook_records.without(self._store.records[bundle], made.uid))

    async def _deleted(self, path: str, live: dict[str, Any]) -> bool:
        """Delete this very object; is it gone?"""
        metadata = live["metadata"]
        if "deletionTimestamp" not in metadata:
            try:
                await self._api.delete(path, uid=metadata["uid"], resource_version=metadata["resourceVersion"])
            except kube_errors.NotFound:
                return True
        after = await self._eyes.find(path)
        return after is None or after["metadata"]["uid"] != metadata["uid"]

    async def _wanted(self, item: Item, entry: bundles.HookEntry) -> plan.Wanted:
        known = await self._means.kinds.resolve([resources.kind_of(entry.object)])
        wanted = plan.resolve(item.index, entry, known)
        if isinstance(wanted, plan.Rejection):
            raise _Rejected(wanted)
        return wanted

    def _note(self, item: Item, note: hooks.Note) -> None:
        self._notes[item.index.bundle] = item.content, note


def _problem(found: hooks.Make | hooks.Await, error: Exception) -> hooks.Note:
    of = found.entry.object
    reason = error.reason if isinstance(error, kube_errors.KubeError) else type(error).__name__
    return hooks.Note(
        of,
        found.phase,
        reason,
        statuses.discreet(of, reason, str(error)),
        is_failure=isinstance(error, _FINAL),
        is_problem=True,
        retry_after_s=error.retry_after_s if isinstance(error, kube_errors.KubeError) else 0.0,
    )


def _path(made: hook_records.Made) -> str:
    """By the path of its creation."""
    of = made.object
    version = resources.version_of(made.api_version)
    namespaced = bool(of.namespace)
    resource = resources.Resource(of.group, version, of.kind, made.plural, namespaced)
    return resource.path(of.namespace, of.name)


def items(indexes: Iterable[tuple[bundles.BundleIndex, Digest]], entries: inventory.Inventory) -> list[Item]:
    """The bundles with their contents, as hooks see them."""
    owners = {entry.bundle for entry in inventory.owned(entries) if entry.uid}
    return [Item(index, content, index.bundle in owners) for index, content in indexes]
