"""Which clusters are known to find themselves in what a source was rendered for.

A cluster that joins, or changes what renderings may ask of it, may need a variant that its source's catalog does not
have: then the source is resolved again. Looking is done once per cluster and change, for it goes through all bundles.
"""

import asyncio
from collections.abc import Mapping

import msgspec

from controller.domain import assignments, catalogs, inputs, sources
from protocol import ids
from protocol.canonical import Digest

Fleet = dict[ids.ClusterId, inputs.Facts]


class _Known(msgspec.Struct):
    """The clusters that were looked at, as they were then."""

    catalog: Digest
    fleet: Fleet


class Coverage:
    """Remembers, per source, whom its catalog was rendered for."""

    def __init__(self) -> None:
        self._known: dict[ids.SourceName, _Known] = {}

    async def covers(
        self, source: sources.Source, catalog: catalogs.Catalog, fleet: Mapping[ids.ClusterId, inputs.Facts]
    ) -> bool:
        """Does the source's catalog have all that each of these clusters should have?"""
        known = self._known.get(source.name)
        if known is None or known.catalog != source.catalog:
            known = self._known[source.name] = _Known(source.catalog, {})
        moved = any(fleet.get(cluster) != facts for cluster, facts in known.fleet.items())
        if moved and not catalogs.is_complete(catalog):
            return False  # what is wrong may be wrong for nobody any more
        changed = {cluster: facts for cluster, facts in fleet.items() if known.fleet.get(cluster) != facts}
        # All bundles for each of these clusters: seconds, where a hub of thousands starts.
        if changed and await asyncio.to_thread(assignments.unrendered, catalog, source.spec, changed) is not None:
            return False
        known.fleet.update(changed)
        return True

    def rendered(self, source: ids.SourceName, catalog: Digest, fleet: Fleet) -> None:
        """The catalog was just made for these clusters."""
        self._known[source] = _Known(catalog, dict(fleet))
