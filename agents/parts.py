"""What a pass works with: everything that reads or writes one cluster."""

from collections.abc import Awaitable, Callable

import msgspec

from agents import (
    applying,
    clock,
    drifting,
    hooking,
    inventory_store,
    mark_store,
    namespaces,
    observing,
    pruning,
    watcher,
)
from agents.domain import fights
from agents.kube import discovery


class Parts(msgspec.Struct, frozen=True):
    """What a pass works with."""

    kinds: discovery.Discovery
    store: inventory_store.InventoryStore
    marks: mark_store.MarkStore
    namespaces: namespaces.Namespaces
    hooks: hooking.Hooks
    applier: applying.Applier
    pruner: pruning.Pruner
    observer: observing.Observer
    looker: drifting.Looker
    clocks: clock.Clock
    check: Callable[[], Awaitable[None]]
    """Raises unless the API server is still that of the cluster that the agent knows."""
    sight: watcher.Watcher
    bounds: fights.Bounds = fights.Bounds()
