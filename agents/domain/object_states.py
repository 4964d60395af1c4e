"""Every object of a bundle in a bounded space: those that are not well one by one, the others by their number."""

import collections
from collections.abc import Iterable, Mapping

import msgspec

from protocol import ids, reports, status


class Summary(msgspec.Struct, frozen=True):
    """What is told of all objects of a bundle."""

    healths: dict[str, int]
    states: tuple[reports.ObjectState, ...]
    ailing: int


def summary(found: Iterable[reports.ObjectState]) -> Summary:
    """Count all, and pick out the worst of those that are not both Synced and Healthy."""
    healths: collections.Counter[str] = collections.Counter()
    ailing = []
    for state in found:
        healths[state.health.value] += 1
        if (state.sync, state.health) != (status.Sync.SYNCED, status.Health.HEALTHY):
            ailing.append(state)
    ailing.sort(key=_rank)
    states = tuple(
        msgspec.structs.replace(state, message=state.message[: reports.STATE_MESSAGE_CHARS_MAX])
        for state in ailing[: reports.STATES_MAX]
    )
    return Summary(healths=dict(sorted(healths.items())), states=states, ailing=len(ailing))


def bounded(found: Mapping[ids.BundleId, reports.BundleStatus]) -> dict[ids.BundleId, reports.BundleStatus]:
    """The same, with no more objects named in all of them than a cluster may name; the first bundles have it first."""
    left = reports.CLUSTER_STATES_MAX
    bounded: dict[ids.BundleId, reports.BundleStatus] = {}
    for bundle, item in found.items():
        bounded[bundle] = item if len(item.states) <= left else msgspec.structs.replace(item, states=item.states[:left])
        left -= len(bounded[bundle].states)
    return bounded


def _rank(state: reports.ObjectState) -> tuple[int, bool, ids.ObjectId]:
    """The worst health first, of these what is out of sync, then in the order of ids."""
    return -status.SEVERITY.index(state.health), state.sync is not status.Sync.OUT_OF_SYNC, state.object
