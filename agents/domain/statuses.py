"""What is known of the objects of a cluster since the agent started, and how that reads as the status of a bundle."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from agents.domain import dependencies, drift, health, holding, hooks, object_states, ownership, plan, resources
from agents.domain.health import Assessment
from protocol import bundles, drifts, ids, reports, status
from protocol.canonical import Digest


class Observed(msgspec.Struct, frozen=True):
    """One object as the API server last showed it."""

    digest: Digest
    """The manifest that was applied."""
    bundle: ids.BundleId
    uid: str
    version: str
    """resourceVersion: tells whether an apply changed anything."""
    action: status.Action
    """What the apply of this manifest did; a later one that changed nothing does not hide it."""
    assessment: Assessment
    owners: tuple[str, ...] = ()
    """UIDs of its owner references."""
    drift: drifts.Drift | None = None
    """How it differs from Git; None: not at all, as far as anybody looked."""
    sighting: ownership.Sighting | None = None
    """As it was right after we applied it or looked at it: drift is what differs from that."""
    loose: int = holding.EVERYTHING
    """Digest of its content at that look, if our entry lacks fields of ours: then the sighting does not tell all."""


class Failure(msgspec.Struct, frozen=True):
    """An object that could not be applied."""

    object: ids.ObjectId
    """Resolved."""
    written: ids.ObjectId
    bundle: ids.BundleId
    reason: str
    message: str
    retry_after_s: float = 0.0


Holdup = dependencies.Unmet | hooks.Note
"""What a bundle waits for before its objects are applied."""

Holdups = Mapping[ids.BundleId, tuple[Holdup, ...]]
"""By bundle; those that may go ahead are not in it."""

Observations = Mapping[ids.ObjectId, Observed]
Failures = Mapping[ids.ObjectId, Failure]

HELD_BACK = "HeldBack"
"""Reason of an object whose bundle waits for another one."""

RESTING = frozenset({status.Health.HEALTHY, status.Health.SUSPENDED})
"""Nobody waits for these to change."""

_DISCREET = frozenset(
    {"Conflict", "Forbidden", "AlreadyExists", "TooManyRequests", "Timeout", "Unreachable", "NoMatch"}
)
"""Reasons whose messages name fields, managers and servers, but never values."""

_DENIED = " denied "
"""The words of a webhook or of a policy come after it, whatever the reason, and may be any."""


def failure(wanted: plan.Wanted, reason: str, message: str, *, retry_after_s: float = 0.0) -> Failure:
    """Describe a failure."""
    return Failure(
        object=wanted.object,
        written=wanted.written,
        bundle=wanted.bundle,
        reason=reason,
        message=discreet(wanted.object, reason, message),
        retry_after_s=retry_after_s,
    )


def discreet(of: ids.ObjectId, reason: str, message: str) -> str:
    """What a server says, as it is passed on: bounded, and not where it is of a Secret and may quote it."""
    if resources.kind_of(of) == resources.SECRET and (reason not in _DISCREET or _DENIED in message):
        return "the message is withheld, because it may quote the Secret"
    return message[: reports.MESSAGE_CHARS_MAX]


def is_applied(wanted: plan.Wanted, observed: Observations, failures: Failures) -> bool:
    """Does the cluster hold this very manifest for this very bundle, as far as we know?"""
    found = observed.get(wanted.object)
    return (
        found is not None
        and found.digest == wanted.digest
        and found.bundle == wanted.bundle
        and wanted.object not in failures
    )


def standings(
    planned: plan.Plan, names: Iterable[ids.BundleId], observed: Observations, failures: Failures
) -> dict[ids.BundleId, dependencies.Standing]:
    """How far each of these bundles is, for those that depend on it."""
    rejected = {item.bundle for item in planned.rejections}
    unapplied, restless, new = set[ids.BundleId](), set[ids.BundleId](), set[ids.BundleId]()
    for item in planned.wanted:
        if not is_applied(item, observed, failures):
            unapplied.add(item.bundle)
            if not item.was_applied and not is_applied(item, observed, {}):
                new.add(item.bundle)
        elif observed[item.object].assessment.health not in RESTING:
            restless.add(item.bundle)
    return {
        name: dependencies.Standing(
            applied=name not in rejected | unapplied,
            ready=name not in rejected | unapplied | restless,
            had=name not in rejected | new,
        )
        for name in names
    }


class Part(msgspec.Struct, frozen=True):
    """One bundle of a plan."""

    index: bundles.BundleIndex
    digest: Digest
    """Of the index."""
    wanted: tuple[plan.Wanted, ...]
    rejected: tuple[plan.Rejection, ...]


def parts(planned: plan.Plan, indexes: Sequence[tuple[bundles.BundleIndex, Digest]]) -> list[Part]:
    """The plan by bundles."""
    wanted: dict[ids.BundleId, list[plan.Wanted]] = {index.bundle: [] for index, _ in indexes}
    rejected: dict[ids.BundleId, list[plan.Rejection]] = {index.bundle: [] for index, _ in indexes}
    for item in planned.wanted:
        wanted[item.bundle].append(item)
    for rejection in planned.rejections:
        rejected[rejection.bundle].append(rejection)
    return [
        Part(index, digest, tuple(wanted[index.bundle]), tuple(rejected[index.bundle])) for index, digest in indexes
    ]


def of_part(
    part: Part, observed: Observations, failures: Failures, unmet: tuple[Holdup, ...] | None
) -> reports.BundleStatus:
    """How a bundle stands; `unmet` is what holds it back, if anything."""
    known = _Known(part.index, observed, failures)
    if unmet is None:
        return _status(part, known)
    return _held_back(part, known, unmet)


class _Known(msgspec.Struct, frozen=True):
    index: bundles.BundleIndex
    observed: Observations
    failures: Failures


def _status(part: Part, known: _Known) -> reports.BundleStatus:
    failed = [reports.ObjectFailure(item.object, item.reason, item.message) for item in part.rejected]
    drifted: list[reports.ObjectFailure] = []
    unhealthy: list[tuple[status.Health, reports.ObjectFailure]] = []
    found = [health.MISSING for _ in part.rejected]
    changed, untried = 0, 0
    for item in part.wanted:
        problem, seen = known.failures.get(item.object), known.observed.get(item.object)
        read = seen.assessment if seen else health.MISSING if problem else health.UNREAD
        found.append(read)
        if problem is not None:
            failed.append(reports.ObjectFailure(item.written, problem.reason, problem.message))
        elif seen is None or not is_applied(item, known.observed, known.failures):
            untried += 1
        else:
            changed += seen.action in (status.Action.CREATED, status.Action.CONFIGURED)
            if seen.drift is not None:
                drifted.append(reports.ObjectFailure(item.written, drift.REASON, drift.told(seen.drift)))
        if problem is None and read.health is not status.Health.HEALTHY:
            unhealthy.append((read.health, reports.ObjectFailure(item.written, read.reason, read.message)))
    unhealthy.sort(key=lambda entry: -status.SEVERITY.index(entry[0]))
    states = [*map(_rejected, part.rejected), *(_state(item, known) for item in part.wanted)]
    told = object_states.summary(states)
    return reports.BundleStatus(
        bundle=known.index.bundle,
        index=part.digest,
        sync=_sync(len(failed), untried, len(drifted)),
        health=health.whole(found),
        objects=len(known.index.objects),
        changed=changed,
        failed=len(failed),
        drifted=len(drifted),
        failures=tuple([*failed, *drifted, *(one for _, one in unhealthy)][: reports.FAILURES_MAX]),
        healths=told.healths,
        states=told.states,
        ailing=told.ailing,
    )


def _rejected(item: plan.Rejection) -> reports.ObjectState:
    return reports.ObjectState(item.object, status.Sync.OUT_OF_SYNC, status.Health.MISSING, item.reason, item.message)


def _state(item: plan.Wanted, known: _Known) -> reports.ObjectState:
    """One object; a failure weighs more than an ailment, and that more than drift."""
    problem, seen = known.failures.get(item.object), known.observed.get(item.object)
    part = seen.assessment if seen else health.MISSING if problem else health.UNREAD
    if problem is not None:
        return reports.ObjectState(item.written, status.Sync.OUT_OF_SYNC, part.health, problem.reason, problem.message)
    if seen is None or not is_applied(item, known.observed, known.failures):
        return reports.ObjectState(
            item.written, status.Sync.UNKNOWN, part.health, part.reason or "NotApplied", part.message
        )
    if seen.drift is None:
        return reports.ObjectState(item.written, status.Sync.SYNCED, part.health, part.reason, part.message)
    reason, message = (part.reason, part.message) if part.reason else (drift.REASON, drift.told(seen.drift))
    return reports.ObjectState(item.written, status.Sync.OUT_OF_SYNC, part.health, reason, message)


def _held_back(part: Part, known: _Known, unmet: tuple[Holdup, ...]) -> reports.BundleStatus:
    """A bundle that waits for others, or for its hooks, is under way, not failed: what of it was not tried, or failed
    with older content, says nothing about it. One that waits in vain has failed, by the name of what it waits for."""
    hopeless = [item.failure for item in unmet if item.is_failure]
    failed = [
        *hopeless,
        *(
            reports.ObjectFailure(item.object, item.reason, item.message)
            for item in part.rejected
            if not item.retryable
        ),
    ]
    standing = Assessment(status.Health.DEGRADED if hopeless else status.Health.PROGRESSING)
    found = [standing, *(health.MISSING for item in part.rejected if not item.retryable)]
    changed = 0
    states = [_rejected(item) for item in part.rejected if not item.retryable]
    for item in part.wanted:
        if is_applied(item, known.observed, known.failures):
            seen = known.observed[item.object]
            found.append(seen.assessment)
            states.append(_state(item, known))
            changed += seen.action in (status.Action.CREATED, status.Action.CONFIGURED)
        else:
            states.append(reports.ObjectState(item.written, status.Sync.UNKNOWN, status.Health.UNKNOWN, HELD_BACK))
    told = object_states.summary(states)
    waits = [item.failure for item in unmet if not item.is_failure]
    return reports.BundleStatus(
        bundle=known.index.bundle,
        index=part.digest,
        sync=_sync(len(failed), untried=1),
        health=health.whole(found),
        objects=len(known.index.objects),
        changed=changed,
        failed=len(failed),
        failures=tuple([*failed, *waits][: reports.FAILURES_MAX]),
        healths=told.healths,
        states=told.states,
        ailing=told.ailing,
    )


def hooked(found: reports.BundleStatus, known: hooks.Known) -> reports.BundleStatus:
    """The status with what the bundle's hooks make of it: with one of them to come or failed it is not healthy."""
    found = msgspec.structs.replace(found, hooks=hooks.told(known))
    note = hooks.holdup(known)
    if note is None or hooks.stand(known) is hooks.Stand.BEFORE:
        return found  # what holds the objects back is told already
    part = status.Health.DEGRADED if note.is_failure else status.Health.PROGRESSING
    at = len(found.failures) if note.reason == hooks.WAITING else found.failed + found.drifted
    failures = (*found.failures[:at], note.failure, *found.failures[at:])[: reports.FAILURES_MAX]
    return msgspec.structs.replace(found, health=status.worst([found.health, part]), failures=failures)


def _sync(failed: int, untried: int, drifted: int = 0) -> status.Sync:
    if failed:
        return status.Sync.OUT_OF_SYNC
    if untried:
        return status.Sync.UNKNOWN
    return status.Sync.OUT_OF_SYNC if drifted else status.Sync.SYNCED


def blocked(index: bundles.BundleIndex, digest: Digest, reason: str, message: str) -> reports.BundleStatus:
    """The status of a bundle that nothing is known of, because the cluster could not be worked on at all."""
    failures = tuple(
        reports.ObjectFailure(item.object, reason, message[: reports.MESSAGE_CHARS_MAX]) for item in index.objects[:1]
    )
    return reports.BundleStatus(
        bundle=index.bundle,
        index=digest,
        sync=status.Sync.UNKNOWN,
        health=status.Health.UNKNOWN,
        objects=len(index.objects),
        failed=len(index.objects),
        failures=failures,
    )
