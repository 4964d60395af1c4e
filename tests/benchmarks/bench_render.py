"""What a monorepo costs: from nothing, and after a change, as ratios within one run.

`python -m tests.benchmarks.bench_render [--bundles N] [--clusters N] [--full]` prints one line of JSON for each.

- *cold*: resolving a commit of which nothing is known, by the pool, as a ratio to the same runs of helm and kustomize
  alone and the loader alone over the plain manifests, with as many workers (goal: at most 1.15). By the clock, the best
  of some interleaved runs; by processor time, which a busy machine distorts less, too. *Alone* is as somebody runs them
  by hand, in a plain environment; a resolution tells them how much memory they may take before they collect garbage.
  `ratioInOurEnvironment` is what is left of the ratio if they are told that when they run alone, too.
- *change*: how many renders a change costs. These are counted, and the program fails where they are not exact.
"""

import argparse
import json
import os
import pathlib
import sys
import tempfile
import time

from controller.domain import catalogs
from controller.render import resolve, stages, workplaces
from tests.benchmarks import bare, deriving, monorepo, processes, rendering
from tests.benchmarks.monorepo import Asks, Kind
from tests.renderers import build

BUNDLES, CLUSTERS = 240, 200
FULL = (2_000, 1_000)
ROUNDS = 3

Taken = tuple[float, float]
"""Seconds by the clock, and of processor time."""


def main(arguments: list[str]) -> int:
    chosen = _parsed(arguments)
    processes.adopt_orphans()
    bundles, fleet = monorepo.bundles(chosen.bundles), monorepo.fleet(chosen.clusters)
    with tempfile.TemporaryDirectory(prefix="flotilla-bench-") as name, workplaces.room_in_memory() as memory:
        directory = pathlib.Path(name)
        tools = stages.find_tools(str(build.provide()), memory=str(memory or ""))  # as the hub does
        runs, catalog = _recorded(tools, directory, bundles, chosen)
        _print(
            what="monorepo",
            bundles=len(bundles),
            clusters=len(fleet),
            full=(len(bundles), len(fleet)) == FULL,
            variants=sum(len(entry.variants) for entry in catalog.entries),
            runs=len(runs),
            workers=chosen.workers,
        )
        manifests = [
            text.encode()
            for bundle in bundles
            if bundle.kind is Kind.RAW
            for path, text in monorepo.files((bundle,)).items()
            if path.endswith(".yaml") and not path.endswith("flotilla.yaml")
        ]
        _cold(tools, directory, runs, manifests, chosen)
        _changes(tools, directory, bundles, chosen)
    return 0


def _parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench_render")
    parser.add_argument("--bundles", type=int, default=BUNDLES)
    parser.add_argument("--clusters", type=int, default=CLUSTERS)
    parser.add_argument("--full", action="store_true", help=f"{FULL[0]} bundles and {FULL[1]} clusters")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    chosen = parser.parse_args(arguments)
    if chosen.full:
        chosen.bundles, chosen.clusters = FULL
    return chosen


def _print(**fields: object) -> None:
    print(json.dumps(fields), flush=True)


def _recorded(
    tools: stages.Tools, directory: pathlib.Path, bundles: tuple[monorepo.Bundle, ...], chosen: argparse.Namespace
) -> tuple[tuple[bare.Run, ...], catalogs.Catalog]:
    """Every run of a program that the monorepo takes, and its catalog; each distinct input must be rendered once."""
    recorder = bare.Recorder(tools, directory)
    with rendering.started(recorder.tools, chosen.workers, directory) as workers:
        recorder.forget()
        place = directory / "recorded"
        place.mkdir()
        bench = rendering.Bench(place, workers, monorepo.fleet(chosen.clusters))
        found = bench.resolve(bench.revision(monorepo.files(bundles)))
    assert not catalogs.errors(found.catalog), catalogs.errors(found.catalog)[:3]
    expected = sum(bundle.stages for bundle in bundles if bundle.kind is not Kind.RAW)
    runs = recorder.runs()
    assert len(runs) == expected, f"{len(runs)} runs of programs for {expected} distinct inputs"
    variants = sum(len(entry.variants) for entry in found.catalog.entries)
    assert variants == sum(bundle.asks.value for bundle in bundles), variants
    return runs, found.catalog


