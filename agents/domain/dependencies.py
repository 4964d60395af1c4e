"""Which bundles have to wait for others, and for what.

A bundle is applied once every bundle that it depends on is, in this cluster and with the content of this very desired
state, applied without a failure (`applied`) or works as well (`ready`). It is a level, asked anew in each pass: nothing
remembers that a condition held once. What can never come true, because the bundle waited for is not placed here or
waits in a circle, is a failure of each bundle that it concerns, by name; who merely depends on such a bundle waits.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from protocol import bundles, ids, reports
from protocol.bundles import DependencyState

GROUP = "flotilla.gitops"
KIND = "Bundle"
"""A bundle that another waits for stands in a report as an object of this kind: it is what keeps the other one back."""

NOT_MET = "DependencyNotReady"
MISSING = "DependencyMissing"
CYCLE = "DependencyCycle"


class Standing(msgspec.Struct, frozen=True):
    """How far a bundle is with the content of the present desired state."""

    applied: bool
    """All of it is in the cluster, without a failure."""
    ready: bool
    """Applied, and nobody has to wait for its health any more."""
    had: bool
    """All of it was applied once, as the inventory tells after a restart, too: there is nothing left to wait for."""


class Unmet(msgspec.Struct, frozen=True):
    """One dependency of a bundle that does not hold."""

    bundle: ids.BundleId
    """The one that is waited for."""
    reason: str
    message: str
    is_failure: bool = False
    """It cannot come true with this desired state."""

    @property
    def failure(self) -> reports.ObjectFailure:
        """As the hub hears it."""
        return reports.ObjectFailure(ids.ObjectId(GROUP, KIND, "", self.bundle), self.reason, self.message)


Unmets = Mapping[ids.BundleId, tuple[Unmet, ...]]
"""By bundle; those that may go ahead are not in it."""

NONE: Unmets = {}


def judge(entries: Iterable[bundles.RootEntry], standings: Mapping[ids.BundleId, Standing]) -> Unmets:
    """What does not hold, for each bundle with a dependency; `standings` are those of all bundles of the root."""
    depending = {entry.bundle: entry.depends_on for entry in entries if entry.depends_on}
    broken = _broken(depending, standings.keys())
    hopeless = frozenset(bundle for bundle, _ in broken)
    found = {
        bundle: tuple(
            broken.get((bundle, wanted.bundle)) or _waiting(wanted)
            for wanted in sorted(needed)
            if wanted.bundle in hopeless or (bundle, wanted.bundle) in broken or not _holds(wanted, standings)
        )
        for bundle, needed in depending.items()
    }
    return {bundle: unmet for bundle, unmet in found.items() if unmet}


def held_back(unmets: Unmets, standings: Mapping[ids.BundleId, Standing]) -> frozenset[ids.BundleId]:
    """Bundles that have to wait. One whose content was applied already has nothing to wait for, so that its drift is
    corrected though a bundle it depends on fell ill; one that can never go ahead is not touched at all."""
    return frozenset(
        bundle
        for bundle, unmet in unmets.items()
        if not standings[bundle].had or any(item.is_failure for item in unmet)
    )


def _holds(wanted: bundles.Dependency, standings: Mapping[ids.BundleId, Standing]) -> bool:
    standing = standings[wanted.bundle]
    return standing.applied if wanted.state is DependencyState.APPLIED else standing.ready


def _waiting(wanted: bundles.Dependency) -> Unmet:
    return Unmet(wanted.bundle, NOT_MET, f"waits for bundle {wanted.bundle} to be {wanted.state.value}")


def _broken(
    depending: Mapping[ids.BundleId, Sequence[bundles.Dependency]], placed: Iterable[ids.BundleId]
) -> dict[tuple[ids.BundleId, ids.BundleId], Unmet]:
    """Dependencies that cannot come true, by bundle and the one it depends on."""
    here = frozenset(placed)
    entangled = _entangled(depending)
    found = {}
    for bundle, needed in depending.items():
        for wanted in needed:
            edge = (bundle, wanted.bundle)
            if wanted.bundle not in here:
                message = f"depends on bundle {wanted.bundle}, which is not placed on this cluster"
                found[edge] = Unmet(wanted.bundle, MISSING, message, is_failure=True)
            elif bundle in entangled and (circle := _way(depending, wanted.bundle, bundle)):
                message = f"waits for itself: {' → '.join([bundle, *circle])}"
                found[edge] = Unmet(wanted.bundle, CYCLE, message, is_failure=True)
    return found


def _entangled(depending: Mapping[ids.BundleId, Sequence[bundles.Dependency]]) -> frozenset[ids.BundleId]:
    """What is left once all that waits for nothing, then all that waits only for such, … is taken off: circles, and
    who leads to one. It keeps the search for circles away from the thousands of bundles that are in none."""
    left = dict(depending)
    while free := [bundle for bundle, needed in left.items() if not any(wanted.bundle in left for wanted in needed)]:
        for bundle in free:
            del left[bundle]
    return frozenset(left)


def _way(
    depending: Mapping[ids.BundleId, Sequence[bundles.Dependency]], start: ids.BundleId, end: ids.BundleId
) -> list[ids.BundleId]:
    """The shortest way from one bundle to another along dependencies, both named; empty if there is none."""
    came_from: dict[ids.BundleId, ids.BundleId | None] = {start: None}
    ahead = [start]
    while ahead:
        following = []
        for bundle in ahead:
            if bundle == end:
                return _traced(came_from, end)
            for wanted in depending.get(bundle, ()):
                if wanted.bundle not in came_from:
                    came_from[wanted.bundle] = bundle
                    following.append(wanted.bundle)
        ahead = sorted(following)
    return []


def _traced(came_from: Mapping[ids.BundleId, ids.BundleId | None], end: ids.BundleId) -> list[ids.BundleId]:
    way = [end]
    while (before := came_from[way[-1]]) is not None:
        way.append(before)
    return way[::-1]
