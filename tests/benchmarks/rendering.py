"""A repository, a fleet and the pool of production, to resolve commits with."""

import contextlib
import functools
import pathlib
import tempfile
import threading
from collections.abc import Iterator

from controller.domain import catalogs, inputs
from controller.git import library, objects, trees
from controller.render import pool, resolve, stages, worker
from protocol import ids, sealing
from protocol.events import sources
from tests.controller import repositories

MONOREPO = ids.SourceName("monorepo")
PATHS = ("apps/*",)


class Counting:
    """A reader that counts the files that it reads."""

    def __init__(self, reader: trees.Reader) -> None:
        self._reader = reader
        self.blobs = 0

    def entries(self, tree: str) -> tuple[objects.TreeEntry, ...]:
        return self._reader.entries(tree)

    def blob(self, oid: str, *, bytes_max: int) -> bytes | None:
        self.blobs += 1
        return self._reader.blob(oid, bytes_max=bytes_max)


class Bench:
    """One repository and its commits."""

    def __init__(self, directory: pathlib.Path, workers: pool.Pool, fleet: tuple[inputs.Facts, ...]) -> None:
        self.origin = repositories.Origin(directory / "origin.git")
        self.fleet = fleet
        self.blobs: dict[str, sealing.Sealed] = {}
        """All that was ever made, by its digest."""
        self._workers = workers

    def revision(self, files: repositories.Files) -> sources.Revision:
        """A commit of these files."""
        commit = self.origin.commit(files)
        return sources.Revision(ref="main", commit=commit, tree=str(self.origin.repository[commit].tree_id))

    def resolve(
        self, revision: sources.Revision, previous: catalogs.Catalog | None = None, *, covered: bool = False
    ) -> resolve.Resolution:
        """Resolve it as the hub does: read here, rendered in the pool."""
        request = resolve.Request(MONOREPO, revision, paths=PATHS, previous=previous, fleet=self.fleet, covered=covered)
        with (
            library.opened(self.origin.path) as repository,
            tempfile.TemporaryDirectory(dir=self._workers.places) as scratch,
        ):
            reader = trees.Reader(repository, threading.Event())
            renderer = self._workers.at(self.origin.path, pathlib.Path(scratch))
            return resolve.resolve(request, reader, self._take, renderer=renderer)

    def _take(self, blob: sealing.Sealed) -> None:
        self.blobs[blob.id] = blob


@contextlib.contextmanager
def started(tools: stages.Tools, workers: int, directory: pathlib.Path) -> Iterator[pool.Pool]:
    """A pool whose processes have rendered something, so that they and what starts programs are there."""
    made = pool.Pool(functools.partial(worker.Worker, tools), version=tools.version, workers=workers)
    try:
        with tempfile.TemporaryDirectory(dir=directory) as below:
            bench = Bench(pathlib.Path(below), made, (inputs.Facts(name="edge"),))
            head = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a.yaml]\n"
            files: dict[str, repositories.Content] = {}
            for number in range(8 * workers):
                files[f"apps/{number}/kustomization.yaml"] = head
                files[f"apps/{number}/a.yaml"] = repositories.config_map(f"a{number}")
            bench.resolve(bench.revision(files))
        yield made
    finally:
        made.close()
