"""The fold of the whole log: every aggregate's state, and where each aggregate's chain ends.

The world is the one place that is changed in step with the log; all it holds are frozen values, so that what a reader
took stays as it was.
"""

import datetime

import msgspec

from controller.domain import clusters, debts, entries, fleet, rollout_state, sources, tokens
from protocol import canonical, desired, ids, subjects
from protocol.canonical import Digest
from protocol.events import clusters as cluster_events
from protocol.events import deletions as deletion_events
from protocol.events import fleet as fleet_events
from protocol.events import log
from protocol.events import rollouts as rollout_events
from protocol.events import sources as source_events
from protocol.events import tokens as token_events


class Snapshot(msgspec.Struct, frozen=True, rename="camel"):
    """The state as one value: what is compared when a replay must give the same bytes (I12)."""

    fleet: fleet.Fleet
    sources: dict[ids.SourceName, sources.Source]
    clusters: dict[ids.ClusterId, clusters.Cluster]
    rollouts: dict[ids.SourceName, rollout_state.State]
    ledger: debts.Ledger
    tokens: dict[str, tokens.Token]
    heads: dict[str, desired.LogHead]
    log_head: desired.LogHead


class BrokenChainError(Exception):
    """An event of the log is missing or was changed (I4)."""


class World:
    """All aggregates, folded up to one event of the log."""

    def __init__(self) -> None:
        self.fleet = fleet.Fleet()
        self.sources: sources.Sources = {}
        self.clusters: clusters.Clusters = {}
        self.rollouts: dict[ids.SourceName, rollout_state.State] = {}
        self.ledger = debts.Ledger()
        self.tokens: tokens.Tokens = {}
        self.heads: dict[str, desired.LogHead] = {}
        """The last event of each aggregate, by subject."""
        self.hashes: list[Digest] = []
        """Of every event, in order: 64 characters each, to tell whether a head that an agent names is ours."""

    @property
    def log_head(self) -> desired.LogHead:
        """The last event that is folded in."""
        if not self.hashes:
            return desired.GENESIS
        return desired.LogHead(sequence=len(self.hashes), hash=self.hashes[-1])

    def contains(self, head: desired.LogHead) -> bool:
        """Does our log contain the event that somebody's state rests on?"""
        if head.sequence == 0:
            return True
        return head.sequence <= len(self.hashes) and self.hashes[head.sequence - 1] == head.hash

    def take(self, sequence: int, subject: str, body: bytes) -> log.Record:
        """Fold one stored record in; raise BrokenChainError if it does not follow what came before."""
        if sequence != len(self.hashes) + 1:
            raise BrokenChainError(f"log: event {sequence} comes after event {len(self.hashes)}: events are missing")
        record = log.RECORD.decode(body)
        expected = self.heads[subject].hash if subject in self.heads else canonical.NO_DIGEST
        if record.previous != expected:
            raise BrokenChainError(f"log: event {sequence} on {subject} does not follow the one before it there")
        self._evolve(record.event, record.at)
        here = log.record_hash(subject, body)
        self.hashes.append(here)
        self.heads[subject] = desired.LogHead(sequence=sequence, hash=here)
        return record

    def rollout(self, source: ids.SourceName) -> rollout_state.State:
        """The rollouts of a source, from before the first one on."""
        return self.rollouts.get(source) or rollout_state.initial(source)

    def epoch(self, cluster: ids.ClusterId) -> int:
        """The epoch of this cluster's next desired state: the fleet's, unless the cluster began in a later one."""
        known = self.clusters.get(cluster)
        return max(self.fleet.epoch, known.entry.epoch) if known is not None else self.fleet.epoch

    def snapshot(self) -> Snapshot:
        """All of it as one value."""
        return Snapshot(
            fleet=self.fleet,
            sources=dict(self.sources),
            clusters=dict(self.clusters),
            rollouts=dict(self.rollouts),
            ledger=self.ledger,
            tokens=dict(self.tokens),
            heads=dict(self.heads),
            log_head=self.log_head,
        )

    def _evolve(self, event: log.Event, at: datetime.datetime) -> None:
        if isinstance(event, source_events.Event):
            self.sources[event.name] = sources.evolve(self.sources.get(event.name), event)
            if isinstance(event, source_events.SourceRemoved):
                # Else a source that is added under the same name would bring back what the old one said last.
                self.rollouts[event.name] = rollout_state.forgotten(self.rollout(event.name))
        elif isinstance(event, cluster_events.Event):
            self._evolve_cluster(event, at)
        elif isinstance(event, rollout_events.Event):
            self.rollouts[event.source] = rollout_state.evolve(self.rollout(event.source), event)
        elif isinstance(event, deletion_events.Event):
            self.ledger = debts.evolve(self.ledger, event)
        elif isinstance(event, token_events.Event):
            self.tokens = tokens.evolve(self.tokens, event)
        else:
            self.fleet = fleet.evolve(self.fleet, event)
            if isinstance(event, fleet_events.HubRecovered):
                self._forget_what_was_given()

    def _evolve_cluster(self, event: cluster_events.Event, at: datetime.datetime) -> None:
        evolved = clusters.evolve(self.clusters.get(event.cluster), event)
        if isinstance(event, cluster_events.ClusterRemoved):
            evolved = msgspec.structs.replace(evolved, entry=entries.removed(evolved.entry, at))
        elif (
            isinstance(event, cluster_events.AgentEnrolled | cluster_events.AgentReadmitted)
            and event.epoch > self.fleet.epoch_seen
        ):
            # A recovery begins above every epoch, also those of single clusters.
            self.fleet = msgspec.structs.replace(self.fleet, epoch_seen=event.epoch)
        self.clusters[event.cluster] = evolved

    def _forget_what_was_given(self) -> None:
        """A restored hub does not know what the clusters have: no debts, so that what is not in Git is an orphan; and
        no revision counts as given, so that nobody is taken back to an old one before Git's present one arrives."""
        self.ledger = debts.Ledger(opened=self.ledger.opened)
        self.rollouts = {source: rollout_state.forgotten(state) for source, state in self.rollouts.items()}


DELETIONS_SUBJECT = subjects.log("deletions", "fleet")


def subject_of(event: log.Event) -> str:
    """The aggregate that an event belongs to, as its subject in the log."""
    if isinstance(event, source_events.Event):
        return subjects.log("source", event.name)
    if isinstance(event, cluster_events.Event):
        return subjects.log("cluster", event.cluster)
    if isinstance(event, rollout_events.Event):
        return subjects.log("rollout", event.source)
    if isinstance(event, deletion_events.Event):
        return DELETIONS_SUBJECT
    if isinstance(event, token_events.Event):
        return subjects.log("token", event.name)
    if isinstance(event, fleet_events.GroupDeclared | fleet_events.GroupSuspended | fleet_events.GroupRemoved):
        return subjects.log("group", event.name)
    if isinstance(event, fleet_events.PolicyDeclared | fleet_events.PolicySuspended | fleet_events.PolicyRemoved):
        return subjects.log("policy", event.name)
    return subjects.log("fleet", "hub")
