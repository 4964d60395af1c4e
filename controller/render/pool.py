"""Rendering in other processes, so that all cores are used and the hub's own process only reads the outcome.

A worker that dies takes no bundle with it but the one that killed it: what was under way is tried again, one bundle at
a time, and the one that kills its worker twice has a named error.
"""

import concurrent.futures
import multiprocessing
import os
import pathlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import Protocol

import msgspec

from controller.domain import inputs
from controller.render import assembly, commits, discovery, limits, resolve, staging
from protocol.events import sources

AHEAD_PER_WORKER = 4
"""Bundles that are given out beyond those that are being rendered: workers never wait, and what waits to be taken up is
bounded."""

DIED = "rendering it killed its process twice (out of memory, or an error of a library)"


class Opened(Protocol):
    """What a worker reads and renders with, kept for the bundles to come."""

    def reader(self, repository: str) -> discovery.Reader:
        """A reader of the mirror at this path."""
        ...

    @property
    def stager(self) -> staging.Stager:
        """Plans and makes the stages."""
        ...


class _Task(msgspec.Struct, frozen=True):
    """A bundle, and where the commit and the fleet are found."""

    repository: str
    tree: str
    fleet: str
    """A file: a fleet of thousands is sent to each worker once, not with each bundle."""
    job: resolve.Job


class Pool:
    """Worker processes, started when they are first needed."""

    def __init__(self, open_worker: Callable[[], Opened], *, version: str, workers: int | None = None) -> None:
        """`open_worker` must be a module's function: it is called in each worker."""
        self.version = version
        self._open = open_worker
        self._workers = workers or os.cpu_count() or 1
        self._executor: concurrent.futures.ProcessPoolExecutor | None = None
        self._lock = threading.Lock()

    def at(self, repository: pathlib.Path, scratch: pathlib.Path) -> "Renderer":
        """A renderer of the commits of one mirror. `scratch`: a directory for the time of one resolution."""
        return Renderer(self, repository, scratch)

    def close(self) -> None:
        """End the workers; what is being rendered is given up."""
        with self._lock:
            executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(cancel_futures=True)

    def submit(self, task: _Task) -> "concurrent.futures.Future[assembly.Assembled]":
        """Give a task out; raise BrokenProcessPool if the workers are gone."""
        with self._lock:
            if self._executor is None:
                # Neither fork, which copies the locks of the hub's threads, nor one process for ever: what a library
                # leaks goes with the worker.
                self._executor = concurrent.futures.ProcessPoolExecutor(
                    self._workers,
                    mp_context=multiprocessing.get_context("spawn"),
                    initializer=_initialize,
                    initargs=(self._open,),
                    max_tasks_per_child=limits.WORKER_TASKS_MAX,
                )
            return self._executor.submit(_assemble, task)

    def broken(self) -> None:
        """The workers died: others will be started."""
        with self._lock:
            executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=False, cancel_futures=True)

    @property
    def ahead(self) -> int:
        """How many tasks are given out at once."""
        return self._workers * (1 + AHEAD_PER_WORKER)


class Renderer:
    """Renders the commits of one mirror in the pool's processes."""

    def __init__(self, pool: Pool, repository: pathlib.Path, scratch: pathlib.Path) -> None:
        self._pool = pool
        self._repository = repository
        self._fleet = scratch / "fleet.msgpack"

    @property
    def version(self) -> str:
        """That of the stages."""
        return self._pool.version

    def assemble(self, work: resolve.Work) -> Iterator[assembly.Assembled]:
        """Each job's outcome, in the order of the jobs."""
        self._fleet.write_bytes(msgspec.msgpack.encode(work.fleet))
        tasks = [_Task(str(self._repository), work.tree, str(self._fleet), job) for job in work.jobs]
        pending: list[concurrent.futures.Future[assembly.Assembled]] = []
        done = 0
        while done < len(tasks):
            try:
                while len(pending) < self._pool.ahead and done + len(pending) < len(tasks):
                    pending.append(self._pool.submit(tasks[done + len(pending)]))
                outcome = pending[0].result()
            except BrokenProcessPool:
                yield from self._one_by_one(tasks[done : done + max(1, len(pending))])
                done += max(1, len(pending))
                pending = []
                continue
            pending.pop(0)
            done += 1
            yield outcome

    def _one_by_one(self, tasks: Sequence[_Task]) -> Iterator[assembly.Assembled]:
        """After a death: nobody but the culprit may suffer."""
        self._pool.broken()
        for task in tasks:
            try:
                yield self._pool.submit(task).result()
            except BrokenProcessPool:
                self._pool.broken()
                yield assembly.spoiled(task.job.bundle, task.job.draft, sources.Problem(task.job.bundle.path, DIED))


class _Worker:
    """What a worker process keeps between bundles."""

    def __init__(self, opened: Opened) -> None:
        self.opened = opened
        self._commit: tuple[tuple[str, str], commits.Commit] | None = None
        self._fleet: tuple[str, tuple[inputs.Facts, ...]] | None = None

    def commit(self, repository: str, tree: str) -> commits.Commit:
        if self._commit is None or self._commit[0] != (repository, tree):
            self._commit = ((repository, tree), commits.Commit(self.opened.reader(repository), tree))
        return self._commit[1]

    def fleet(self, path: str) -> tuple[inputs.Facts, ...]:
        if self._fleet is None or self._fleet[0] != path:
            data = pathlib.Path(path).read_bytes()
            self._fleet = (path, msgspec.msgpack.decode(data, type=tuple[inputs.Facts, ...]))
        return self._fleet[1]


_worker: _Worker | None = None


def _initialize(open_worker: Callable[[], Opened]) -> None:
    global _worker
    _worker = _Worker(open_worker())


def _assemble(task: _Task) -> assembly.Assembled:
    assert _worker is not None, "the initializer ran"
    job = task.job
    return assembly.assemble(
        job.bundle,
        job.draft,
        fleet=_worker.fleet(task.fleet),
        commit=_worker.commit(task.repository, task.tree),
        stager=_worker.opened.stager,
    )