def _cold(
    tools: stages.Tools,
    directory: pathlib.Path,
    runs: tuple[bare.Run, ...],
    manifests: list[bytes],
    chosen: argparse.Namespace,
) -> None:
    place = directory / "cold"
    place.mkdir()
    ours: list[Taken] = []
    plain: list[Taken] = []
    told: list[Taken] = []
    with rendering.started(tools, chosen.workers, directory) as workers:
        bench = rendering.Bench(place, workers, monorepo.fleet(chosen.clusters))
        revision = bench.revision(monorepo.files(monorepo.bundles(chosen.bundles)))
        for _ in range(chosen.rounds):
            used, begun = processes.cpu_seconds(), time.perf_counter()
            bench.resolve(revision)
            ours.append((time.perf_counter() - begun, processes.cpu_seconds() - used))
            loading = bare.loading_seconds(manifests, chosen.workers)
            for environment, taken in ((bare.PLAIN, plain), (bare.OURS, told)):
                used = processes.cpu_seconds()
                clock = bare.seconds(runs, chosen.workers, environment)
                taken.append((clock + loading, processes.cpu_seconds() - used + loading * chosen.workers))
    for place_of, by in enumerate(("clock", "processor")):
        mine, theirs, tuned = (min(one[place_of] for one in side) for side in (ours, plain, told))
        _print(what=f"cold resolve, by {by}", seconds=round(mine, 2), alone=round(theirs, 2),
               ratio=round(mine / theirs, 2), goal=1.15, ratioInOurEnvironment=round(mine / tuned, 2))  # fmt: skip


def _changes(
    tools: stages.Tools, directory: pathlib.Path, bundles: tuple[monorepo.Bundle, ...], chosen: argparse.Namespace
) -> None:
    """Changes after which hardly anything may be done, counted by the programs that ran."""
    place = directory / "changes"
    place.mkdir()
    recorder = bare.Recorder(tools, place)
    files = monorepo.files(bundles)
    charts = [one for one in bundles if one.kind is Kind.HELM]
    chart = next(one for one in charts if one.asks is Asks.ENVIRONMENT)
    one_value = files | {f"{chart.path}/env/prod.yaml": "replicas: 9\n"}
    all_values = files | {f"{chart.path}/values.yaml": files[f"{chart.path}/values.yaml"].replace("30", "31")}
    nothing = files | {"README.md": "The same monorepo.\n"}
    with rendering.started(recorder.tools, chosen.workers, place) as workers:
        bench = rendering.Bench(place, workers, monorepo.fleet(chosen.clusters))
        first = bench.resolve(bench.revision(files)).catalog
        known = deriving.indexes(first, bench.blobs)
        begun = time.perf_counter()
        roots = deriving.derived(first, bench.fleet, known, {})
        _print(what="derive all clusters", seconds=round(time.perf_counter() - begun, 2), clusters=len(roots))
        for what, changed, runs, variants in (
            ("no file of any bundle changed", nothing, 0, 0),
            ("one values file of one variant changed", one_value, 1, 1),
            ("the values of a chart changed", all_values, len(monorepo.ENVIRONMENTS), len(monorepo.ENVIRONMENTS)),
        ):
            revision = bench.revision(changed)
            recorder.forget()
            blobs, begun = len(bench.blobs), time.perf_counter()
            found = bench.resolve(revision, first)
            seconds = time.perf_counter() - begun
            other = _others(first, found.catalog)
            counted = {
                "runs": len(recorder.runs()), "variants": other, "bundles": found.stats.rendered,
                "blobs": len(bench.blobs) - blobs,
            }  # fmt: skip
            assert (counted["runs"], other) == (runs, variants), (what, counted)
            assert runs or _is_still(found), (what, found.stats)
            known |= deriving.indexes(found.catalog, bench.blobs)
            published = deriving.publications(roots, deriving.derived(found.catalog, bench.fleet, known, roots))
            assert bool(published) == bool(runs), (what, published)
            _print(what=what, seconds=round(seconds, 3), **counted, filesRead=found.stats.blobs,
                   clustersThatGetSomething=published)  # fmt: skip


def _others(before: catalogs.Catalog, after: catalogs.Catalog) -> int:
    """How many variants are not those that were there."""
    known = {(entry.bundle, variant.index) for entry in before.entries for variant in entry.variants}
    return sum((entry.bundle, variant.index) not in known for entry in after.entries for variant in entry.variants)


def _is_still(found: resolve.Resolution) -> bool:
    """Nothing was rendered, nothing of a file was read, and nothing new is stored."""
    return (found.stats.rendered, found.stats.blobs, found.stats.made) == (0, 0, 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
