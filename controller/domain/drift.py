"""The fold of drift reports: what differs from Git in a cluster, and what did lately.

What is open is a level, what is over is a fact: a correction tells the drift whole, so that nothing is missing where
the report that it began was lost. Reports order by (boot, number), never by arrival.
"""

import datetime

import msgspec

from protocol import drifts, ids, reports

Order = tuple[int, int]
"""(boot, number) of the report that said it."""

CLOSED_MAX = 50
"""Drifts of one cluster that are over and still shown, the newest; the events of a week are for a log elsewhere."""


class Open(msgspec.Struct, frozen=True):
    """A drift that there is."""

    drift: drifts.Drift
    said: Order


class Closed(msgspec.Struct, frozen=True):
    """A drift that is over."""

    drift: drifts.Drift
    means: drifts.Means
    at: datetime.datetime
    """By the agent's clock."""
    said: Order


class Drifts(msgspec.Struct, frozen=True):
    """Those of one cluster."""

    open: dict[str, Open] = {}
    """By their objects."""
    closed: tuple[Closed, ...] = ()
    """The newest last."""
    left_out: int = 0
    """Open beyond what the agent tells."""
    listed: Order = (0, 0)
    """The last report that named all there were."""
    told: Order = (0, 0)
    """The last report of what is open."""


def detected(state: Drifts, report: reports.DriftDetected, order: Order) -> Drifts:
    """Fold in what has drifted. How those ended that a whole list does not name, nobody says."""
    if order < state.listed:
        return state
    named = {str(found.object) for found in report.drifts}
    kept = {
        of: one for of, one in state.open.items() if not report.all or of in named or one.said > order
    }  # fmt: skip
    ended = {str(one.drift.object): one.said for one in state.closed}
    for found in report.drifts:
        of = str(found.object)
        if order >= max(kept[of].said if of in kept else order, ended.get(of, order)):
            kept[of] = Open(found, order)
    state = msgspec.structs.replace(state, open=kept, listed=order if report.all else state.listed)
    return state if order < state.told else msgspec.structs.replace(state, left_out=report.left_out, told=order)


def corrected(state: Drifts, report: reports.DriftCorrected, order: Order) -> Drifts:
    """Fold in what is over."""
    ended = {str(one.drift.object) for one in report.corrections}
    fresh = [Closed(one.drift, one.means, one.at, order) for one in report.corrections]
    each = {(str(one.drift.object), one.drift.since): one for one in sorted([*state.closed, *fresh], key=_said)}
    closed = sorted(each.values(), key=_said)[-CLOSED_MAX:]
    kept = {of: one for of, one in state.open.items() if of not in ended or one.said > order}
    return msgspec.structs.replace(state, open=kept, closed=tuple(closed))


def only(state: Drifts, bundles: set[ids.BundleId]) -> Drifts:
    """Without what bundles had that the cluster should not have any more."""
    kept = {of: one for of, one in state.open.items() if one.drift.bundle in bundles}
    return state if len(kept) == len(state.open) else msgspec.structs.replace(state, open=kept)


def _said(one: Closed) -> Order:
    return one.said
