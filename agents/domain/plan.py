"""The plan: from what a cluster should have and what is ours there to the objects that must be applied, in stages.

It is always made from the whole desired state, never from a difference: the same inputs give the same plan, and a plan
that was carried out is carried out again without effect. Deletions are no part of it: nothing follows from an object
not being in a plan.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from agents.domain import inventory, resources
from protocol import bundles, ids, ordering
from protocol.canonical import Digest


class Wanted(msgspec.Struct, frozen=True):
    """One object that a bundle should have in the cluster."""

    object: ids.ObjectId
    """With the namespace resolved."""
    written: ids.ObjectId
    bundle: ids.BundleId
    options: bundles.BundleOptions
    digest: Digest
    resource: resources.Resource
    entry: inventory.Entry | None
    """What the inventory says of it; None: not ours yet. Never a tombstone."""

    @property
    def moves(self) -> bool:
        """Another bundle had it until now."""
        return self.entry is not None and self.entry.bundle != self.bundle

    @property
    def was_applied(self) -> bool:
        """This very manifest, for this very bundle, by what the inventory says."""
        entry = self.entry
        return entry is not None and bool(entry.uid) and (entry.bundle, entry.digest) == (self.bundle, self.digest)


class Rejection(msgspec.Struct, frozen=True):
    """An object of a bundle that cannot even be tried."""

    bundle: ids.BundleId
    object: ids.ObjectId
    """As written."""
    reason: str
    message: str
    resolved: ids.ObjectId | None = None
    """With the namespace resolved, where that could be done."""
    retryable: bool = False
    """It may go well later without a change in Git."""


class Plan(msgspec.Struct, frozen=True):
    """What to apply."""

    wanted: tuple[Wanted, ...]
    """In the order of stages, then of ids."""
    rejections: tuple[Rejection, ...]
    namespaces: tuple[str, ...]
    """Used but not contained in any bundle: created when missing, never ours, never deleted."""

    def stage(self, stage: ordering.Stage) -> tuple[Wanted, ...]:
        return tuple(item for item in self.wanted if ordering.stage_of(item.object) is stage)


def kinds(indexes: Iterable[bundles.BundleIndex]) -> frozenset[resources.GroupKind]:
    """The kinds whose resources the plan needs to know."""
    return frozenset(resources.kind_of(entry.object) for index in indexes for entry in index.objects)


def make(indexes: Sequence[bundles.BundleIndex], entries: inventory.Inventory, known: resources.Resources) -> Plan:
    """Resolve every object, settle rival claims, and order what is left."""
    rejections: list[Rejection] = []
    claims: defaultdict[ids.ObjectId, list[Wanted]] = defaultdict(list)
    for index in indexes:
        for item in index.objects:
            resolved = resolve(index, item, known)
            if isinstance(resolved, Rejection):
                rejections.append(resolved)
            else:
                claims[resolved.object].append(resolved)
    wanted: list[Wanted] = []
    for object_id, rivals in claims.items():
        holder = _holder(entries.get(object_id), rivals)
        rejections.extend(_claimed(rival, holder, rivals) for rival in rivals if rival is not holder)
        if holder is not None:
            wanted.append(msgspec.structs.replace(holder, entry=_owned_entry(entries.get(object_id))))
    wanted.sort(key=lambda item: (ordering.stage_of(item.object), item.object))
    rejections.sort(key=lambda item: (item.bundle, item.object))
    return Plan(tuple(wanted), tuple(rejections), _implied(wanted))


def resolve(
    index: bundles.BundleIndex, item: bundles.IndexEntry | bundles.HookEntry, known: resources.Resources
) -> Wanted | Rejection:
    """An object of a bundle, or one of its hooks, as it stands in the cluster; it is nobody's yet."""
    kind = resources.kind_of(item.object)
    resource = known.get(kind) or resources.unknown(kind)
    if isinstance(resource, resources.Unresolved):
        return Rejection(index.bundle, item.object, resource.reason, resource.message, retryable=True)
    options = index.options
    if options.namespace and not resource.namespaced:
        return Rejection(
            index.bundle,
            item.object,
            "ClusterScoped",
            f"{item.object}: is cluster-scoped, and the bundle forces the namespace {options.namespace}",
        )
    return Wanted(
        object=msgspec.structs.replace(item.object, namespace=_namespace(resource, options, item.object)),
        written=item.object,
        bundle=index.bundle,
        options=options,
        digest=item.manifest,
        resource=resource,
        entry=None,
    )


def _namespace(resource: resources.Resource, options: bundles.BundleOptions, written: ids.ObjectId) -> str:
    if not resource.namespaced:
        return ""
    return options.namespace or written.namespace or options.default_namespace or ordering.DEFAULT_NAMESPACE


def _owned_entry(entry: inventory.Entry | None) -> inventory.Entry | None:
    return entry if entry is not None and entry.settled is None else None


def _holder(entry: inventory.Entry | None, rivals: list[Wanted]) -> Wanted | None:
    """Who may have the object: the only one that wants it, else its present owner, else nobody.

    Within a bundle the owner is the manifest that wrote the namespace as the applied one did.
    """
    if len(rivals) == 1:
        return rivals[0]
    owner = _owned_entry(entry)
    if owner is None:
        return None
    return next((rival for rival in rivals if (rival.bundle, rival.written) == owner.claim), None)


def _claimed(rival: Wanted, holder: Wanted | None, rivals: list[Wanted]) -> Rejection:
    others = sorted({other.bundle for other in rivals if other is not rival})
    owner = f"{holder.bundle} has it" if holder else "none of them has it yet"
    return Rejection(
        rival.bundle,
        rival.written,
        "AlreadyClaimed",
        f"{rival.object}: also claimed by {', '.join(others)}; {owner}",
        resolved=rival.object,
    )


def _implied(wanted: list[Wanted]) -> tuple[str, ...]:
    contained = {item.object.name for item in wanted if ordering.stage_of(item.object) is ordering.Stage.NAMESPACES}
    used = {item.object.namespace for item in wanted if item.object.namespace}
    return tuple(sorted(used - contained))
