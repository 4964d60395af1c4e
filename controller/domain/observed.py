"""The fold of reports and heartbeats: what each cluster holds, as far as it was heard.

Reports order by (boot, number) in their body, never by arrival, and each says how things are: an older one never undoes
a newer one, a repeated one changes nothing. Nothing here is a decision; a decision names the report it rested on.
"""

import datetime
from typing import TypeVar, assert_never

import msgspec

from controller.domain import drift
from protocol import bundles, canonical, desired, ids, reports, status
from protocol.canonical import Digest

Order = tuple[int, int]
"""(boot, number) of the report that said it."""

NEVER: Order = (0, 0)

T = TypeVar("T")


STANDBYS_MAX = 8
"""Agents of one cluster that are remembered besides the one that acts: more is a mistake of a size that two show."""


class Waiting(msgspec.Struct, frozen=True, rename="camel"):
    """An agent of the cluster that is there and does not act."""

    agent: str
    reason: str
    heard_at: datetime.datetime
    """By the hub's clock."""
    holder: str = ""
    """Who acts, as far as it saw."""
    agent_version: str = ""

    @property
    def is_second(self) -> bool:
        """Does another agent act meanwhile?"""
        return self.holder not in ("", self.agent)


class Observed(msgspec.Struct, frozen=True, rename="camel"):
    """One cluster, as its agent last described it."""

    cluster: ids.ClusterId
    boot: int = 0
    heard_at: datetime.datetime | None = None
    """By the hub's clock: when anything came from it, since this hub started."""
    said_at: datetime.datetime | None = None
    """The same, or, before this hub started, when the server stored it."""
    known_at: datetime.datetime | None = None
    """How it stands is known as of then: when it was heard with no report of its still on the way."""
    uid: str = ""
    agent_version: str = ""
    kubernetes_version: str = ""
    epoch: int = 0
    generation: int = 0
    """The newest verified."""
    log_head: desired.LogHead = desired.GENESIS
    root: Digest = canonical.NO_DIGEST
    """The newest worked through."""
    through: tuple[int, int] = (0, 0)
    """The (epoch, generation) that it had verified when it said so: a root may come back, as after a revert."""
    bundles: dict[ids.BundleId, reports.BundleStatus] = {}
    said: dict[ids.BundleId, Order] = {}
    inventory: int = 0
    lost: int = 0
    """Reports that its agent ever dropped for want of room."""
    unwatched: tuple[str, ...] = ()
    """What its agent cannot watch, and why."""
    agent: str = ""
    """Which of its agents acts."""
    clock_ahead_s: float | None = None
    """Its agent's clock before the hub's, by the last heartbeat as it came; None: none came since this hub started."""
    waiting: tuple[Waiting, ...] = ()
    """Agents that said that they do not act, the last heard last."""
    orphans: tuple[reports.Orphan, ...] = ()
    orphan_total: int = 0
    orphans_said: Order = NEVER
    undeleted: dict[ids.DebtId, reports.Undeleted] = {}
    refusals: dict[str, int] = {}
    drifts: drift.Drifts = drift.Drifts()
    newest: Order = NEVER
    reported: Order = NEVER
    """The newest report that was folded in."""
    promised: Order = NEVER
    """The newest report that a heartbeat told of."""
    hello_said: Order = NEVER
    applied_said: Order = NEVER
    refused_said: Order = NEVER


def initial(cluster: ids.ClusterId) -> Observed:
    """A cluster that was never heard."""
    return Observed(cluster=cluster)


def heard(state: Observed, at: datetime.datetime) -> Observed:
    """It was heard at this time, by the hub's clock."""
    return msgspec.structs.replace(recalled(state, at), heard_at=at)


def recalled(state: Observed, at: datetime.datetime) -> Observed:
    """It said at this time what was only read now: that tells how it was, not that it is there.

    A heartbeat tells how all stands by telling that nothing was reported since; where a report of which it tells did
    not come, nothing is known but what was known before.
    """
    whole = state.promised <= state.reported
    return msgspec.structs.replace(
        state, said_at=_later(state.said_at, at), known_at=_later(state.known_at, at) if whole else state.known_at
    )


def _later(one: datetime.datetime | None, other: datetime.datetime) -> datetime.datetime:
    return other if one is None else max(one, other)


def beat(state: Observed, message: reports.Beat) -> Observed:
    """Fold a heartbeat in: who sends it acts, and waits no more."""
    promised = (message.origin.boot, message.reported) if message.reported else NEVER
    state = msgspec.structs.replace(_origin(state, message.origin), promised=max(state.promised, promised))
    if state.newest != (message.origin.boot, message.origin.number):
        return state
    others = tuple(one for one in state.waiting if one.agent != message.agent)
    return msgspec.structs.replace(state, agent=message.agent, waiting=others)


def timed(state: Observed, message: reports.Beat, at: datetime.datetime) -> Observed:
    """It was heard by a heartbeat, which is sent as it is made: that tells how its clock goes."""
    return msgspec.structs.replace(heard(state, at), clock_ahead_s=(message.origin.at - at).total_seconds())


