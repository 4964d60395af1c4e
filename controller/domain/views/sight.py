"""All that a view is made of, at one instant."""

import datetime
import functools
from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from controller.domain import (
    catalogs,
    clusters,
    debts,
    entries,
    inputs,
    observed,
    placements,
    publications,
    readmission,
    retries,
)
from controller.domain.world import World
from protocol import bundles, ids, subjects
from protocol.canonical import Digest
from protocol.events.sources import Problem

NAMES_MAX = 1000
"""Names that one field of a view lists; beside it stands how many there are. A person reads the first screen, and a
script that needs all of them has the events."""

TEXTS_MAX = 50
"""Messages that one field of a view lists."""


class Facts(msgspec.Struct, frozen=True):
    """What is known beside the log."""

    observed: Mapping[ids.ClusterId, observed.Observed]
    published: Mapping[ids.ClusterId, publications.Publication]
    catalogs: Mapping[Digest, catalogs.Catalog]
    roots: Mapping[Digest, bundles.ClusterRoot]
    """Of the published states; a cluster whose root is not here has Unknown health."""
    silence: datetime.timedelta
    """A cluster that was not heard for so long is offline."""
    polled: Mapping[ids.SourceName, datetime.datetime] = {}
    """When each source was last polled, with whatever outcome."""
    tried_again: Mapping[ids.SourceName, retries.Retries] = {}
    """The bundles that could not be rendered for now, and when they are tried again."""
    strangers: Mapping[ids.ClusterId, readmission.Stranger] = {}
    """Agents of accounts that the log does not know."""


class Owed(msgspec.Struct, frozen=True):
    """Open debts of one cluster."""

    pending: int = 0
    """The agent may delete them, and has not yet."""
    held: int = 0
    """They wait for a person."""
    waiting: frozenset[ids.ObjectId] = frozenset()
    """The objects of those that are held."""


class FactsOf:
    """Each cluster as selectors and renderings see it, made when it is asked for: a page of twenty rows in a fleet of
    thousands asks of twenty."""

    def __init__(self, members: Iterable[clusters.Cluster], groups: placements.Groups) -> None:
        self._members = {one.id: one for one in members}
        self._groups = groups
        self._made: dict[ids.ClusterId, inputs.Facts] = {}

    def __contains__(self, cluster: ids.ClusterId) -> bool:
        return cluster in self._members

    def __getitem__(self, cluster: ids.ClusterId) -> inputs.Facts:
        found = self._made.get(cluster)
        if found is None:
            found = self._made[cluster] = placements.facts(self._members[cluster], self._groups)
        return found


class Sight:
    """The world and the facts at one instant, with what several views look up in them."""

    def __init__(self, world: World, facts: Facts, at: datetime.datetime) -> None:
        self.world = world
        self.facts = facts
        self.at = at
        self.event = world.log_head.sequence
        """The newest event that the views know of."""
        self.clusters = sorted(
            (one for one in world.clusters.values() if not one.removed), key=lambda one: (one.name, one.id)
        )
        self.facts_of = FactsOf(self.clusters, world.fleet.groups)
        """Each cluster as selectors and renderings see it."""
        self._contents: dict[Digest, Mapping[ids.BundleId, Digest]] = {}
        self._owed = _owed(world.ledger)

    def seen(self, cluster: ids.ClusterId) -> observed.Observed:
        """What the cluster said."""
        return self.facts.observed.get(cluster) or observed.initial(cluster)

    @functools.cached_property
    def drifted(self) -> Counter[ids.BundleId]:
        """How many objects of each bundle differ from Git, over all clusters."""
        seen = (self.seen(cluster.id) for cluster in self.clusters)
        return Counter(one.drift.bundle for found in seen for one in found.drifts.open.values())

    def publication(self, cluster: ids.ClusterId) -> publications.Publication:
        """What was published for it."""
        return self.facts.published.get(cluster) or publications.Publication(cluster=cluster)

    def online(self, cluster: ids.ClusterId) -> bool:
        """Was it heard lately, and may it still be heard? What was revoked was cut off at once."""
        found = self.world.clusters.get(cluster)
        if found is not None and entries.lets_nobody_in(found.entry):
            return False
        return observed.online(self.seen(cluster), self.at, self.facts.silence)

    def root(self, cluster: ids.ClusterId) -> bundles.ClusterRoot | None:
        """What it should have; None where nothing was published, or the root is not at hand."""
        digest = self.publication(cluster).root
        return self.facts.roots.get(digest) if digest else None

    def content(self, cluster: ids.ClusterId) -> Mapping[ids.BundleId, Digest]:
        """The bundles that it should have, with the digest of each one's content; many clusters share a root."""
        digest = self.publication(cluster).root
        if digest not in self._contents:
            root = self.root(cluster)
            self._contents[digest] = {entry.bundle: entry.index for entry in root.bundles} if root is not None else {}
        return self._contents[digest]

    def owed(self, cluster: ids.ClusterId) -> Owed:
        """Its open debts."""
        return self._owed.get(cluster, Owed())

    def name(self, cluster: ids.ClusterId) -> str:
        """Its name for people."""
        found = self.world.clusters.get(cluster)
        return found.name if found is not None else cluster

    def names(self, members: Iterable[ids.ClusterId]) -> list[str]:
        """Names for people, in order, at most NAMES_MAX."""
        return sorted(self.name(cluster) for cluster in members)[:NAMES_MAX]

    def head(self, aggregate: str, identity: str) -> int:
        """The last event of an aggregate; 0: there is none."""
        head = self.world.heads.get(subjects.log(aggregate, identity))
        return head.sequence if head is not None else 0

    def problem(self, source: ids.SourceName, problem: Problem) -> str:
        """What is wrong with a bundle, and when that is tried again."""
        # What the machine could not do is told of the bundle's directory.
        found = self.facts.tried_again.get(source, retries.NONE).get(problem.path)
        if found is None:
            return str(problem)
        return f"{problem} (tried again at {found.due.astimezone(datetime.UTC):%Y-%m-%dT%H:%M:%SZ})"

    def placed(self, entry: catalogs.Entry) -> tuple[clusters.Cluster, ...]:
        """The clusters that should have a bundle, by the source's latest commit."""
        spec = self.world.sources[ids.source_of(entry.bundle)].spec
        return placements.matching(entry, spec, ((one, self.facts_of[one.id]) for one in self.clusters))


def _owed(ledger: debts.Ledger) -> dict[ids.ClusterId, Owed]:
    pending: Counter[ids.ClusterId] = Counter()
    held: dict[ids.ClusterId, list[ids.ObjectId]] = {}
    for debt in ledger.debts.values():
        if debts.may_go(ledger, debt):
            pending[debt.cluster] += 1
        else:
            held.setdefault(debt.cluster, []).append(debt.object)
    return {
        cluster: Owed(pending[cluster], len(held.get(cluster, ())), frozenset(held.get(cluster, ())))
        for cluster in pending.keys() | held.keys()
    }
