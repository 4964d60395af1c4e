"""What configuration documents mean for the world: the same decisions as single commands make, over many documents.

A command (`apply`) touches only what its documents name. The configuration file is also read for what it does *not*
say: what it declared once and declares no more is suspended, and resumed when it stands there again; it is never
removed. So no empty, short or unreadable file can take anything away (I1).
"""

import enum
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import assert_never

import msgspec

from controller.domain import clusters, debts, documents, fleet, rejections, sources
from controller.domain.documents import Document, Kind
from controller.domain.world import World
from protocol import ids, specs
from protocol.events import fleet as fleet_events
from protocol.events import log
from protocol.events import sources as source_events

Accounts = Mapping[str, ids.ClusterId]
"""The NATS accounts of clusters that are new, by name: deciding cannot make them."""

BUILT_IN_POLICY = "default"

_KEYS = {Kind.GROUP: "group/", Kind.POLICY: "policy/"}
"""How the fleet's state names them."""

SOMEBODY = ids.ClusterId("A" + "A" * 55)
"""Stands for an account that is not made yet, where a decision is only tried."""


class Action(enum.StrEnum):
    """What became of the thing that a document declares, in Flux's words."""

    CREATED = "created"
    CONFIGURED = "configured"
    UNCHANGED = "unchanged"
    DELETED = "deleted"


class Change(msgspec.Struct, frozen=True):
    """What one document comes to."""

    document: Document
    events: tuple[log.Event, ...]


def unique(given: Sequence[Document]) -> tuple[Document, ...]:
    """The same documents; raise rejections.Invalid if two declare one thing."""
    seen: dict[tuple[Kind, str], Document] = {}
    for document in given:
        other = seen.setdefault(document.key, document)
        if other is not document:
            raise rejections.Invalid(f"{document.place}: {document} is declared already in {other.place}")
    return tuple(given)


def newcomers(world: World, given: Iterable[Document]) -> tuple[str, ...]:
    """The names of clusters that need an account before these documents can be applied."""
    present = {cluster.name for cluster in world.clusters.values() if not cluster.removed}
    return tuple(
        document.name
        for document in given
        if document.kind is Kind.CLUSTER and document.spec is not None and document.name not in present
    )


def former(world: World, name: str) -> ids.ClusterId | None:
    """The account of the removed cluster that had this name last: added again, it goes on with its generations."""
    found = [cluster.id for cluster in world.clusters.values() if cluster.name == name and cluster.removed]
    return found[-1] if found else None


def rehearse(world: World, given: Sequence[Document], *, by: specs.ManagedBy) -> tuple[Change, ...]:
    """What applying these documents would decide, or the Rejection that it would end in; it needs no accounts."""
    return tuple(apply(world, given, by=by, accounts=dict.fromkeys(newcomers(world, given), SOMEBODY)))


def actions(world: World, changes: Sequence[Change]) -> tuple[Action, ...]:
    """What each change does to the thing that its document declares."""
    present = {(kind, name) for kind, name, _ in _declared(world)}
    return tuple(_action(one, present) for one in changes)


def _action(change: Change, present: set[tuple[Kind, str]]) -> Action:
    if not change.events:
        return Action.UNCHANGED
    if change.document.spec is None:
        return Action.DELETED
    return Action.CONFIGURED if change.document.key in present else Action.CREATED


def apply(world: World, given: Sequence[Document], *, by: specs.ManagedBy, accounts: Accounts) -> Iterator[Change]:
    """Decide, one after the other, what each document changes; the same documents again change nothing.

    Raise a Rejection, naming the document's place, if one of them cannot be.
    """
    unique(given)
    known = _Known(world, given)
    for document in given:
        yield Change(document=document, events=_placed(world, document, known, by=by, accounts=accounts))


def reconcile(
    world: World, given: Sequence[Document], *, origin: str, accounts: Accounts
) -> Iterator[tuple[log.Event, ...]]:
    """Decide what the whole configuration file means: what it declares, and what it declares no more.

    Events that belong together stand together. Raise rejections.Invalid if the file declares nothing at all although it
    once did: that is a failed read.
    """
    if not given and _declared_by_file(world):
        raise rejections.Invalid(
            f"{origin}: declares nothing, but did before; nothing is changed (`state: absent` removes)"
        )
    for change in apply(world, given, by=specs.ManagedBy.FILE, accounts=accounts):
        yield change.events
    yield from _vanished(world, given, f"not in {origin} any more")


def resume_source(world: World, name: str) -> tuple[log.Event, ...]:
    """Decide, by command, to take a source up again; one that vanished from the file is managed by command then."""
    source = sources.get(world.sources, name)
    resumed = sources.resume(source)
    if resumed and source.managed_by is specs.ManagedBy.FILE:
        command = specs.ManagedBy.COMMAND
        return (source_events.SourceDeclared(name=source.name, spec=source.spec, managed_by=command), *resumed)
    return resumed


