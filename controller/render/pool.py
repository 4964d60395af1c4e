"""Rendering in other processes, so that all cores are used and the hub's own process only reads the outcome.

Each worker has a pipe of its own, so that it is known which bundle killed which worker: that one is tried once more, in
a fresh process, and then has a named error. Nobody else notices. What fails in any other way that is not the reader's
harms its bundle alone, too (I14). A worker whose pipe closes, because the hub ended in whatever way, ends at once.
"""

import concurrent.futures
import contextlib
import multiprocessing
import multiprocessing.connection
import os
import pathlib
import queue
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Protocol

import msgspec
import structlog

from controller import errors as hub_errors
from controller.domain import audiences, catalogs, inputs
from controller.git import errors as git_errors
from controller.render import assembly, commits, discovery, errors, limits, resolve, staging
from protocol.events import sources

logger = structlog.get_logger(__name__)

AHEAD_PER_WORKER = 4
"""Bundles that are given out beyond those that are being rendered: workers never wait, and what waits to be taken up is
bounded."""

DIED = "rendering it killed its process twice (out of memory, or an error of a library)"

LATE = "rendering it was ended by us after {seconds:g} s"

ATTEMPTS_MAX = 2
"""A process may die for a reason that is not the bundle's: the machine ran out of memory once."""

LOOK_S = 0.1
"""Between two looks whether anybody still waits for a bundle that is being rendered."""

LEAVE_S = 5.0
"""For a process that was told to end: it does nothing but that; then it is killed."""


class Opened(Protocol):
    """What a worker reads and renders with, kept for the bundles to come."""

    def reader(self, repository: str) -> discovery.Reader:
        """A reader of the mirror at this path."""
        ...

    @property
    def stager(self) -> staging.Stager:
        """Plans and makes the stages."""
        ...


Open = Callable[[], Opened]


class Rendered(msgspec.Struct, frozen=True):
    """A bundle that was rendered, with all its variants."""

    bundle: str
    seconds: float
    whole: bool
    """Nothing of it is in error."""
    trace: str = ""
    """The traceparent of the resolution that it belongs to."""


Watch = Callable[[Rendered], None]
"""Is told of every bundle that was rendered; called in any thread."""


class _Task(msgspec.Struct, frozen=True):
    """A bundle, and where the commit and the fleet are found."""

    repository: str
    tree: str
    fleet: str
    """A file: a fleet of thousands is sent to each worker once, not with each bundle."""
    job: resolve.Job
    trace: str = ""


class _Fault(msgspec.Struct, frozen=True):
    """An error that nobody foresaw."""

    kind: str
    stack: str


Outcome = assembly.Assembled | git_errors.GitError | errors.SourceError | _Fault


