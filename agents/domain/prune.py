"""Which named deletions an agent may carry out, and what becomes of the others.

Nothing here is derived from an object being absent somewhere. A deletion starts with its name in the newest verified
desired state, needs an entry with a UID in the inventory, and can only be lost on the way to the call:

  named ─▶ in the inventory under that bundle ─▶ not wanted, not kept ─▶ created by us, or adopted and `prune: all`
        ─▶ every apply of its bundle, and of a bundle that took something over from it, succeeded
        ─▶ live: same UID, not annotated to stay, nothing foreign would cascade ─▶ DELETE with that UID as precondition
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from agents.domain import inventory, plan, resources
from protocol import bundles, desired, ids, naming, ordering, reports

BLOCKERS_NAMED_MAX = 10
"""Objects named in a refusal to cascade; a person needs the first few and the number."""


class Delete(msgspec.Struct, frozen=True):
    """May be deleted, if its live object agrees."""

    deletion: desired.Deletion
    entry: inventory.Entry


class Settle(msgspec.Struct, frozen=True):
    """The debt has ended without a call."""

    deletion: desired.Deletion
    outcome: reports.Outcome
    reason: str
    entry: inventory.Entry | None = None
    """What becomes a tombstone."""


class Hold(msgspec.Struct, frozen=True):
    """Not now, and why; the entry stays."""

    deletion: desired.Deletion
    reason: str
    message: str


Judgement = Delete | Settle | Hold


class World(msgspec.Struct, frozen=True):
    """What deletions are judged against, worked out once per pass."""

    claims: Mapping[tuple[ids.BundleId, ids.ObjectId], tuple[inventory.Entry, ...]]
    """Entries, tombstones too, by bundle and written id."""
    written: Mapping[ids.ObjectId, tuple[inventory.Entry, ...]]
    """Entries that are no tombstones by written id."""
    wanted: frozenset[ids.ObjectId]
    """Resolved, and with those that several bundles claim, so that nobody has them."""
    rejected: frozenset[tuple[ids.BundleId, ids.ObjectId]]
    """Wanted, too, but not to be tried."""
    kept: frozenset[tuple[ids.BundleId, ids.ObjectId]]
    named: frozenset[tuple[ids.BundleId, ids.ObjectId]]
    applied_uids: Mapping[str, ids.ObjectId]
    """UIDs of wanted objects that were applied."""
    unapplied: frozenset[tuple[str, str, str]]
    """Kind, namespace and name of wanted objects that are not applied yet: any of them may be a named one in another
    API group, as `extensions/Ingress` and `networking.k8s.io` are."""
    unplaced: frozenset[tuple[str, str]]
    """Kind and name of the rejected: their namespaces are not always known."""
    unfinished: frozenset[ids.BundleId]
    """Bundles with an object that is not applied in this generation, those that such a bundle took over from, and those
    that depend on a bundle that is not as it has to be."""


def survey(
    *,
    planned: plan.Plan,
    entries: inventory.Inventory,
    kept: Iterable[bundles.Kept],
    deletions: desired.Deletions,
    applied: frozenset[ids.ObjectId],
    order: str,
    waiting: frozenset[ids.BundleId] = frozenset(),
) -> World:
    """Work out the world from a plan and what of it has been applied; `order` names the present generation, `waiting`
    the bundles with a dependency that does not hold."""
    claims: defaultdict[tuple[ids.BundleId, ids.ObjectId], list[inventory.Entry]] = defaultdict(list)
    written: defaultdict[ids.ObjectId, list[inventory.Entry]] = defaultdict(list)
    for entry in entries.values():
        claims[entry.claim].append(entry)
        if entry.settled is None:
            written[entry.written].append(entry)
    missing = [item for item in planned.wanted if item.object not in applied]
    return World(
        claims={key: tuple(found) for key, found in claims.items()},
        written={key: tuple(found) for key, found in written.items()},
        wanted=frozenset(item.object for item in planned.wanted)
        | {item.resolved for item in planned.rejections if item.resolved is not None},
        rejected=frozenset((item.bundle, item.object) for item in planned.rejections),
        kept=frozenset((item.bundle, item.object) for item in kept),
        named=frozenset((item.bundle, item.object) for item in deletions.items),
        applied_uids={
            entries[found].uid: found for found in sorted(applied) if found in entries and entries[found].uid
        },
        unapplied=frozenset(_name(item.object) for item in missing),
        unplaced=frozenset((item.object.kind, item.object.name) for item in planned.rejections),
        unfinished=_unfinished(planned, missing, entries, order) | waiting,
    )


def _name(object_id: ids.ObjectId) -> tuple[str, str, str]:
    return object_id.kind, object_id.namespace, object_id.name


def _unfinished(
    planned: plan.Plan, missing: list[plan.Wanted], entries: inventory.Inventory, order: str
) -> frozenset[ids.BundleId]:
    """I9: the bundles whose objects may not be pruned yet."""
    failing = {item.bundle for item in missing} | {item.bundle for item in planned.rejections}
    sources = {
        entry.taken_from
        for entry in inventory.owned(entries)
        if entry.taken_at == order and entry.taken_from and entry.bundle in failing
    }
    moving = {item.entry.bundle for item in missing if item.entry is not None and item.moves}
    return frozenset(failing | sources | moving)


def judge(deletion: desired.Deletion, world: World) -> Judgement:
    """What to do about one named deletion, as far as it shows without asking the API server."""
    found = world.claims.get((deletion.bundle, deletion.object), ())
    ours = [entry for entry in found if entry.settled is None]
    if len(ours) > 1:
        return Hold(deletion, "Ambiguous", f"the inventory holds it as {', '.join(str(e.object) for e in ours)}")
    if ours:
        return _judge_owned(deletion, ours[0], world)
    if found:
        return _repeat(deletion, found[0])
    return _judge_missing(deletion, world)


def _repeat(deletion: desired.Deletion, tombstone: inventory.Entry) -> Settle:
    """The same debt, or a newer one for an object that never came back: the answer is the same."""
    settled = tombstone.settled
    assert settled is not None, "only tombstones are left"
    return Settle(deletion, settled.outcome, settled.reason, tombstone)


def _judge_missing(deletion: desired.Deletion, world: World) -> Judgement:
    """No entry of that bundle. One that another bundle left behind could be meant: then a person must look."""
    stray = [
        entry
        for entry in world.written.get(deletion.object, ())
        if entry.object not in world.wanted and entry.claim not in world.rejected | world.kept | world.named
    ]
    if stray:
        return Hold(deletion, "BundleMismatch", f"the inventory holds it under the bundle {stray[0].bundle}")
    return Settle(deletion, reports.Outcome.RELEASED, "NotInInventory")


def _judge_owned(deletion: desired.Deletion, entry: inventory.Entry, world: World) -> Judgement:
    if entry.object in world.wanted or entry.claim in world.rejected:
        return Hold(deletion, "Wanted", "the same desired state contains the object")
    if entry.claim in world.kept:
        return Hold(deletion, "Kept", "the same desired state keeps the object")
    if bundles.Prune.NEVER in (deletion.prune, entry.prune):
        return Settle(deletion, reports.Outcome.RELEASED, "PruneNever", entry)
    if entry.adopted and deletion.prune is not bundles.Prune.ALL:
        return Settle(deletion, reports.Outcome.RELEASED, "Adopted", entry)
    if entry.uid and entry.uid in world.applied_uids:
        twin = world.applied_uids[entry.uid]
        return Settle(deletion, reports.Outcome.RELEASED, f"is the wanted object {twin}", entry)
    if entry.bundle in world.unfinished:
        return Hold(deletion, "BundleNotApplied", f"not every apply of {entry.bundle} or its successors succeeded yet")
    if _name(entry.object) in world.unapplied or (entry.object.kind, entry.object.name) in world.unplaced:
        return Hold(deletion, "SuccessorNotApplied", "a wanted object of the same name and kind is not applied yet")
    return Delete(deletion, entry)


def judge_live(delete: Delete, live: dict[str, Any]) -> Judgement:
    """The same question with the object itself in hand, read right before the call."""
    metadata = live["metadata"]
    if delete.entry.uid != metadata["uid"]:
        return Settle(delete.deletion, reports.Outcome.RELEASED, "ForeignUID", delete.entry)
    if (metadata.get("annotations") or {}).get(naming.PRUNE_ANNOTATION) == bundles.Prune.NEVER:
        return Settle(delete.deletion, reports.Outcome.RELEASED, "Annotated", delete.entry)
    if "deletionTimestamp" in metadata:
        waiting = ", ".join(metadata.get("finalizers") or ()) or "the grace period"
        return Hold(delete.deletion, "Terminating", f"{delete.entry.object}: is being deleted, waits for {waiting}")
    return delete


def cascades(delete: Delete, others: list[str]) -> Judgement:
    """Refuse what would take others along."""
    if not others:
        return delete
    shown = ", ".join(others[:BLOCKERS_NAMED_MAX])
    more = f" and {len(others) - BLOCKERS_NAMED_MAX} more" if len(others) > BLOCKERS_NAMED_MAX else ""
    return Hold(delete.deletion, "WouldCascade", f"{delete.entry.object}: would take along {shown}{more}")


def blockers(items: Iterable[tuple[resources.GroupKind, Mapping[str, Any]]], doomed: Iterable[str]) -> list[str]:
    """What would be lost with a container that should not be: `items` are the kinds and metadata of its contents.

    Not lost by it: what Kubernetes puts there itself, what is being deleted already, and what belongs, by owner
    references, to what is; `doomed` are the UIDs of objects that we have deleted.
    """
    left = [(kind, metadata) for kind, metadata in items if not well_known(kind, metadata)]
    gone = {*doomed, *(metadata["uid"] for _, metadata in left if "deletionTimestamp" in metadata)}
    settled = False
    while not settled:  # each round follows the owner references one step down
        owned = {metadata["uid"] for _, metadata in left if gone & _owners(metadata)} - gone
        gone |= owned
        settled = not owned
    return sorted(f"{kind} {metadata['name']}" for kind, metadata in left if metadata["uid"] not in gone)


def _owners(metadata: Mapping[str, Any]) -> set[str]:
    return {owner["uid"] for owner in metadata.get("ownerReferences") or ()}


def dependents(entry: inventory.Entry, owners: Mapping[ids.ObjectId, tuple[str, ...] | None]) -> list[str]:
    """What stays, and would be collected with this object because it belongs to it, or may for all we know.

    `owners` are the UIDs of the owners of each; None: they could not be read. Owners are cluster-scoped or in the same
    namespace.
    """
    return sorted(
        str(object_id) if known is not None else f"{object_id} (its owners could not be read)"
        for object_id, known in owners.items()
        if (known is not None and entry.uid in known)
        or (known is None and entry.object.namespace in ("", object_id.namespace))
    )


def strays(world: World, entries: inventory.Inventory) -> list[inventory.Entry]:
    """Intents without UID that no apply and no deletion will come back to."""
    return [
        entry
        for entry in inventory.owned(entries)
        if not entry.uid and entry.object not in world.wanted and entry.claim not in world.rejected | world.named
    ]


def doomed(entries: inventory.Inventory) -> frozenset[str]:
    """UIDs of objects that we deleted and whose debts are still named."""
    return frozenset(
        entry.uid
        for entry in entries.values()
        if entry.settled is not None and entry.settled.outcome is reports.Outcome.GONE
    )


def waves(deletes: Iterable[Delete]) -> list[list[Delete]]:
    """Contents before containers: the reverse of the order of applies, one wave after the other."""
    found: defaultdict[ordering.Stage, list[Delete]] = defaultdict(list)
    for item in sorted(deletes, key=lambda item: item.entry.object):
        found[ordering.stage_of(item.entry.object)].append(item)
    return [found[stage] for stage in sorted(found, reverse=True)]


def orphans(world: World, entries: inventory.Inventory) -> tuple[reports.Orphan, ...]:
    """Ours, and neither wanted, kept nor named: reported and left alone."""
    return tuple(
        reports.Orphan(object=entry.written, bundle=entry.bundle, reason=_orphan_reason(entry))
        for entry in sorted(inventory.owned(entries), key=lambda item: item.object)
        if entry.object not in world.wanted and entry.claim not in world.rejected | world.kept | world.named
    )


def _orphan_reason(entry: inventory.Entry) -> str:
    return (
        f"stands in the namespace {entry.object.namespace}" if entry.written_namespace != entry.object.namespace else ""
    )


def well_known(kind: resources.GroupKind, metadata: Mapping[str, Any]) -> bool:
    """Is this what Kubernetes itself puts into every namespace, so that deleting it with the namespace loses
    nothing?"""
    name = metadata["name"]
    if kind.kind == "Event" and kind.group in ("", "events.k8s.io"):
        return True
    if kind == resources.GroupKind("", "ServiceAccount"):
        return bool(name == "default")
    if kind == resources.GroupKind("", "ConfigMap"):
        return name in ("kube-root-ca.crt", "openshift-service-ca.crt")
    if kind == resources.SECRET:
        annotations = metadata.get("annotations") or {}
        return bool(annotations.get("kubernetes.io/service-account.name") == "default")
    return False