def resume_cluster(world: World, name: str) -> tuple[log.Event, ...]:
    """Decide, by command, that a cluster takes part again; one that vanished from the file changes hands."""
    cluster = clusters.by_name(world.clusters, name)
    resumed = clusters.resume(cluster)
    if resumed and cluster.managed_by is specs.ManagedBy.FILE:
        taken_over = clusters.add({}, msgspec.structs.replace(cluster, managed_by=specs.ManagedBy.COMMAND))
        return (*taken_over, *resumed)
    return resumed


def remove_cluster(world: World, name: str, *, by: specs.ManagedBy) -> tuple[log.Event, ...]:
    """Decide to let a cluster go: its workloads stay, unowned, and it owes nothing any more."""
    cluster = clusters.by_name(world.clusters, name)
    return (*clusters.remove(cluster, by=by), *debts.cluster_left(world.ledger, cluster.id))


class _Known:
    """Groups and policies as they will be, which sources will name them, and clusters as they are, by name."""

    def __init__(self, world: World, given: Sequence[Document]) -> None:
        said = {document.key for document in given if document.spec is not None}
        gone = {document.key for document in given if document.spec is None}
        groups = {(Kind.GROUP, name) for name in world.fleet.groups}
        policies = {(Kind.POLICY, name) for name in world.fleet.policies}
        self._names = ((groups | policies) - gone) | said | {(Kind.POLICY, BUILT_IN_POLICY)}
        kept = {name: one.spec for name, one in world.sources.items() if not one.removed}
        new = {ids.SourceName(one.name): one.spec for one in given if isinstance(one.spec, specs.SourceSpec)}
        self.clusters = {one.name: one for one in world.clusters.values() if not one.removed}
        self._sources = {name: spec for name, spec in {**kept, **new}.items() if (Kind.SOURCE, name) not in gone}

    def check(self, spec: specs.SourceSpec) -> None:
        """Raise rejections.Invalid if the source names a group or policy that is not there."""
        if (Kind.POLICY, spec.rollout_policy) not in self._names:
            raise rejections.Invalid(f"spec.rolloutPolicy: there is no RolloutPolicy {spec.rollout_policy!r}")
        for group in _groups_of(spec):
            if (Kind.GROUP, group) not in self._names:
                raise rejections.Invalid(f"spec.targets: there is no ClusterGroup {group!r}")

    def check_unused(self, key: tuple[Kind, str]) -> None:
        """Raise rejections.Invalid if a source would still name this group or policy."""
        kind, name = key
        for source, spec in sorted(self._sources.items()):
            used = _groups_of(spec) if kind is Kind.GROUP else {spec.rollout_policy} - {BUILT_IN_POLICY}
            if name in used:
                raise rejections.Invalid(f"source {source} still names it")


def declare_source(
    world: World, name: str, spec: specs.SourceSpec, *, by: specs.ManagedBy, suspended: bool = False
) -> tuple[log.Event, ...]:
    """Decide to have this source so, `suspended` if wanted; raise a Rejection if it names what is not there."""
    _check_source(spec, _Known(world, ()))
    present = world.sources.get(ids.SourceName(name))
    declared = sources.declare(present, name, spec, by=by)
    if not suspended:
        return declared
    for event in declared:
        present = sources.evolve(present, event)
    assert present is not None, "declared, now or before"
    return (*declared, *sources.suspend(present, "added suspended", by=by))


def _check_source(spec: specs.SourceSpec, known: _Known) -> None:
    try:
        url = urllib.parse.urlsplit(spec.url)
    except ValueError as error:
        raise rejections.Invalid("spec.url: not a URL") from error
    if url.password is not None or (url.username is not None and url.scheme in ("http", "https")):
        # The log is for ever, and read by many: a secret must never get into it. It is not repeated here either.
        raise rejections.Invalid("spec.url: holds a user or a password; say under spec.credentials where they are")
    if spec.credentials is not None and "PRIVATE KEY" in spec.credentials.known_hosts:
        raise rejections.Invalid("spec.credentials.knownHosts: holds a private key (it takes lines of known_hosts)")
    known.check(spec)


def _placed(
    world: World, document: Document, known: _Known, *, by: specs.ManagedBy, accounts: Accounts
) -> tuple[log.Event, ...]:
    try:
        return _one(world, document, known, by=by, accounts=accounts)
    except rejections.Rejection as error:
        raise type(error)(f"{document.place}: {document}: {error}") from error
    except ids.InvalidNameError as error:
        raise rejections.Invalid(f"{document.place}: {error}") from error


