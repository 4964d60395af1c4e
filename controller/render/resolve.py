"""From a commit to its catalog: the bundles it has, their content by digest, and what is wrong with them.

What can be wrong with one bundle's files spoils that bundle: it keeps its last good content, with the errors beside it.
What is wrong with the whole commit (SourceError), or with reading it (an error of the reader), gives no catalog at all:
nothing that follows from a commit may follow from a part of it (I1).

A bundle whose tree and inputs are those of the catalog before, and which has a variant for every cluster, is not read.
"""

import bisect
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import msgspec

from controller.domain import audiences, catalogs, inputs, placements
from controller.git import objects
from controller.render import assembly, commits, dependencies, discovery, errors, staging
from protocol import bundles, ids, sealing
from protocol.events import sources

CATALOG_BYTES_MAX = sealing.PLAIN_BYTES_MAX - len(bundles.CATALOG_TAG) - 1

Sink = Callable[[sealing.Sealed], None]
"""Takes a blob. It may block, which bounds the memory of a large commit, and may know that the blob is stored."""


class Request(msgspec.Struct, frozen=True):
    """What to resolve."""

    source: ids.SourceName
    revision: sources.Revision
    paths: tuple[str, ...] = ("/",)
    previous: catalogs.Catalog | None = None
    """The last catalog that was accepted; the blobs that it names are stored."""
    fleet: tuple[inputs.Facts, ...] = ()
    """The clusters that the source is for."""
    covered: bool = False
    """The catalog before has a variant for every one of them, as far as anybody knows: they need not be looked at."""
    resting: frozenset[str] = frozenset()
    """Paths of bundles that could not be rendered for now, and whose time to be tried again has not come."""


class Job(msgspec.Struct, frozen=True):
    """One bundle to render."""

    bundle: discovery.Bundle
    draft: catalogs.Entry


class Work(msgspec.Struct, frozen=True):
    """All bundles of a commit that have to be rendered."""

    tree: str
    fleet: tuple[inputs.Facts, ...]
    jobs: tuple[Job, ...]


class Renderer(staging.Versioned, Protocol):
    """Renders bundles, here or in other processes."""

    def assemble(self, work: Work) -> Iterator[assembly.Assembled]:
        """Each job's outcome, in the order of the jobs."""
        ...


class Stats(msgspec.Struct, frozen=True):
    """What it took."""

    trees: int
    """Directories read to find the bundles."""
    blobs: int
    """Files read to find the bundles: settings and ignore files."""
    rendered: int
    """Bundles rendered."""
    reused: int
    """Bundles taken from the catalog before, unread."""
    made: int
    """Blobs that are new."""


class Resolution(msgspec.Struct, frozen=True):
    """The catalog of a commit; its new blobs went to the sink."""

    catalog: catalogs.Catalog
    stats: Stats


def resolve(request: Request, reader: discovery.Reader, sink: Sink, *, renderer: Renderer) -> Resolution:
    """Resolve a commit; raise SourceError, or whatever the reader raises, if there can be no catalog."""
    counting = _Counting(reader)
    before = _Before(request, counting)
    found = discovery.find(
        counting,
        request.revision.tree,
        paths=request.paths,
        renderer=renderer.version,
        unchanged=before.unchanged,
    )
    entries = list(found.unchanged)
    jobs = tuple(Job(bundle, before.draft(bundle.path)) for bundle in found.bundles)
    made = 0
    for assembled in renderer.assemble(Work(request.revision.tree, request.fleet, jobs)):
        for blob in assembled.blobs:
            sink(blob)
        made += len(assembled.blobs)
        entries.append(assembled.entry)
    stats = Stats(counting.trees, counting.blobs, rendered=len(found.bundles), reused=len(found.unchanged), made=made)
    ordered = dependencies.resolved(sorted(entries, key=lambda entry: entry.bundle), before.draft)
    return Resolution(_catalog(request, renderer, ordered), stats)


def _catalog(request: Request, renderer: Renderer, entries: Sequence[catalogs.Entry]) -> catalogs.Catalog:
    catalog = catalogs.Catalog(
        source=request.source,
        revision=request.revision,
        renderer=renderer.version,
        entries=tuple(entries),
    )
    size = len(catalogs.CATALOG.encode(catalog))
    if size > CATALOG_BYTES_MAX:
        raise errors.TooLargeError(f"commit: its catalog of {size} bytes is larger than {CATALOG_BYTES_MAX}")
    return catalog


class _Before:
    """The catalog before, to look up what did not change."""

    def __init__(self, request: Request, reader: discovery.Reader) -> None:
        self._request = request
        self._commit = commits.Commit(reader, request.revision.tree)
        entries = request.previous.entries if request.previous is not None else ()
        self._entries = {entry.path: entry for entry in entries}
        self._paths = sorted(self._entries)
        self._fleet = audiences.Audience(request.fleet)

    def draft(self, path: str) -> catalogs.Entry:
        """The bundle's entry so far."""
        known = self._entries.get(path)
        return known or catalogs.Entry(bundle=ids.bundle_id(self._request.source, path), path=path, tree="")

    def unchanged(self, path: str, tree: str, inputs: str) -> Sequence[catalogs.Entry] | None:
        """The bundle at `path` and all below it, if it stood there with this tree and these inputs, and nothing that
        they were rendered from is another."""
        entry = self._entries.get(path)
        if entry is None or catalogs.resolved_from(entry) != catalogs.fingerprint(tree, inputs):
            return None
        found = self._at_and_below(path, entry)
        return found if all(self._is_same(one) for one in found) else None

    def _at_and_below(self, path: str, entry: catalogs.Entry) -> Sequence[catalogs.Entry]:
        if path == discovery.ROOT:
            return tuple(self._entries.values())
        start = bisect.bisect_left(self._paths, f"{path}/")
        end = bisect.bisect_left(self._paths, f"{path}0")  # "0" follows "/" in every order of code points
        return (entry, *(self._entries[below] for below in self._paths[start:end]))

    def _is_same(self, entry: catalogs.Entry) -> bool:
        is_open = catalogs.is_open(entry)
        rests = is_open and catalogs.is_tried_again(entry) and entry.path in self._request.resting
        if (is_open and not rests) or not self._is_anybodys(entry):
            return False
        # What keeps its last good content was tried on another commit than that content was made from.
        looked_at = [entry.looked_at] if rests and entry.errors else [one.looked_at for one in entry.variants]
        for path, oid in (looked for one in looked_at for looked in one.items()):
            found = self._commit.entry(path)
            if (found.oid if found is not None else commits.ABSENT) != oid:
                return False
        return self._request.covered or bool(entry.errors) or placements.unrendered(entry, self._fleet) is None

    def _is_anybodys(self, entry: catalogs.Entry) -> bool:
        """Has each variant in error a cluster? What is wrong for nobody any more would keep deletions back."""
        wrong = [variant for variant in entry.variants if variant.errors]
        if not wrong or entry.errors or entry.paused:
            return True
        fleet = self._fleet.distinct(placements.asked(entry, entry.variants))
        there = {id(found.variant) for of in fleet if (found := placements.place(entry, of)) is not None}
        return all(id(variant) in there for variant in wrong)


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
