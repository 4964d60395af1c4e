"""An origin whose commits are resolved as they stand, by a reader of its own objects; and charts from elsewhere."""

import contextlib
import pathlib
import threading
from collections.abc import Iterator

import pytest

from controller.domain import catalogs
from controller.git import library, trees
from controller.render import chart_store, discovery, here, programs, resolve, stages, staging
from protocol import bundles, ids, sealing
from protocol.events import sources
from tests.controller import repositories
from tests.controller.render import chart_servers

SHOP = ids.SourceName("shop")


class Blob:
    """A blob that was rendered."""

    def __init__(self, sealed: sealing.Sealed) -> None:
        self._sealed = sealed

    @property
    def plain(self) -> bytes:
        for tag in (bundles.INDEX_TAG, bundles.MANIFEST_TAG):
            with contextlib.suppress(sealing.BlobError):
                return sealing.open_blob(self._sealed.id, tag, self._sealed.data)
        raise AssertionError("neither an index nor a manifest")


class Workbench:
    """Commits files and resolves them."""

    def __init__(self, origin: repositories.Origin, reader: trees.Reader) -> None:
        self.origin = origin
        self.reader = reader
        self.blobs: dict[str, Blob] = {}

    def revision(self, files: repositories.Files) -> sources.Revision:
        commit = self.origin.commit(files)
        return sources.Revision(ref="main", commit=commit, tree=str(self.origin.repository[commit].tree_id))

    def run(
        self,
        request: resolve.Request,
        *,
        reader: discovery.Reader | None = None,
        sink: resolve.Sink | None = None,
        stager: staging.Stager | None = None,
    ) -> resolve.Resolution:
        reader = reader or self.reader
        renderer = here.Renderer(reader, stager or stages.Stages())
        return resolve.resolve(request, reader, sink or self._take, renderer=renderer)

    def resolve(
        self,
        files: repositories.Files,
        *paths: str,
        previous: catalogs.Catalog | None = None,
    ) -> resolve.Resolution:
        request = resolve.Request(SHOP, self.revision(files), paths=paths or ("/",), previous=previous)
        return self.run(request)

    def _take(self, blob: sealing.Sealed) -> None:
        self.blobs[blob.id] = Blob(blob)


@pytest.fixture
def bench(tmp_path: pathlib.Path) -> Iterator[Workbench]:
    origin = repositories.Origin(tmp_path / "origin.git")
    with library.opened(origin.path) as repository:
        yield Workbench(origin, trees.Reader(repository, threading.Event()))


@pytest.fixture
def repository(tmp_path: pathlib.Path, helm_program: programs.Program) -> Iterator[chart_servers.Repository]:
    (tmp_path / "repository").mkdir()
    made = chart_servers.Repository(tmp_path / "repository", helm_program)
    made.add(chart_servers.LIBRARY, "1.2.0")
    yield made
    made.close()


@pytest.fixture
def store(tmp_path: pathlib.Path, helm_program: programs.Program) -> Iterator[chart_store.Store]:
    with chart_store.Store(tmp_path / "store", helm_program, environ={}) as made:
        yield made
