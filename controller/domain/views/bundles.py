"""Bundles: on how many clusters each should be, and on how many it is, by the source's latest commit."""

import datetime
import enum
from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec

from controller.domain import catalogs, clusters, judging, observed, placements, rejections
from controller.domain.views import clusters as cluster_views
from controller.domain.views import freshness, sight
from protocol import bundles, ids, selectors, status
from protocol.canonical import Digest


class State(enum.StrEnum):
    """How one bundle of the latest commit stands on one cluster."""

    READY = "Ready"
    PROGRESSING = "Progressing"
    FAILED = "Failed"
    WAITING = "Waiting"
    """The rollout has not given it the latest content yet."""
    UNKNOWN = "Unknown"
    """Nobody hears from the cluster."""


class Row(msgspec.Struct, frozen=True, rename="camel"):
    """One bundle in a list."""

    id: ids.BundleId
    name: str
    source: ids.SourceName
    path: str
    revision: str
    objects: int
    placed: int
    """Clusters that should have it."""
    ready: int
    progressing: int
    failed: int
    waiting: int
    unknown: int
    drifted: int
    """Its objects that differ from Git, over all clusters."""
    reason: str
    """The first error of its latest content, or the first failure on a cluster."""
    as_of: datetime.datetime
    event: int


class OnCluster(msgspec.Struct, frozen=True, rename="camel"):
    """A bundle on one cluster."""

    cluster: str
    state: State
    reason: str
    as_of: datetime.datetime | None


class Hook(msgspec.Struct, frozen=True, rename="camel"):
    """An object that is run at a moment of the bundle's life."""

    object: str
    file: str
    phases: tuple[str, ...]
    weight: int
    delete_policies: tuple[str, ...]


class Detail(msgspec.Struct, frozen=True, rename="camel"):
    """One bundle with its clusters."""

    bundle: Row
    labels: dict[str, str]
    targets: list[selectors.Target]
    """Narrow the source's; empty: they do not."""
    errors: list[str]
    warnings: list[str]
    clusters: list[OnCluster]
    """At most sight.NAMES_MAX, those that are not ready first."""
    hooks: list[Hook] = []


class Found(msgspec.Struct, frozen=True):
    """A bundle in the latest catalog of its source."""

    entry: catalogs.Entry
    catalog: catalogs.Catalog


def every(looking: sight.Sight) -> list[Found]:
    """All bundles of all sources, in the order of their ids."""
    found = [
        Found(entry=entry, catalog=looking.facts.catalogs[source.catalog])
        for source in looking.world.sources.values()
        if not source.removed and source.catalog in looking.facts.catalogs
        for entry in looking.facts.catalogs[source.catalog].entries
    ]
    return sorted(found, key=lambda one: one.entry.bundle)


def get(looking: sight.Sight, bundle: str) -> Found:
    """The bundle with this id; NotFound if no source's latest commit has it."""
    for found in every(looking):
        if found.entry.bundle == bundle:
            return found
    raise rejections.NotFound(f"bundle {bundle!r}: no source's latest commit has it")


def row(looking: sight.Sight, found: Found) -> Row:
    """One bundle."""
    return _row(looking, found, list(on_clusters(looking, found.entry)))


def indexes(found: Found) -> frozenset[Digest]:
    """What `detail` needs to have read: the content of every variant."""
    return frozenset(variant.index for variant in found.entry.variants if variant.index)


def detail(looking: sight.Sight, found: Found, contents: Iterable[bundles.BundleIndex] = ()) -> Detail:
    """One bundle with its clusters. `contents`: its indexes; hooks that several variants have are told once."""
    entry, where = found.entry, list(on_clusters(looking, found.entry))
    return Detail(
        bundle=_row(looking, found, where),
        labels=entry.labels,
        targets=list(entry.targets or ()),
        errors=[looking.problem(ids.source_of(entry.bundle), error) for error in catalogs.problems(entry)],
        warnings=[str(warning) for warning in catalogs.warnings(entry)],
        clusters=sorted(where, key=lambda one: one.state is State.READY)[: sight.NAMES_MAX],
        hooks=_hooks(contents),
    )


def on_clusters(looking: sight.Sight, entry: catalogs.Entry) -> Iterator[OnCluster]:
    """Every cluster that should have the bundle, in the order of names."""
    for cluster in looking.placed(entry):
        state, reason = _state(looking, cluster, entry)
        yield OnCluster(cluster=cluster.name, state=state, reason=reason, as_of=freshness.as_of(looking, cluster.id))


def _hooks(contents: Iterable[bundles.BundleIndex]) -> list[Hook]:
    told = {one: None for index in contents for one in map(_hook, index.hooks)}
    return sorted(told, key=lambda one: (one.weight, one.object, one.file))


def _hook(one: bundles.HookEntry) -> Hook:
    return Hook(
        object=str(one.object),
        file=one.file,
        phases=one.phases,
        weight=one.weight,
        delete_policies=one.delete_policies,
    )


def _row(looking: sight.Sight, found: Found, where: list[OnCluster]) -> Row:
    entry, counts = found.entry, Counter(one.state for one in where)
    source = ids.source_of(entry.bundle)
    failure = next((f"{one.cluster}: {one.reason}" for one in where if one.state is State.FAILED), "")
    return Row(
        id=entry.bundle,
        name=entry.name,
        source=source,
        path=entry.path,
        revision=str(found.catalog.revision),
        objects=catalogs.objects(entry),
        placed=len(where),
        ready=counts[State.READY],
        progressing=counts[State.PROGRESSING],
        failed=counts[State.FAILED],
        waiting=counts[State.WAITING],
        unknown=counts[State.UNKNOWN],
        drifted=looking.drifted[entry.bundle],
        reason=next((looking.problem(source, problem) for problem in catalogs.problems(entry)), failure),
        as_of=looking.at,
        event=looking.head("source", source),
    )


def _state(looking: sight.Sight, cluster: clusters.Cluster, entry: catalogs.Entry) -> tuple[State, str]:
    state, reason = _last_known(looking, cluster, entry)
    if looking.online(cluster.id):
        return state, reason
    return State.UNKNOWN, freshness.silence(looking, cluster.id, state.value)


def _last_known(looking: sight.Sight, cluster: clusters.Cluster, entry: catalogs.Entry) -> tuple[State, str]:
    conflict = looking.publication(cluster.id).conflicts.get(entry.bundle)
    if conflict:
        return State.FAILED, conflict
    placed = placements.place(entry, looking.facts_of[cluster.id])
    if placed is None or placed.variant is None:
        return State.WAITING, "it is not rendered yet for this cluster"
    if not placed.index:
        return State.FAILED, "it never had content without errors"
    if looking.content(cluster.id).get(entry.bundle) != placed.index:
        return State.WAITING, cluster.suspended or "the rollout has not reached it"
    found = observed.bundle_status(looking.seen(cluster.id), entry.bundle, placed.index)
    if found is None:
        return State.PROGRESSING, "not reported yet"
    if found.failed or found.health is status.Health.DEGRADED:
        return State.FAILED, cluster_views.why(found) or found.health.value
    if judging.is_applied(found) and found.health in judging.WELL:
        return State.READY, "" if found.sync is status.Sync.SYNCED else cluster_views.why(found)
    return State.PROGRESSING, cluster_views.why(found) or found.health.value
