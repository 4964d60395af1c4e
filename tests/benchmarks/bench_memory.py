"""Memory of the process that follows a repository, over a thousand commits (goal: flat).

`python -m tests.benchmarks.bench_memory [--commits N]` prints one line of JSON for each mark. Each commit is fetched
into a real mirror, compared with the one before, and resolved on top of its catalog by the pool, as polling does.

Flat is judged over the second half, after the caches are full and the mirror was replaced a few times: at its end there
may be FLAT times as much as at its beginning, on average over a tenth of the commits each. `ratioToFirst` compares the
end with the first mark, warm-up included.
"""

import argparse
import asyncio
import concurrent.futures
import functools
import gc
import json
import multiprocessing
import os
import pathlib
import shutil
import statistics
import sys
import tempfile

from controller import heap, repositories
from controller.domain import catalogs
from controller.git import mirrors
from controller.reactors import polling
from controller.render import pool, stages, worker
from protocol import specs
from tests.benchmarks import monorepo, processes, rendering
from tests.controller import repositories as origins

COMMITS = 1_000
MARKS = 50
FLAT = 1.01
BUNDLES = 20
CLUSTERS = 40


def _commit(path: pathlib.Path, files: dict[str, str]) -> None:
    """In a process of its own: what libgit2 keeps of the repository that is committed to is not the hub's."""
    origins.Origin(path).commit(files)


async def follow(directory: pathlib.Path, workers: pool.Pool, commits: int) -> dict[int, float]:
    """Follow a repository; MiB at each of the MARKS, by the number of commits."""
    origin = origins.Origin(directory / "origin.git")
    mirrored = mirrors.Mirrors(directory / "mirrors", environ=dict(os.environ), git=shutil.which("git"))
    repository = repositories.opener(mirrored, workers)(rendering.MONOREPO, specs.SourceSpec(origin.url))
    files = monorepo.files(monorepo.bundles(3 * BUNDLES))
    plain = {f"apps/{bundle.name}/" for bundle in monorepo.bundles(3 * BUNDLES) if bundle.kind is monorepo.Kind.RAW}
    files = {path: text for path, text in files.items() if path[:14] in plain}
    fleet = monorepo.fleet(CLUSTERS)
    committing = concurrent.futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
    previous: catalogs.Catalog | None = None
    found: dict[int, float] = {}
    for number in range(1, commits + 1):
        path = f"apps/app-{number % BUNDLES * 3:04}/config.yaml"
        files[path] = monorepo.config(f"c{number % BUNDLES}", f"value-{number}")
        committing.submit(_commit, origin.path, files).result()
        revision = await repository.poll("")
        if previous is not None:
            assert await repository.moved(previous.revision.commit, revision.commit) is catalogs.Move.FORWARD
        asked = polling.Request(
            revision=revision, paths=rendering.PATHS, previous=previous, fleet=fleet, covered=previous is not None
        )
        resolved = await repository.resolve(asked)
        assert not catalogs.errors(resolved.catalog)
        previous = resolved.catalog
        if number % (commits // MARKS) == 0:
            gc.collect()
            found[number] = processes.resident_mib()
    await mirrored.close()
    committing.shutdown()
    return found


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bench_memory")
    parser.add_argument("--commits", type=int, default=COMMITS)
    commits = parser.parse_args(arguments).commits
    heap.settle()  # as the hub does
    tools = stages.Tools()
    workers = pool.Pool(functools.partial(worker.Worker, tools), version=tools.version, workers=1)
    try:
        with tempfile.TemporaryDirectory(prefix="flotilla-bench-") as name:
            found = list(asyncio.run(follow(pathlib.Path(name), workers, commits)).items())
    finally:
        workers.close()
    tenth = MARKS // 10
    early = statistics.fmean(mib for _, mib in found[MARKS // 2 - tenth : MARKS // 2])
    late = statistics.fmean(mib for _, mib in found[-tenth:])
    fields = {
        "what": f"memory after {commits} commits against {commits // 2}",
        "mib": [round(late, 1), round(early, 1)],
        "ratio": round(late / early, 3),
        "goal": FLAT,
        "ratioToFirst": round(late / found[0][1], 3),
        "bytesPerCommit": round((late - early) * 2**20 / (commits / 2)),
        "mibByCommit": {number: round(mib, 1) for number, mib in found[tenth - 1 :: tenth]},
    }
    print(json.dumps(fields), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
