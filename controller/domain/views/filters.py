"""Which members of a list are asked for: labels as Kubernetes selects them, words of states, and text."""

import re
from collections.abc import Iterable, Iterator

import msgspec

from controller.domain import clusters, placements, rejections
from controller.domain.views import bundles, freshness, sight
from controller.domain.views import clusters as views
from protocol import ids, selectors, status

REQUIREMENTS_MAX = 32
"""Of one selector: each is asked of every cluster."""

_KEY = r"(?P<key>[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?)"
_VALUE = r"[A-Za-z0-9._-]*"
_EXISTS = re.compile(rf"(?P<not>!)?\s*{_KEY}")
_EQUALS = re.compile(rf"{_KEY}\s*(?P<operator>=|==|!=)\s*(?P<value>{_VALUE})")
_IN = re.compile(rf"{_KEY}\s+(?P<operator>in|notin)\s*\((?P<values>[^()]*)\)")
_COMMA = re.compile(r",(?![^()]*\))")

_OPERATORS = {
    "=": selectors.Operator.IN,
    "==": selectors.Operator.IN,
    "!=": selectors.Operator.NOT_IN,
    "in": selectors.Operator.IN,
    "notin": selectors.Operator.NOT_IN,
}


class Wish(msgspec.Struct, frozen=True):
    """Which clusters; what is empty or None asks for nothing."""

    labels: selectors.Selector | None = None
    group: str = ""
    bundle: str = ""
    """Should have this bundle."""
    source: str = ""
    """Should have a bundle of this source."""
    text: str = ""
    """In its name, id, labels or groups, in either case."""
    sync: status.Sync | None = None
    health: status.Health | None = None
    connection: freshness.Connection | None = None


def selector(text: str) -> selectors.Selector:
    """A label selector as kubectl takes it: `env=prod,tier in (web, api),!canary`; Invalid if it is none."""
    parts = [part.strip() for part in _COMMA.split(text)]
    if len(parts) > REQUIREMENTS_MAX:
        raise rejections.Invalid(f"label selector: more than {REQUIREMENTS_MAX} requirements")
    return selectors.Selector(match_expressions=tuple(map(_requirement, parts)))


def _requirement(part: str) -> selectors.Expression:
    if found := _EXISTS.fullmatch(part):
        operator = selectors.Operator.DOES_NOT_EXIST if found["not"] else selectors.Operator.EXISTS
        return selectors.Expression(key=found["key"], operator=operator)
    if found := _EQUALS.fullmatch(part):
        return selectors.Expression(key=found["key"], operator=_OPERATORS[found["operator"]], values=(found["value"],))
    if found := _IN.fullmatch(part):
        values = tuple(value.strip() for value in found["values"].split(","))
        return selectors.Expression(key=found["key"], operator=_OPERATORS[found["operator"]], values=values)
    raise rejections.Invalid(f"label selector: {part[:100]!r} is no requirement (env=prod, !canary, tier in (a, b))")


def members(looking: sight.Sight, wish: Wish) -> list[clusters.Cluster]:
    """The clusters that are wished for, in the order of names. What takes a judgement is asked last."""
    found: Iterable[clusters.Cluster] = looking.clusters
    if wish.labels is not None:
        labels = wish.labels
        found = (one for one in found if placements.selects(labels, looking.facts_of[one.id]))
    if wish.group:
        found = (one for one in found if wish.group in looking.facts_of[one.id].groups)
    if wish.text:
        found = (one for one in found if matches(wish.text, _words(looking, one)))
    if wish.bundle:
        found = (one for one in found if wish.bundle in looking.content(one.id))
    if wish.source:
        found = (one for one in found if any(ids.source_of(b) == wish.source for b in looking.content(one.id)))
    if wish.connection is not None:
        found = (one for one in found if freshness.connection(looking, one.id) is wish.connection)
    if wish.sync is not None or wish.health is not None:
        found = (one for one in found if _stands(views.judge(looking, one), wish))
    return list(found)


def matches(text: str, words: Iterable[str]) -> bool:
    """Is the text in one of the words, in either case?"""
    wanted = text.casefold()
    return any(wanted in word.casefold() for word in words)


def bundles_in(looking: sight.Sight, found: bundles.Found, state: bundles.State | None, cluster: str) -> bool:
    """Is the bundle, on this cluster or (empty) on any, in this state or (None) in any?"""
    if state is None and not cluster:
        return True
    return any(
        (state is None or one.state is state) and (not cluster or one.cluster == cluster)
        for one in bundles.on_clusters(looking, found.entry)
    )


def _stands(standing: views.Standing, wish: Wish) -> bool:
    return wish.sync in (None, standing.sync) and wish.health in (None, standing.health)


def _words(looking: sight.Sight, cluster: clusters.Cluster) -> Iterator[str]:
    yield cluster.name
    yield cluster.id
    yield from (f"{key}={value}" for key, value in cluster.labels.items())
    yield from looking.facts_of[cluster.id].groups
