"""The small fleet that the tests of the domain talk about, and short ways to say what it holds."""

import datetime
from collections.abc import Iterable
from typing import Any

import msgspec

from controller.domain import catalogs, clusters
from protocol import bundles, canonical, ids, specs
from protocol.canonical import Digest
from protocol.events import log
from protocol.events import sources as source_events

AT = datetime.datetime(2026, 11, 24, 8, 0, tzinfo=datetime.UTC)
SHOP = ids.SourceName("shop")
OTHER = ids.SourceName("other")
EVERYWHERE = specs.SourceSpec(url="https://git.example/shop.git", all_clusters=True)

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def later(seconds: float) -> datetime.datetime:
    """So long after AT."""
    return AT + datetime.timedelta(seconds=seconds)


def cluster_id(number: int) -> ids.ClusterId:
    """The id of the cluster with this number, from 0 on."""
    return ids.cluster_id("A" + _LETTERS[number] * 55)


def cluster(number: int, **changes: Any) -> clusters.Cluster:
    """A cluster that said hello and takes part."""
    one = clusters.Cluster(
        id=cluster_id(number),
        name=f"c{number}",
        labels={},
        managed_by=specs.ManagedBy.COMMAND,
        uid=f"uid-{number}",
    )
    return msgspec.structs.replace(one, **changes)


def digest(text: str) -> Digest:
    """Some digest, always the same for the same text."""
    return canonical.digest("example", text.encode())


def object_id(kind: str, name: str, namespace: str = "", *, group: str | None = None) -> ids.ObjectId:
    """An object; the group of a well-known kind need not be said."""
    known = {"Deployment": "apps", "StatefulSet": "apps", "Ingress": "networking.k8s.io", "Widget": "example.com"}
    return ids.ObjectId(
        group=known.get(kind, "") if group is None else group, kind=kind, namespace=namespace, name=name
    )


def config_map(name: str, namespace: str = "") -> ids.ObjectId:
    """An object that nobody misses."""
    return object_id("ConfigMap", name, namespace)


class Shelf:
    """Bundle indexes by digest, as the hub's library has them."""

    def __init__(self) -> None:
        self.indexes: dict[Digest, bundles.BundleIndex] = {}

    def index(self, bundle: str, *objects: ids.ObjectId, version: str = "", **options: Any) -> Digest:
        """Put a bundle's content on the shelf."""
        entries = tuple(
            bundles.IndexEntry(object=one, manifest=digest(f"{one}{version}")) for one in sorted(set(objects))
        )
        content = bundles.BundleIndex(
            bundle=ids.BundleId(bundle), options=bundles.BundleOptions(**options), objects=entries
        )
        found = canonical.digest(bundles.INDEX_TAG, canonical.encode(content))
        self.indexes[found] = content
        return found

    def entry(self, bundle: str, *objects: ids.ObjectId, **options: Any) -> catalogs.Entry:
        """A bundle of a catalog, and its content on the shelf."""
        return catalogs.Entry(
            bundle=ids.BundleId(bundle),
            path=bundle.partition("/")[2],
            tree="t",
            variants=(catalogs.Variant(index=self.index(bundle, *objects, **options), objects=len(objects)),),
        )


def spoiled(entry: catalogs.Entry) -> catalogs.Entry:
    """The same bundle where a commit broke it: its last good content stays."""
    return catalogs.carried(entry, because=(source_events.Problem(path="x.yaml", reason="not YAML"),))


def catalog(source: ids.SourceName, *entries: catalogs.Entry, commit: str = "a" * 40) -> catalogs.Catalog:
    """A commit of a source."""
    return catalogs.Catalog(
        source=source,
        revision=source_events.Revision(ref="main", commit=commit, tree="t" * 40),
        renderer="raw 1",
        entries=tuple(sorted(entries, key=lambda entry: entry.bundle)),
    )


def through_the_wire(events: Iterable[log.Event]) -> list[log.Event]:
    """The same events after they were stored and read."""
    return [
        log.RECORD.decode(
            log.RECORD.encode(log.Record(id="1", at=AT, by="test", previous=canonical.NO_DIGEST, event=event))
        ).event
        for event in events
    ]
