"""A working tree resolved as the hub resolves a commit, as far as somebody wants to see it.

Bundles that nobody asked for are found, because others may depend on them, and not rendered. What is wrong with
`dependsOn` is told apart from the rest: it changes no manifest, and a part of a source cannot know all bundles of it.
"""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from controller.domain import catalogs, inputs
from controller.git import worktrees
from controller.render import assembly, commits, dependencies, discovery, errors, here, resolve, staging, varying
from protocol import bundles, ids, messages, sealing
from protocol.canonical import Digest
from protocol.events import sources

WORKING_TREE = "working tree"
"""In the place of a ref."""


class Scope(msgspec.Struct, frozen=True):
    """What to look at."""

    source: ids.SourceName
    """Bundles are called after it, and so are the releases of charts."""
    paths: tuple[str, ...]
    """Of the source."""
    below: str
    """Only bundles at or below this directory."""
    is_whole: bool
    """`paths` are all that the source has, so that a bundle that is not found does not exist."""
    fleet: tuple[inputs.Facts, ...] = ()


class Look(msgspec.Struct, frozen=True):
    """What was found."""

    entries: tuple[catalogs.Entry, ...]
    """The bundles that were asked for, in the order of their ids, with what they depend on."""
    drafts: tuple[discovery.Bundle, ...]
    """The same as they were read, before they were rendered."""
    blobs: Mapping[Digest, sealing.Sealed]
    dependencies: Mapping[ids.BundleId, tuple[sources.Problem, ...]]
    """What is wrong with what bundles depend on."""
    unchecked: Mapping[ids.BundleId, tuple[sources.Problem, ...]]
    """Dependencies on bundles that may be there, elsewhere in the source."""

    def index(self, digest: Digest) -> bundles.BundleIndex:
        """The content that a variant names."""
        return messages.INDEX.decode(self._plain(digest, bundles.INDEX_TAG))

    def manifest(self, digest: Digest) -> bytes:
        """The canonical bytes that an index names."""
        return self._plain(digest, bundles.MANIFEST_TAG)

    def _plain(self, digest: Digest, tag: str) -> bytes:
        return sealing.open_blob(digest, tag, self.blobs[digest].data)


def look(scope: Scope, snapshot: worktrees.Snapshot, stager: staging.Stager) -> Look:
    """Resolve; raise SourceError, or an error of the reader, where nothing can be told of the tree as a whole."""
    blobs: dict[Digest, sealing.Sealed] = {}

    def take(blob: sealing.Sealed) -> None:
        blobs[blob.id] = blob

    narrowed = _Narrowed(snapshot.reader, stager, scope.below)
    revision = sources.Revision(ref=WORKING_TREE, commit="", tree=snapshot.tree)
    request = resolve.Request(scope.source, revision, paths=scope.paths, fleet=scope.fleet)
    found = resolve.resolve(request, snapshot.reader, take, renderer=narrowed).catalog.entries
    if not narrowed.drafts:
        raise _nothing(scope, found)
    return _depending(scope, found, narrowed, blobs)


def drafts(scope: Scope, snapshot: worktrees.Snapshot, stager: staging.Versioned) -> tuple[discovery.Bundle, ...]:
    """The bundles that would be looked at, found and not rendered; raise as `look` does."""
    found = discovery.find(
        snapshot.reader, snapshot.tree, paths=scope.paths, renderer=stager.version, unchanged=_nothing_is_known
    )
    return tuple(bundle for bundle in found.bundles if is_below(bundle.path, scope.below))


def is_below(path: str, directory: str) -> bool:
    """Is the path this directory, or in it?"""
    return path == directory or path.startswith(commits.prefix(directory)) or directory == discovery.ROOT


class _Narrowed:
    """Renders here what was asked for, and takes note of what the bundles need of each other."""

    def __init__(self, reader: discovery.Reader, stager: staging.Stager, below: str) -> None:
        self._here = here.Renderer(reader, stager)
        self._below = below
        self.drafts: dict[ids.BundleId, discovery.Bundle] = {}
        self.described: dict[ids.BundleId, catalogs.Entry] = {}
        """What each bundle says of itself, whether it can be rendered or not."""

    @property
    def version(self) -> str:
        return self._here.version

    def assemble(self, work: resolve.Work) -> Iterator[assembly.Assembled]:
        wanted = tuple(job for job in work.jobs if is_below(job.bundle.path, self._below))
        rendered = self._here.assemble(msgspec.structs.replace(work, jobs=wanted))
        for job in work.jobs:
            entry = varying.described(job.draft, job.bundle.settings)
            self.described[entry.bundle] = entry
            if not is_below(job.bundle.path, self._below):
                yield assembly.Assembled(_without_needs(entry))
                continue
            self.drafts[entry.bundle] = job.bundle
            assembled = next(rendered)
            yield msgspec.structs.replace(assembled, entry=_without_needs(assembled.entry))


def _without_needs(entry: catalogs.Entry) -> catalogs.Entry:
    return msgspec.structs.replace(entry, needs=())


def _depending(
    scope: Scope,
    found: tuple[catalogs.Entry, ...],
    narrowed: _Narrowed,
    blobs: Mapping[Digest, sealing.Sealed],
) -> Look:
    unchecked = {}
    needing = []
    described = [narrowed.described[entry.bundle] for entry in found]
    for entry in described:
        elsewhere = [need for need in entry.needs if not scope.is_whole and need.name and not _is_met(need, described)]
        unchecked[entry.bundle] = tuple(_unchecked(need) for need in elsewhere)
        needs = tuple(need for need in entry.needs if need not in elsewhere)
        needing.append(msgspec.structs.replace(entry, needs=needs))
    resolved = dependencies.resolved(needing, lambda path: catalogs.Entry(ids.bundle_id(scope.source, path), path, ""))
    entries = []
    problems = {}
    for entry, one in zip(found, resolved, strict=True):
        if entry.bundle in narrowed.drafts:
            problems[entry.bundle] = one.errors
            entries.append(msgspec.structs.replace(entry, depends_on=one.depends_on))
    return Look(
        entries=tuple(entries),
        drafts=tuple(narrowed.drafts[entry.bundle] for entry in entries),
        blobs=blobs,
        dependencies=problems,
        unchecked=unchecked,
    )


def _nothing_is_known(path: str, tree: str, known: str) -> None:  # noqa: ARG001  # discovery's signature
    return None


def _is_met(need: catalogs.Need, entries: Sequence[catalogs.Entry]) -> bool:
    return any(dependencies.is_meant(need, one) for one in entries)


def _unchecked(need: catalogs.Need) -> sources.Problem:
    reason = f"dependsOn: {need.name!r} is no bundle below this directory (not checked: look at the whole source)"
    return sources.Problem(need.path, reason)


def _nothing(scope: Scope, found: tuple[catalogs.Entry, ...]) -> errors.NoBundleError:
    around = [entry.path for entry in found if is_below(scope.below, entry.path)]
    if around:
        return errors.NoBundleError(f"{scope.below}: is a part of the bundle {max(around, key=len)} (look at that)")
    return errors.NoBundleError(f"{scope.below}: holds no bundle of the paths {', '.join(scope.paths)}")
