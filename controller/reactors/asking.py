"""What would a source change, everywhere, before anything is touched?

The hub derives the states that the clusters would be given, as a rollout's start does; each cluster that is there is
asked what its state would do; what it says and what the hub foresees make the answer. Nothing is decided, nothing is
written into the log, and a cluster that says nothing in time is listed as such.
"""

import asyncio
import collections
import datetime
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import structlog

from controller import questions, runtime
from controller.domain import assignments, catalogs, clusters, debts, losses, rejections, sources
from controller.domain.views import diffs
from controller.reactors import polling, publishing
from protocol import bundles, ids, messages, plans, reports, sealing, signing
from protocol.canonical import Digest
from protocol.events import deletions as deletion_events

logger = structlog.get_logger(__name__)

DIFFS_MAX = 4
"""Questions at a time: an agent keeps as many waiting, and answers one after the other."""

SKEW_S = 60.0
"""How far a cluster's clock may be ahead of ours before it takes a fresh question for an old one."""


class Live(Protocol):
    """What agents hear at once."""

    async def send(self, cluster: ids.ClusterId, body: bytes) -> None:
        """Say it to the cluster's agent, if it is there."""


class Answers(Protocol):
    """The stored answers."""

    async def forget_plans(self, through: int) -> None:
        """Let go of all up to this sequence."""


class Asking:
    """Asks the clusters."""

    def __init__(
        self,
        shared: runtime.Runtime,
        deriver: publishing.Publishing,
        resolver: polling.Polling,
        *,
        live: Live,
        answers: Answers,
        signer: signing.Signer,
        new_id: Callable[[], str],
    ) -> None:
        """`new_id`: ids that nobody can guess."""
        self._shared = shared
        self._deriver = deriver
        self._resolver = resolver
        self._live = live
        self._answers = answers
        self._signer = signer
        self._new_id = new_id
        self._turns: collections.defaultdict[ids.SourceName, asyncio.Lock] = collections.defaultdict(asyncio.Lock)
        """A repository is read by one at a time."""
        self._slots = asyncio.Semaphore(DIFFS_MAX)
        self._read_through = 0
        """Answers up to here were read before the last question ended: nobody can wait for them any more."""

    async def diff(self, name: str, cluster: str, *, time_s: float) -> diffs.Diff:
        """What the source would change, on one cluster or (empty) on all; clusters have `time_s` to answer. Raise a
        Rejection or a HubError."""
        async with self._slots:
            await self._answers.forget_plans(self._read_through)
            try:
                return await self._diff(name, cluster, time_s)
            finally:
                self._read_through = self._shared.reports_sequence

    async def _diff(self, name: str, cluster: str, time_s: float) -> diffs.Diff:
        shared = self._shared
        source = sources.get(shared.world.sources, name)
        members = self._members(cluster)
        catalog = await self._catalog(source)
        derived = await self._deriver.derive(members, lambda view: assignments.with_given(view, source.name, catalog))
        outcomes = {one: outcome for one, outcome in derived.items() if diffs.concerns(outcome, source.name)}
        foreseen = diffs.Foreseen(
            source=source.name,
            revision=str(catalog.revision),
            outcomes=outcomes,
            planned=self._losses(source.name, str(catalog.revision), list(outcomes.values())),
        )
        silent = self._silent(outcomes)
        answers = await self._ask(source.name, {one: o for one, o in outcomes.items() if one not in silent}, time_s)
        names = {one.id: one.name for one in members}
        return diffs.compose(foreseen, names, answers, silent, at=shared.clock())

    def _losses(
        self, source: ids.SourceName, revision: str, outcomes: Sequence[losses.Outcome]
    ) -> tuple[deletion_events.Event, ...]:
        """What leaves Git, and what merely leaves clusters, would be two deletion sets of their own."""
        world, at = self._shared.world, self._shared.clock()
        left, moved = (
            debts.Cause(topic=f"diff-{kind}-{source}", source=source, revision=revision) for kind in ("left", "moved")
        )
        return (
            *losses.foreseen(world, left, outcomes, at),
            *losses.foreseen(world, moved, outcomes, at, misplaced=True),
        )

    def _members(self, name: str) -> list[clusters.Cluster]:
        world = self._shared.world
        if not name:
            return [cluster for cluster in world.clusters.values() if clusters.active(cluster)]
        found = clusters.by_name(world.clusters, name)
        if not clusters.active(found):
            raise rejections.Invalid(f"cluster {name!r}: is suspended, so that nothing would reach it")
        return [found]

    async def _catalog(self, source: sources.Source) -> catalogs.Catalog:
        """What the source says: as it was resolved last, or, where nobody polls it, as it is in Git now."""
        if source.suspended:
            async with self._turns[source.name]:
                return await self._resolver.preview(source)
        if not source.catalog:
            raise rejections.Invalid(f"source {source.name}: {source.failure_reason or 'it is not resolved yet'}")
        await self._shared.library.need_catalogs([source.catalog])
        return self._shared.library.catalogs[source.catalog]

    def _silent(self, outcomes: Mapping[ids.ClusterId, losses.Outcome]) -> dict[ids.ClusterId, str]:
        """Clusters that cannot be asked, and why."""
        online, world = self._shared.online(), self._shared.world
        found = {}
        for cluster in outcomes:
            if not world.clusters[cluster].uid:
                found[cluster] = "its agent never said hello"
            elif cluster not in online:
                found[cluster] = "it is not heard"
        return found

    async def _ask(
        self, source: ids.SourceName, outcomes: Mapping[ids.ClusterId, losses.Outcome], time_s: float
    ) -> dict[ids.ClusterId, tuple[reports.Planned, ...]]:
        roots = await self._roots(outcomes)
        asked = {self._new_id(): cluster for cluster in outcomes}
        question = questions.Question(asked)
        self._shared.asked.update(dict.fromkeys(question.names, question))
        expires_at = self._shared.clock() + datetime.timedelta(seconds=time_s + SKEW_S)
        try:
            for request, cluster in asked.items():
                message = plans.PlanRequest(
                    cluster=cluster,
                    cluster_uid=self._shared.world.clusters[cluster].uid,
                    id=request,
                    root=roots[cluster],
                    source=source,
                    expires_at=expires_at,
                )
                await self._live.send(cluster, self._signed(message))
            await question.answered(time_s)
        finally:
            for request in question.names:
                del self._shared.asked[request]
        answers = question.answers()
        logger.info("clusters were asked", source=source, asked=len(asked), answered=len(answers))
        return answers

    async def _roots(self, outcomes: Mapping[ids.ClusterId, losses.Outcome]) -> dict[ids.ClusterId, Digest]:
        """Store the states that the clusters are asked about; what many would share is stored once."""
        plains = {cluster: messages.ROOT.encode(outcome.derived.root) for cluster, outcome in outcomes.items()}
        sealed = {plain: sealing.seal(bundles.ROOT_TAG, plain) for plain in sorted(set(plains.values()))}
        await self._shared.library.store_sealed(sealed.values())
        return {cluster: sealed[plain].id for cluster, plain in plains.items()}

    def _signed(self, request: plans.PlanRequest) -> bytes:
        payload = messages.PLAN_REQUEST.encode(request)
        message = plans.SignedPlanRequest(payload, self._signer.public_key, self._signer.sign_request(payload))
        return messages.SIGNED_PLAN_REQUEST.encode(message)
