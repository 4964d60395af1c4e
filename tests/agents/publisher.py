"""A hub for the agent's tests: it signs what it is told to sign, and writes down what it hears.

It knows nothing of Git, placements or debts. It goes through the real nats-server and the real streams, so that the
agent meets what it will meet in production.
"""

import asyncio
import contextlib
import datetime
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any, TypeVar

import msgspec

from controller.broker import doors
from controller.reactors import publishing
from controller.render import hooks, manifests, rendering
from protocol import bundles, canonical, credentials, desired, ids, messages, plans, reports, sealing, signing, subjects

R = TypeVar("R", bound=reports.Report)

HEARD_S = 120.0
"""How long a test waits for a report; a quiet machine needs a hundredth of it."""

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

STATUSES = reports.Applied | reports.Failed | reports.Ready
"""Reports that tell how bundles stand. A state that comes soon enough is already told by the first that is heard of a
generation: one that waits for a state takes any of them."""

Manifest = dict[str, Any]


class Bundle(msgspec.Struct, frozen=True):
    """A bundle as a test writes it."""

    name: str
    manifests: tuple[Manifest, ...]
    options: bundles.BundleOptions = bundles.BundleOptions()
    depends_on: tuple[bundles.Dependency, ...] = ()
    hooks: tuple[Manifest, ...] = ()

    @property
    def id(self) -> ids.BundleId:
        return ids.BundleId(f"test/{self.name}")

    def with_hooks(self, *hooks: Manifest) -> "Bundle":
        """The same bundle with hooks beside its objects; their annotations say when they run."""
        return msgspec.structs.replace(self, hooks=hooks)


def bundle(name: str, *manifests: Manifest, **options: Any) -> Bundle:
    return Bundle(name, manifests, bundles.BundleOptions(**options))


def after(part: Bundle, *others: Bundle, state: str = "ready") -> Bundle:
    """The same bundle, waiting for others."""
    needed = tuple(bundles.Dependency(other.id, bundles.DependencyState(state)) for other in others)
    return msgspec.structs.replace(part, depends_on=needed)


def config_map(name: str, namespace: str = "", **data: str) -> Manifest:
    """The simplest object."""
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def deletion(
    debt: str, manifest: Manifest, source: Bundle, prune: bundles.Prune = bundles.Prune.OWNED
) -> desired.Deletion:
    return desired.Deletion(ids.DebtId(debt), ids.object_id(manifest), source.id, prune)


class Content(msgspec.Struct, frozen=True):
    """A root and all blobs below it."""

    root: canonical.Digest
    blobs: tuple[sealing.Sealed, ...]


def content(parts: Sequence[Bundle], kept: Sequence[bundles.Kept] = ()) -> Content:
    """Seal the Merkle tree of some bundles."""
    sealed: list[sealing.Sealed] = []
    entries = []
    for part in sorted(parts, key=lambda item: item.id):
        objects = []
        for manifest in part.manifests:
            blob = sealing.seal(bundles.MANIFEST_TAG, bundles.manifest_bytes(manifest))
            sealed.append(blob)
            objects.append(bundles.IndexEntry(ids.object_id(manifest), blob.id))
        made = tuple(_hook(manifest, sealed) for manifest in part.hooks)
        ordered = tuple(sorted(objects, key=lambda item: item.object))
        index = bundles.BundleIndex(part.id, part.options, ordered, made)
        blob = sealing.seal(bundles.INDEX_TAG, messages.INDEX.encode(index))
        sealed.append(blob)
        entries.append(bundles.RootEntry(part.id, blob.id, part.depends_on))
    root = sealing.seal(bundles.ROOT_TAG, messages.ROOT.encode(bundles.ClusterRoot(tuple(entries), tuple(kept))))
    return Content(root.id, (*sealed, root))


