"""What the hub's reactors share while it runs, beside the log: all of it can be rebuilt."""

import collections
import datetime
from collections.abc import Callable

import msgspec

from controller import library, questions, transact
from controller.domain import observed, publications, readmission, retries, world
from controller.domain.views import sight
from protocol import ids, subjects, tracing


class Timing(msgspec.Struct, frozen=True):
    """The hub's intervals."""

    silence_s: float = 30.0
    """A cluster that was not heard for so long is offline: three heartbeats of the default ten seconds."""
    look_again_s: float = 5.0
    """Reactors look at the whole state at least this often: deadlines pass without a signal."""


class Runtime:
    """Shared by the reactors, the API and the views."""

    def __init__(
        self,
        transactor: transact.Transactor,
        shelves: library.Library,
        *,
        clock: Callable[[], datetime.datetime],
        timing: Timing,
        traces: tracing.Tracing = tracing.SILENT,
    ) -> None:
        self.transactor = transactor
        self.library = shelves
        self.clock = clock
        self.timing = timing
        self.started_at = clock()
        self.observed: dict[ids.ClusterId, observed.Observed] = {}
        self.published: dict[ids.ClusterId, publications.Publication] = {}
        self.offered: dict[ids.ClusterId, tuple[int, int]] = {}
        """The highest (epoch, generation) sent to each cluster, acknowledged or not."""
        self.verified: dict[ids.ClusterId, int] = {}
        """The epoch in which a cluster, since this hub started, showed a LOG head that is ours."""
        self.counts: collections.Counter[tuple[str, str]] = collections.Counter()
        """What the reactors count, by what it is and how it went: read by the metrics."""
        self.polled: dict[ids.SourceName, datetime.datetime] = {}
        """When each source's repository last answered, or was found to fail, since this hub started."""
        self.tried_again: dict[ids.SourceName, retries.Retries] = {}
        """The bundles of each source that could not be rendered for now, and when they are tried again."""
        self.accounts = readmission.Accounts(())
        """Those that the server knew when this hub started, and of which the log let nobody in."""
        self.strangers: dict[ids.ClusterId, readmission.Stranger] = {}
        """Agents of such accounts, as far as they were heard; those that the log knows since then are no strangers."""
        self.reports_sequence = 0
        """Of the newest report that is folded in: what a decision rests on."""
        self.traces = traces
        self.asked: dict[str, questions.Question] = {}
        """Questions that somebody waits for, by the ids that answers name."""
        self.version = 0
        """Grows whenever something was observed or published, mere heartbeats aside."""
        self._signals: list[transact.Signal] = []

    @property
    def world(self) -> world.World:
        """The fold of the log."""
        return self.transactor.world

    def trace_of(self, source: ids.SourceName) -> str:
        """The traceparent of the event that resolved the source's present revision; empty: it was not traced."""
        return self.transactor.traceparents.get(subjects.log("source", source), "")

    def subscribe(self) -> transact.Signal:
        """A signal for new events and new observations alike."""
        signal = self.transactor.subscribe()
        self._signals.append(signal)
        return signal

    def notify(self) -> None:
        """Something was observed or published: let the reactors look."""
        self.version += 1
        for signal in self._signals:
            signal.set()

    def seen(self, cluster: ids.ClusterId) -> observed.Observed:
        """What is known of a cluster from its reports."""
        return self.observed.get(cluster) or observed.initial(cluster)

    def publication(self, cluster: ids.ClusterId) -> publications.Publication:
        """What lies on the cluster's subject."""
        return self.published.get(cluster) or publications.Publication(cluster=cluster)

    def is_verified(self, cluster: ids.ClusterId) -> bool:
        """May deletions be named for it? A recovery asks every cluster anew."""
        return self.verified.get(cluster) == self.world.epoch(cluster)

    def looking(self) -> sight.Sight:
        """The fleet at this instant."""
        facts = sight.Facts(
            observed=self.observed,
            published=self.published,
            catalogs=self.library.catalogs,
            roots=self.library.roots,
            silence=datetime.timedelta(seconds=self.timing.silence_s),
            polled=self.polled,
            tried_again=self.tried_again,
            strangers=self.strangers,
        )
        return sight.Sight(self.world, facts, self.clock())

    def online(self) -> frozenset[ids.ClusterId]:
        """Clusters that were heard within `silence_s`."""
        at, silence = self.clock(), datetime.timedelta(seconds=self.timing.silence_s)
        return frozenset(cluster for cluster, seen in self.observed.items() if observed.online(seen, at, silence))

    def presence_known(self) -> bool:
        """Can anybody be called offline yet? Not before every cluster had the time to be heard."""
        if self.clock() - self.started_at >= datetime.timedelta(seconds=self.timing.silence_s):
            return True
        online = self.online()
        return all(
            cluster.id in online
            for cluster in self.world.clusters.values()
            if cluster.uid and not cluster.removed and not cluster.suspended
        )
