"""What a source would change on each cluster: what the clusters foretold, and what the hub itself foresees.

Creates, changes, adoptions, conflicts and hooks are the clusters' own words. Deletions, what waits for a person and
what stays because it is in doubt follow from the hub's ledger and are there for clusters that nobody hears, too.
"""

import datetime
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from controller.domain import losses
from protocol import ids, reports
from protocol.events import deletions as deletion_events
from protocol.events import log
from protocol.reports import Forecast

OBJECTS_MAX = 20_000
"""Objects told in one answer, over all clusters: some ten megabytes. The counts are always whole."""

TROUBLE = frozenset({Forecast.CONFLICT, Forecast.FAILED})


class Deletion(msgspec.Struct, frozen=True, rename="camel"):
    """An object that would be taken away."""

    object: ids.ObjectId
    bundle: ids.BundleId
    held: bool
    """Only once somebody approves it."""


class Kept(msgspec.Struct, frozen=True, rename="camel"):
    """An object that left Git and stays all the same."""

    object: ids.ObjectId
    bundle: ids.BundleId
    reason: str


class OnCluster(msgspec.Struct, frozen=True, rename="camel"):
    """What would happen on one cluster."""

    cluster: str
    heard: bool
    problem: str
    """Why it was not heard, or could not look at everything; empty: neither."""
    counts: dict[str, int]
    """Of all that the cluster foretold, by outcome."""
    objects: tuple[reports.PlannedObject, ...]
    left_out: int
    """Objects that are counted, but not told."""
    deletions: tuple[Deletion, ...]
    kept: tuple[Kept, ...]
    refused: dict[ids.BundleId, str]
    """Bundles that keep their old content, because another bundle has what they claim."""
    hooks: tuple[reports.PlannedHook, ...] = ()
    """Helm's hooks that would run, as the cluster foretold."""
    hooks_left_out: int = 0


class Diff(msgspec.Struct, frozen=True, rename="camel"):
    """The whole answer."""

    source: ids.SourceName
    revision: str
    as_of: datetime.datetime
    changes: int
    """Objects over all clusters that would change or go, and hooks that would run."""
    troubles: int
    """Objects, bundles and clusters that something stands in the way of, or that were not heard."""
    held: tuple[str, ...]
    """Why the deletions would wait for a person; empty: they would not."""
    clusters: tuple[OnCluster, ...]
    """Those that the source is for, in the order of their names."""


class Foreseen(msgspec.Struct, frozen=True):
    """What the hub knows by itself."""

    source: ids.SourceName
    revision: str
    outcomes: Mapping[ids.ClusterId, losses.Outcome]
    planned: Sequence[log.Event]
    """What the ledger would decide about deletions."""


def compose(
    foreseen: Foreseen,
    names: Mapping[ids.ClusterId, str],
    answers: Mapping[ids.ClusterId, Sequence[reports.Planned]],
    silent: Mapping[ids.ClusterId, str],
    *,
    at: datetime.datetime,
) -> Diff:
    """Put it together. `answers`: the parts of those that were heard; `silent`: why the others were not."""
    plans = [event for event in foreseen.planned if isinstance(event, deletion_events.DeletionsPlanned)]
    held = tuple(dict.fromkeys(reason for plan in plans for reason in plan.held))
    room = OBJECTS_MAX
    clusters = []
    for cluster in sorted(foreseen.outcomes, key=lambda one: names[one]):
        found = _on_cluster(
            names[cluster],
            answers.get(cluster, ()),
            silent.get(cluster, ""),
            _Known(foreseen.source, foreseen.outcomes[cluster], tuple(_deletions(plans, cluster)), room),
        )
        room -= len(found.objects)
        clusters.append(found)
    return Diff(
        source=foreseen.source,
        revision=foreseen.revision,
        as_of=at,
        changes=sum(_changes(one) for one in clusters),
        troubles=sum(_troubles(one) for one in clusters),
        held=held,
        clusters=tuple(clusters),
    )


def concerns(outcome: losses.Outcome, source: ids.SourceName) -> bool:
    """Has the cluster anything of this source, or would it have?"""
    derived = outcome.derived
    touched: list[ids.BundleId] = [
        *(entry.bundle for entry in derived.root.bundles),
        *(drop.bundle for drop in derived.drops),
        *(kept.bundle for kept in derived.root.kept),
        *derived.conflicts,
    ]
    return any(ids.source_of(bundle) == source for bundle in touched)


class _Known(msgspec.Struct, frozen=True):
    source: ids.SourceName
    outcome: losses.Outcome
    deletions: tuple[Deletion, ...]
    room: int


def _on_cluster(name: str, parts: Sequence[reports.Planned], why_silent: str, known: _Known) -> OnCluster:
    objects = [item for part in parts for item in part.objects]
    counts = Counter(item.forecast.value for item in objects)
    derived = known.outcome.derived
    if parts and parts[0].unchanged:
        counts[Forecast.UNCHANGED.value] += parts[0].unchanged
    return OnCluster(
        cluster=name,
        heard=bool(parts),
        problem=why_silent or (parts[0].problem if parts else "no answer in time"),
        counts=dict(sorted(counts.items())),
        objects=tuple(objects[: max(known.room, 0)]),
        left_out=max(len(objects) - known.room, 0) + (parts[0].left_out if parts else 0),
        deletions=known.deletions,
        kept=tuple(
            Kept(one.object, one.bundle, one.reason)
            for one in derived.root.kept
            if ids.source_of(one.bundle) == known.source
        ),
        refused={
            bundle: reason for bundle, reason in derived.conflicts.items() if ids.source_of(bundle) == known.source
        },
        hooks=parts[0].hooks if parts else (),
        hooks_left_out=parts[0].hooks_left_out if parts else 0,
    )


def _deletions(plans: Iterable[deletion_events.DeletionsPlanned], cluster: ids.ClusterId) -> Iterable[Deletion]:
    for plan in plans:
        for member in plan.members:
            if cluster in member.clusters:
                for one in member.objects:
                    yield Deletion(one, member.bundle, held=bool(plan.held))


def _changes(one: OnCluster) -> int:
    changing = (Forecast.CREATED, Forecast.CONFIGURED, Forecast.ADOPTED)
    objects = sum(one.counts.get(outcome.value, 0) for outcome in changing) + len(one.deletions)
    return objects + len(one.hooks) + one.hooks_left_out


def _troubles(one: OnCluster) -> int:
    foretold = sum(one.counts.get(outcome.value, 0) for outcome in TROUBLE)
    return foretold + len(one.refused) + bool(one.problem)
