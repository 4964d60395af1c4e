"""The clusters, groups and sources that a preview knows of, without asking any of them.

They come from configuration documents as `flotilla hub --config` reads them, folded in the way in which the hub folds
them, from rows of the hub's API, or from what a person says on the command line.
"""

import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from controller.configuration import reading
from controller.domain import clusters, declarations, documents, fleet, inputs, placements, rejections
from controller.domain.world import World
from protocol import ids, specs
from protocol.events import clusters as cluster_events
from protocol.events import fleet as fleet_events

FILE = specs.ManagedBy.FILE
NOBODY = "preview"
"""The name of a cluster that nobody named."""


class Fleet(msgspec.Struct, frozen=True):
    """What is known."""

    clusters: tuple[inputs.Facts, ...] = ()
    """In the order of their names."""
    groups: placements.Groups | None = None
    """None: nobody said which groups there are."""
    values: dict[str, dict[str, str]] = {}
    """Registered values of clusters by their names, without those of their groups, as far as they are known apart."""
    sources: dict[str, specs.SourceSpec] = {}


class Said(msgspec.Struct, frozen=True):
    """What a person says of one cluster."""

    name: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    values: dict[str, str] = {}
    groups: tuple[str, ...] = ()
    kubernetes_version: str = ""


UNKNOWN = Fleet()


def from_file(path: pathlib.Path) -> Fleet:
    """The fleet that a file, or the files of a directory, declare; raise ConfigurationError, with the place, where the
    hub would refuse them."""
    return from_documents(reading.declared(reading.contents(path)))


def from_documents(given: tuple[documents.Document, ...]) -> Fleet:
    """The fleet that documents declare; raise ConfigurationError where the hub would refuse them."""
    names = declarations.newcomers(World(), given)
    accounts = {name: ids.ClusterId(f"A{number:055}") for number, name in enumerate(names)}
    members: clusters.Clusters = {}
    said = fleet.Fleet()
    try:
        for change in declarations.apply(World(), given, by=FILE, accounts=accounts):
            for event in change.events:
                if isinstance(event, cluster_events.Event):
                    members[event.cluster] = clusters.evolve(members.get(event.cluster), event)
                elif isinstance(event, fleet_events.Event):
                    said = fleet.evolve(said, event)
    except (rejections.Rejection, ids.InvalidNameError) as error:
        raise reading.ConfigurationError(f"configuration {error}") from error
    return Fleet(
        clusters=_ordered(placements.facts(one, said.groups) for one in members.values()),
        groups=said.groups,
        values={one.name: one.values for one in members.values()},
        sources={one.name: one.spec for one in given if isinstance(one.spec, specs.SourceSpec)},
    )


def from_rows(rows: Iterable[Mapping[str, Any]]) -> tuple[inputs.Facts, ...]:
    """The clusters that the hub's API lists."""
    return _ordered(
        inputs.Facts(
            name=row["name"],
            labels=row["labels"],
            annotations=row["annotations"],
            values=row["values"],
            kubernetes_version=row["kubernetesVersion"],
            groups=tuple(row["groups"]),
        )
        for row in rows
    )


def of_version(known: Fleet, version: str) -> Fleet:
    """The fleet, with a Kubernetes version where none is known."""
    members = (
        one if one.kubernetes_version else msgspec.structs.replace(one, kubernetes_version=version)
        for one in known.clusters
    )
    return msgspec.structs.replace(known, clusters=tuple(members))


def cluster(known: Fleet, said: Said) -> inputs.Facts:
    """One cluster as a person describes it: one that is known, with what is said of it on top, or a made-up one. Raise
    Rejection if the hub would not take what is said, or knows no such cluster."""
    what = f"cluster {said.name or NOBODY!r}"
    found = next((one for one in known.clusters if one.name == said.name), None)
    if found is None:
        if said.name and known.clusters:
            raise rejections.NotFound(f"{what}: there is no such cluster")
        found = inputs.Facts(name=ids.dns_label(said.name or NOBODY, "cluster"))
    made = msgspec.structs.replace(
        found,
        labels={**found.labels, **documents.labels(said.labels, what)},
        annotations={**found.annotations, **documents.annotations(said.annotations, what)},
        kubernetes_version=said.kubernetes_version or found.kubernetes_version,
    )
    return _joined(known, said, made)


def _joined(known: Fleet, said: Said, made: inputs.Facts) -> inputs.Facts:
    """The cluster in its groups: other labels may bring it into others, and those bring values."""
    what = f"cluster {made.name!r}"
    own = documents.values(said.values, what)
    if known.groups is None:
        groups = tuple(sorted({*made.groups, *said.groups}))
        return msgspec.structs.replace(made, values={**made.values, **own}, groups=groups)
    for name in said.groups:
        if name not in known.groups:
            raise rejections.Invalid(f"{what}: there is no ClusterGroup {name!r}")
    joined = [name for name, spec in known.groups.items() if placements.selects(spec.selector, made)]
    joined = sorted({*joined, *said.groups})
    of_groups: dict[str, str] = {}
    for name in reversed(joined):
        of_groups.update(known.groups[name].values)
    values = {**of_groups, **known.values.get(made.name, {}), **own}
    return msgspec.structs.replace(made, values=values, groups=tuple(joined))


def _ordered(found: Iterable[inputs.Facts]) -> tuple[inputs.Facts, ...]:
    return tuple(sorted(found, key=lambda one: one.name))
