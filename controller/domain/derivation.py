"""What one cluster should have: a pure function of what it was assigned, its labels and its last desired state.

What falls out of the desired state becomes a *drop*: a candidate for a debt. It does so only when nothing is in doubt;
else the object is *kept*, listed in the root with the reason, and looked at again with the next derivation. Kept
objects are in doubt when
- the source that had them has a bundle in error, or any other source for this cluster has: the object may be there;
- a bundle was not rendered yet for what this cluster is, or is paused and not read: they may be in it;
- another source reads the same ref and is at another commit: one commit may have moved an object to that one;
- a bundle claims them that this cluster has not been given yet.
Two bundles that claim one object: its present owner stays and the other keeps its last content; with no owner both do.
"""

from collections.abc import Iterable, Mapping

import msgspec

from controller.domain import audiences, catalogs, inputs, kinds, placements
from controller.domain.clusters import Cluster
from protocol import bundles, ids, specs
from protocol.canonical import NO_DIGEST, Digest

Indexes = Mapping[Digest, bundles.BundleIndex]


class Assignment(msgspec.Struct, frozen=True):
    """One source, from the point of view of one cluster."""

    spec: specs.SourceSpec
    given: catalogs.Catalog | None
    """What the cluster was given; None: nothing yet."""
    latest: catalogs.Catalog | None
    """What the source says now."""
    removed: bool = False
    prune_on_removal: bool = False


class View(msgspec.Struct, frozen=True):
    """All that a cluster's desired state depends on."""

    cluster: Cluster
    facts: inputs.Facts
    sources: dict[ids.SourceName, Assignment]
    previous: bundles.ClusterRoot
    """Of its last published desired state."""


class Drop(msgspec.Struct, frozen=True):
    """An object that the cluster had from us and that nothing wants any more, beyond doubt."""

    object: ids.ObjectId
    identity: ids.ObjectId
    bundle: ids.BundleId
    prune: bundles.Prune
    whole_bundle: bool
    misplaced: bool
    """The commit still has the bundle: placement, labels or the source's removal took it away."""


class Derived(msgspec.Struct, frozen=True):
    """The outcome for one cluster."""

    root: bundles.ClusterRoot
    drops: tuple[Drop, ...]
    conflicts: dict[ids.BundleId, str]
    """Bundles that may not have their new content, with the reason."""
    wanted: frozenset[ids.ObjectId]
    """Identities of all objects in the root."""


def derive(view: View, indexes: Indexes) -> Derived:
    """The cluster's new root, and what drops out of it. `indexes` holds every index that is named."""
    placed = _Placements(view)
    wanted = _wanted(view, placed)
    meant = _Meant(indexes)
    chosen, conflicts = _settle_conflicts(wanted, view.previous, meant)
    claims = _claims(chosen.items(), meant)
    pending = _pending_claims(placed, wanted, meant)
    doubt, behind = _doubt(view, placed), _behind(view)
    kept: list[bundles.Kept] = []
    drops: list[Drop] = []
    for drop in _fallen(view, chosen, claims, meant):
        reason = doubt or _claimed_elsewhere(drop, pending) or behind.get(ids.source_of(drop.bundle), "")
        if reason:
            identity = drop.identity if drop.identity != drop.object else None
            kept.append(
                bundles.Kept(object=drop.object, bundle=drop.bundle, reason=reason, identity=identity, prune=drop.prune)
            )
        elif not _let_go(drop, view):
            drops.append(drop)
    return Derived(
        root=_root(chosen, placed, kept),
        drops=tuple(drops),
        conflicts=conflicts,
        wanted=frozenset(one for index in chosen.values() for one in meant.by(index)),
    )


def alike(views: Mapping[ids.ClusterId, View]) -> dict[ids.ClusterId, View]:
    """For each cluster a view that says the same of it, the same one for all clusters that answer alike whatever their
    sources ask: what is derived of it is derived for all of them."""
    answer = audiences.answers(_asked(views.values()))
    first: dict[tuple[object, ...], View] = {}
    return {cluster: first.setdefault((answer(view.facts), *_given(view)), view) for cluster, view in views.items()}


def _asked(views: Iterable[View]) -> frozenset[str]:
    catalogs_ = {
        id(one): one for view in views for which in view.sources.values() for one in (which.given, which.latest)
    }
    specs_ = {id(which.spec): which.spec for view in views for which in view.sources.values()}
    return placements.asked_in(catalogs_.values(), specs_.values())


