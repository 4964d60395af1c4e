"""From the world to each cluster's signed desired state.

One pass: find the clusters whose state may have changed, derive each, write what that means for the debts into the log,
and only then publish. A crash anywhere in between is repaired by the next pass, for every step starts from what is
stored.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import msgspec
import structlog

from controller import errors, runtime
from controller.domain import assignments, clusters, debts, derivation, losses, observed, publications
from controller.domain.world import World
from controller.store import records
from protocol import bundles, canonical, desired, envelope, ids, messages, sealing, signing, streams, tracing
from protocol.canonical import Digest

logger = structlog.get_logger(__name__)

BY = "hub"
SOURCE = "/flotilla/hub"
NO_DELETIONS = desired.deletions_digest(canonical.encode(desired.NO_DELETIONS))


_SPAN = {
    **tracing.SYSTEM,
    "messaging.destination.name": streams.DESIRED.name,
    "messaging.operation.name": "publish",
    "messaging.operation.type": "send",
}


class Outgoing(msgspec.Struct, frozen=True):
    """One desired state to store, fenced on the sequence of the one before it."""

    cluster: ids.ClusterId
    body: bytes
    headers: dict[str, str]
    expected: int


class Stale(msgspec.Struct, frozen=True):
    """Somebody else stored a newer one: the sequence of the present."""

    current: int


class Desired(Protocol):
    """The DESIRED stream."""

    async def publish(self, states: Sequence[Outgoing]) -> Sequence[int | Stale]:
        """Store; for each state its new sequence, or why it was refused."""

    async def all(self) -> Sequence[records.Stored]:
        """The last state of every cluster."""

    async def last(self, cluster: ids.ClusterId) -> records.Stored | None:
        """The last state of one cluster, from the stream's leader."""


