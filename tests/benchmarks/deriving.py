"""What every cluster of a fleet would be published, of one catalog: by the derivation of production."""

from collections.abc import Iterable, Mapping

from controller.domain import catalogs, clusters, derivation, inputs
from protocol import bundles, canonical, ids, messages, sealing, specs
from protocol.canonical import Digest
from tests.benchmarks import rendering

SPEC = specs.SourceSpec("https://git.example.com/monorepo.git", all_clusters=True)
NOTHING = bundles.ClusterRoot(bundles=())

Indexes = dict[Digest, bundles.BundleIndex]


def indexes(catalog: catalogs.Catalog, blobs: Mapping[str, sealing.Sealed]) -> Indexes:
    """All indexes that a catalog names."""
    named = {variant.index for entry in catalog.entries for variant in entry.variants}
    return {
        digest: messages.INDEX.decode(sealing.open_blob(digest, bundles.INDEX_TAG, blobs[digest].data))
        for digest in named
    }


def derived(
    catalog: catalogs.Catalog, fleet: Iterable[inputs.Facts], known: Indexes, before: Mapping[str, bundles.ClusterRoot]
) -> dict[str, bundles.ClusterRoot]:
    """The root of each cluster, by its name."""
    assignment = derivation.Assignment(spec=SPEC, given=catalog, latest=catalog)
    views = {
        ids.ClusterId(facts.name): derivation.View(
            cluster=_cluster(facts),
            facts=facts,
            sources={rendering.MONOREPO: assignment},
            previous=before.get(facts.name, NOTHING),
        )
        for facts in fleet
    }
    shared = derivation.alike(views)
    roots = {
        key: derivation.derive(view, known).root for key, view in {id(one): one for one in shared.values()}.items()
    }
    return {cluster: roots[id(view)] for cluster, view in shared.items()}


def publications(before: Mapping[str, bundles.ClusterRoot], after: Mapping[str, bundles.ClusterRoot]) -> int:
    """How many clusters would be published something: a desired state is, where its root is another."""
    return sum(_digest(before[name]) != _digest(root) for name, root in after.items())


def _digest(root: bundles.ClusterRoot) -> Digest:
    return bundles.root_digest(canonical.encode(root))


def _cluster(facts: inputs.Facts) -> clusters.Cluster:
    return clusters.Cluster(
        id=ids.ClusterId(facts.name), name=facts.name, labels=facts.labels, managed_by=specs.ManagedBy.COMMAND
    )
