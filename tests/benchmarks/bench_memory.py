"""Memory of the process that follows a repository, over a thousand commits (goal: flat).

`python -m tests.benchmarks.bench_memory [--commits N]` prints one line of JSON for each mark. Each commit is fetched
into a real mirror, compared with the one before, and resolved on top of its catalog by the pool, as polling does.
"""

import argparse
import asyncio
import functools
import gc
import json
import os
import pathlib
import shutil
import sys
import tempfile

from controller import repositories
from controller.domain import catalogs
from controller.git import mirrors
from controller.reactors import polling
from controller.render import pool, stages, worker
from protocol import specs
from tests.benchmarks import monorepo, processes, rendering
from tests.controller import repositories as origins

COMMITS = 1_000
BUNDLES = 20
CLUSTERS = 40


async def follow(directory: pathlib.Path, workers: pool.Pool, commits: int) -> dict[int, float]:
    """Follow a repository; MiB after a tenth of the commits, and after all."""
    origin = origins.Origin(directory / "origin.git")
    mirrored = mirrors.Mirrors(directory / "mirrors", environ=dict(os.environ), git=shutil.which("git"))
    repository = repositories.opener(mirrored, workers)(rendering.MONOREPO, specs.SourceSpec(origin.url))
    files = monorepo.files(monorepo.bundles(3 * BUNDLES))
    plain = {f"apps/{bundle.name}/" for bundle in monorepo.bundles(3 * BUNDLES) if bundle.kind is monorepo.Kind.RAW}
    files = {path: text for path, text in files.items() if path[:14] in plain}
    fleet = monorepo.fleet(CLUSTERS)
    previous: catalogs.Catalog | None = None
    found: dict[int, float] = {}
    for number in range(1, commits + 1):
        path = f"apps/app-{number % BUNDLES * 3:04}/config.yaml"
        files[path] = monorepo.config(f"c{number % BUNDLES}", f"value-{number}")
        origin.commit(files)
        revision = await repository.poll("")
        if previous is not None:
            assert await repository.moved(previous.revision.commit, revision.commit) is catalogs.Move.FORWARD
        asked = polling.Request(
            revision=revision, paths=rendering.PATHS, previous=previous, fleet=fleet, covered=previous is not None
        )
        resolved = await repository.resolve(asked)
        assert not catalogs.errors(resolved.catalog)
        previous = resolved.catalog
        if number in (commits // 10, commits):
            gc.collect()
            found[number] = processes.resident_mib()
    await mirrored.close()
    return found


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bench_memory")
    parser.add_argument("--commits", type=int, default=COMMITS)
    commits = parser.parse_args(arguments).commits
    tools = stages.Tools()
    workers = pool.Pool(functools.partial(worker.Worker, tools), version=tools.version, workers=1)
    try:
        with tempfile.TemporaryDirectory(prefix="flotilla-bench-") as name:
            early, late = asyncio.run(follow(pathlib.Path(name), workers, commits)).items()
    finally:
        workers.close()
    fields = {
        "what": f"memory after {late[0]} commits against {early[0]}",
        "mib": [round(late[1], 1), round(early[1], 1)],
        "ratio": round(late[1] / early[1], 3),
    }
    print(json.dumps(fields), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
