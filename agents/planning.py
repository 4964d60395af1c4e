"""Answering what a desired state would change here, without changing anything.

  signed by a trusted key ─▶ meant for this cluster ─▶ still wanted ─▶ blobs ─▶ the same pure plan ─▶ dry runs ─▶ report

It has an inventory, a discovery and a bounded share of requests of its own, so that the reconciler beside it notices
nothing. What it cannot try, because it would stand in a namespace or be of a kind that the same plan brings, it says.
"""

import asyncio
import collections
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import structlog

from agents import (
    acceptor,
    applying,
    blobs,
    clock,
    errors,
    hook_store,
    hooking,
    hub,
    inventory_store,
    reporter,
    signals,
)
from agents.domain import adoption, drift, forecast, hooks, ignoring, inventory, plan, resources
from agents.kube import client, discovery, rehearsing
from agents.kube import errors as kube_errors
from protocol import bundles, canonical, codec, ids, messages, ordering, plans, reports, signing
from protocol.reports import Forecast, PlannedObject

REQUESTS_MAX = 4
"""Questions that wait. Beyond it the oldest goes: whoever asked it has asked again, or gave up."""

WORKERS_MAX = 4
"""Dry runs at a time: a quarter of the requests that the reconciler may have, who comes first."""

MANIFESTS_PER_READ = 8

PLAN_S_MAX = 120.0
"""However long the hub is willing to wait."""

ANSWER_BYTES_MAX = 4 * 1024 * 1024
"""Of one answer, over all its parts: nobody reads more, and the hub keeps what it is told."""

SILENT_MAX = 8
"""Requests in a row without any answer before the rest is given up: two rounds of the workers."""

Contents = list[tuple[bundles.BundleIndex, canonical.Digest]]
"""The bundles of a root, each with the digest of its index."""

_NEW_NAMESPACE = "not dry-run: its namespace is new"
_NEW_KIND = "not dry-run: its kind is new"


class Planner:
    """Answers for one cluster."""

    def __init__(
        self,
        destination: acceptor.Destination,
        api: client.Client,
        *,
        library: blobs.Library,
        outbox: reporter.Reporter,
        clocks: clock.Clock,
    ) -> None:
        self._destination = destination
        self._api = api
        self._library = library
        self._outbox = outbox
        self._clock = clocks
        self._waiting: collections.deque[plans.PlanRequest] = collections.deque(maxlen=REQUESTS_MAX)
        self._arrived = signals.Signal()
        self._log = structlog.get_logger().bind(cluster=destination.cluster)

    def receive(self, message: hub.Message) -> None:
        """A question. One that does not verify, or is another cluster's, is not answered: nobody we know asked it."""
        try:
            request = self._verified(message.data)
        except (codec.DecodeError, signing.SignatureError, errors.Unreadable) as error:
            self._log.warning("plan request refused", reason=str(error))
            return
        self._waiting.append(request)
        self._arrived.raise_()

    async def run(self) -> None:
        """Answer, one after the other, for ever."""
        while True:
            await self._arrived.wait()
            while self._waiting:
                await self._answer(self._waiting.popleft())

    def _verified(self, data: bytes) -> plans.PlanRequest:
        signed = messages.SIGNED_PLAN_REQUEST.decode(data)
        signing.verify_request(signed, trusted=self._destination.trusted)
        request = messages.PLAN_REQUEST.decode(signed.payload)
        if (request.cluster, request.cluster_uid) != (self._destination.cluster, self._destination.cluster_uid):
            raise errors.Unreadable(f"plan request: is for cluster {request.cluster} with UID {request.cluster_uid}")
        return request

    async def _answer(self, request: plans.PlanRequest) -> None:
        found = _Answer()
        left_s = (request.expires_at - self._clock.now()).total_seconds()
        if left_s <= 0:
            found.problem = f"the question ran out {-left_s:.0f} s ago by this cluster's clock"
        else:
            await self._work(request, found, min(left_s, PLAN_S_MAX))
        self._say(request, found)
        self._log.info(
            "plan answered", request=request.id, changes=len(found.objects), unchanged=found.unchanged,
            problem=found.problem,
        )  # fmt: skip

    async def _work(self, request: plans.PlanRequest, found: "_Answer", time_s: float) -> None:
        try:
            async with asyncio.timeout(time_s):
                await self._destination.check()
                await _Look(self._api, self._library, request, found=found).run()
        except TimeoutError:
            found.problem = f"not finished within {time_s:.0f} s"
        except (kube_errors.KubeError, errors.AgentError) as error:
            found.problem = str(error)[: reports.MESSAGE_CHARS_MAX]

    def _say(self, request: plans.PlanRequest, found: "_Answer") -> None:
        ordered = sorted(found.objects, key=lambda item: (item.bundle, item.object))
        parts = reporter.parts(ordered) or [()]
        for number, part in enumerate(parts, start=1):
            self._outbox.say(
                functools.partial(
                    reports.Planned,
                    request=request.id,
                    part=number,
                    parts=len(parts),
                    objects=part,
                    unchanged=found.unchanged,
                    left_out=found.left_out,
                    problem=found.problem,
                    hooks=tuple(found.hooks[: reports.PLANNED_HOOKS_MAX]) if number == 1 else (),
                    hooks_left_out=max(len(found.hooks) - reports.PLANNED_HOOKS_MAX, 0) if number == 1 else 0,
                )
            )


