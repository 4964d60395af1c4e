"""Rendering in this thread, one bundle after the other: for working trees, tests, and what a worker process does."""

from collections.abc import Iterator

from controller.domain import audiences
from controller.render import assembly, commits, discovery, resolve, staging


class Renderer:
    """Renders with a reader of the commit's objects."""

    def __init__(self, reader: discovery.Reader, stager: staging.Stager) -> None:
        self._reader = reader
        self._stager = stager

    @property
    def version(self) -> str:
        """That of the stages."""
        return self._stager.version

    def assemble(self, work: resolve.Work) -> Iterator[assembly.Assembled]:
        """Each job's outcome, in the order of the jobs."""
        commit = commits.Commit(self._reader, work.tree)
        fleet = audiences.Audience(work.fleet)
        for job in work.jobs:
            yield assembly.assemble(job.bundle, job.draft, fleet=fleet, commit=commit, stager=self._stager)
