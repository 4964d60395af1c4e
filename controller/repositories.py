"""A source's repository as polling sees it: a mirror that is followed, and a resolver that reads it.

Here the errors of both get the kind under which the log tells them.
"""

import pathlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from controller.domain import catalogs
from controller.git import errors as git_errors
from controller.git import mirrors, trees
from controller.reactors import polling
from controller.render import errors as render_errors
from controller.render import pool, resolve, workplaces
from protocol import ids, sealing, specs, tracing
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

    def __init__(self, source: ids.SourceName, mirror: mirrors.Mirror, workers: pool.Pool) -> None:
        self._source = source
        self._mirror = mirror
        self._workers = workers

    async def poll(self, ref: str) -> sources.Revision:
        """What the ref resolves to now."""
        with _told():
            return await self._mirror.poll(ref)

    async def moved(self, old: str, new: str) -> catalogs.Move:
        """How one commit follows another."""
        with _told():
            return await self._mirror.moved(old, new)

    async def resolve(self, asked: polling.Request) -> polling.Resolved:
        """Read a commit in a thread, and render what it brings in the pool's processes."""
        request = resolve.Request(
            self._source,
            asked.revision,
            paths=asked.paths,
            previous=asked.previous,
            fleet=asked.fleet,
            covered=asked.covered,
            resting=asked.resting,
        )
        blobs: dict[str, sealing.Sealed] = {}
        trace = tracing.current()

        def take(blob: sealing.Sealed) -> None:
            blobs[blob.id] = blob

        def work(reader: trees.Reader) -> resolve.Resolution:
            with tempfile.TemporaryDirectory(prefix=workplaces.PREFIX, dir=self._workers.places) as scratch:
                place = pathlib.Path(scratch)
                renderer = self._workers.at(reader.mirror, place, abandoned=reader.abandoned, trace=trace)
                return resolve.resolve(request, reader, take, renderer=renderer)

        with _told():
            resolution = await self._mirror.read(work)
        return polling.Resolved(catalog=resolution.catalog, blobs=tuple(blobs.values()))


def opener(of: mirrors.Mirrors, workers: pool.Pool) -> polling.Open:
    """Open a source's repository by its spec; raise SourceFailure if its URL is none that is fetched."""

    def open_repository(source: ids.SourceName, spec: specs.SourceSpec) -> Repository:
        with _told():
            return Repository(source, of.mirror(source, mirrors.Remote(spec.url, spec.credentials)), workers)

    return open_repository


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (git_errors.GitError, render_errors.SourceError) as error:
        kind = next((kind for type_, kind in _KINDS if isinstance(error, type_)), sources.FailureKind.INTERNAL)
        raise polling.SourceFailure(kind, str(error)) from error
