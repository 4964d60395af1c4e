"""A source's repository as polling sees it: a mirror that is followed, and a resolver that reads it.

Here the errors of both get the kind under which the log tells them.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from controller.domain import catalogs
from controller.git import errors as git_errors
from controller.git import mirrors, trees
from controller.reactors import polling
from controller.render import assembly, resolve
from controller.render import errors as render_errors
from protocol import ids, sealing, specs
from protocol.events import sources

_KINDS = (
    (git_errors.AuthenticationFailed, sources.FailureKind.AUTHENTICATION),
    (git_errors.InvalidCredentials, sources.FailureKind.AUTHENTICATION),
    (git_errors.HostUntrusted, sources.FailureKind.UNTRUSTED),
    (git_errors.CommandMissing, sources.FailureKind.INTERNAL),
    (git_errors.RefVanished, sources.FailureKind.REF_VANISHED),
    (git_errors.RefAmbiguous, sources.FailureKind.REF_VANISHED),
    (git_errors.EmptyRepository, sources.FailureKind.EMPTY),
    (git_errors.Corrupt, sources.FailureKind.CORRUPT),
    (git_errors.Malformed, sources.FailureKind.CORRUPT),
    (git_errors.InvalidUrl, sources.FailureKind.UNREACHABLE),
    (git_errors.Transient, sources.FailureKind.UNREACHABLE),
    (render_errors.NoBundleError, sources.FailureKind.NO_BUNDLE),
    (render_errors.PathsError, sources.FailureKind.PATH_VANISHED),
)
"""What is not listed (a commit beyond a limit) is told as internal, with its reason."""


class Repository:
    """One source's repository."""

    def __init__(self, source: ids.SourceName, mirror: mirrors.Mirror) -> None:
        self._source = source
        self._mirror = mirror

    async def poll(self, ref: str) -> sources.Revision:
        """What the ref resolves to now."""
        with _told():
            return await self._mirror.poll(ref)

    async def moved(self, old: str, new: str) -> catalogs.Move:
        """How one commit follows another."""
        with _told():
            return await self._mirror.moved(old, new)

    async def resolve(
        self, revision: sources.Revision, paths: tuple[str, ...], previous: catalogs.Catalog | None
    ) -> polling.Resolved:
        """Read and render a commit, and seal what it brings; all in a thread."""
        request = resolve.Request(self._source, revision, paths=paths, previous=previous)
        blobs: dict[str, sealing.Sealed] = {}

        def work(reader: trees.Reader) -> resolve.Resolution:
            return resolve.resolve(request, reader, lambda blob: _seal(blob, blobs))

        with _told():
            resolution = await self._mirror.read(work)
        return polling.Resolved(catalog=resolution.catalog, blobs=tuple(blobs.values()))


def opener(of: mirrors.Mirrors) -> polling.Open:
    """Open a source's repository by its spec; raise SourceFailure if its URL is none that is fetched."""

    def open_repository(source: ids.SourceName, spec: specs.SourceSpec) -> Repository:
        with _told():
            return Repository(source, of.mirror(source, mirrors.Remote(spec.url, spec.credentials)))

    return open_repository


def _seal(blob: assembly.Blob, into: dict[str, sealing.Sealed]) -> None:
    if blob.id not in into:
        into[blob.id] = sealing.seal(blob.tag, blob.plain)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (git_errors.GitError, render_errors.SourceError) as error:
        kind = next((kind for type_, kind in _KINDS if isinstance(error, type_)), sources.FailureKind.INTERNAL)
        raise polling.SourceFailure(kind, str(error)) from error
