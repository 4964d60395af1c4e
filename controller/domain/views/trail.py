"""What led to what a cluster was given, and who approved what there: noted while the log is folded, event by event."""

import datetime

import msgspec

from controller.domain import debts
from controller.domain.world import World
from protocol import ids
from protocol.canonical import NO_DIGEST, Digest
from protocol.events import clusters as cluster_events
from protocol.events import deletions as deletion_events
from protocol.events import fleet as fleet_events
from protocol.events import log
from protocol.events import rollouts as rollout_events
from protocol.events import sources as source_events

DECISIONS_MAX = 10
"""About deletions on one cluster: the newest."""


class Origin(msgspec.Struct, frozen=True, rename="camel"):
    """An event, with who wrote it, when, and why."""

    event: int
    at: datetime.datetime
    by: str
    cause: str


class Decided(msgspec.Struct, frozen=True, rename="camel"):
    """A person's word on deletions that this cluster was to have."""

    set: ids.DeletionSetId
    decision: debts.Decision
    source: ids.SourceName
    revision: str
    origin: Origin


class Trail:
    """Of one cluster, up to one event of the log."""

    def __init__(self, name: str, commit: str = "") -> None:
        """`name`: the cluster's name or id. `commit`: the beginning of one that is looked for."""
        self.given: dict[ids.SourceName, Origin] = {}
        """The event that gave it what it has of a source."""
        self.decisions: list[Decided] = []
        self.arrived = False
        """It was given the commit."""
        self._name = name
        self._commit = commit
        self._cluster = ids.ClusterId("")
        self._catalogs: dict[ids.SourceName, Digest] = {}
        self._wanted: set[Digest] = set()
        """Catalogs of the commit."""
        self._sets: dict[ids.DeletionSetId, deletion_events.DeletionsPlanned] = {}
        """Those that this cluster is in, as they were planned last."""

    def note(self, world: World, sequence: int, record: log.Record) -> None:
        """One more event, which the world has folded in."""
        origin = Origin(event=sequence, at=record.at, by=record.by, cause=record.cause)
        event = record.event
        if isinstance(event, cluster_events.ClusterAdded) and self._name in (event.name, event.cluster):
            self._begin(event.cluster)
        elif isinstance(event, source_events.RevisionResolved):
            self._note_revision(event)
        elif isinstance(event, deletion_events.Event):
            self._note_deletions(event, origin)
        elif isinstance(event, rollout_events.Event):
            self._note_given(world, event.source, origin)
        elif isinstance(event, source_events.SourceRemoved):
            self._note_given(world, event.name, origin)
        elif isinstance(event, fleet_events.HubRecovered):
            for source in list(self.given):
                self._note_given(world, source, origin)

    def _begin(self, cluster: ids.ClusterId) -> None:
        """Another cluster that gets the name has nothing of the one before."""
        if cluster != self._cluster:
            self._cluster = cluster
            self.given, self._catalogs = {}, {}
            self.decisions, self._sets = [], {}

    def _note_revision(self, event: source_events.RevisionResolved) -> None:
        if self._commit and event.revision.commit.startswith(self._commit):
            self._wanted.add(event.catalog)

    def _note_given(self, world: World, source: ids.SourceName, origin: Origin) -> None:
        catalog = world.rollout(source).assigned.get(self._cluster, NO_DIGEST)
        if catalog == NO_DIGEST:
            self.given.pop(source, None)
        elif source not in self.given or catalog != self._catalogs[source]:
            self.given[source] = origin
            self._catalogs[source] = catalog
            self.arrived = self.arrived or catalog in self._wanted

    def _note_deletions(self, event: deletion_events.Event, origin: Origin) -> None:
        if isinstance(event, deletion_events.DeletionsPlanned):
            if any(self._cluster in member.clusters for member in event.members):
                self._sets[event.set] = event
        elif isinstance(event, deletion_events.DeletionsApproved):
            self._note_decision(event.set, debts.Decision.APPROVED, origin)
        elif isinstance(event, deletion_events.DeletionsRejected):
            self._note_decision(event.set, debts.Decision.REJECTED, origin)

    def _note_decision(self, named: ids.DeletionSetId, decision: debts.Decision, origin: Origin) -> None:
        if named in self._sets:
            of = self._sets[named]
            decided = Decided(set=named, decision=decision, source=of.source, revision=of.revision, origin=origin)
            self.decisions = [*self.decisions, decided][-DECISIONS_MAX:]