class Pool:
    """Worker processes, started when they are first needed."""

    def __init__(
        self,
        open_worker: Open,
        *,
        version: str,
        workers: int | None = None,
        places: pathlib.Path | None = None,
        watch: Watch | None = None,
    ) -> None:
        """`open_worker` is called in each worker: a module's function, or a partial of one. `places`: where temporary
        files go (default: the system's directory for such)."""
        self.version = version
        self.places = places
        self._open = open_worker
        self._workers = workers or os.cpu_count() or 1
        self._watch = watch
        self._threads = concurrent.futures.ThreadPoolExecutor(self._workers, "render")
        """One waits for each worker; they do nothing else."""
        self._lock = threading.Lock()
        self._idle: list[_Process] = []
        self._all: set[_Process] = set()
        self._closed = False

    def at(
        self,
        repository: pathlib.Path,
        scratch: pathlib.Path,
        *,
        abandoned: threading.Event | None = None,
        trace: str = "",
    ) -> "Renderer":
        """A renderer of the commits of one mirror. `scratch`: a directory for the time of one resolution. `abandoned`
        is set when nobody waits for it any more. `trace`: a traceparent, for whoever watches."""
        return Renderer(self, repository, scratch, abandoned=abandoned or threading.Event(), trace=trace)

    def close(self) -> None:
        """End the workers; what is being rendered is given up."""
        with self._lock:
            self._closed = True
            ending = list(self._all)
        self._threads.shutdown(wait=False, cancel_futures=True)
        for process in ending:
            process.kill()
        self._threads.shutdown()
        for process in ending:
            process.end()

    def submit(self, task: _Task) -> "concurrent.futures.Future[Outcome]":
        """Give a task out; raise Abandoned if the pool is closed."""
        with self._lock:
            if self._closed:
                raise _abandoned()
            return self._threads.submit(self._run, task)

    @property
    def ahead(self) -> int:
        """How many tasks are given out at once."""
        return self._workers * (1 + AHEAD_PER_WORKER)

    def _run(self, task: _Task) -> Outcome:
        """Render, and say how that went."""
        begun = time.monotonic()
        outcome = self._outcome(task)
        if self._watch is not None:
            whole = isinstance(outcome, assembly.Assembled) and not catalogs.problems(outcome.entry)
            seconds = time.monotonic() - begun
            self._watch(Rendered(task.job.draft.bundle, seconds, whole, task.trace))
        return outcome

    def _outcome(self, task: _Task) -> Outcome:
        """Render in some process, and once more in another if that one dies."""
        for _ in range(ATTEMPTS_MAX):
            process = self._take()
            outcome = process.run(task)
            self._give_back(process, usable=outcome is not None)
            if outcome is not None:
                return outcome
            if process.late:
                return _spoiled(task, LATE.format(seconds=limits.BUNDLE_WALL_S))
        return _spoiled(task, DIED)

    def _take(self) -> "_Process":
        with self._lock:
            if self._closed:
                raise _abandoned()
            if self._idle:
                return self._idle.pop()
            try:
                process = _Process(self._open)
            except OSError as error:
                raise hub_errors.Transient(f"rendering: no process can be started ({error.strerror})") from error
            self._all.add(process)
            return process

    def _give_back(self, process: "_Process", *, usable: bool) -> None:
        # Neither one process for ever: what a library leaks goes with it.
        with self._lock:
            if usable and process.tasks < limits.WORKER_TASKS_MAX:
                self._idle.append(process)
                return
            self._all.discard(process)
        process.end()


class Renderer:
    """Renders the commits of one mirror in the pool's processes."""

    def __init__(
        self, pool: Pool, repository: pathlib.Path, scratch: pathlib.Path, *, abandoned: threading.Event, trace: str
    ) -> None:
        self._pool = pool
        self._repository = repository
        self._fleet = scratch / "fleet.msgpack"
        self._abandoned = abandoned
        self._trace = trace

    @property
    def version(self) -> str:
        """That of the stages."""
        return self._pool.version

    def assemble(self, work: resolve.Work) -> Iterator[assembly.Assembled]:
        """Each job's outcome, in the order of the jobs; raise Abandoned once nobody waits for it."""
        self._fleet.write_bytes(msgspec.msgpack.encode(work.fleet))
        repository, fleet = str(self._repository), str(self._fleet)
        tasks = [_Task(repository, work.tree, fleet, job, self._trace) for job in work.jobs]
        pending: list[concurrent.futures.Future[Outcome]] = []
        try:
            for done, task in enumerate(tasks):
                while len(pending) < self._pool.ahead and done + len(pending) < len(tasks):
                    pending.append(self._pool.submit(tasks[done + len(pending)]))
                yield _assembled(task, self._awaited(pending.pop(0)))
        finally:
            for future in pending:
                future.cancel()

    def _awaited(self, future: "concurrent.futures.Future[Outcome]") -> Outcome:
        while not concurrent.futures.wait([future], timeout=LOOK_S).done:
            if self._abandoned.is_set():
                raise _abandoned()
        if future.cancelled():  # the pool was closed
            raise _abandoned()
        return future.result()


