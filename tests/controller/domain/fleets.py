"""Small fleets to decide about: catalogs, indexes and views made from a few words."""

from collections.abc import Mapping, Sequence

from controller.domain import catalogs, clusters, derivation, placements
from protocol import bundles, canonical, ids, specs
from protocol.canonical import Digest
from protocol.events.sources import Problem, Revision

CLUSTER = ids.ClusterId("A" * 56)
SPEC = specs.SourceSpec(url="https://git.example.com/fleet.git", all_clusters=True)

Content = Mapping[str, Sequence[str]]
"""Names of ConfigMaps by bundle, `source/path`."""


def config(name: str, namespace: str = "") -> ids.ObjectId:
    """A ConfigMap's id."""
    return ids.ObjectId(group="", kind="ConfigMap", namespace=namespace, name=name)


def cluster(**labels: str) -> clusters.Cluster:
    """An active cluster."""
    return clusters.Cluster(
        id=CLUSTER, name="edge", labels=labels, managed_by=specs.ManagedBy.COMMAND, uid="uid-of-edge"
    )


class Shelf:
    """Catalogs and indexes, made as they are named."""

    def __init__(self) -> None:
        self.indexes: dict[Digest, bundles.BundleIndex] = {}

    def index(self, bundle: str, names: Sequence[str], *, options: bundles.BundleOptions | None = None) -> Digest:
        """The digest of a bundle with these ConfigMaps."""
        entries = tuple(
            bundles.IndexEntry(object=config(name), manifest=Digest(name.ljust(64, "0"))) for name in sorted(names)
        )
        index = bundles.BundleIndex(
            bundle=ids.BundleId(bundle), options=options or bundles.BundleOptions(), objects=entries
        )
        digest = canonical.digest(bundles.INDEX_TAG, canonical.encode(index))
        self.indexes[digest] = index
        return digest

    def catalog(self, source: str, content: Content, *, broken: Sequence[str] = ()) -> catalogs.Catalog:
        """A commit with these bundles; the broken ones keep the content that is given for them."""
        entries = tuple(
            catalogs.Entry(
                bundle=ids.BundleId(bundle),
                path=bundle.partition("/")[2],
                tree="t",
                variants=(catalogs.Variant(index=self.index(bundle, names), objects=len(names)),),
                errors=(Problem(path="x.yaml", reason="not YAML"),) if bundle in broken else (),
            )
            for bundle, names in sorted(content.items())
        )
        commit = canonical.digest("commit", repr(sorted(content.items())).encode())[:40]
        revision = Revision(ref="main", commit=commit, tree="t")
        return catalogs.Catalog(source=ids.SourceName(source), revision=revision, renderer="raw/1", entries=entries)

    def root(self, content: Content) -> bundles.ClusterRoot:
        """A published root with these bundles."""
        entries = tuple(
            bundles.RootEntry(bundle=ids.BundleId(bundle), index=self.index(bundle, names))
            for bundle, names in sorted(content.items())
        )
        return bundles.ClusterRoot(bundles=entries)

    def derive(
        self,
        previous: bundles.ClusterRoot,
        *given: catalogs.Catalog,
        latest: Sequence[catalogs.Catalog] = (),
        specs_: Mapping[str, specs.SourceSpec] = {},
    ) -> derivation.Derived:
        """Derive a cluster that was given these catalogs; `latest`: what their sources say by now.

        Each source is on a repository of its own, unless `specs_` says otherwise.
        """
        return derivation.derive(self.view(previous, *given, latest=latest, specs_=specs_), self.indexes)

    def view(
        self,
        previous: bundles.ClusterRoot,
        *given: catalogs.Catalog,
        latest: Sequence[catalogs.Catalog] = (),
        specs_: Mapping[str, specs.SourceSpec] = {},
    ) -> derivation.View:
        """What `derive` derives from."""
        newest = {catalog.source: catalog for catalog in (*given, *latest)}
        return derivation.View(
            cluster=cluster(env="prod"),
            facts=placements.facts(cluster(env="prod"), {}),
            sources={
                catalog.source: derivation.Assignment(
                    spec=specs_.get(catalog.source) or _spec(catalog.source),
                    given=catalog,
                    latest=newest[catalog.source],
                )
                for catalog in given
            },
            previous=previous,
        )


def _spec(source: ids.SourceName) -> specs.SourceSpec:
    return specs.SourceSpec(url=f"https://git.example/{source}.git", all_clusters=True)


def names(found: Sequence[derivation.Drop]) -> list[str]:
    """The names of what dropped."""
    return sorted(drop.object.name for drop in found)


def contents(root: bundles.ClusterRoot, shelf: Shelf) -> set[str]:
    """The names of all objects in a root."""
    return {one.object.name for entry in root.bundles for one in shelf.indexes[entry.index].objects}
