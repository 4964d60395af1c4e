"""One cluster's two sides: what it should hold, down to each object, and what its agent said it holds."""

import datetime
from collections.abc import Mapping

import msgspec

from controller.domain import clusters, rejections
from controller.domain.views import freshness, sight
from protocol import bundles, desired, ids, reports
from protocol.canonical import Digest


class Object(msgspec.Struct, frozen=True, rename="camel"):
    """One object of a bundle."""

    object: str
    manifest: Digest
    """Of its content; the content itself may hold secrets, and is shown to nobody."""
    file: str
    """Where it stands in the repository."""


class Bundle(msgspec.Struct, frozen=True, rename="camel"):
    """One bundle that the cluster should have."""

    bundle: ids.BundleId
    digest: Digest
    objects: list[Object]
    """At most sight.NAMES_MAX."""
    object_count: int
    depends_on: list[ids.BundleId]
    conflict: str
    """Why it does not get its new content; empty: it does."""


class Revision(msgspec.Struct, frozen=True, rename="camel"):
    """What a source gave it."""

    source: ids.SourceName
    revision: str


class Desired(msgspec.Struct, frozen=True, rename="camel"):
    """What one cluster should hold."""

    cluster: str
    epoch: int
    generation: int
    root: Digest
    deletions: Digest
    """Of the deletions that are named with it."""
    revisions: list[Revision]
    bundles: list[Bundle]
    kept: list[str]
    """Objects that left Git and cannot be judged yet, with the reason; at most sight.NAMES_MAX."""
    log_head: int
    """The event of the log that it rests on."""
    published_at: datetime.datetime | None
    """None: before this hub started."""
    as_of: datetime.datetime
    event: int


class Observed(msgspec.Struct, frozen=True, rename="camel"):
    """What one cluster's agent said."""

    cluster: str
    connection: freshness.Connection
    uid: str
    agent_version: str
    kubernetes_version: str
    epoch: int
    generation: int
    """The newest that was verified."""
    root: Digest
    """The newest that was worked through."""
    log_head: int
    """The event of the hub's log that its state rests on."""
    bundles: list[reports.BundleStatus]
    inventory: int
    orphans: list[str]
    orphan_count: int
    undeleted: list[reports.Undeleted]
    refusals: dict[str, int]
    as_of: datetime.datetime | None
    """How it stood then; None: nothing is known."""
    heard_ago_s: float | None
    """None: not since this hub started."""
    event: int


def named(looking: sight.Sight, cluster: clusters.Cluster) -> frozenset[Digest]:
    """The indexes that `wanted` needs to have read."""
    return frozenset(looking.content(cluster.id).values())


def wanted(looking: sight.Sight, cluster: clusters.Cluster, indexes: Mapping[Digest, bundles.BundleIndex]) -> Desired:
    """What was published for the cluster; NotFound if nothing was."""
    published, root = looking.publication(cluster.id), looking.root(cluster.id)
    if not published.sequence or root is None:
        raise rejections.NotFound(f"cluster {cluster.name!r}: nothing was published for it yet")
    return Desired(
        cluster=cluster.name,
        epoch=published.epoch,
        generation=published.generation,
        root=published.root,
        deletions=published.deletions,
        revisions=revisions(published.revisions),
        bundles=[bundle(one, indexes[one.index], published.conflicts.get(one.bundle, "")) for one in root.bundles],
        kept=[f"{one.object} of {one.bundle}: {one.reason}" for one in root.kept[: sight.NAMES_MAX]],
        log_head=published.log_head.sequence,
        published_at=published.at,
        as_of=looking.at,
        event=looking.head("cluster", cluster.id),
    )


def revisions(some: tuple[desired.SourceRevision, ...]) -> list[Revision]:
    """What each source gave."""
    return [Revision(source=one.source, revision=one.revision) for one in some]


def bundle(entry: bundles.RootEntry, index: bundles.BundleIndex, conflict: str = "") -> Bundle:
    """One bundle with its objects."""
    return Bundle(
        bundle=entry.bundle,
        digest=entry.index,
        objects=[
            Object(object=str(one.object), manifest=one.manifest, file=one.file)
            for one in index.objects[: sight.NAMES_MAX]
        ],
        object_count=len(index.objects),
        depends_on=[one.bundle for one in entry.depends_on],
        conflict=conflict,
    )


def said(looking: sight.Sight, cluster: clusters.Cluster) -> Observed:
    """What its agent said, whether or not it is what was asked for."""
    seen = looking.seen(cluster.id)
    return Observed(
        cluster=cluster.name,
        connection=freshness.connection(looking, cluster.id),
        uid=seen.uid,
        agent_version=seen.agent_version,
        kubernetes_version=seen.kubernetes_version,
        epoch=seen.epoch,
        generation=seen.generation,
        root=seen.root,
        log_head=seen.log_head.sequence,
        bundles=[status for _, status in sorted(seen.bundles.items())],
        inventory=seen.inventory,
        orphans=[f"{one.object} of {one.bundle}" for one in seen.orphans[: sight.NAMES_MAX]],
        orphan_count=seen.orphan_total,
        undeleted=list(seen.undeleted.values())[: sight.NAMES_MAX],
        refusals=seen.refusals,
        as_of=freshness.as_of(looking, cluster.id),
        heard_ago_s=freshness.heard_ago_s(looking, cluster.id),
        event=looking.head("cluster", cluster.id),
    )
