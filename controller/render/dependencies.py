"""What bundles need of each other: names and labels become bundles, and no bundle waits for itself.

A need that names nothing, and a cycle, is an error of the bundles concerned: they keep their last good content.
"""

import graphlib
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from controller.domain import catalogs, inputs, placements
from protocol import bundles, ids, selectors
from protocol.events import sources

Needed = tuple[tuple[bundles.Dependency, ...], tuple[sources.Problem, ...]]
"""What a bundle depends on, and what is wrong with what it says about that."""


def resolved(entries: Sequence[catalogs.Entry], draft: Callable[[str], catalogs.Entry]) -> tuple[catalogs.Entry, ...]:
    """The entries, each with the bundles that it depends on. `draft` gives the entry before of the bundle at a path."""
    if not any(entry.needs or entry.depends_on for entry in entries):
        return tuple(entries)
    while True:
        found = {entry.bundle: _needed(entry, entries) for entry in entries}
        circles = _circles({bundle: [one.bundle for one in needed] for bundle, (needed, _) in found.items()})
        next_ = tuple(
            entry if entry.errors else _with(entry, found[entry.bundle], circles.get(entry.bundle), draft)
            for entry in entries
        )
        # What falls back needs what it needed before: that may be a circle, too.
        if not any(new.errors and not old.errors for old, new in zip(entries, next_, strict=True)):
            return next_
        entries = next_


def _with(
    entry: catalogs.Entry,
    found: Needed,
    circle: Sequence[ids.BundleId] | None,
    draft: Callable[[str], catalogs.Entry],
) -> catalogs.Entry:
    needed, problems = found
    if circle:
        path = next((need.path for need in entry.needs), entry.path)
        reason = f"dependsOn: goes round in a circle: {' → '.join((*circle, circle[0]))}"
        problems = (*problems, sources.Problem(path, reason))
    if problems:
        return msgspec.structs.replace(
            catalogs.carried(draft(entry.path), because=problems), spoiled=catalogs.SPOILED_BY_OTHERS
        )
    return msgspec.structs.replace(entry, depends_on=needed)


def _needed(entry: catalogs.Entry, entries: Iterable[catalogs.Entry]) -> Needed:
    """As `_dependencies`; a bundle in error needs what its last good content did."""
    return (entry.depends_on, ()) if entry.errors else _dependencies(entry, entries)


def _dependencies(entry: catalogs.Entry, entries: Iterable[catalogs.Entry]) -> Needed:
    found: dict[ids.BundleId, bundles.DependencyState] = {}
    problems = []
    for need in entry.needs:
        matching = [one.bundle for one in entries if one.bundle != entry.bundle and is_meant(need, one)]
        if not matching and need.name:
            problems.append(sources.Problem(need.path, f"dependsOn: no bundle of the source is called {need.name!r}"))
        for bundle in matching:
            ready = bundles.DependencyState.READY in (need.state, found.get(bundle))
            found[bundle] = bundles.DependencyState.READY if ready else need.state
    return tuple(bundles.Dependency(bundle, state) for bundle, state in sorted(found.items())), tuple(problems)


def is_meant(need: catalogs.Need, entry: catalogs.Entry) -> bool:
    """Is the bundle one of those that the need is about?"""
    if need.name:
        # Fleet names a bundle after its source and its path, with dashes.
        return need.name in (entry.name, entry.path, entry.bundle, entry.bundle.replace("/", "-"))
    selector = selectors.Selector(match_labels=need.match_labels, match_expressions=need.match_expressions)
    return placements.selects(selector, inputs.Facts(name=entry.name, labels=entry.labels))


def _circles(graph: Mapping[ids.BundleId, Sequence[ids.BundleId]]) -> dict[ids.BundleId, tuple[ids.BundleId, ...]]:
    """Bundles that wait for themselves, each with the circle that it is in, from the first of it by name."""
    left = {bundle: sorted(graph[bundle]) for bundle in sorted(graph)}
    found: dict[ids.BundleId, tuple[ids.BundleId, ...]] = {}
    while True:
        try:
            graphlib.TopologicalSorter(left).prepare()
        except graphlib.CycleError as error:
            circle: list[ids.BundleId] = error.args[1][:-1][::-1]
            start = circle.index(min(circle))
            found.update(dict.fromkeys(circle, (*circle[start:], *circle[:start])))
            left = {
                bundle: [one for one in needed if one not in found]
                for bundle, needed in left.items()
                if bundle not in found
            }
        else:
            return found