class Publishing:
    """Derives, settles, signs and stores."""

    def __init__(
        self,
        shared: runtime.Runtime,
        stream: Desired,
        signer: signing.Signer,
        *,
        new_id: Callable[[], str],
        boundary: Callable[[str], None] = lambda _name: None,
    ) -> None:
        self._shared = shared
        self._stream = stream
        self._signer = signer
        self._new_id = new_id
        self._boundary = boundary
        self._done: dict[ids.ClusterId, tuple[object, ...]] = {}
        """What each cluster's state was derived from, once it is stored."""

    async def load(self) -> None:
        """Learn what is stored; call it once, before anything is derived or heard."""
        for stored in await self._stream.all():
            self._remember(stored)

    async def run(self) -> None:
        """Publish what changes, for ever."""
        signal = self._shared.subscribe()
        while True:
            try:
                await self.publish_all()
            except (errors.Transient, sealing.BlobError) as error:
                logger.warning("publishing is held up", reason=str(error))
            await signal.wait(self._shared.timing.look_again_s)

    async def publish_all(self) -> int:
        """One pass over the clusters that may have changed; return how many states were stored."""
        world = self._shared.world
        if world.fleet.recovering or not world.fleet.epoch:
            return 0
        dirty = self._dirty()
        if not dirty:
            return 0
        outcomes = await self.derive([world.clusters[cluster] for cluster in dirty])
        self._boundary("derive")
        at = self._shared.clock()
        await self._shared.transactor.run(
            lambda fresh: losses.settle(fresh, list(outcomes.values()), at), by=BY, cause="derive"
        )
        stored, refused = await self._publish(outcomes)
        self._done.update({cluster: seen for cluster, seen in dirty.items() if cluster not in refused})
        return stored

    async def derive(
        self,
        members: Sequence[clusters.Cluster],
        change: Callable[[derivation.View], derivation.View] = lambda view: view,
    ) -> dict[ids.ClusterId, losses.Outcome]:
        """Derive these clusters' states, without storing anything. `change`: what if?"""
        shelves, world = self._shared.library, self._shared.world
        await shelves.need_catalogs(assignments.catalog_digests(world))
        # What lies on a cluster's subject may become another while roots are read.
        previous = {cluster.id: self._previous(cluster.id) for cluster in members}
        await shelves.need_roots(set(previous.values()))
        views = {
            cluster.id: change(assignments.view(world, cluster, shelves.roots[previous[cluster.id]], shelves.catalogs))
            for cluster in members
        }
        given = {cluster.id: _given(world, cluster.id) for cluster in members}
        generations = {cluster.id: self._shared.publication(cluster.id).generation for cluster in members}
        shared = derivation.alike(views)
        distinct = {id(view): view for view in shared.values()}
        named: set[Digest] = set()
        for view in distinct.values():
            named |= derivation.index_digests(view)
            await asyncio.sleep(0)  # a cluster takes milliseconds for each hundred bundles: others go on in between
        await shelves.need_indexes(named)
        derived: dict[int, derivation.Derived] = {}
        for key, view in distinct.items():
            derived[key] = derivation.derive(view, shelves.indexes)
            await asyncio.sleep(0)
        objects = {key: derivation.objects_of(view.previous, shelves.indexes) for key, view in distinct.items()}
        return {
            cluster: losses.Outcome(
                cluster=cluster,
                derived=derived[id(view)],
                objects=objects[id(view)],
                generation=generations[cluster],
                given=given[cluster],
            )
            for cluster, view in shared.items()
        }

    def _dirty(self) -> dict[ids.ClusterId, tuple[object, ...]]:
        world = self._shared.world
        named = debts.named(world.ledger)
        seen = {
            cluster.id: (
                assignments.signature(world, cluster),
                named.get(cluster.id),
                self._shared.is_verified(cluster.id),
            )
            for cluster in world.clusters.values()
            if clusters.active(cluster)
        }
        return {cluster: found for cluster, found in seen.items() if self._done.get(cluster) != found}

    def _previous(self, cluster: ids.ClusterId) -> Digest:
        """The root that drops are measured against: none, where a recovery began a new epoch since."""
        publication = self._shared.publication(cluster)
        return publication.root if publication.epoch == self._shared.world.epoch(cluster) else canonical.NO_DIGEST

    async def _publish(self, outcomes: Mapping[ids.ClusterId, losses.Outcome]) -> tuple[int, set[ids.ClusterId]]:
        """Store the states that differ from what lies there; return how many were, and the clusters who lost their
        turn."""
        world, drafts = self._shared.world, []
        named = debts.named(world.ledger)
        for cluster, outcome in outcomes.items():
            draft = await self._draft(world, outcome, named.get(cluster, desired.NO_DELETIONS))
            if draft is not None:
                drafts.append(draft)
        for draft in drafts:
            offered = (draft.state.epoch, draft.state.generation)
            self._shared.offered[draft.state.cluster] = offered
        with self._spans(drafts) as carried:
            outgoing = [self._outgoing(draft, carried[self._led_by(draft)]) for draft in drafts]
            results = await self._stream.publish(outgoing) if outgoing else ()
        self._boundary("publish")
        refused = set()
        for draft, result in zip(drafts, results, strict=True):
            if isinstance(result, Stale):
                refused.add(draft.state.cluster)
                await self._reload(draft.state.cluster)
            else:
                self._stored(draft, result)
        if drafts:
            self._shared.notify()
        return len(drafts) - len(refused), refused

    async def _draft(self, world: World, outcome: losses.Outcome, deletions: desired.Deletions) -> "Draft | None":
        cluster, before = outcome.cluster, self._shared.publication(outcome.cluster)
        plain = canonical.encode(outcome.derived.root)
        root = bundles.root_digest(plain)
        verified = self._shared.is_verified(cluster)
        named = canonical.encode(deletions if verified else desired.NO_DELETIONS)
        same_root = root == before.root and before.epoch == world.epoch(cluster)
        self._shared.published[cluster] = msgspec.structs.replace(
            before,
            conflicts=outcome.derived.conflicts,
            given=outcome.given if same_root else before.given,
        )
        # Until the cluster has shown a head of our log, the deletions it was told of before stay told: only a new
        # root is worth a generation without them.
        if same_root and (not verified or desired.deletions_digest(named) == before.deletions):
            return None
        # Nothing was given yet, in this epoch: what the cluster has from an earlier one stays as it is.
        if before.epoch != world.epoch(cluster) and not outcome.derived.root.bundles:
            return None
        await self._shared.library.store(bundles.ROOT_TAG, plain)
        inline = len(named) <= desired.DELETIONS_INLINE_BYTES_MAX
        if not inline:
            await self._shared.library.store(bundles.DELETIONS_TAG, named)
        state = desired.DesiredState(
            cluster=cluster,
            cluster_uid=world.clusters[cluster].uid,
            epoch=world.epoch(cluster),
            generation=before.generation + 1,
            previous_root=before.root,
            root=root,
            revisions=self._revisions(outcome.given),
            deletions=desired.deletions_digest(named),
            log_head=world.log_head,
        )
        return Draft(
            state=state,
            deletions=named if inline else b"",
            sequence=before.sequence,
            root=outcome.derived.root,
            conflicts=outcome.derived.conflicts,
            given=outcome.given,
        )

    def _revisions(self, given: Mapping[ids.SourceName, Digest]) -> tuple[desired.SourceRevision, ...]:
        catalogs = self._shared.library.catalogs
        return tuple(
            desired.SourceRevision(source=source, revision=str(catalogs[digest].revision))
            for source, digest in given.items()
        )

    def _led_by(self, draft: "Draft") -> str:
        """The traceparent of the commit that this state brings; empty where none does, as after an approval."""
        before = self._shared.publication(draft.state.cluster).given
        brought = (source for source, digest in draft.given.items() if before.get(source) != digest)
        return next(filter(None, map(self._shared.trace_of, brought)), "")

    @contextlib.contextmanager
    def _spans(self, drafts: Sequence["Draft"]) -> Iterator[dict[str, str]]:
        """A span for each commit whose states go out now: what their messages carry, by the trace that led to them."""
        with contextlib.ExitStack() as stack:
            carried = {}
            # In order, and what no commit led to comes first: it would be taken for a part of the others.
            for trace, count in sorted(Counter(self._led_by(draft) for draft in drafts).items()):
                attributes: tracing.Attributes = {**_SPAN, "messaging.batch.message_count": count}
                origin = tracing.Origin(trace, kind=tracing.PRODUCER)
                span = stack.enter_context(self._shared.traces.span("publish DESIRED", attributes, origin=origin))
                carried[trace] = tracing.traceparent_of(span)
            yield carried

    def _outgoing(self, draft: "Draft", traceparent: str) -> "Outgoing":
        payload = messages.STATE.encode(draft.state)
        signed = desired.SignedDesired(
            payload=payload,
            key=self._signer.public_key,
            signature=self._signer.sign(payload),
            deletions=draft.deletions,
        )
        headers = envelope.to_headers(
            envelope.Envelope(
                id=self._new_id(),
                type="DesiredState",
                source=SOURCE,
                time=self._shared.clock(),
                traceparent=traceparent,
            )
        )
        return Outgoing(
            cluster=draft.state.cluster, body=messages.SIGNED.encode(signed), headers=headers, expected=draft.sequence
        )

    def _stored(self, draft: "Draft", sequence: int) -> None:
        cluster = draft.state.cluster
        seen, at = self._shared.seen(cluster), self._shared.clock()
        stored = publications.read(cluster, sequence, draft.state, at=at)
        self._shared.published[cluster] = msgspec.structs.replace(
            stored,
            missed_at=publications.missed(self._shared.publication(cluster), (seen.epoch, seen.generation), at),
            given=draft.given,
            conflicts=draft.conflicts,
        )
        self._shared.library.roots[draft.state.root] = draft.root
        self._shared.observed[cluster] = observed.pruned(self._shared.seen(cluster), draft.root)

    async def _reload(self, cluster: ids.ClusterId) -> None:
        """Another hub stored a newer state: start from that."""
        await self._shared.transactor.catch_up()
        stored = await self._stream.last(cluster)
        if stored is not None:
            self._remember(stored)

    def _remember(self, stored: records.Stored) -> None:
        state = messages.STATE.decode(messages.SIGNED.decode(stored.body).payload)
        self._shared.published[state.cluster] = publications.read(state.cluster, stored.sequence, state, at=stored.at)
        self._shared.offered[state.cluster] = (state.epoch, state.generation)


class Draft(msgspec.Struct, frozen=True):
    """A state that is about to be stored."""

    state: desired.DesiredState
    deletions: bytes
    sequence: int
    root: bundles.ClusterRoot
    conflicts: dict[ids.BundleId, str]
    given: dict[ids.SourceName, Digest]


def _given(world: World, cluster: ids.ClusterId) -> dict[ids.SourceName, Digest]:
    return {
        name: state.assigned[cluster] for name, state in sorted(world.rollouts.items()) if cluster in state.assigned
    }
