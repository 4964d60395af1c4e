"""From a commit to its catalog: the bundles it has, their content by digest, and what is wrong with them.

What can be wrong with one bundle's files spoils that bundle: it keeps its last good content, with the errors beside it.
What is wrong with the whole commit (SourceError), or with reading it (an error of the reader), gives no catalog at all:
nothing that follows from a commit may follow from a part of it (I1).

A bundle whose tree and inputs are those of the catalog before is not read.
"""

import bisect
from collections.abc import Callable, Sequence

import msgspec

from controller.domain import catalogs
from controller.git import objects
from controller.render import assembly, discovery, errors, raw
from protocol import bundles, ids, sealing
from protocol.events import sources

CATALOG_BYTES_MAX = sealing.PLAIN_BYTES_MAX - len(bundles.CATALOG_TAG) - 1

Sink = Callable[[assembly.Blob], None]
"""Takes a blob. It may block, which bounds the memory of a large commit, and may know that the blob is stored."""


class Request(msgspec.Struct, frozen=True):
    """What to resolve."""

    source: ids.SourceName
    revision: sources.Revision
    paths: tuple[str, ...] = ("/",)
    previous: catalogs.Catalog | None = None
    """The last catalog that was accepted; the blobs that it names are stored."""


class Stats(msgspec.Struct, frozen=True):
    """What it took."""

    trees: int
    """Directories read."""
    blobs: int
    """Files read."""
    rendered: int
    """Bundles rendered."""
    reused: int
    """Bundles taken from the catalog before, unread."""


class Resolution(msgspec.Struct, frozen=True):
    """The catalog of a commit; its new blobs went to the sink."""

    catalog: catalogs.Catalog
    stats: Stats


def resolve(
    request: Request, reader: discovery.Reader, sink: Sink, *, renderer: assembly.Renderer = raw.RENDERER
) -> Resolution:
    """Resolve a commit; raise SourceError, or whatever the reader raises, if there can be no catalog."""
    counting = _Counting(reader)
    before = _Before(request.previous)
    found = discovery.find(
        counting,
        request.revision.tree,
        paths=request.paths,
        renderer=renderer.version,
        unchanged=before.unchanged,
    )
    entries = list(found.unchanged)
    for bundle in found.bundles:
        draft = before.at(bundle.path) or catalogs.Entry(
            bundle=ids.bundle_id(request.source, bundle.path), path=bundle.path, tree=""
        )
        assembled = assembly.assemble(bundle, counting, renderer=renderer, draft=draft)
        for blob in assembled.blobs:
            sink(blob)
        entries.append(assembled.entry)
    stats = Stats(counting.trees, counting.blobs, rendered=len(found.bundles), reused=len(found.unchanged))
    return Resolution(_catalog(request, renderer, entries), stats)


def _catalog(request: Request, renderer: assembly.Renderer, entries: list[catalogs.Entry]) -> catalogs.Catalog:
    catalog = catalogs.Catalog(
        source=request.source,
        revision=request.revision,
        renderer=renderer.version,
        entries=tuple(sorted(entries, key=lambda entry: entry.bundle)),
    )
    size = len(catalogs.CATALOG.encode(catalog))
    if size > CATALOG_BYTES_MAX:
        raise errors.TooLargeError(f"commit: its catalog of {size} bytes is larger than {CATALOG_BYTES_MAX}")
    return catalog


class _Before:
    """The catalog before, to look up what did not change."""

    def __init__(self, catalog: catalogs.Catalog | None) -> None:
        entries = catalog.entries if catalog is not None else ()
        self._entries = {entry.path: entry for entry in entries}
        self._paths = sorted(self._entries)

    def at(self, path: str) -> catalogs.Entry | None:
        return self._entries.get(path)

    def unchanged(self, path: str, tree: str, inputs: str) -> Sequence[catalogs.Entry] | None:
        """The bundle at `path` and all below it, if it stood there with this tree and these inputs."""
        entry = self._entries.get(path)
        if entry is None or catalogs.resolved_from(entry) != catalogs.fingerprint(tree, inputs):
            return None
        if path == discovery.ROOT:
            return tuple(self._entries.values())
        start = bisect.bisect_left(self._paths, f"{path}/")
        end = bisect.bisect_left(self._paths, f"{path}0")  # "0" follows "/" in every order of code points
        return (entry, *(self._entries[below] for below in self._paths[start:end]))


class _Counting:
    """A reader that counts what it reads."""

    def __init__(self, reader: discovery.Reader) -> None:
        self._reader = reader
        self.trees = 0
        self.blobs = 0

    def entries(self, tree: str) -> tuple[objects.TreeEntry, ...]:
        self.trees += 1
        return self._reader.entries(tree)

    def blob(self, oid: str, *, bytes_max: int) -> bytes | None:
        self.blobs += 1
        return self._reader.blob(oid, bytes_max=bytes_max)
