"""Rendering in worker processes: whatever becomes of a worker, everybody else gets what they would have got."""

import asyncio
import contextlib
import os
import pathlib
import pickle
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest
import structlog.testing

from controller.domain import catalogs, inputs
from controller.git import errors as git_errors
from controller.git import library, mirrors, trees
from controller.render import errors, limits, pool, resolve
from protocol.events import sources
from tests.controller import repositories
from tests.controller.render import unruly
from tests.controller.render.conftest import SHOP, Workbench

DEADLINE_S = 120.0
FLEET = (inputs.Facts(name="dev"),)

Bundles = dict[str, str]
"""Directory → what its bundle does; nothing, if it says nothing."""


@pytest.fixture
def workers() -> Iterator[pool.Pool]:
    made = pool.Pool(unruly.Opened, version=unruly.VERSION, workers=2)
    yield made
    made.close()


@pytest.fixture
def pipe(tmp_path: pathlib.Path) -> pathlib.Path:
    """A named pipe on which a worker tells its process id."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


class Bench:
    """Resolves commits of bundles that do something."""

    def __init__(self, bench: Workbench, workers: pool.Pool, scratch: pathlib.Path) -> None:
        self.abandoned = threading.Event()
        self._bench = bench
        self._workers = workers
        self._scratch = scratch

    def commit(self, bundles: Bundles) -> sources.Revision:
        files = {f"{path}/a.yaml": repositories.config_map(path) for path in bundles}
        return self._bench.revision(files | {f"{path}/deed": deed for path, deed in bundles.items()})

    def resolve(self, bundles: Bundles) -> catalogs.Catalog:
        request = resolve.Request(SHOP, self.commit(bundles), paths=("*",), fleet=FLEET)
        reader = self._bench.reader
        renderer = self._workers.at(reader.mirror, self._scratch, abandoned=self.abandoned)
        return resolve.resolve(request, reader, lambda _: None, renderer=renderer).catalog


@pytest.fixture
def rendering(bench: Workbench, workers: pool.Pool, tmp_path: pathlib.Path) -> Bench:
    return Bench(bench, workers, tmp_path)


def told(catalog: catalogs.Catalog) -> dict[str, list[str]]:
    return {entry.path: [str(problem) for problem in catalogs.problems(entry)] for entry in catalog.entries}


def pid_from(pipe: pathlib.Path) -> int:
    return int(pipe.read_text())


def ended(pid: int) -> bool:
    """Wait for the end of any process; whether it came in time."""
    with contextlib.suppress(ProcessLookupError):
        watched = os.pidfd_open(pid)
        try:
            return bool(select.select([watched], [], [], DEADLINE_S)[0])
        finally:
            os.close(watched)
    return True


@contextlib.contextmanager
def in_thread(work: Callable[[], object]) -> Iterator[list[BaseException]]:
    """Do something beside the block; the errors that it ended with."""
    found: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - told to the test
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    yield found
    thread.join(DEADLINE_S)
    assert not thread.is_alive()


def test_a_bundle_that_kills_its_worker_has_an_error_and_nobody_else_suffers(rendering: Bench) -> None:
    found = told(rendering.resolve({"a": "", "b": "die", "c": "", "d": "die", "e": ""}))

    assert found == {"a": [], "b": [f"b: {pool.DIED}"], "c": [], "d": [f"d: {pool.DIED}"], "e": []}


def test_a_worker_that_dies_once_is_no_fault_of_its_bundle(rendering: Bench, tmp_path: pathlib.Path) -> None:
    assert told(rendering.resolve({"a": f"die-once {tmp_path}/died", "b": ""})) == {"a": [], "b": []}
    assert (tmp_path / "died").exists()


def test_what_killed_a_worker_is_tried_again(rendering: Bench) -> None:
    assert all(map(catalogs.is_tried_again, rendering.resolve({"a": "die"}).entries))


def test_a_bundle_that_never_ends_is_ended_and_nobody_else_waits_for_it(
    rendering: Bench, pipe: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendering.resolve({"a": "", "b": ""})  # to start a process takes longer, where many do
    monkeypatch.setattr(limits, "BUNDLE_WALL_S", 10.0)
    found: list[dict[str, list[str]]] = []

    with in_thread(lambda: found.append(told(rendering.resolve({"a": f"say-and-wait {pipe}", "b": ""})))) as failed:
        stuck = pid_from(pipe)

    assert failed == []
    assert found == [{"a": [f"a: {pool.LATE.format(seconds=10)}"], "b": []}]
    assert ended(stuck)


def test_an_error_that_nobody_foresaw_is_one_of_its_bundle(rendering: Bench) -> None:
    with structlog.testing.capture_logs() as logs:
        found = told(rendering.resolve({"a": "bug", "b": ""}))

    assert [("in _do" in log["stack"], "division" in log["stack"]) for log in logs if "stack" in log] == [(True, False)]
    assert found == {"a": ["a: internal error (ZeroDivisionError, see the hub's log)"], "b": []}


@pytest.mark.parametrize("deed", ["corrupt", "malformed", "large"])
def test_an_error_of_the_reader_comes_through_as_it_is(rendering: Bench, deed: str) -> None:
    wanted = unruly.REFUSALS[deed]()

    with pytest.raises(type(wanted)) as failure:
        rendering.resolve({"a": "", "b": deed, "c": ""})
    assert failure.value.args == wanted.args


def test_outcomes_come_in_the_order_of_their_bundles_however_many_they_are(rendering: Bench) -> None:
    paths = [f"b{number:03}" for number in range(40)]

    assert [entry.path for entry in rendering.resolve(dict.fromkeys(paths, "")).entries] == paths


def test_no_more_is_given_out_than_can_wait(bench: Workbench, tmp_path: pathlib.Path) -> None:
    given: list[str] = []

    class Watched(pool.Pool):
        def submit(self, task):
            given.append(task.job.bundle.path)
            return super().submit(task)

    workers = Watched(unruly.Opened, version=unruly.VERSION, workers=1)
    with contextlib.closing(workers):
        watching = Bench(bench, workers, tmp_path)
        revision = watching.commit({f"b{number:02}": "" for number in range(20)})
        taken: list[int] = []
        request = resolve.Request(SHOP, revision, paths=("*",), fleet=FLEET)
        renderer = workers.at(bench.reader.mirror, tmp_path)
        resolve.resolve(request, bench.reader, lambda _: taken.append(len(given)), renderer=renderer)

    assert (taken[0], len(given)) == (workers.ahead, 20)


def test_a_worker_that_has_done_its_share_is_replaced(rendering: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WORKER_TASKS_MAX", 2)

    catalog = rendering.resolve({f"b{number:02}": "" for number in range(11)})

    assert set(map(tuple, told(catalog).values())) == {()}


def test_every_bundle_is_told_to_whoever_watches(bench: Workbench, tmp_path: pathlib.Path) -> None:
    told: list[tuple[bool, bool]] = []

    def watch(done: pool.Rendered) -> None:
        told.append((done.seconds > 0, done.whole))

    with contextlib.closing(pool.Pool(unruly.Opened, version=unruly.VERSION, workers=1, watch=watch)) as workers:
        Bench(bench, workers, tmp_path).resolve({"a": "", "b": "die", "c": "missing"})

    assert sorted(told) == [(True, False), (True, False), (True, True)]


def test_two_sources_at_once_know_whose_bundle_it_was(
    bench: Workbench, workers: pool.Pool, tmp_path: pathlib.Path
) -> None:
    revisions = [{"a": "die", "b": "die"}, {"c": "", "d": "", "e": "", "f": ""}]
    committed = [Bench(bench, workers, tmp_path).commit(bundles) for bundles in revisions]
    found: dict[int, dict[str, list[str]]] = {}

    def work(number: int) -> None:
        scratch = tmp_path / str(number)
        scratch.mkdir()
        request = resolve.Request(SHOP, committed[number], paths=("*",), fleet=FLEET)
        renderer = workers.at(bench.reader.mirror, scratch)
        with library.opened(bench.origin.path) as repository:
            reader = trees.Reader(repository, threading.Event())
            found[number] = told(resolve.resolve(request, reader, lambda _: None, renderer=renderer).catalog)

    with in_thread(lambda: work(0)) as failed:
        work(1)

    assert failed == []
    assert found == {0: {"a": [f"a: {pool.DIED}"], "b": [f"b: {pool.DIED}"]}, 1: {"c": [], "d": [], "e": [], "f": []}}


def test_closing_ends_the_workers_in_the_midst_of_their_work(
    rendering: Bench, workers: pool.Pool, pipe: pathlib.Path
) -> None:
    with in_thread(lambda: rendering.resolve({"a": f"say-and-wait {pipe}", "b": "", "c": ""})) as failed:
        pid = pid_from(pipe)
        workers.close()

    assert ended(pid)
    assert [type(error) for error in failed] == [git_errors.Abandoned]
    with pytest.raises(git_errors.Abandoned):
        rendering.resolve({"a": ""})


def test_a_resolution_that_nobody_waits_for_ends(rendering: Bench, pipe: pathlib.Path) -> None:
    with in_thread(lambda: rendering.resolve({"a": f"say-and-wait {pipe}", "b": ""})) as failed:
        pid_from(pipe)
        rendering.abandoned.set()

    assert [type(error) for error in failed] == [git_errors.Abandoned]


async def test_a_cancelled_poll_waits_for_no_bundle(
    bench: Workbench, workers: pool.Pool, tmp_path: pathlib.Path, pipe: pathlib.Path
) -> None:
    watching = Bench(bench, workers, tmp_path)
    revision = watching.commit({"a": f"say-and-wait {pipe}", "b": ""})
    opened = mirrors.Mirrors(tmp_path / "mirrors", environ={})
    mirror = opened.mirror(SHOP, mirrors.Remote(bench.origin.url))
    await mirror.poll("main")

    def work(reader: trees.Reader) -> resolve.Resolution:
        request = resolve.Request(SHOP, revision, paths=("*",), fleet=FLEET)
        renderer = workers.at(reader.mirror, tmp_path, abandoned=reader.abandoned)
        return resolve.resolve(request, reader, lambda _: None, renderer=renderer)

    polling = asyncio.create_task(mirror.read(work))
    await asyncio.to_thread(pid_from, pipe)
    polling.cancel()
    async with asyncio.timeout(DEADLINE_S):
        await asyncio.gather(polling, return_exceptions=True)

    assert polling.cancelled()
    await opened.close()


PARENT = """\
import pathlib, sys
from tests.controller.render import test_pool

