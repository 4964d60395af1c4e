"""From reports and heartbeats to what is known of the clusters, and to the facts that the log must hold."""

from collections.abc import AsyncIterator
from typing import Protocol

import msgspec
import structlog

from controller import errors, runtime, transact
from controller.domain import clusters, debts, fleet, observed, publications, readmission
from controller.domain.world import World
from controller.store import records
from protocol import codec, ids, messages, reports, subjects
from protocol.events import clusters as cluster_events
from protocol.events import fleet as fleet_events

logger = structlog.get_logger(__name__)

BY = "hub"


class Reports(Protocol):
    """The stored reports."""

    def read(self, after: int) -> AsyncIterator[records.Stored]:
        """Stored reports after a sequence, then new ones as they come; ends never."""

    async def last_sequence(self) -> int:
        """Of the newest stored report."""


class Beats(Protocol):
    """The heartbeats."""

    def read(self) -> AsyncIterator[tuple[ids.ClusterId, bytes]]:
        """Heartbeats as they come, with the cluster that the subject names; ends never."""


class Published(Protocol):
    """The stored desired states."""

    async def last(self, cluster: ids.ClusterId) -> records.Stored | None:
        """The newest, from the stream's leader."""


class Listening:
    """Folds what the clusters say."""

    def __init__(self, shared: runtime.Runtime, stored: Published) -> None:
        self._shared = shared
        self._stored = stored

    async def read_reports(self, source: Reports) -> None:
        """Fold the stored reports, then every new one, for ever."""
        last = await self._last(source)
        async for stored in source.read(0):
            await self._insist(stored, live=stored.sequence > last)

    async def _insist(self, stored: records.Stored, *, live: bool) -> None:
        """Fold one report, again until what it leads to is decided: the log may be away for a while."""
        pause = transact.Signal()
        while True:
            try:
                return await self.take_report(stored, live=live)
            except errors.Transient as error:
                logger.warning("report waits for the log", sequence=stored.sequence, reason=str(error))
                await pause.wait(self._shared.timing.look_again_s)

    async def _last(self, source: Reports) -> int:
        """The newest report that was there when this hub started; asked until the server answers."""
        pause = transact.Signal()
        while True:
            try:
                return await source.last_sequence()
            except errors.Transient as error:
                logger.warning("reports cannot be read", reason=str(error))
                await pause.wait(self._shared.timing.look_again_s)

    async def read_beats(self, source: Beats) -> None:
        """Fold heartbeats, for ever. One that cannot be judged now is given up: the next says as much."""
        async for cluster, body in source.read():
            try:
                await self.take_beat(cluster, body)
            except errors.Transient as error:
                logger.warning("heartbeat is given up", cluster=cluster, reason=str(error))

    async def take_report(self, stored: records.Stored, *, live: bool) -> None:
        """Fold one report; `live`: it came since this hub started, so its sender is there."""
        cluster = _cluster_of(stored.subject)
        try:
            report = messages.REPORT.decode(stored.body)
        except codec.DecodeError as error:
            self._shared.counts["reports", "unreadable"] += 1
            logger.warning("report is unreadable", cluster=cluster, sequence=stored.sequence, reason=str(error))
            return
        # The subject is what the server vouches for; the body only repeats it.
        if report.origin.cluster != cluster or not await self._is_known(cluster, report.origin, live=live):
            logger.warning("report of an unknown cluster", cluster=cluster, sequence=stored.sequence)
            return
        if cluster not in self._shared.world.clusters:
            self._take_strange(cluster, report, stored, live=live)
            return
        self._shared.counts["reports", codec.tag_of(report)] += 1
        if live:
            await self._check(report.origin)
        seen = observed.evolve(self._shared.seen(cluster), report)
        self._shared.observed[cluster] = (
            observed.heard(seen, self._shared.clock())
            if live
            else observed.recalled(seen, stored.at or report.origin.at)
        )
        await self._decide(cluster, report, stored.sequence)
        self._shared.reports_sequence = stored.sequence
        self._shared.notify()

    async def take_beat(self, cluster: ids.ClusterId, body: bytes) -> None:
        """Fold one heartbeat."""
        try:
            message = messages.BEAT.decode(body)
        except codec.DecodeError as error:
            logger.warning("heartbeat is unreadable", cluster=cluster, reason=str(error))
            return
        if isinstance(message, reports.Standby):
            if cluster in self._shared.world.clusters:
                self._stand_by(cluster, message)
            return
        if message.origin.cluster != cluster or not await self._is_known(cluster, message.origin, live=True):
            return
        if cluster not in self._shared.world.clusters:
            stranger = self._stranger(cluster)
            seen = observed.heard(observed.beat(stranger.seen, message), self._shared.clock())
            self._shared.strangers[cluster] = msgspec.structs.replace(stranger, seen=seen)
            return
        await self._check(message.origin)
        before = self._shared.online()
        seen = observed.beat(self._shared.seen(cluster), message)
        self._shared.observed[cluster] = observed.timed(seen, message, self._shared.clock())
        if cluster not in before:
            self._shared.notify()

    async def _is_known(self, cluster: ids.ClusterId, origin: reports.Origin, *, live: bool) -> bool:
        """To the log, or to the server from before it. Who is taken back brings along what it said as a stranger."""
        shared = self._shared
        if cluster in shared.world.clusters:
            stranger = shared.strangers.pop(cluster, None)
            if stranger is not None:
                await self._take_back(cluster, stranger)
            return True
        if cluster not in shared.accounts.by_id:
            return False
        if live and not shared.world.fleet.recovering and self._strays(origin):
            # Another hub on the same log may have added it.
            await shared.transactor.catch_up()
            if cluster not in shared.world.clusters and (reason := self._strays(origin)):
                await self._recover(cluster, reason, (origin.epoch, origin.generation))
        return True

    async def _take_back(self, cluster: ids.ClusterId, stranger: readmission.Stranger) -> None:
        self._shared.observed[cluster] = stranger.seen
        if stranger.hello is None:
            return
        try:
            await self._decide(cluster, stranger.hello, stranger.sequence)
        except errors.Transient:
            self._shared.strangers[cluster] = stranger  # its hello is said once: the next message decides it
            raise

    def _strays(self, origin: reports.Origin) -> str:
        """Why a stranger shows that this log has lost something; empty: what it holds is overtaken, or nothing."""
        return publications.ahead(
            origin,
            self._shared.offered.get(origin.cluster, (0, 0)),
            epoch=self._shared.world.fleet.epoch,
            contained=self._shared.world.contains(origin.log_head),
        )

    def _stranger(self, cluster: ids.ClusterId) -> readmission.Stranger:
        found = self._shared.strangers.get(cluster)
        return found or readmission.Stranger(self._shared.accounts.by_id[cluster], observed.initial(cluster))

    def _take_strange(
        self, cluster: ids.ClusterId, report: reports.Report, stored: records.Stored, *, live: bool
    ) -> None:
        """Fold in what an agent says that the log does not know: nothing is decided by it."""
        shared, stranger = self._shared, self._stranger(cluster)
        seen = observed.evolve(stranger.seen, report)
        at = stored.at or report.origin.at
        seen = observed.heard(seen, shared.clock()) if live else observed.recalled(seen, at)
        said = (report, stored.sequence) if isinstance(report, reports.Hello) else (stranger.hello, stranger.sequence)
        shared.strangers[cluster] = readmission.Stranger(stranger.account, seen, *said)
        shared.notify()

    def _stand_by(self, cluster: ids.ClusterId, message: reports.Standby) -> None:
        """An agent is there and does not act: whether the cluster was heard, only who acts can tell."""
        at, seen = self._shared.clock(), self._shared.seen(cluster)
        self._shared.observed[cluster] = observed.stood_by(seen, message, at)

    async def _decide(self, cluster: ids.ClusterId, report: reports.Report, sequence: int) -> None:
        run = self._shared.transactor.run
        match report:
            case reports.Hello():
                await run(lambda world: self._hello(world, cluster, report, sequence), by=BY)
            case reports.Deleted():
                await run(lambda world: debts.confirmed(world.ledger, cluster, report.confirmations, sequence), by=BY)
            case reports.Refused():
                told = await run(lambda world: clusters.refused(world.clusters[cluster], report, sequence), by=BY)
                forked = publications.forked(report, epoch=self._shared.world.epoch(cluster)) if told else ""
                if forked:
                    await self._recover(cluster, forked, (report.seen_epoch, report.seen_generation))
            case reports.Planned():
                if report.request in self._shared.asked:
                    self._shared.asked[report.request].take(report)
            case _:
                pass

    def _hello(
        self, world: World, cluster: ids.ClusterId, said: reports.Hello, sequence: int
    ) -> tuple[cluster_events.Event, ...]:
        account = self._shared.accounts.by_id.get(cluster)
        return readmission.hello(world, world.clusters[cluster], said, sequence=sequence, account=account)

    async def _check(self, origin: reports.Origin) -> None:
        """Does what the cluster holds fit to what this hub knows? If not, publish nothing more."""
        shared = self._shared
        reason = self._ahead(origin)
        if reason:
            # Another hub on the same log may have been first: look at the truth before raising an alarm.
            await shared.transactor.catch_up()
            await self._refresh(origin.cluster)
            reason = self._ahead(origin)
        epoch = shared.world.epoch(origin.cluster)
        if reason:
            shared.verified.pop(origin.cluster, None)
            await self._recover(origin.cluster, reason, (origin.epoch, origin.generation))
            return
        contained = shared.world.contains(origin.log_head)
        if not shared.is_verified(origin.cluster) and publications.verified(origin, epoch=epoch, contained=contained):
            shared.verified[origin.cluster] = epoch
            shared.notify()

    async def _recover(self, cluster: ids.ClusterId, reason: str, seen: tuple[int, int]) -> None:
        """The fleet is ahead of this hub, or beside it: publish nothing until a person says so."""
        shared = self._shared
        known = shared.world.clusters.get(cluster)
        name = known.name if known is not None else shared.accounts.by_id[cluster].name
        epoch, generation = seen
        event = fleet_events.RecoveryEntered(
            reason=f"cluster {name}: {reason}", cluster=cluster, epoch=epoch, generation=generation
        )
        if await shared.transactor.run(lambda world: fleet.enter_recovery(world.fleet, event), by=BY):
            logger.error("hub is in recovery", reason=event.reason)

    def _ahead(self, origin: reports.Origin) -> str:
        return publications.ahead(
            origin,
            self._shared.offered.get(origin.cluster, (0, 0)),
            epoch=self._shared.world.epoch(origin.cluster),
            contained=self._shared.world.contains(origin.log_head),
        )

    async def _refresh(self, cluster: ids.ClusterId) -> None:
        stored = await self._stored.last(cluster)
        if stored is None:
            return
        state = messages.STATE.decode(messages.SIGNED.decode(stored.body).payload)
        shared = self._shared
        offered = (state.epoch, state.generation)
        shared.offered[cluster] = max(offered, shared.offered.get(cluster, (0, 0)))
        if stored.sequence > shared.publication(cluster).sequence:
            shared.published[cluster] = publications.read(cluster, stored.sequence, state, at=stored.at)


def _cluster_of(subject: str) -> ids.ClusterId:
    return ids.ClusterId(subject.removeprefix(f"{subjects.ROOT}.report.").partition(".")[0])
