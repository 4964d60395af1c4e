"""The ledger of open drifts: what was noticed, and how it ended."""

import datetime
from collections.abc import Iterator, Mapping

import msgspec

from agents.domain import plan
from protocol import bundles, drifts, ids
from protocol.canonical import Digest


class Opened(msgspec.Struct, frozen=True):
    """A drift, and what the bundle said of its object when it was noticed."""

    drift: drifts.Drift
    digest: Digest
    options: bundles.BundleOptions
    stands: bool = True
    """Does the object differ now? False: it was just put right, and that is fought over."""


Open = Mapping[ids.ObjectId, Opened]
"""By the objects with their namespaces resolved."""


def opened(before: Opened | None, item: plan.Wanted, found: drifts.Drift, *, stands: bool = True) -> Opened:
    """The drift as it is now; it has lasted since it was first noticed."""
    if before is not None and before.drift.kind is found.kind:
        found = msgspec.structs.replace(found, since=before.drift.since)
    return Opened(found, item.digest, item.options, stands)


def corrected(before: Opened, item: plan.Wanted, at: datetime.datetime, *, applied: bool) -> drifts.Correction:
    """The end of a drift; `applied`: by an apply, and not because nothing differs any more."""
    return drifts.Correction(before.drift, _means(before, item, applied), at)


def unwanted(open_: Open, wanted: Mapping[ids.ObjectId, plan.Wanted]) -> Iterator[ids.ObjectId]:
    """Objects whose drift is over because nobody wants them any more, or another bundle does."""
    for of, one in open_.items():
        if of not in wanted or wanted[of].bundle != one.drift.bundle:
            yield of


def _means(before: Opened, item: plan.Wanted, applied: bool) -> drifts.Means:
    if before.digest != item.digest:
        return drifts.Means.ACCEPTED
    if applied:
        return drifts.Means.REVERTED
    return drifts.Means.IGNORED if before.options != item.options else drifts.Means.GONE