def _given(view: View) -> tuple[object, ...]:
    """Beside its facts, all that a view says; what is the same object is the same."""
    said = [
        (name, id(one.spec), id(one.given), id(one.latest), one.removed, one.prune_on_removal)
        for name, one in view.sources.items()
    ]
    return id(view.previous), *said


def identities(index: bundles.BundleIndex) -> list[ids.ObjectId]:
    """What the manifests of a bundle mean, in their order."""
    return [kinds.identity(entry.object, index.options) for entry in index.objects]


def index_digests(view: View) -> frozenset[Digest]:
    """The indexes that `derive` will look at."""
    placed = _Placements(view)
    named = {one.index for one in (*placed.given.values(), *placed.latest) if one.index}
    return frozenset(named) | {entry.index for entry in view.previous.bundles}


def objects_of(root: bundles.ClusterRoot, indexes: Indexes) -> int:
    """How many objects a root holds."""
    return sum(len(indexes[entry.index].objects) for entry in root.bundles)


class _Meant:
    """What the manifests of each index mean, looked up once."""

    def __init__(self, indexes: Indexes) -> None:
        self.indexes = indexes
        self._known: dict[Digest, list[ids.ObjectId]] = {}

    def by(self, index: Digest) -> list[ids.ObjectId]:
        """Those of an index, in their order."""
        found = self._known.get(index)
        if found is None:
            found = self._known[index] = identities(self.indexes[index])
        return found


class _Placements:
    """What the commits mean for the cluster, looked up once."""

    def __init__(self, view: View) -> None:
        self.given: dict[ids.BundleId, placements.Placed] = {}
        self.latest: list[placements.Placed] = []
        had = frozenset(entry.bundle for entry in view.previous.bundles)
        # In the order of names: the first to claim stands in the reason, and the reason is part of the root.
        for _, one in sorted(view.sources.items()):
            if one.removed:
                continue
            given = placements.placed(one.given, one.spec, view.facts, had=had) if one.given is not None else ()
            self.given.update({found.bundle: found for found in given})
            if one.latest is one.given:
                self.latest.extend(given)
            elif one.latest is not None:
                self.latest.extend(placements.placed(one.latest, one.spec, view.facts))


def _wanted(view: View, placed: _Placements) -> dict[ids.BundleId, Digest]:
    """A bundle without content for this cluster stays as the cluster has it."""
    before = {entry.bundle: entry.index for entry in view.previous.bundles}
    found = {bundle: one.index or before.get(bundle, NO_DIGEST) for bundle, one in placed.given.items()}
    return {bundle: index for bundle, index in found.items() if index}


def _root(chosen: dict[ids.BundleId, Digest], placed: _Placements, kept: list[bundles.Kept]) -> bundles.ClusterRoot:
    entries = tuple(
        bundles.RootEntry(bundle=bundle, index=index, depends_on=placed.given[bundle].depends_on)
        for bundle, index in sorted(chosen.items())
    )
    return bundles.ClusterRoot(bundles=entries, kept=tuple(sorted(kept, key=lambda one: (one.bundle, one.object))))


def _settle_conflicts(
    wanted: dict[ids.BundleId, Digest], previous: bundles.ClusterRoot, meant: _Meant
) -> tuple[dict[ids.BundleId, Digest], dict[ids.BundleId, str]]:
    before = {entry.bundle: entry.index for entry in previous.bundles}
    owners = _claims(before.items(), meant)
    chosen, conflicts = dict(wanted), dict[ids.BundleId, str]()
    while True:
        losers = _losers(chosen, owners, meant)
        # A bundle that fell back already holds what it held: taking more from it would be taking away.
        losers = {bundle: why for bundle, why in losers.items() if bundle not in conflicts}
        if not losers:
            return chosen, conflicts
        conflicts.update(losers)
        for bundle in losers:
            if bundle in before:
                chosen[bundle] = before[bundle]
            else:
                del chosen[bundle]


def _losers(chosen: dict[ids.BundleId, Digest], owners: kinds.Claims, meant: _Meant) -> dict[ids.BundleId, str]:
    claimants: dict[ids.ObjectId, list[ids.BundleId]] = {}
    for bundle, index in sorted(chosen.items()):
        for one in meant.by(index):
            claimants.setdefault(one, []).append(bundle)
    losers: dict[ids.BundleId, str] = {}
    for one, rivals in claimants.items():
        if len(rivals) < 2:
            continue
        owner = owners.claimant(one)
        keeper = owner if owner in rivals else None
        for bundle in rivals:
            if bundle != keeper:
                others = ", ".join(rival for rival in rivals if rival != bundle)
                losers.setdefault(bundle, f"{one} is also in {others}" + (", which has it" if keeper else ""))
    return losers


