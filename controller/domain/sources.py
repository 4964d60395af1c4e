"""A source: what it is, the last commit that it said something with, and what is wrong with it now.

Nothing that goes wrong changes what the clusters have: a source that cannot be read keeps its last catalog. A ref that
moved back, or to a rewritten history, counts once two polls agree on it, for a mirror that lags behind its primary also
looks like one. A history that shares no commit with ours may be another repository altogether: it waits until an
operator accepts exactly the commit that was seen; what follows from that commit is accepted with it.
"""

from typing import assert_never

import msgspec

from controller.domain import catalogs, documents, rejections
from protocol import ids, specs
from protocol.canonical import NO_DIGEST, Digest
from protocol.events import sources as events

INTERVAL_S_MIN = 1.0
"""A shorter poll interval would be a denial of service against the Git server."""


class Source(msgspec.Struct, frozen=True, rename="camel"):
    """What the log says of one source."""

    name: ids.SourceName
    spec: specs.SourceSpec
    managed_by: specs.ManagedBy
    suspended: str = ""
    removed: bool = False
    prune_on_removal: bool = False
    revision: events.Revision | None = None
    catalog: Digest = NO_DIGEST
    """The last accepted catalog; errors of single bundles are in it."""
    bundles: int = 0
    objects: int = 0
    problems: tuple[events.Problem, ...] = ()
    problem_count: int = 0
    warnings: tuple[events.Problem, ...] = ()
    failure: events.FailureKind | None = None
    failure_reason: str = ""
    rollback_seen: str = ""
    """Commit that the ref moved back to, or that rewrites ours, seen once."""
    unrelated_seen: str = ""
    """Commit of an unrelated history that waits to be accepted."""
    accepted: str = ""
    """Commit of an unrelated history that was accepted, and not resolved yet."""


Sources = dict[ids.SourceName, Source]


def get(all_sources: Sources, name: str) -> Source:
    """The source with this name that is not removed; NotFound if there is none."""
    source = all_sources.get(ids.SourceName(name))
    if source is None or source.removed:
        raise rejections.NotFound(f"source {name!r}: there is no such source")
    return source


def declare(
    state: Source | None, name: str, spec: specs.SourceSpec, *, by: specs.ManagedBy
) -> tuple[events.Event, ...]:
    """Decide to have this source so; declaring the same again changes nothing."""
    ids.dns_label(name, "source")
    if not spec.targets and not spec.all_clusters:
        raise rejections.Invalid(
            f"source {name!r}: say which clusters it is for (targets; --target KEY=VALUE), or all of them "
            "(allClusters; --all-clusters)"
        )
    for target in spec.targets:
        for asked in (target.match_labels, *(one.match_labels for one in target.exclude)):
            documents.labels(asked, f"source {name!r}: targets")
    if spec.interval_s < INTERVAL_S_MIN:
        raise rejections.Invalid(f"source {name!r}: intervalS is below {INTERVAL_S_MIN:g} seconds")
    if spec.credentials is not None and len(spec.credentials.known_hosts) > specs.KNOWN_HOSTS_CHARACTERS_MAX:
        bound = specs.KNOWN_HOSTS_CHARACTERS_MAX
        raise rejections.Invalid(f"source {name!r}: knownHosts has more than {bound} characters (use knownHostsFile)")
    declared = events.SourceDeclared(name=ids.SourceName(name), spec=spec, managed_by=by)
    if state is None or state.removed:
        return (declared,)
    _may_change(state, by)
    resumed = (events.SourceResumed(name=state.name),) if by is specs.ManagedBy.FILE and state.suspended else ()
    if state.spec == spec and state.managed_by is by:
        return resumed
    return (*resumed, declared)


def suspend(state: Source, reason: str, *, by: specs.ManagedBy) -> tuple[events.Event, ...]:
    """Decide to neither poll nor roll out; the clusters keep what they have."""
    if state.suspended or state.removed:
        return ()
    _may_change(state, by)
    if not reason:
        raise rejections.Invalid(f"source {state.name!r}: say why it is suspended (reason)")
    return (events.SourceSuspended(name=state.name, reason=reason),)


def resume(state: Source) -> tuple[events.Event, ...]:
    """Decide to poll and roll out again."""
    if not state.suspended or state.removed:
        return ()
    return (events.SourceResumed(name=state.name),)


def remove(state: Source, *, prune: bool, by: specs.ManagedBy) -> tuple[events.Event, ...]:
    """Decide to forget the source; without `prune` its workloads stay, unowned."""
    if state.removed:
        return ()
    _may_change(state, by)
    return (events.SourceRemoved(name=state.name, prune=prune),)


