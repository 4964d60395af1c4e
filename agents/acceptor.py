"""From a message that anybody may have sent to a desired state that this cluster holds.

  decode ─▶ signature of a trusted key ─▶ meant for this cluster ─▶ newer than all before     (offer: at once, no I/O)
        ─▶ all blobs here ─▶ recorded on disk ─▶ high-water mark in the cluster ─▶ held       (run: one at a time)

Only a held state is applied. A kill between any two steps leaves either the last held state, or one that is complete on
disk and is taken up again; the mark never names a state that is nowhere.
"""

import random
from collections import Counter
from collections.abc import Awaitable, Callable

import msgspec
import structlog

from agents import blobs, disk, errors, hub, mark_store, reporter, signals
from agents.domain import acceptance, retry
from agents.domain.acceptance import Mark, Verdict
from agents.kube import errors as kube_errors
from protocol import bundles, codec, crashpoints, desired, ids, messages, reports, signing, streams, tracing
from protocol.canonical import Digest

RETRY_BASE_S = 0.5
RETRY_CEILING_S = 60.0
"""How late an accepted state can be for a blob that arrived late; a newer state ends the wait."""

MISSING_REPORTED_AFTER = 5
"""Attempts after which a person is told that blobs are missing: about ten seconds."""

NO_DELETIONS_DIGEST = desired.deletions_digest(messages.DELETIONS.encode(desired.NO_DELETIONS))


class Candidate(msgspec.Struct, frozen=True):
    """A verified desired state that is not held yet."""

    message: desired.SignedDesired
    state: desired.DesiredState
    mark: Mark
    record: disk.Accepted


class Held(msgspec.Struct, frozen=True):
    """An accepted desired state with all that it names, except for the manifests, which are on the disk."""

    state: desired.DesiredState
    mark: Mark
    root: bundles.ClusterRoot
    indexes: tuple[bundles.BundleIndex, ...]
    deletions: desired.Deletions
    traceparent: str

    @property
    def revision(self) -> str:
        """For people: the commits that it holds."""
        return ", ".join(f"{item.source}={item.revision}" for item in self.state.revisions)


class Destination(msgspec.Struct, frozen=True):
    """Who this agent is, and whom it trusts."""

    cluster: ids.ClusterId
    cluster_uid: str
    trusted: frozenset[str]
    check: Callable[[], Awaitable[None]]
    """Raises unless the API server is still that of this cluster."""