class _Answer:
    """What was found so far, within its bound: a look that is cut short still says what it has seen."""

    def __init__(self) -> None:
        self.objects: list[PlannedObject] = []
        self.hooks: list[reports.PlannedHook] = []
        self.unchanged = 0
        self.left_out = 0
        self.problem = ""
        self._bytes = 0

    def add(self, item: PlannedObject) -> None:
        """One more object."""
        if item.forecast is Forecast.UNCHANGED:
            self.unchanged += 1
            return
        self._bytes += len(canonical.encode(item))
        if self._bytes > ANSWER_BYTES_MAX:
            self.left_out += 1
        else:
            self.objects.append(item)


class _Look:
    """One look at the cluster with a root in hand."""

    def __init__(
        self, api: client.Client, library: blobs.Library, request: plans.PlanRequest, *, found: _Answer
    ) -> None:
        self._api = rehearsing.Rehearsal(api)
        self._store = inventory_store.InventoryStore(api, lambda _: None)
        self._hooks = hook_store.HookStore(api, lambda _: None)
        self._kinds = discovery.Discovery(api)
        self._library = library
        self._request = request
        self._found = found
        self._uids: dict[str, inventory.Entry] = {}
        self._renewed: frozenset[ids.BundleId] = frozenset()
        self._new_namespaces: frozenset[str] = frozenset()
        self._silent = 0

    async def run(self) -> None:
        """Look at every object of the source, and write down what would become of it."""
        contents = await self._contents()
        indexes = [index for index, _ in contents]
        await self._store.ensure_read()
        self._uids = inventory.by_uid(self._store.entries)
        known = await self._kinds.resolve(plan.kinds(indexes))
        planned = plan.make(indexes, self._store.entries, known)
        self._renewed = drift.renewed(planned)
        new_kinds = await self._new_kinds(planned)
        for rejection in planned.rejections:
            if self._is_asked_about(rejection.bundle):
                self._found.add(_rejected(rejection, new_kinds))
        await self._look_at_hooks(contents)
        items = [item for item in planned.wanted if self._is_asked_about(item.bundle)]
        self._new_namespaces = await self._missing(sorted({item.object.namespace for item in items} - {""}))
        queue = iter(items)
        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(min(WORKERS_MAX, len(items))):
                    tasks.create_task(self._take(queue))
        except* (kube_errors.KubeError, errors.AgentError) as group:
            raise group.exceptions[0] from group

    async def _look_at_hooks(self, contents: Contents) -> None:
        asked = [(index, content) for index, content in contents if self._is_asked_about(index.bundle)]
        if not any(hooks.has_hooks(index) for index, _ in asked):
            return
        await self._hooks.ensure_read()
        for item in hooking.items(asked, self._store.entries):
            known = hooks.Known(item.index, item.content, self._hooks.records.get(item.index.bundle))
            self._found.hooks += hooks.foretold(known, installed=item.installed)

    def _is_asked_about(self, bundle: ids.BundleId) -> bool:
        return ids.source_of(bundle) == self._request.source

    async def _contents(self) -> Contents:
        plain = await self._library.plain(self._request.root, bundles.ROOT_TAG)
        root = _decoded(messages.ROOT, plain)
        plains = await self._library.plain_all((entry.index for entry in root.bundles), bundles.INDEX_TAG)
        found = []
        for entry in root.bundles:
            index = plains[entry.index]
            if isinstance(index, errors.AgentError):
                raise index
            found.append((_decoded(messages.INDEX, index), entry.index))
        return found

    async def _new_kinds(self, planned: plan.Plan) -> frozenset[resources.GroupKind]:
        """Kinds that nobody serves yet and that definitions of the same plan bring."""
        if not any(item.reason == kube_errors.NotServed.reason for item in planned.rejections):
            return frozenset()
        definitions = planned.stage(ordering.Stage.DEFINITIONS)
        plains = await self._library.plain_all((item.digest for item in definitions), bundles.MANIFEST_TAG)
        return frozenset(kind for plain in plains.values() if (kind := _kind_of(plain)) is not None)

    async def _missing(self, names: Sequence[str]) -> frozenset[str]:
        async def is_missing(name: str) -> bool:
            try:
                return await self._api.find(f"/api/v1/namespaces/{name}") is None
            except kube_errors.Forbidden:
                return False  # the dry runs will tell

        found = []
        for name in names:
            if await is_missing(name):
                found.append(name)
        return frozenset(found)

    async def _take(self, queue: Iterator[plan.Wanted]) -> None:
        while part := [item for _, item in zip(range(MANIFESTS_PER_READ), queue, strict=False)]:
            plains = await self._library.plain_all((item.digest for item in part), bundles.MANIFEST_TAG)
            for item in part:
                self._found.add(await self._tried(item, plains[item.digest]))

    async def _tried(self, item: plan.Wanted, plain: bytes | errors.AgentError) -> PlannedObject:
        try:
            if isinstance(plain, errors.AgentError):
                raise plain
            found = await self._forecast(item, applying.readied(item, plain))
        except kube_errors.Conflict as error:
            self._silent = 0
            return _conflicting(item, error)
        except (kube_errors.KubeError, errors.AgentError) as error:
            silent = isinstance(error, kube_errors.Unreachable | kube_errors.TimedOut)
            self._silent = self._silent + 1 if silent else 0
            if self._silent >= SILENT_MAX:
                raise
            failure = applying.failed(item, error)
            return _planned(item, Forecast.FAILED, reason=failure.reason, message=failure.message)
        self._silent = 0
        return found

    async def _forecast(self, item: plan.Wanted, manifest: dict[str, Any]) -> PlannedObject:
        left_alone = drift.is_left_alone(item, self._renewed)
        if left_alone and not drift.is_created_again(item, self._renewed):
            return _planned(item, Forecast.UNCHANGED)
        if item.object.namespace in self._new_namespaces:
            return _planned(item, Forecast.CREATED, message=_NEW_NAMESPACE)
        path = applying.path_of(item, manifest)
        live = await self._api.find(path)
        if live is None:
            await self._api.apply(path, manifest, force=False)
            return _planned(item, Forecast.CREATED)
        if left_alone and item.entry is not None and item.entry.uid == live["metadata"]["uid"]:
            return _planned(item, Forecast.UNCHANGED)
        ours = adoption.known_as(item.entry, self._uids, live)
        if ours is None and item.options.adopt is bundles.Adopt.NEVER:
            return _refused(item, adoption.refusal(item.options.adopt, live, None))
        manifest = ignoring.settled(manifest, live, item.options, of=item.object)
        manifest = {**manifest, "metadata": {**manifest["metadata"], "uid": live["metadata"]["uid"]}}
        force = ours is not None and inventory.forced(ours, item.digest)
        after = await self._api.apply(path, manifest, force=force)
        changes = forecast.changes(live, after, veil=_veil(item), with_status="status" in manifest)
        if ours is not None:
            return _planned(item, Forecast.CONFIGURED if changes else Forecast.UNCHANGED, changes=changes)
        needed = after if adoption.needs_dry_run(item.options.adopt, live) else None
        refusal = adoption.refusal(item.options.adopt, live, needed)
        if refusal:
            return _refused(item, refusal, changes)
        return _planned(item, Forecast.ADOPTED, changes=changes)