def _claims(chosen: Iterable[tuple[ids.BundleId, Digest]], meant: _Meant) -> kinds.Claims:
    claims = kinds.Claims()
    for bundle, index in chosen:
        for one in meant.by(index):
            claims.add(one, bundle)
    return claims


def _pending_claims(placed: _Placements, wanted: dict[ids.BundleId, Digest], meant: _Meant) -> kinds.Claims:
    """Claims that are not in the root: content in conflict, and revisions that this cluster will get later."""
    claims = _claims(sorted(wanted.items()), meant)
    for found in placed.latest:
        if found.index:
            for one in meant.by(found.index):
                claims.add(one, found.bundle)
    return claims


def _doubt(view: View, placed: _Placements) -> str:
    """Why nothing at all may count as gone from this cluster; empty: no doubt."""
    for name, assignment in sorted(view.sources.items()):
        if assignment.removed or not placements.source_targets(assignment.spec, view.facts):
            continue
        for catalog in (assignment.given, assignment.latest):
            if catalog is not None and not catalogs.is_complete(catalog):
                return f"source {name} has bundles in error: what left Git may be in one of them"
    for found in (*placed.given.values(), *placed.latest):
        if found.entry.paused:
            return f"bundle {found.bundle} is paused, and not read: what left Git may be in it"
        if found.variant is None:
            return f"bundle {found.bundle} is not rendered yet for this cluster: what left Git may be in it"
    return ""


def _behind(view: View) -> dict[ids.SourceName, str]:
    """Why nothing may count as gone from these sources yet: what left them may have moved to another by one commit."""
    found: dict[ids.SourceName, str] = {}
    for name, assignment in view.sources.items():
        for other, sibling in sorted(view.sources.items()):
            if other == name or sibling.removed or not _read_the_same(assignment.spec, sibling.spec):
                continue
            if not placements.source_targets(sibling.spec, view.facts):
                continue
            if assignment.latest is not None and _commit(sibling) != _commit(assignment):
                commit = _commit(assignment)[:12]
                found.setdefault(name, f"source {other} reads the same ref and is not at {commit}: it may be there")
    return found


def _read_the_same(one: specs.SourceSpec, other: specs.SourceSpec) -> bool:
    return (one.url, one.ref) == (other.url, other.ref)


def _commit(assignment: Assignment) -> str:
    return assignment.latest.revision.commit if assignment.latest is not None else ""


def _fallen(view: View, chosen: dict[ids.BundleId, Digest], claims: kinds.Claims, meant: _Meant) -> list[Drop]:
    """What the last desired state held or kept, and the new one does not hold."""
    fallen: dict[tuple[ids.BundleId, ids.ObjectId], Drop] = {}
    still_there = _bundles_in_commits(view)
    for entry in view.previous.bundles:
        index = meant.indexes[entry.index]
        for one, identity in zip(index.objects, meant.by(entry.index), strict=True):
            if claims.claimant(identity) is None:
                fallen[(entry.bundle, one.object)] = Drop(
                    object=one.object,
                    identity=identity,
                    bundle=entry.bundle,
                    prune=index.options.prune,
                    whole_bundle=entry.bundle not in chosen,
                    misplaced=entry.bundle not in chosen and entry.bundle in still_there,
                )
    for kept in view.previous.kept:
        identity = kept.identity or kept.object
        if claims.claimant(identity) is None:
            drop = Drop(
                object=kept.object,
                identity=identity,
                bundle=kept.bundle,
                prune=kept.prune,
                whole_bundle=kept.bundle not in chosen,
                misplaced=kept.bundle not in chosen and kept.bundle in still_there,
            )
            fallen.setdefault((kept.bundle, kept.object), drop)
    return [fallen[key] for key in sorted(fallen)]


def _bundles_in_commits(view: View) -> frozenset[ids.BundleId]:
    return frozenset(
        entry.bundle
        for assignment in view.sources.values()
        if assignment.given is not None
        for entry in assignment.given.entries
    )


def _claimed_elsewhere(drop: Drop, pending: kinds.Claims) -> str:
    claimant = pending.claimant(drop.identity)
    return f"bundle {claimant} claims it, and this cluster does not have that content yet" if claimant else ""


def _let_go(drop: Drop, view: View) -> bool:
    """Is the object released rather than owed? Then it stays in the cluster, and the agent lists it as an orphan."""
    if drop.prune is bundles.Prune.NEVER:
        return True
    assignment = view.sources.get(ids.source_of(drop.bundle))
    if assignment is None:
        return True
    return assignment.removed and not assignment.prune_on_removal
