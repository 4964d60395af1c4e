"""From the world and the catalogs to what one cluster's desired state depends on."""

from collections.abc import Mapping

import msgspec

from controller.domain import audiences, catalogs, derivation, inputs, placements, sources
from controller.domain.clusters import Cluster
from controller.domain.world import World
from protocol import bundles, ids, specs, subjects
from protocol.canonical import Digest

Catalogs = Mapping[Digest, catalogs.Catalog]


def catalog_digests(world: World) -> frozenset[Digest]:
    """Every catalog that some cluster was given, or that a source says now."""
    given = {digest for state in world.rollouts.values() for digest in state.assigned.values()}
    for state in world.rollouts.values():
        given.add(state.completed)
        if state.current is not None:
            given |= {state.current.catalog, state.current.base, *state.current.replaced.values()}
    said = {source.catalog for source in world.sources.values() if not source.removed}
    return frozenset((given | said) - {""})


def view(world: World, cluster: Cluster, previous: bundles.ClusterRoot, known: Catalogs) -> derivation.View:
    """All that the cluster's desired state depends on. `previous`: its last published root."""
    return derivation.View(
        cluster=cluster,
        facts=placements.facts(cluster, world.fleet.groups),
        sources={name: _assignment(world, source, cluster.id, known) for name, source in world.sources.items()},
        previous=previous,
    )


def with_given(looked_at: derivation.View, source: ids.SourceName, catalog: catalogs.Catalog) -> derivation.View:
    """The same cluster, as if it had been given this catalog, and as if that were all that the source says."""
    changed = msgspec.structs.replace(looked_at.sources[source], given=catalog, latest=catalog)
    return msgspec.structs.replace(looked_at, sources={**looked_at.sources, source: changed})


def signature(world: World, cluster: Cluster) -> tuple[object, ...]:
    """Changes whenever the cluster's root may: what is equal need not be derived again."""
    return (
        world.epoch(cluster.id),
        tuple(world.fleet.groups.items()),
        tuple(sorted(cluster.labels.items())),
        tuple(sorted(cluster.annotations.items())),
        tuple(sorted(cluster.values.items())),
        cluster.kubernetes_version,
        cluster.api_versions,
        tuple(
            (name, source.spec, source.removed, source.catalog, world.rollout(name).assigned.get(cluster.id))
            for name, source in world.sources.items()
        ),
    )


def read_for_rollout(source: ids.SourceName) -> tuple[str, ...]:
    """The aggregates that a decision about a source's rollout rests on beside the rollout: what fences it."""
    return (subjects.log("source", source),)


class Content(msgspec.Struct, frozen=True):
    """What a bundle is for a cluster."""

    index: Digest
    depends_on: tuple[bundles.Dependency, ...]


def placed_contents(
    catalog: catalogs.Catalog | None, spec: specs.SourceSpec, of: inputs.Facts
) -> dict[ids.BundleId, Content]:
    """What a catalog would give the cluster."""
    if catalog is None:
        return {}
    return {
        found.bundle: Content(found.index, found.depends_on)
        for found in placements.placed(catalog, spec, of)
        if found.index
    }


def unrendered(
    catalog: catalogs.Catalog, spec: specs.SourceSpec, members: Mapping[ids.ClusterId, inputs.Facts]
) -> ids.ClusterId | None:
    """A cluster that the catalog has a bundle for, but not rendered for what this cluster is."""
    targeted = {cluster: of for cluster, of in members.items() if placements.source_targets(spec, of)}
    fleet = audiences.Audience(targeted.values())
    for entry in catalog.entries:
        missing = None if entry.errors else placements.unrendered(entry, fleet)
        if missing is not None:
            return next(cluster for cluster, of in targeted.items() if of is missing)
    return None


def _assignment(world: World, source: sources.Source, cluster: ids.ClusterId, known: Catalogs) -> derivation.Assignment:
    given = world.rollout(source.name).assigned.get(cluster)
    return derivation.Assignment(
        spec=source.spec,
        given=known[given] if given else None,
        latest=known[source.catalog] if source.catalog and not source.removed else None,
        removed=source.removed,
        prune_on_removal=source.prune_on_removal,
    )
