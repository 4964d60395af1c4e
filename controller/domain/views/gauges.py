"""The fleet in numbers, for Prometheus: names in base units, and few labels.

What has a label has every value of it, at zero too, so that a query never asks for what is not there. Clusters go by
their names only where they are few: a fleet of thousands would make as many series of each number.
"""

import enum
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from controller.domain import rollout_state
from controller.domain.views import clusters, deletions, freshness, rollouts, sight, sources
from protocol import status

NAMED_CLUSTERS_MAX = 50
"""Clusters that go by their names, unless the hub's settings say otherwise."""

COUNTED = {
    "polls": ("flotilla_polls", "Polls of sources by their outcome, since the hub started.", "result"),
    "sweeps": ("flotilla_sweeps", "Looks for blobs that nothing names, by their outcome.", "result"),
    "reports": ("flotilla_reports", "Reports of agents that were read, since the hub started.", "kind"),
}
"""What the reactors count, by the name under which they do: the metric, its help, and its label."""

Counts = Mapping[tuple[str, str], int]


class Gauge(msgspec.Struct, frozen=True):
    """One metric with all its samples."""

    name: str
    """Without `_total`, which a counter's samples get."""
    help: str
    labels: tuple[str, ...] = ()
    samples: tuple[tuple[tuple[str, ...], float], ...] = ()
    """Values of the labels, and the number."""
    is_counter: bool = False


def fleet(looking: sight.Sight, *, named_max: int = NAMED_CLUSTERS_MAX) -> list[Gauge]:
    """How the fleet stands."""
    rows = clusters.rows(looking, looking.clusters)
    found = [*_clusters(rows), *_drift(looking), *_lag(looking, rows), *_decided(looking), *_log(looking)]
    return found + (list(_named(rows)) if len(rows) <= named_max else [])


def counted(counts: Counts) -> list[Gauge]:
    """What the reactors counted."""
    return [
        Gauge(
            name=name,
            help=text,
            labels=(label,),
            samples=tuple(sorted(((value,), float(count)) for (what, value), count in counts.items() if what == key)),
            is_counter=True,
        )
        for key, (name, text, label) in COUNTED.items()
    ]


def single(name: str, text: str, value: float, *, is_counter: bool = False) -> Gauge:
    """A metric of one number."""
    return Gauge(name=name, help=text, samples=(((), value),), is_counter=is_counter)


def _clusters(rows: Sequence[clusters.Row]) -> Iterator[Gauge]:
    connections, syncs = (one.connection for one in rows), (one.sync for one in rows)
    yield _by("flotilla_clusters", "Clusters by whether they are heard.", freshness.Connection, connections)
    yield _by("flotilla_clusters_sync", "Clusters by whether they hold what Git says.", status.Sync, syncs)
    healths = (one.health for one in rows)
    yield _by("flotilla_clusters_health", "Clusters by how their workloads are.", status.Health, healths)
    suspended = sum(bool(one.suspended) for one in rows)
    yield single("flotilla_clusters_suspended", "Clusters that are given nothing new.", suspended)
    yield single("flotilla_objects", "Objects in the inventories.", sum(one.objects for one in rows))
    yield single("flotilla_orphans", "Objects that nothing wants or deletes.", sum(one.orphans for one in rows))
    yield single("flotilla_refusals", "Desired states that agents did not accept.", sum(one.refused for one in rows))


def _lag(looking: sight.Sight, rows: Sequence[clusters.Row]) -> Iterator[Gauge]:
    behind = sum(one.lag_generations > 0 for one in rows)
    yield single("flotilla_clusters_behind", "Clusters that lack a generation.", behind)
    most = max((one.lag_generations for one in rows), default=0)
    yield single("flotilla_lag_generations_max", "Generations that the cluster furthest behind lacks.", most)
    late_s = [(looking.at - one.behind_since).total_seconds() for one in rows if one.behind_since is not None]
    yield single("flotilla_lag_seconds_max", "For how long the longest has lacked one.", max(late_s, default=0.0))


def _drift(looking: sight.Sight) -> Iterator[Gauge]:
    drifts = [looking.seen(cluster.id).drifts for cluster in looking.clusters]
    text = "Objects that differ from Git, as their clusters said last."
    yield single("flotilla_drifts", text, sum(len(one.open) + one.left_out for one in drifts))
    fights = sum(found.drift.fighting is not None for one in drifts for found in one.open.values())
    yield single("flotilla_drift_fights", "Objects that somebody changes again and again.", fights)


def _decided(looking: sight.Sight) -> Iterator[Gauge]:
    states = [one.current for one in rollouts.every(looking) if one.current is not None]
    phases = (one.phase for one in states)
    yield _by("flotilla_rollouts", "The newest rollout of each source.", rollout_state.Phase, phases)
    in_rollouts = {
        "succeeded": sum(len(one.succeeded) for one in states),
        "in_flight": sum(len(one.in_flight) + len(one.ghosts) for one in states),
        "failed": sum(len(one.failed) for one in states),
        "deferred": sum(len(one.deferred) for one in states),
    }
    yield Gauge(
        name="flotilla_rollout_clusters",
        help="Clusters of the newest rollouts by how they fare.",
        labels=("state",),
        samples=tuple(((state,), float(count)) for state, count in in_rollouts.items()),
    )
    rows = [sources.row(looking, one) for one in looking.world.sources.values() if not one.removed]
    yield _by("flotilla_sources", "Sources by what they say now.", sources.State, (row.state for row in rows))
    yield single("flotilla_source_problems", "Bundles and paths in error.", sum(row.problems for row in rows))
    owed = [looking.owed(cluster.id) for cluster in looking.clusters]
    waiting = deletions.waiting(looking, deletions.Tally(looking))
    yield single("flotilla_deletion_sets_held", "Deletion sets that wait for a person.", len(waiting))
    yield single("flotilla_deletions_held", "Objects whose deletion waits for a person.", sum(one.held for one in owed))
    yield single("flotilla_deletions_pending", "Objects that agents may delete.", sum(one.pending for one in owed))


def _log(looking: sight.Sight) -> Iterator[Gauge]:
    world = looking.world
    yield single("flotilla_log_events", "Events in the log.", looking.event, is_counter=True)
    yield single("flotilla_hub_epoch", "The hub's epoch.", world.fleet.epoch)
    yield single(
        "flotilla_hub_recovering", "1 while nothing is published after a restore.", bool(world.fleet.recovering)
    )
    yield single("flotilla_tokens", "API tokens that were issued and not revoked.", len(world.tokens))


def _named(rows: Sequence[clusters.Row]) -> Iterator[Gauge]:
    def each(name: str, text: str, values: Iterable[float | None]) -> Gauge:
        pairs = zip(rows, values, strict=True)
        samples = tuple(((row.name,), float(value)) for row, value in pairs if value is not None)
        return Gauge(name=name, help=text, labels=("cluster",), samples=samples)

    lags = (row.lag_generations for row in rows)
    yield each("flotilla_cluster_lag_generations", "Generations that a cluster lacks.", lags)
    heard = (row.heard_ago_s for row in rows)
    yield each("flotilla_cluster_heard_ago_seconds", "Since it was heard; missing where it was not.", heard)


def _by(name: str, text: str, kind: type[enum.StrEnum], found: Iterable[enum.StrEnum]) -> Gauge:
    counts = Counter(found)
    samples = tuple(((value.value,), float(counts[value])) for value in kind)
    return Gauge(name=name, help=text, labels=("state",), samples=samples)
