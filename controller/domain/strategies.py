"""What bundles say of their own way through the fleet, and which clusters that is about.

A revision has one rollout for all bundles that it changes. Each of them that has a strategy speaks for the clusters in
which the revision changes it; where two speak for one cluster, the first by its id is heard.
"""

from collections.abc import Mapping, Set

import msgspec

from controller.domain import catalogs
from protocol import ids

NAMES_MAX = 3
"""Bundles named in a reason; a person looks up the rest."""


class Strategy(msgspec.Struct, frozen=True):
    """One changed bundle's."""

    bundle: ids.BundleId
    rollout: catalogs.Rollout
    clusters: frozenset[ids.ClusterId]
    """Those in which the revision changes the bundle."""


def of(catalog: catalogs.Catalog, touched: Mapping[ids.ClusterId, Set[ids.BundleId]]) -> tuple[Strategy, ...]:
    """The strategies of changed bundles in the order of their ids; `touched` are the bundles that the revision changes
    or takes away, by cluster."""
    found = []
    for entry in catalog.entries:
        clusters = frozenset(cluster for cluster, changed in touched.items() if entry.bundle in changed)
        if entry.rollout is not None and clusters:
            found.append(Strategy(entry.bundle, entry.rollout, clusters))
    return tuple(sorted(found, key=lambda one: one.bundle))


def named(found: tuple[Strategy, ...]) -> str:
    """Whose they are, for people."""
    names = [one.bundle for one in found[:NAMES_MAX]]
    more = len(found) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")