if __name__ == "__main__":
    test_pool.render_for_ever(*map(pathlib.Path, sys.argv[1:]))
"""


def render_for_ever(origin: pathlib.Path, scratch: pathlib.Path) -> None:
    """What the parent does that is killed: a bundle of it waits for ever."""
    workers = pool.Pool(unruly.Opened, version=unruly.VERSION, workers=2)
    with library.opened(origin) as repository:
        commit = repository.references[repositories.MAIN].peel()
        revision = sources.Revision(ref="main", commit=str(commit.id), tree=str(commit.tree_id))
        reader = trees.Reader(repository, threading.Event())
        request = resolve.Request(SHOP, revision, paths=("*",), fleet=FLEET)
        resolve.resolve(request, reader, lambda _: None, renderer=workers.at(reader.mirror, scratch))


def test_workers_end_with_a_parent_that_is_killed(
    rendering: Bench, bench: Workbench, tmp_path: pathlib.Path, pipe: pathlib.Path
) -> None:
    rendering.commit({"a": f"say-and-wait {pipe}"})
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    root = pathlib.Path(__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, script, bench.origin.path, tmp_path], env={"PYTHONPATH": str(root)}
    ) as parent:
        pid = pid_from(pipe)
        parent.kill()

    assert ended(pid)


@pytest.mark.parametrize(
    "error",
    [
        *(kind("object 1: damaged") for kind in (git_errors.Corrupt, git_errors.Malformed, git_errors.TooLarge)),
        errors.UnreadableError("no YAML", 7),
        errors.OverlayError("a.yaml", "no such file", 3),
        errors.VariableError("no such variable", ("data", 0), "${x}"),
        errors.ChildError("helm: crashed", errors.Cause.SIGNAL),
        errors.MissingError("helm is not installed", 0),
        errors.ProblemsError((sources.Problem("a.yaml", "no YAML", 7), sources.Problem("b.yaml", "twice"))),
        errors.PathsError("paths: nothing there"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_stay_what_they_are_on_the_way_between_processes(error: Exception) -> None:
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes

    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
