"""One changed file in a large repository and in a small one: resolving, fetch apart (goal: at most 1.5 times).

`python -m tests.benchmarks.bench_change` prints one line of JSON for each. The large repository has 100,000 files, the
small one 10,000. Their bundles are as many, and the large one has more files beside them and in them that are no
manifests; or the large one has ten times the bundles, of ten files each. Every resolution has the same clusters, all
known to be covered by the catalog before, as it is from commit to commit. The best of some interleaved rounds counts.
"""

import json
import os
import pathlib
import sys
import tempfile
import time

from controller.domain import catalogs
from controller.render import pool, stages
from tests.benchmarks import monorepo, rendering
from tests.controller import repositories

SMALL, LARGE = 10_000, 100_000
CLUSTERS = 1_000
ROUNDS = 15
GOAL = 1.5


class Repository:
    """A repository whose first commit is resolved."""

    def __init__(self, directory: pathlib.Path, workers: pool.Pool, *, bundles: int, files: int) -> None:
        directory.mkdir()
        self._bench = rendering.Bench(directory, workers, monorepo.fleet(CLUSTERS))
        self._apps = {
            f"{number:05}": _bundle(self._bench.origin, number, files // bundles) for number in range(bundles)
        }
        self._changes = 0
        first = self._bench.resolve(self._bench.revision({"apps": self._apps}))
        assert not catalogs.errors(first.catalog)
        self._catalog = first.catalog
        self.found = len(first.catalog.entries)

    def change(self) -> float:
        """Change one manifest; the seconds that it takes to know what follows."""
        self._changes += 1
        name = f"{self._changes * 7 % len(self._apps):05}"
        changed = _bundle(self._bench.origin, int(name), 10, value=f"v{self._changes}")
        self._apps = {**self._apps, name: changed}
        revision = self._bench.revision({"apps": self._apps})
        begun = time.perf_counter()
        found = self._bench.resolve(revision, self._catalog, covered=True)
        seconds = time.perf_counter() - begun
        assert (found.stats.rendered, found.stats.made) == (1, 2), found.stats
        self._catalog = found.catalog
        return seconds


def _bundle(origin: repositories.Origin, number: int, files: int, *, value: str = "x") -> repositories.Directory:
    """A manifest, and files that are none."""
    content: dict[str, repositories.Content] = {"config.yaml": repositories.config_map(f"app-{number}", value)}
    content |= {f"docs/{place}.md": f"Page {place}\n" for place in range(files - 1)}
    return repositories.Directory(str(origin.tree(content)))


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="flotilla-bench-") as name:
        directory = pathlib.Path(name)
        with rendering.started(stages.Tools(), os.cpu_count() or 1, directory) as workers:
            small = Repository(directory / "small", workers, bundles=SMALL // 10, files=SMALL)
            for what, bundles in (("of as many bundles", SMALL // 10), ("of ten times the bundles", LARGE // 10)):
                large = Repository(directory / what.replace(" ", "-"), workers, bundles=bundles, files=LARGE)
                _compare(what, small, large)
    return 0


def _compare(what: str, small: Repository, large: Repository) -> None:
    one, other = float("inf"), float("inf")
    for _ in range(ROUNDS):
        one, other = min(one, small.change()), min(other, large.change())
    fields = {
        "what": f"one file changed: {LARGE} files {what} against {SMALL}",
        "bundles": [large.found, small.found],
        "milliseconds": [round(other * 1000, 1), round(one * 1000, 1)],
        "ratio": round(other / one, 2),
        "goal": GOAL,
    }
    print(json.dumps(fields), flush=True)


if __name__ == "__main__":
    sys.exit(main())
