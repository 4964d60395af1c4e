"""Clusters that nobody has: one for each rule that no known cluster matches, so that what is behind it is tried, too.

An invented cluster has what its rule asks for, and for every other variable a placeholder: what a rendering says about
placeholders is no error of the bundle.
"""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from controller.domain import inputs, placements
from controller.git import worktrees
from controller.render import asking, commits, discovery, errors, limits, variables
from protocol import selectors

ANY = "any cluster"
"""What stands for the clusters that no rule matches."""

CLUSTERS_MAX = 200
"""More rules than these are not tried one by one."""

KUBERNETES_VERSION = "1.34.0"
"""Of clusters that nobody has; charts ask for it."""


class _Answering(dict[str, str]):
    """Says something to every question, except where the source has an answer of its own."""

    def __init__(self, given: Iterable[tuple[str, str]] = (), *, silent: frozenset[str] = frozenset()) -> None:
        super().__init__(given)
        self._silent = silent

    def get(self, key: str, default: str | None = None) -> str | None:  # type: ignore[override]  # one kind of default
        """The placeholder where nothing is given."""
        return super().get(key, default if key in self._silent else asking.PLACEHOLDER)


class Invented(msgspec.Struct, frozen=True):
    """A cluster that nobody has."""

    facts: inputs.Facts
    text: str
    """What it stands for."""


def clusters(
    found: Sequence[discovery.Bundle], known: Sequence[inputs.Facts], snapshot: worktrees.Snapshot, version: str
) -> tuple[Invented, ...]:
    """One for each rule of these bundles that no known cluster matches; one without labels where none is known."""
    silent = frozenset(_variables(found, snapshot))

    def invent(**said: object) -> inputs.Facts:
        return msgspec.structs.replace(
            inputs.Facts(
                name=asking.PLACEHOLDER,
                labels=_Answering(),
                annotations=_Answering(),
                values=_Answering(silent=silent),
                kubernetes_version=version or KUBERNETES_VERSION,
            ),
            **said,
        )

    made = {} if known else {"": Invented(invent(), ANY)}
    for target in _targets(found):
        if any(placements.targets(target, one) for one in known):
            continue
        labels = _labels(target)
        names, groups = target.names[:1], target.groups[:1]
        text = ", ".join(
            [*(f"{key}={value}" for key, value in sorted(labels.items())), *(f"name {name}" for name in names),
             *(f"group {group}" for group in groups)]
        )  # fmt: skip
        facts = invent(labels=_Answering(labels.items()), groups=groups)
        if names:
            facts = msgspec.structs.replace(facts, name=names[0].replace("*", "x").replace("?", "x"))
        if text and placements.targets(target, facts) and len(made) < CLUSTERS_MAX:
            made.setdefault(text, Invented(facts, f"a cluster with {text}"))
    return tuple(made.values())


def concerns_placeholder(reason: str) -> bool:
    """Is it about what only an invented cluster says?"""
    return asking.PLACEHOLDER in reason


def _targets(found: Sequence[discovery.Bundle]) -> Iterator[selectors.Target]:
    for bundle in found:
        yield from bundle.settings.targets or ()
        yield from (choice.target for choice in bundle.settings.recipe.choices)


def _labels(target: selectors.Target) -> dict[str, str]:
    labels = dict(target.match_labels)
    for one in target.match_expressions:
        if one.operator is selectors.Operator.IN and one.values:
            labels.setdefault(one.key, one.values[0])
        elif one.operator is selectors.Operator.EXISTS:
            labels.setdefault(one.key, asking.PLACEHOLDER)
    return labels


def _variables(found: Sequence[discovery.Bundle], snapshot: worktrees.Snapshot) -> Iterator[str]:
    """The names of the variables that the source itself gives."""
    commit = commits.Commit(snapshot.reader, snapshot.tree)
    for bundle in found:
        recipe = bundle.settings.recipe
        for one in (recipe.base, *(choice.customization for choice in recipe.choices)):
            yield from one.vars
            for name in one.vars_files:
                yield from _in_file(commit, bundle, name)


def _in_file(commit: commits.Commit, bundle: discovery.Bundle, name: str) -> Iterator[str]:
    try:
        path = commits.resolved(bundle.path, name)
        yield from variables.read_vars(commit.file(path, bytes_max=limits.SETTINGS_BYTES_MAX), path)
    except errors.UnreadableError:
        return  # its path holds a variable, or rendering will tell what is wrong with it
