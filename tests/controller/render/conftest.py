"""An origin whose commits are resolved as they stand, by a reader of its own objects."""

import pathlib
import threading
from collections.abc import Iterator

import pytest

from controller.domain import catalogs
from controller.git import library, trees
from controller.render import assembly, resolve
from protocol import ids
from protocol.events import sources
from tests.controller import repositories

SHOP = ids.SourceName("shop")


class Workbench:
    """Commits files and resolves them."""

    def __init__(self, origin: repositories.Origin, reader: trees.Reader) -> None:
        self.origin = origin
        self.reader = reader
        self.blobs: dict[str, assembly.Blob] = {}

    def revision(self, files: repositories.Files) -> sources.Revision:
        commit = self.origin.commit(files)
        return sources.Revision(ref="main", commit=commit, tree=str(self.origin.repository[commit].tree_id))

    def resolve(
        self,
        files: repositories.Files,
        *paths: str,
        previous: catalogs.Catalog | None = None,
    ) -> resolve.Resolution:
        request = resolve.Request(SHOP, self.revision(files), paths=paths or ("/",), previous=previous)
        return resolve.resolve(request, self.reader, self._take)

    def _take(self, blob: assembly.Blob) -> None:
        self.blobs[blob.id] = blob


@pytest.fixture
def bench(tmp_path: pathlib.Path) -> Iterator[Workbench]:
    origin = repositories.Origin(tmp_path / "origin.git")
    with library.opened(origin.path) as repository:
        yield Workbench(origin, trees.Reader(repository, threading.Event()))