_NONE = forecast.Changes(())


def _planned(
    item: plan.Wanted,
    outcome: Forecast,
    *,
    reason: str = "",
    message: str = "",
    changes: forecast.Changes = _NONE,
) -> PlannedObject:
    return PlannedObject(
        object=item.written,
        bundle=item.bundle,
        forecast=outcome,
        reason=reason,
        message=message,
        changes=changes.fields,
        changes_left_out=changes.left_out,
    )


def _refused(item: plan.Wanted, refusal: str, changes: forecast.Changes = _NONE) -> PlannedObject:
    reason = kube_errors.AlreadyExists.reason
    return _planned(item, Forecast.FAILED, reason=reason, message=f"{item.object}: {refusal}", changes=changes)


def _conflicting(item: plan.Wanted, error: kube_errors.Conflict) -> PlannedObject:
    failure = applying.failed(item, error)
    outcome = Forecast.CONFLICT if error.held else Forecast.FAILED
    found = _planned(item, outcome, reason=failure.reason, message=failure.message)
    held = tuple(reports.FieldConflict(one.manager, one.field) for one in error.held[: forecast.CHANGES_MAX])
    return msgspec.structs.replace(found, conflicts=held)


def _rejected(rejection: plan.Rejection, new_kinds: frozenset[resources.GroupKind]) -> PlannedObject:
    found = PlannedObject(rejection.object, rejection.bundle, Forecast.CREATED, message=_NEW_KIND)
    if rejection.reason == kube_errors.NotServed.reason and resources.kind_of(rejection.object) in new_kinds:
        return found
    return msgspec.structs.replace(
        found, forecast=Forecast.FAILED, reason=rejection.reason, message=rejection.message[: reports.MESSAGE_CHARS_MAX]
    )


def _veil(item: plan.Wanted) -> forecast.Veil:
    return forecast.hidden if resources.kind_of(item.object) == resources.SECRET else forecast.open_


def _kind_of(definition: bytes | errors.AgentError) -> resources.GroupKind | None:
    """The kind that a CustomResourceDefinition brings; one that cannot be read brings none."""
    if isinstance(definition, errors.AgentError):
        return None
    try:
        spec: Mapping[str, Any] = msgspec.json.decode(definition)["spec"]
        return resources.GroupKind(spec["group"], spec["names"]["kind"])
    except (msgspec.MsgspecError, KeyError, TypeError):
        return None


def _decoded(reader: codec.Codec[codec.T], plain: bytes) -> codec.T:
    try:
        return reader.decode(plain)
    except codec.DecodeError as error:
        raise errors.Unreadable(f"plan request: {error}") from error
