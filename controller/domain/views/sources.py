"""Sources: what each says now, since when nothing could be learned from it, and why."""

import datetime
import enum

import msgspec

from controller.domain import sources
from controller.domain.views import sight
from protocol import ids, specs
from protocol.events import sources as events


class State(enum.StrEnum):
    """A source in one word."""

    RESOLVED = "Resolved"
    DEGRADED = "Degraded"
    """Bundles of it are in error; they keep their last good content."""
    FAILING = "Failing"
    """It says nothing at present; the last good state stays."""
    PENDING = "Pending"
    """Not resolved yet."""
    WAITING = "Waiting"
    """Its ref moved to an unrelated history, which an operator must accept; the last good state stays."""
    SUSPENDED = "Suspended"


class Row(msgspec.Struct, frozen=True, rename="camel"):
    """One source in a list."""

    name: ids.SourceName
    url: str
    ref: str
    revision: str
    state: State
    reason: str
    bundles: int
    objects: int
    problems: int
    warnings: int
    managed_by: specs.ManagedBy
    suspended: str
    rollout: str
    """Phase of its newest rollout; empty: there was none."""
    as_of: datetime.datetime | None
    """When it was polled last, with whatever outcome; None: not since this hub started."""
    event: int


class Detail(msgspec.Struct, frozen=True, rename="camel"):
    """One source with its spec and everything that is wrong with it."""

    source: Row
    spec: specs.SourceSpec
    failure: events.FailureKind | None
    problems: list[str]
    warnings: list[str]
    rollback_seen: str
    """The ref moved back to this commit, or to this one of a rewritten history, once; it counts when the next poll sees
    the same."""
    unrelated_seen: str
    """The ref moved to this commit of an unrelated history: it waits for `flotilla source accept`."""
    accepted: str
    """Commit of an unrelated history that was accepted and counts at the next poll."""


def row(looking: sight.Sight, source: sources.Source) -> Row:
    """One source."""
    state, reason = _state(looking, source)
    current = looking.world.rollout(source.name).current
    return Row(
        name=source.name,
        url=source.spec.url,
        ref=source.spec.ref or (source.revision.ref if source.revision is not None else ""),
        revision=str(source.revision) if source.revision is not None else "",
        state=state,
        reason=reason,
        bundles=source.bundles,
        objects=source.objects,
        problems=source.problem_count,
        warnings=len(source.warnings),
        managed_by=source.managed_by,
        suspended=source.suspended,
        rollout=current.phase.value if current is not None else "",
        as_of=looking.facts.polled.get(source.name),
        event=looking.head("source", source.name),
    )


def detail(looking: sight.Sight, source: sources.Source) -> Detail:
    """One source with its spec and everything that is wrong with it."""
    return Detail(
        source=row(looking, source),
        spec=source.spec,
        failure=source.failure,
        problems=[looking.problem(source.name, problem) for problem in source.problems],
        warnings=[str(warning) for warning in source.warnings],
        rollback_seen=source.rollback_seen,
        unrelated_seen=source.unrelated_seen,
        accepted=source.accepted,
    )


def _state(looking: sight.Sight, source: sources.Source) -> tuple[State, str]:
    if source.suspended:
        return State.SUSPENDED, source.suspended
    if source.failure is not None:
        return State.FAILING, f"{source.failure.value}: {source.failure_reason}"
    if source.revision is None:
        return State.PENDING, "not resolved yet"
    if source.unrelated_seen:
        return State.WAITING, _unrelated(source)
    if source.problem_count:
        first = looking.problem(source.name, source.problems[0]) if source.problems else ""
        return State.DEGRADED, f"{source.problem_count} problems: {first}" if source.problem_count > 1 else first
    if source.rollback_seen:
        return State.RESOLVED, f"moved to {source.rollback_seen[:12]}, not forward; counts if the next poll agrees"
    return State.RESOLVED, ""


def _unrelated(source: sources.Source) -> str:
    seen = source.unrelated_seen
    if source.accepted == seen:
        return f"unrelated history {seen[:12]} accepted; counts at the next poll"
    return (
        f"moved to {seen[:12]}, which shares no history with the present commit; if that is meant: "
        f"flotilla source accept {source.name} --commit {seen}"
    )