def _assembled(task: _Task, outcome: Outcome) -> assembly.Assembled:
    match outcome:
        case assembly.Assembled():
            return outcome
        case _Fault():
            logger.error("bundle cannot be rendered", bundle=task.job.draft.bundle, stack=outcome.stack)
            return _spoiled(task, f"internal error ({outcome.kind}, see the hub's log)")
        case _:
            raise outcome


def _spoiled(task: _Task, reason: str) -> assembly.Assembled:
    bundle = task.job.bundle
    return assembly.spoiled(bundle, task.job.draft, sources.Problem(bundle.path, reason))


def _abandoned() -> git_errors.Abandoned:
    return git_errors.Abandoned("rendering: given up (cancelled)")


class _Process:
    """One worker process, and the pipe to it."""

    def __init__(self, open_worker: Open) -> None:
        # No fork, which would copy the locks of the hub's threads.
        context = multiprocessing.get_context("spawn")
        self._link, theirs = context.Pipe()
        self.tasks = 0
        self.late = False
        """Ended by us, because it took too long."""
        self._process = context.Process(target=_serve, args=(theirs, open_worker), name="flotilla-render", daemon=True)
        self._process.start()
        theirs.close()

    def run(self, task: _Task) -> Outcome | None:
        """Render a bundle; None if the process died over it, or had to."""
        self.tasks += 1
        try:
            self._link.send(task)
            if not self._link.poll(limits.BUNDLE_WALL_S):
                self.late = True
                self.kill()
                return None
            outcome: Outcome = self._link.recv()
        except (EOFError, OSError):
            return None
        return outcome

    def kill(self) -> None:
        """End it in the midst of its work: whoever waits for it sees that it died."""
        self._process.kill()

    def end(self) -> None:
        """End it, and wait for that."""
        self._link.close()
        self._process.join(LEAVE_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


class _Worker:
    """What a worker process keeps between bundles."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self._commit: tuple[tuple[str, str], commits.Commit] | None = None
        self._fleet: tuple[str, audiences.Audience] | None = None

    def outcome(self, task: _Task) -> Outcome:
        """What becomes of a bundle, whatever happens."""
        try:
            return assembly.assemble(
                task.job.bundle,
                task.job.draft,
                fleet=self._audience(task.fleet),
                commit=self._tree(task.repository, task.tree),
                stager=self._opened.stager,
            )
        except (git_errors.GitError, errors.SourceError) as error:
            return error  # of the commit, or of reading it: nothing may follow from a part of it (I1)
        except Exception as error:  # noqa: BLE001 - poison harms its own bundle (I14)
            # Without the error's own words, which may quote what it was about: it goes into the log (I13).
            return _Fault(type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))

    def _tree(self, repository: str, tree: str) -> commits.Commit:
        if self._commit is None or self._commit[0] != (repository, tree):
            self._commit = ((repository, tree), commits.Commit(self._opened.reader(repository), tree))
        return self._commit[1]

    def _audience(self, path: str) -> audiences.Audience:
        if self._fleet is None or self._fleet[0] != path:
            data = pathlib.Path(path).read_bytes()
            self._fleet = (path, audiences.Audience(msgspec.msgpack.decode(data, type=tuple[inputs.Facts, ...])))
        return self._fleet[1]


def _serve(link: multiprocessing.connection.Connection, open_worker: Open) -> None:
    """A worker process: one bundle after the other, until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is the hub's to handle
    tasks: queue.SimpleQueue[_Task] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(link, tasks), daemon=True).start()
    worker = _Worker(open_worker())
    with contextlib.suppress(OSError):  # the hub has gone
        while True:
            link.send(worker.outcome(tasks.get()))


def _receive(link: multiprocessing.connection.Connection, tasks: "queue.SimpleQueue[_Task]") -> None:
    """Take tasks in beside the rendering, so that the end of the hub ends this process in the midst of it."""
    with contextlib.suppress(EOFError, OSError):
        while True:
            tasks.put(link.recv())
    os._exit(0)