def resolved(state: Source, event: events.RevisionResolved) -> tuple[events.Event, ...]:
    """Record what a commit says. The same catalog of the same commit again only ends a failure."""
    if state.revision == event.revision and state.catalog == event.catalog:
        return unchanged(state)
    return (event,)


def unchanged(state: Source) -> tuple[events.Event, ...]:
    """Record that the remote answers, with the commit we have."""
    if state.failure is None and not (state.rollback_seen or state.unrelated_seen or state.accepted):
        return ()
    return (events.ResolveRecovered(name=state.name),)


def failed(state: Source, kind: events.FailureKind, reason: str) -> tuple[events.Event, ...]:
    """Record that the source says nothing; once per reason, not once per poll."""
    if state.failure is kind and state.failure_reason == reason:
        return ()
    return (events.ResolveFailed(name=state.name, kind=kind, reason=reason),)


def counts(state: Source, commit: str, move: catalogs.Move, *, accepted: bool) -> bool:
    """Does the commit that the ref points to count now, or must we wait?

    `accepted`: it is the commit that an operator accepted, or follows from that.
    """
    match move:
        case catalogs.Move.SAME | catalogs.Move.FORWARD:
            return True
        case catalogs.Move.BACKWARD | catalogs.Move.REWRITTEN:
            return state.rollback_seen == commit
        case catalogs.Move.UNRELATED:
            return accepted and bool(state.accepted)
    assert_never(move)


def moved_away(state: Source, commit: str, move: catalogs.Move) -> tuple[events.Event, ...]:
    """Record that the remote answers, and that the ref moved to a commit which does not count yet; once per commit."""
    unrelated = move is catalogs.Move.UNRELATED
    seen = state.unrelated_seen if unrelated else state.rollback_seen
    if seen == commit and state.failure is None:
        return ()
    return (events.RollbackSeen(name=state.name, commit=commit, unrelated=unrelated),)


def accept(state: Source, commit: str) -> tuple[events.Event, ...]:
    """Decide to go on with an unrelated history; `commit` is the one that was seen, in full."""
    if state.accepted and state.accepted == commit:
        return ()
    if not state.unrelated_seen:
        raise rejections.Invalid(f"source {state.name!r}: no unrelated history waits to be accepted")
    if commit != state.unrelated_seen:
        raise rejections.Changed(
            f"source {state.name!r}: the commit that waits is {state.unrelated_seen}; look at that, then accept it"
        )
    replaces = state.revision.commit if state.revision is not None else ""
    return (events.HistoryAccepted(name=state.name, commit=commit, replaces=replaces),)


def _may_change(state: Source, by: specs.ManagedBy) -> None:
    if state.managed_by is specs.ManagedBy.FILE and by is specs.ManagedBy.COMMAND and not state.suspended:
        raise rejections.Managed(f"source {state.name!r}: declared by the configuration file; change it there")


def evolve(state: Source | None, event: events.Event) -> Source:
    """The source after one more fact."""
    if isinstance(event, events.SourceDeclared):
        if state is None or state.removed:
            return Source(name=event.name, spec=event.spec, managed_by=event.managed_by)
        return msgspec.structs.replace(state, spec=event.spec, managed_by=event.managed_by)
    assert state is not None, f"{type(event).__name__} before SourceDeclared"
    change = msgspec.structs.replace
    match event:
        case events.SourceSuspended():
            return change(state, suspended=event.reason)
        case events.SourceResumed():
            return change(state, suspended="")
        case events.SourceRemoved():
            return change(state, removed=True, prune_on_removal=event.prune)
        case events.RevisionResolved():
            return change(
                state, revision=event.revision, catalog=event.catalog, bundles=event.bundles, objects=event.objects,
                problems=event.problems, problem_count=event.problem_count, warnings=event.warnings, failure=None,
                failure_reason="", rollback_seen="", unrelated_seen="", accepted="",
            )  # fmt: skip
        case events.ResolveFailed():
            return change(state, failure=event.kind, failure_reason=event.reason)
        case events.ResolveRecovered():
            return change(
                state, failure=None, failure_reason="", rollback_seen="", unrelated_seen="", accepted=""
            )  # fmt: skip
        case events.RollbackSeen():
            back, unrelated = ("", event.commit) if event.unrelated else (event.commit, "")
            return change(state, failure=None, failure_reason="", rollback_seen=back, unrelated_seen=unrelated)
        case events.HistoryAccepted():
            return change(state, accepted=event.commit)
        case _:
            assert_never(event)
