"""A fleet, told apart by what is asked of its clusters: who would answer alike is looked at once.

Of a thousand clusters and two thousand bundles each pair would be looked at otherwise, and nearly all bundles ask all
clusters the same few questions.
"""

from collections.abc import Callable, Iterable

from controller.domain import inputs

GROUPS = "cluster.groups"
"""Asks for the groups of a cluster; beside the names of `inputs`."""

AUDIENCES_MAX = 1000
"""Sets of questions whose answers are remembered."""


class Audience:
    """The clusters of a fleet."""

    def __init__(self, fleet: Iterable[inputs.Facts]) -> None:
        self._fleet = tuple(fleet)
        self._known: dict[frozenset[str], tuple[inputs.Facts, ...]] = {}

    def distinct(self, asked: frozenset[str]) -> tuple[inputs.Facts, ...]:
        """The first cluster of each kind, in their order: any two of the same kind give the same answers."""
        found = self._known.get(asked)
        if found is None:
            if len(self._known) >= AUDIENCES_MAX:
                self._known.clear()
            found = self._known[asked] = _distinct(self._fleet, asked)
        return found


def _distinct(fleet: tuple[inputs.Facts, ...], asked: frozenset[str]) -> tuple[inputs.Facts, ...]:
    if inputs.NAME in asked:
        return fleet
    answer = answers(asked)
    first: dict[tuple[object, ...], inputs.Facts] = {}
    for facts in fleet:
        first.setdefault(answer(facts), facts)
    return tuple(first.values())


def answers(asked: frozenset[str]) -> Callable[[inputs.Facts], tuple[object, ...]]:
    """What a cluster says to these questions, as a key: equal for clusters that are alike."""
    names = sorted(asked - {GROUPS})
    groups = GROUPS in asked

    def answer(facts: inputs.Facts) -> tuple[object, ...]:
        said = tuple([inputs.lookup(facts, name) for name in names])
        return (*said, facts.groups) if groups else said

    return answer
