"""What to watch so that every managed object is seen: kinds, each in a few namespaces or in the whole cluster.

A watch of a whole cluster shows every object of the kind, whoever it belongs to; several watches cost a connection
each. So a kind that is managed in few namespaces is watched in each of them. The number of watches is bounded: kinds
with the most managed objects come first, and what is left out is looked at by the resync alone.
"""

from collections.abc import Iterable

import msgspec

from agents.domain import plan, resources
from protocol import ids

NAMESPACES_MAX = 4
"""Namespaces of one kind that are watched one by one."""

NARROW_NAMESPACES_MAX = 64
"""The same where the whole cluster may not be watched: it is that, or not to watch."""

WATCHES_MAX = 96
"""Watches of one cluster, a connection each: a cluster with sixty managed kinds has room."""


class Scope(msgspec.Struct, frozen=True, order=True):
    """One watch: a kind, in one namespace or (empty) in all of the cluster."""

    group: str
    kind: str
    namespace: str
    version: str
    plural: str

    @property
    def path(self) -> str:
        """Of the collection."""
        found = resources.Resource(self.group, self.version, self.kind, self.plural, namespaced=bool(self.namespace))
        return found.collection(self.namespace)

    def __str__(self) -> str:
        kind = str(resources.GroupKind(self.group, self.kind))
        return f"{kind} in {self.namespace}" if self.namespace else kind


class Scopes(msgspec.Struct, frozen=True):
    """What is watched, with the objects that each watch is for."""

    members: dict[Scope, frozenset[ids.ObjectId]]
    left_out: tuple[Scope, ...] = ()
    """Beyond the bound."""


def choose(items: Iterable[plan.Wanted], narrow: frozenset[resources.GroupKind] = frozenset()) -> Scopes:
    """The watches for these objects. The kinds in `narrow` may not be watched in the whole cluster."""
    kinds: dict[resources.Resource, dict[str, set[ids.ObjectId]]] = {}
    for item in items:
        if item.resource.watchable:
            kinds.setdefault(item.resource, {}).setdefault(item.object.namespace, set()).add(item.object)
    found: dict[Scope, frozenset[ids.ObjectId]] = {}
    for resource, spaces in kinds.items():
        most = NARROW_NAMESPACES_MAX if resources.GroupKind(resource.group, resource.kind) in narrow else NAMESPACES_MAX
        if len(spaces) > most:
            spaces = {"": set().union(*spaces.values())}
        found |= {_scope(resource, namespace): frozenset(members) for namespace, members in spaces.items()}
    ordered = sorted(found, key=lambda scope: (-len(found[scope]), scope))
    return Scopes({scope: found[scope] for scope in ordered[:WATCHES_MAX]}, tuple(ordered[WATCHES_MAX:]))


def _scope(resource: resources.Resource, namespace: str) -> Scope:
    return Scope(resource.group, resource.kind, namespace, resource.version, resource.plural)