class Acceptor:
    """Accepts desired states for one cluster."""

    def __init__(
        self,
        destination: Destination,
        *,
        store: disk.Disk,
        library: blobs.Library,
        marks: mark_store.MarkStore,
        outbox: reporter.Reporter,
        chance: random.Random,
        traces: tracing.Tracing,
        boundary: crashpoints.Boundary,
    ) -> None:
        self._destination = destination
        self._disk = store
        self._library = library
        self._marks = marks
        self._reporter = outbox
        self._chance = chance
        self._traces = traces
        self._boundary = boundary
        self._pending: Candidate | None = None
        self._offered = signals.Signal()
        self._refusals: Counter[reports.Refusal] = Counter()
        self._log = structlog.get_logger().bind(cluster=destination.cluster)
        self.newest = acceptance.NOTHING
        """The highest that was ever verified, held or not. Deletions of anything lower must not be carried out."""
        self.held: Held | None = None
        self.changed = signals.Signal()
        """Raised when another state is held."""

    async def restore(self) -> None:
        """Take up where the last run ended: the mark from the cluster, the state from the disk if it is not behind."""
        standing = await self._marks.read()
        self.newest = standing.mark
        self._reporter.stand_at(standing)
        record = await self._disk.accepted()
        if record is None:
            return
        try:
            candidate = _candidate(record)
        except codec.DecodeError as error:
            self._log.error("state on disk is unreadable", reason=str(error))
            return
        stranger = self._stranger(candidate.state)
        if stranger:
            self._log.warning("state on disk is another cluster's", reason=stranger)
            return
        match acceptance.judge(candidate.mark, self.newest):
            case Verdict.STALE:
                self._log.warning(
                    "state on disk is behind the cluster", disk=str(candidate.mark), mark=str(self.newest)
                )
            case Verdict.FORK:
                self._refuse(
                    reports.Refusal.FORK, "state on disk: another content than the cluster's mark", candidate.mark
                )
            case _:
                self._propose(candidate)

    def offer(self, message: hub.Message, *, live: bool) -> Verdict | None:
        """Look at a message from the hub. What is not newer, or is not for us (None), changes nothing.

        An old one that was asked for (not `live`) is no refusal: a replica may lag behind.
        """
        try:
            candidate = self._verified(message)
        except _NotAccepted as error:
            self._refuse(error.refusal, str(error), error.mark)
            return None
        verdict = acceptance.judge(candidate.mark, self.newest)
        if verdict is Verdict.NEWER or (verdict is Verdict.SAME and self._lacks(candidate.mark)):
            self._propose(candidate)
        refusal = acceptance.refusal(verdict)
        if refusal is reports.Refusal.FORK or (refusal is not None and live):
            self._refuse(
                refusal, f"desired state {candidate.mark}: {verdict.value} beside {self.newest}", candidate.mark
            )
        return verdict

    async def run(self) -> None:
        """Work on the newest candidate, for ever."""
        attempt = 0
        while True:
            candidate = self._pending
            if candidate is None:
                await self._offered.wait()
                continue
            try:
                await self._accept(candidate)
                attempt = 0
            except errors.Unreadable as error:
                self._refuse(reports.Refusal.UNREADABLE, str(error), candidate.mark)
                self._give_up(candidate)
                attempt = 0
            except errors.AnotherCluster:
                raise  # nothing that is in memory is true any more
            except errors.Superseded as error:
                self._log.warning("high-water mark", reason=str(error))
                await self._reread(candidate)
            except (errors.Transient, kube_errors.KubeError) as error:
                attempt += 1
                if isinstance(error, errors.BlobMissing) and attempt == MISSING_REPORTED_AFTER:
                    self._refuse(reports.Refusal.UNREADABLE, str(error), candidate.mark)
                self._log.info("desired state waits", mark=str(candidate.mark), reason=str(error), attempt=attempt)
                delay = retry.backoff(
                    attempt - 1, base_s=RETRY_BASE_S, ceiling_s=RETRY_CEILING_S, chance=self._chance.random()
                )
                if await self._offered.wait(delay):
                    attempt = 0

    def _verified(self, message: hub.Message) -> Candidate:
        unknown = acceptance.NOTHING
        try:
            signed = messages.SIGNED.decode(message.data)
            signing.verify(signed, trusted=self._destination.trusted)
            state = messages.STATE.decode(signed.payload)
        except codec.DecodeError as error:
            raise _NotAccepted(reports.Refusal.UNREADABLE, f"desired state: {error}", unknown) from error
        except signing.SignatureError as error:
            raise _NotAccepted(reports.Refusal.FORGED, str(error), unknown) from error
        mark = acceptance.mark_of(state)
        stranger = self._stranger(state)
        if stranger:
            raise _NotAccepted(reports.Refusal.FOREIGN, stranger, mark)
        record = disk.Accepted(message=message.data, traceparent=message.headers.get("traceparent", ""))
        return Candidate(signed, state, mark, record)

    def _stranger(self, state: desired.DesiredState) -> str:
        return acceptance.foreign(state, cluster=self._destination.cluster, cluster_uid=self._destination.cluster_uid)

    def _lacks(self, mark: Mark) -> bool:
        """Neither held nor being worked on."""
        return self._pending is None and (self.held is None or self.held.mark != mark)

    def _propose(self, candidate: Candidate) -> None:
        self._pending = candidate
        self.newest = candidate.mark
        self._reporter.stand_at(acceptance.standing_at(candidate.state))
        self._offered.raise_()

    def _give_up(self, candidate: Candidate) -> None:
        """Until it is offered again, at the latest by the next direct get. What is held stays."""
        if self._pending is candidate:
            self._pending = None

    async def _accept(self, candidate: Candidate) -> None:
        attributes: tracing.Attributes = {
            "k8s.cluster.uid": self._destination.cluster_uid,
            "flotilla.generation": candidate.state.generation,
            **tracing.SYSTEM,
            "messaging.destination.name": streams.DESIRED.name,
            "messaging.operation.name": "verify",
            "messaging.operation.type": "process",
        }
        with self._traces.span("verify", attributes, origin=tracing.sent_by(candidate.record.traceparent)):
            held, needed = await self._gather(candidate)
            self._boundary("verify")
            await self._disk.accept(candidate.record, used=needed)
            self._boundary("verify")
            await self._destination.check()
            await self._raise_mark(acceptance.standing_at(candidate.state))
            self._boundary("verify")
        self.held = held
        self._give_up(candidate)
        self.changed.raise_()
        self._log.info("desired state accepted", mark=str(held.mark), revision=held.revision)

    async def _raise_mark(self, standing: acceptance.Standing) -> None:
        present = await self._marks.read()
        match acceptance.judge(standing.mark, present.mark):
            case Verdict.NEWER:
                await self._marks.write(standing)
            case Verdict.STALE | Verdict.FORK:
                raise errors.Superseded(f"high-water mark: stands at {present.mark}, ours is {standing.mark}")
            case Verdict.SAME:
                pass

    async def _reread(self, candidate: Candidate) -> None:
        """Somebody else moved the mark: what is not above it any more is dropped."""
        mark = (await self._marks.read()).mark
        if acceptance.judge(candidate.mark, mark) in (Verdict.STALE, Verdict.FORK):
            self._give_up(candidate)
            self.newest = max(self.newest, mark, key=lambda item: item.order)

    async def _gather(self, candidate: Candidate) -> tuple[Held, set[Digest]]:
        """Every blob of the state, verified and on disk; and their names."""
        state, message = candidate.state, candidate.message
        await self._library.keep(message.delta)
        deletions = await self._deletions(state.deletions, message.deletions)
        root = _decoded(messages.ROOT, await self._library.plain(state.root, bundles.ROOT_TAG), "root")
        await self._library.ensure((entry.index for entry in root.bundles), bundles.INDEX_TAG)
        known = self._known_indexes()
        indexes = [known.get(entry.index) or await self._index(entry) for entry in root.bundles]
        manifests = {item.manifest for index in indexes for item in index.objects}
        manifests |= {hook.manifest for index in indexes for hook in index.hooks}
        await self._library.ensure(manifests, bundles.MANIFEST_TAG)
        held = Held(state, candidate.mark, root, tuple(indexes), deletions, candidate.record.traceparent)
        needed = {state.root, state.deletions, *(entry.index for entry in root.bundles), *manifests}
        return held, {blobs.name_of(blob) for blob in needed}

    def _known_indexes(self) -> dict[Digest, bundles.BundleIndex]:
        """Those of the held state need not be read again: what a digest names never changes."""
        if self.held is None:
            return {}
        return {entry.index: index for entry, index in zip(self.held.root.bundles, self.held.indexes, strict=True)}

    async def _index(self, entry: bundles.RootEntry) -> bundles.BundleIndex:
        index = _decoded(messages.INDEX, await self._library.plain(entry.index, bundles.INDEX_TAG), entry.bundle)
        if index.bundle != entry.bundle:
            raise errors.Unreadable(f"bundle {entry.bundle}: its index is that of {index.bundle}")
        return index

    async def _deletions(self, digest: Digest, inline: bytes) -> desired.Deletions:
        if digest == NO_DELETIONS_DIGEST:
            return desired.NO_DELETIONS
        if not inline:
            plain = await self._library.plain(digest, bundles.DELETIONS_TAG)
        elif desired.deletions_digest(inline) != digest:
            raise errors.Unreadable("deletions: not those that the signed state names")
        else:
            plain = inline
        return _decoded(messages.DELETIONS, plain, "deletions")

    def _refuse(self, refusal: reports.Refusal, message: str, seen: Mark) -> None:
        """Tell the hub, at the first refusal of a kind and then each time their number has doubled."""
        self._refusals[refusal] += 1
        count = self._refusals[refusal]
        if count & (count - 1):
            return
        self._log.warning("desired state refused", refusal=refusal.value, reason=message, count=count)
        self._reporter.say(
            lambda origin: reports.Refused(
                origin=origin,
                refusal=refusal,
                message=message[: reports.MESSAGE_CHARS_MAX],
                seen_epoch=seen.epoch,
                seen_generation=seen.generation,
                count=count,
            )
        )


class _NotAccepted(Exception):
    """Why a message is not even a candidate."""

    def __init__(self, refusal: reports.Refusal, message: str, mark: Mark) -> None:
        super().__init__(message)
        self.refusal = refusal
        self.mark = mark


def _candidate(record: disk.Accepted) -> Candidate:
    """The state on disk. It was verified when it was accepted, and stays accepted whatever became of the key."""
    signed = messages.SIGNED.decode(record.message)
    state = messages.STATE.decode(signed.payload)
    return Candidate(signed, state, acceptance.mark_of(state), record)


def _decoded(reader: codec.Codec[codec.T], plain: bytes, what: str) -> codec.T:
    try:
        return reader.decode(plain)
    except codec.DecodeError as error:
        raise errors.Unreadable(f"{what}: {error}") from error