def _one(
    world: World, document: Document, known: _Known, *, by: specs.ManagedBy, accounts: Accounts
) -> tuple[log.Event, ...]:
    match document.spec:
        case None:
            return _absent(world, document, known, by=by)
        case specs.SourceSpec() as spec:
            _check_source(spec, known)
            return sources.declare(world.sources.get(ids.SourceName(document.name)), document.name, spec, by=by)
        case documents.ClusterSpec() as spec:
            return _cluster(document.name, spec, known.clusters, by=by, accounts=accounts)
        case specs.GroupSpec() as spec:
            documents.values(spec.values, f"cluster group {document.name!r}")
            return fleet.declare_group(world.fleet, document.name, spec, by=by)
        case specs.RolloutPolicy() as spec:
            return fleet.declare_policy(world.fleet, document.name, spec, by=by)
        case _:
            assert_never(document.spec)


def _cluster(
    name: str,
    spec: documents.ClusterSpec,
    present: Mapping[str, clusters.Cluster],
    *,
    by: specs.ManagedBy,
    accounts: Accounts,
) -> tuple[log.Event, ...]:
    what = f"cluster {name!r}"
    documents.agent_key(spec.agent_key, what)
    wanted = clusters.Cluster(
        id=SOMEBODY,
        name=name,
        labels=documents.labels(spec.labels, what),
        annotations=documents.annotations(spec.annotations, what),
        values=documents.values(spec.values, what),
        managed_by=by,
    )
    found = present.get(name)
    if found is None:
        # The name is free, as was just seen: looking through all clusters for each one would take a minute for 10,000.
        return clusters.add({}, msgspec.structs.replace(wanted, id=accounts[name]))
    if by is specs.ManagedBy.FILE and (found.managed_by is not by or found.suspended):
        # The file takes it over, or takes it up again: that is said as one fact.
        return clusters.add({}, msgspec.structs.replace(wanted, id=found.id))
    described = clusters.describe(found, wanted.annotations, wanted.values, by=by)
    return (*clusters.label(found, wanted.labels, by=by), *described)


def _absent(world: World, document: Document, known: _Known, *, by: specs.ManagedBy) -> tuple[log.Event, ...]:
    name = document.name
    match document.kind:
        case Kind.SOURCE:
            source = world.sources.get(ids.SourceName(name))
            return sources.remove(source, prune=document.prune, by=by) if source is not None else ()
        case Kind.CLUSTER:
            return remove_cluster(world, name, by=by) if name in known.clusters else ()
        case Kind.GROUP:
            removable = _removable(world, document, known, by=by)
            return (fleet_events.GroupRemoved(name=name),) if removable else ()
        case Kind.POLICY:
            removable = _removable(world, document, known, by=by)
            return (fleet_events.PolicyRemoved(name=name),) if removable else ()
        case _:
            assert_never(document.kind)


def _removable(world: World, document: Document, known: _Known, *, by: specs.ManagedBy) -> bool:
    entry = world.fleet.declared.get(_KEYS[document.kind] + document.name)
    if entry is None:
        return False
    if entry.managed_by is specs.ManagedBy.FILE and by is not entry.managed_by and not entry.suspended:
        raise rejections.Managed("declared by the configuration file; change it there")
    known.check_unused(document.key)
    return True


def _vanished(world: World, given: Sequence[Document], reason: str) -> Iterator[tuple[log.Event, ...]]:
    file, said = specs.ManagedBy.FILE, {document.key for document in given}
    for kind, name, entry in _declared_by_file(world):
        if (kind, name) in said:
            continue
        if isinstance(entry, sources.Source):
            yield sources.suspend(entry, reason, by=file)
        elif isinstance(entry, clusters.Cluster):
            yield clusters.suspend(entry, reason, by=file)
    declared = {_KEYS[kind] + name for kind, name in said if kind in _KEYS}
    for event in fleet.vanished(world.fleet, frozenset(declared), reason):
        yield (event,)


Declared = sources.Source | clusters.Cluster | fleet.Declared


def _declared(world: World) -> Iterator[tuple[Kind, str, Declared]]:
    """Everything that is there, with who manages it."""
    yield from ((Kind.SOURCE, one.name, one) for one in world.sources.values() if not one.removed)
    yield from ((Kind.CLUSTER, one.name, one) for one in world.clusters.values() if not one.removed)
    for key, entry in world.fleet.declared.items():
        kind = next(kind for kind, prefix in _KEYS.items() if key.startswith(prefix))
        yield kind, key.removeprefix(_KEYS[kind]), entry


def _declared_by_file(world: World) -> list[tuple[Kind, str, Declared]]:
    """What the file declared when it was read last."""
    file = specs.ManagedBy.FILE
    return [found for found in _declared(world) if found[2].managed_by is file and not found[2].suspended]


def _groups_of(spec: specs.SourceSpec) -> set[str]:
    selected = [group for target in spec.targets for group in target.groups]
    excluded = [group for target in spec.targets for selector in target.exclude for group in selector.groups]
    return {*selected, *excluded}