def stood_by(state: Observed, message: reports.Standby, at: datetime.datetime) -> Observed:
    """Fold in that an agent is there and does not act. Nothing else is known from it: least of all that the cluster
    was heard."""
    one = Waiting(
        agent=message.agent,
        reason=message.reason,
        heard_at=at,
        holder=message.holder,
        agent_version=message.agent_version,
    )
    others = [other for other in state.waiting if other.agent != message.agent]
    return msgspec.structs.replace(state, waiting=(*others, one)[-STANDBYS_MAX:])


def standing_by(state: Observed, at: datetime.datetime, silence: datetime.timedelta) -> tuple[Waiting, ...]:
    """Agents that do not act, as far as they were heard lately."""
    return tuple(one for one in state.waiting if at - one.heard_at <= silence)


def evolve(state: Observed, report: reports.Report) -> Observed:
    """Fold one report in."""
    order = (report.origin.boot, report.origin.number)
    state = msgspec.structs.replace(_origin(state, report.origin), reported=max(state.reported, order))
    change = msgspec.structs.replace
    match report:
        case reports.Hello():
            return _greeted(state, report, order)
        case reports.Applied():
            return _bundles(_applied(state, report, order), report.bundles, order)
        case reports.Failed() | reports.Ready():
            return _bundles(state, report.bundles, order)
        case reports.Orphaned():
            if order < state.orphans_said:
                return state
            return change(state, orphans=report.orphans, orphan_total=report.total, orphans_said=order)
        case reports.Deleted():
            settled = {one.debt for one in report.confirmations}
            undeleted = {**state.undeleted, **{one.debt: one for one in report.undeleted}}
            return change(state, undeleted={debt: one for debt, one in undeleted.items() if debt not in settled})
        case reports.Refused():
            if order < state.refused_said:
                return state
            refusals = {**state.refusals, report.refusal.value: report.count}
            return change(state, refusals=refusals, refused_said=order)
        case reports.DriftDetected():
            return change(state, drifts=drift.detected(state.drifts, report, order))
        case reports.DriftCorrected():
            return change(state, drifts=drift.corrected(state.drifts, report, order))
        case reports.Adopted() | reports.Planned():
            return state
        case _:
            assert_never(report)


def online(state: Observed, at: datetime.datetime, silence: datetime.timedelta) -> bool:
    """Was it heard lately enough? Nobody is online who was not heard since this hub started."""
    return state.heard_at is not None and at - state.heard_at <= silence


def bundle_status(state: Observed, bundle: ids.BundleId, index: Digest) -> reports.BundleStatus | None:
    """What the cluster said about this very content of a bundle; None if nothing."""
    found = state.bundles.get(bundle)
    return found if found is not None and found.index == index else None


def pruned(state: Observed, root: bundles.ClusterRoot) -> Observed:
    """Forget what was said about bundles that the cluster should not have any more."""
    wanted = {entry.bundle for entry in root.bundles}
    found = drift.only(state.drifts, wanted)
    if found is not state.drifts:
        state = msgspec.structs.replace(state, drifts=found)
    if wanted >= set(state.bundles):
        return state
    kept = {bundle: said for bundle, said in state.bundles.items() if bundle in wanted}
    return msgspec.structs.replace(state, bundles=kept, said=_only(state.said, kept))


def health(state: Observed, root: bundles.ClusterRoot) -> status.Health:
    """The worst health of the bundles that the cluster should have."""
    parts = []
    for entry in root.bundles:
        found = bundle_status(state, entry.bundle, entry.index)
        parts.append(found.health if found is not None else status.Health.PROGRESSING)
    return status.worst(parts)


def _origin(state: Observed, origin: reports.Origin) -> Observed:
    order = (origin.boot, origin.number)
    if order < state.newest:
        return state
    return msgspec.structs.replace(
        state,
        newest=order,
        boot=origin.boot,
        epoch=origin.epoch,
        generation=origin.generation,
        log_head=origin.log_head,
    )


def _greeted(state: Observed, report: reports.Hello, order: Order) -> Observed:
    if order < state.hello_said:
        return state
    return msgspec.structs.replace(
        state,
        uid=report.cluster_uid,
        agent_version=report.agent_version,
        kubernetes_version=report.kubernetes_version,
        lost=report.lost,
        unwatched=report.unwatched,
        inventory=state.inventory if order < state.applied_said else report.inventory,
        hello_said=order,
    )


def _applied(state: Observed, report: reports.Applied, order: Order) -> Observed:
    if order < state.applied_said:
        return state
    return msgspec.structs.replace(
        state,
        root=report.root,
        through=(report.origin.epoch, report.origin.generation),
        inventory=state.inventory if order < state.hello_said else report.inventory,
        applied_said=order,
    )


def _bundles(state: Observed, said: tuple[reports.BundleStatus, ...], order: Order) -> Observed:
    newer = {one.bundle: one for one in said if order >= state.said.get(one.bundle, NEVER)}
    return msgspec.structs.replace(
        state,
        bundles={**state.bundles, **newer},
        said={**state.said, **dict.fromkeys(newer, order)},
    )


def _only(entries: dict[ids.BundleId, T], wanted: dict[ids.BundleId, reports.BundleStatus]) -> dict[ids.BundleId, T]:
    return {bundle: value for bundle, value in entries.items() if bundle in wanted}