def _hook(manifest: Manifest, sealed: list[sealing.Sealed]) -> bundles.HookEntry:
    plain = bundles.manifest_bytes(manifest)
    sealed.append(sealing.seal(bundles.MANIFEST_TAG, plain))
    return hooks.entry(rendering.Object("chart", manifests.Manifest(ids.object_id(manifest), plain, 0)))


class Publisher:
    """Publishes desired states for one cluster, and hears its reports."""

    def __init__(
        self, hub: doors.Doors, signer: signing.Signer, held: credentials.Credentials, cluster_uid: str
    ) -> None:
        self.hub = hub
        self._signer = signer
        self.cluster = held.cluster
        self.cluster_uid = cluster_uid
        self.generation = 0
        self.asked = 0
        self.root = canonical.NO_DIGEST
        self.delta: tuple[bytes, ...] = ()
        """Plain tagged blobs for the next messages."""
        self.beats = 0
        self.beat: reports.Beat | None = None
        """The last heartbeat."""
        self.standbys: list[reports.Standby] = []
        self.heard: list[reports.Report] = []
        self.headers: list[dict[str, str]] = []
        self._more = asyncio.Condition()

    async def publish(
        self,
        *parts: Bundle,
        deletions: Iterable[desired.Deletion] = (),
        kept: Sequence[bundles.Kept] = (),
        inline: bool = True,
        **changes: Any,
    ) -> desired.DesiredState:
        """Store a tree and a new signed state; `changes` are fields of the state that should be otherwise."""
        made = content(parts, kept)
        await self.hub.blobs.put(made.blobs)
        return await self.publish_root(made.root, deletions, inline=inline, **changes)

    async def publish_root(
        self, root: canonical.Digest, deletions: Iterable[desired.Deletion] = (), *, inline: bool = True, **changes: Any
    ) -> desired.DesiredState:
        """The signed state alone."""
        named = messages.DELETIONS.encode(desired.Deletions(tuple(sorted(deletions, key=lambda item: item.debt))))
        self.generation += 1
        state = desired.DesiredState(
            cluster=self.cluster,
            cluster_uid=self.cluster_uid,
            epoch=1,
            generation=self.generation,
            previous_root=self.root,
            root=root,
            revisions=(desired.SourceRevision(ids.SourceName("test"), f"main@sha1:{self.generation:040x}"),),
            deletions=desired.deletions_digest(named),
            log_head=desired.LogHead(self.generation, canonical.Digest(f"{self.generation:064x}")),
        )
        state = msgspec.structs.replace(state, **changes)
        self.generation, self.root = state.generation, state.root
        await self.send(self.signed(state, named if inline else b""))
        return state

    def signed(self, state: desired.DesiredState, deletions: bytes, signer: signing.Signer | None = None) -> bytes:
        signer = signer or self._signer
        payload = messages.STATE.encode(state)
        message = desired.SignedDesired(payload, signer.public_key, signer.sign(payload), deletions, self.delta)
        return messages.SIGNED.encode(message)

    async def ask(self, *parts: Bundle, signer: signing.Signer | None = None, **changes: Any) -> plans.PlanRequest:
        """Store a tree, and ask what it would do; `changes` are fields of the request that should be otherwise."""
        made = content(parts)
        await self.hub.blobs.put(made.blobs)
        self.asked += 1
        request = plans.PlanRequest(
            cluster=self.cluster,
            cluster_uid=self.cluster_uid,
            id=f"request-{self.asked}",
            root=made.root,
            source=ids.SourceName("test"),
            expires_at=datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=HEARD_S),
        )
        request = msgspec.structs.replace(request, **changes)
        signer = signer or self._signer
        payload = messages.PLAN_REQUEST.encode(request)
        message = plans.SignedPlanRequest(payload, signer.public_key, signer.sign_request(payload))
        await self.hub.hub.send(subjects.live(self.cluster), messages.SIGNED_PLAN_REQUEST.encode(message))
        return request

    async def forecast(self, *parts: Bundle, **changes: Any) -> reports.Planned:
        """The first part of the answer; who needs another one hears it by `hear`."""
        request = await self.ask(*parts, **changes)
        return await self.hear(reports.Planned, lambda report: report.request == request.id)

    async def send(self, body: bytes) -> None:
        """Store any bytes as the cluster's desired state."""
        last = await self.hub.desired.last(self.cluster)
        headers = {"ce-id": f"test-{self.generation}", "traceparent": TRACEPARENT}
        outgoing = publishing.Outgoing(self.cluster, body, headers, last.sequence if last else 0)
        await self.hub.desired.publish([outgoing])

    async def listen(self) -> None:
        """Hear reports, for ever."""
        async with contextlib.aclosing(self.hub.reports.read(after=0)) as stream:
            async for stored in stream:
                if stored.subject.startswith(subjects.report(self.cluster, "")):
                    async with self._more:
                        self.heard.append(messages.REPORT.decode(stored.body))
                        self.headers.append(dict(stored.headers))
                        self._more.notify_all()

    async def count_beats(self) -> None:
        """Hear heartbeats, for ever."""
        async with contextlib.aclosing(self.hub.beats.read()) as stream:
            async for cluster, body in stream:
                beat = messages.BEAT.decode(body)
                if isinstance(beat, reports.Standby):
                    if cluster == self.cluster:
                        async with self._more:
                            self.standbys.append(beat)
                            self._more.notify_all()
                elif cluster == self.cluster == beat.origin.cluster:
                    self.beats += 1
                    self.beat = beat

    def of(self, kind: type[R]) -> list[R]:
        """The reports of one kind, so far."""
        return [report for report in self.heard if isinstance(report, kind)]

    async def hear(self, kind: type[R], matches: Callable[[R], bool] = lambda _: True, *, after: int = 0) -> R:
        """The first report of a kind that matches, heard or still to come; `after` skips the first so many reports."""
        async with asyncio.timeout(HEARD_S), self._more:
            while True:
                for report in self.heard[after:]:
                    if isinstance(report, kind) and matches(report):
                        return report
                await self._more.wait()

    async def stands(
        self, name: str, holds: Callable[[reports.BundleStatus], bool], *, after: int = 0
    ) -> reports.BundleStatus:
        """The first status of a bundle for which something holds, by whichever report, heard or still to come."""

        def meant(report: reports.Report) -> reports.BundleStatus | None:
            said = report.bundles if isinstance(report, STATUSES) else ()
            return next((one for one in said if one.bundle == f"test/{name}" and holds(one)), None)

        kinds: type[reports.Report] = msgspec.Struct  # type: ignore[assignment]
        found = meant(await self.hear(kinds, lambda report: meant(report) is not None, after=after))
        assert found is not None
        return found

    async def standby(self, matches: Callable[[reports.Standby], bool]) -> reports.Standby:
        """The first heartbeat of an agent that does not act and that matches, heard or still to come."""
        async with asyncio.timeout(HEARD_S), self._more:
            while True:
                for found in self.standbys:
                    if matches(found):
                        return found
                await self._more.wait()

    async def applied(self, generation: int | None = None) -> reports.Applied:
        """The report that a generation (by default the last one) was worked through."""
        wanted = self.generation if generation is None else generation
        return await self.hear(reports.Applied, lambda report: report.origin.generation == wanted)


async def _ended(task: asyncio.Task[None]) -> None:
    """Cancel until it is true: before Python 3.12 a cancellation can be lost in `wait_for` (python/cpython#86296)."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=1)


@contextlib.asynccontextmanager
async def listening(publisher: Publisher) -> AsyncIterator[Publisher]:
    """A publisher that hears reports for the time of the block."""
    async with asyncio.TaskGroup() as tasks:
        hearing = [tasks.create_task(publisher.listen()), tasks.create_task(publisher.count_beats())]
        try:
            yield publisher
        finally:
            for task in hearing:
                await _ended(task)
