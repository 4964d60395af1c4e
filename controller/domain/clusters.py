"""A cluster: who it is, its labels, and whether it takes part.

A cluster's name is bound to the UID of its `kube-system` namespace by its agent's enrolment or first hello, and never
again: who comes with the same credentials and another UID is refused. What vanishes from the configuration is
suspended; only a command removes it.
"""

from typing import assert_never

import msgspec

from controller.domain import entries, rejections
from protocol import ids, reports, specs
from protocol.events import clusters as events


class Cluster(msgspec.Struct, frozen=True, rename="camel"):
    """What the log says of one cluster."""

    id: ids.ClusterId
    name: str
    labels: dict[str, str]
    managed_by: specs.ManagedBy
    annotations: dict[str, str] = {}
    values: dict[str, str] = {}
    """Variables that renderings may use as `${vars.KEY}`."""
    kubernetes_version: str = ""
    """As its agent said last; empty: it was never heard."""
    api_versions: tuple[str, ...] = ()
    """What it serves beside Kubernetes' own groups."""
    uid: str = ""
    """Empty until its agent said hello: nothing is published for it until then."""
    suspended: str = ""
    """Why; empty: it is not."""
    removed: bool = False
    refused: int = 0
    """Desired states that its agent did not accept."""
    refused_sequence: int = 0
    """The last report that said so: reports are read again after a restart."""
    version_sequence: int = 0
    """The last report by which its Kubernetes version changed."""
    uid_refused_sequence: int = 0
    """The last report by which another cluster spoke with its credentials."""
    entry: entries.Entry = entries.NOBODY
    """What lets its agent in."""


Clusters = dict[ids.ClusterId, Cluster]


def active(cluster: Cluster) -> bool:
    """May it be given something new?"""
    return bool(cluster.uid) and not cluster.suspended and not cluster.removed


def by_name(all_clusters: Clusters, name: str) -> Cluster:
    """The cluster with this name or id that is not removed; NotFound if there is none."""
    for cluster in all_clusters.values():
        if name in (cluster.name, cluster.id) and not cluster.removed:
            return cluster
    raise rejections.NotFound(f"cluster {name!r}: there is no such cluster")


def add(all_clusters: Clusters, cluster: Cluster) -> tuple[events.Event, ...]:
    """Decide to add a cluster; adding the very same again changes nothing."""
    ids.dns_label(cluster.name, "cluster")
    present = all_clusters.get(cluster.id)
    if present is not None and not present.removed:
        return ()
    if any(other.name == cluster.name and not other.removed for other in all_clusters.values()):
        raise rejections.AlreadyExists(f"cluster {cluster.name!r}: there is already one of this name")
    return (
        events.ClusterAdded(
            cluster=cluster.id,
            name=cluster.name,
            labels=dict(sorted(cluster.labels.items())),
            managed_by=cluster.managed_by,
            annotations=dict(sorted(cluster.annotations.items())),
            values=dict(sorted(cluster.values.items())),
        ),
    )


def label(cluster: Cluster, labels: dict[str, str], *, by: specs.ManagedBy) -> tuple[events.Event, ...]:
    """Decide that the cluster has exactly these labels."""
    if dict(cluster.labels) == labels:
        return ()
    _may_change(cluster, by)
    return (events.ClusterLabelled(cluster=cluster.id, labels=dict(sorted(labels.items()))),)


def describe(
    cluster: Cluster, annotations: dict[str, str], values: dict[str, str], *, by: specs.ManagedBy
) -> tuple[events.Event, ...]:
    """Decide that the cluster has exactly these annotations and registered values."""
    if (dict(cluster.annotations), dict(cluster.values)) == (annotations, values):
        return ()
    _may_change(cluster, by)
    return (
        events.ClusterDescribed(
            cluster=cluster.id, annotations=dict(sorted(annotations.items())), values=dict(sorted(values.items()))
        ),
    )


def hello(cluster: Cluster, said: reports.Hello, sequence: int) -> tuple[events.Event, ...]:
    """Decide what a hello says about who the cluster is and what it runs. `sequence`: of the report; an older one says
    what the cluster ran then."""
    if cluster.removed:
        return ()
    identified = identify(cluster, said.cluster_uid, sequence)
    same = (cluster.kubernetes_version, cluster.api_versions) == (said.kubernetes_version, said.api_versions)
    if same or cluster.uid not in ("", said.cluster_uid):
        return identified
    if sequence <= cluster.version_sequence:
        return identified
    version = events.ClusterVersionChanged(
        cluster=cluster.id,
        kubernetes_version=said.kubernetes_version,
        reports_sequence=sequence,
        api_versions=said.api_versions,
    )
    return (*identified, version)


def identify(cluster: Cluster, uid: str, sequence: int) -> tuple[events.Event, ...]:
    """Decide what a hello says about who the cluster is; once per report. `sequence`: of the report."""
    if cluster.uid == uid or cluster.removed:
        return ()
    if cluster.uid:
        if sequence <= cluster.uid_refused_sequence:
            return ()
        return (events.ClusterUidRefused(cluster=cluster.id, uid=uid, reports_sequence=sequence),)
    return (events.ClusterIdentified(cluster=cluster.id, uid=uid, reports_sequence=sequence),)


def refused(cluster: Cluster, report: reports.Refused, sequence: int) -> tuple[events.Event, ...]:
    """Record that the cluster's agent did not accept a state; once per report."""
    if sequence <= cluster.refused_sequence:
        return ()
    return (
        events.DesiredRefused(
            cluster=cluster.id,
            refusal=report.refusal,
            message=report.message,
            epoch=report.seen_epoch,
            generation=report.seen_generation,
            reports_sequence=sequence,
        ),
    )


def suspend(cluster: Cluster, reason: str, *, by: specs.ManagedBy) -> tuple[events.Event, ...]:
    """Decide to give the cluster nothing new."""
    if cluster.suspended or cluster.removed:
        return ()
    _may_change(cluster, by)
    if not reason:
        raise rejections.Invalid(f"cluster {cluster.name!r}: say why it is suspended (reason)")
    return (events.ClusterSuspended(cluster=cluster.id, reason=reason),)


def resume(cluster: Cluster) -> tuple[events.Event, ...]:
    """Decide that the cluster takes part again."""
    if not cluster.suspended or cluster.removed:
        return ()
    return (events.ClusterResumed(cluster=cluster.id),)


def remove(cluster: Cluster, *, by: specs.ManagedBy) -> tuple[events.Event, ...]:
    """Decide to let the cluster go; its workloads stay, unowned."""
    if cluster.removed:
        return ()
    _may_change(cluster, by)
    return (events.ClusterRemoved(cluster=cluster.id),)


def _may_change(cluster: Cluster, by: specs.ManagedBy) -> None:
    if cluster.managed_by is specs.ManagedBy.FILE and by is specs.ManagedBy.COMMAND and not cluster.suspended:
        raise rejections.Managed(f"cluster {cluster.name!r}: declared by the configuration file; change it there")


def evolve(state: Cluster | None, event: events.Event) -> Cluster:
    """The cluster after one more fact."""
    if isinstance(event, events.ClusterAdded):
        added = Cluster(
            id=event.cluster, name=event.name, labels=event.labels, managed_by=event.managed_by,
            annotations=event.annotations, values=event.values,
        )  # fmt: skip
        if state is None:
            return added
        # Added again: the UID stays bound, so that the name cannot be moved to another cluster, and so does what was
        # heard, for its reports are read again.
        return msgspec.structs.replace(
            added, uid=state.uid, kubernetes_version=state.kubernetes_version, api_versions=state.api_versions,
            version_sequence=state.version_sequence, refused=state.refused, refused_sequence=state.refused_sequence,
            uid_refused_sequence=state.uid_refused_sequence, entry=state.entry,
        )  # fmt: skip
    assert state is not None, f"{type(event).__name__} before ClusterAdded"
    change = msgspec.structs.replace
    if isinstance(event, events.Entry):
        uid = event.uid if isinstance(event, events.AgentEnrolled | events.AgentReadmitted) else state.uid
        return change(state, uid=uid, entry=entries.evolve(state.entry, event))
    match event:
        case events.ClusterLabelled():
            return change(state, labels=event.labels)
        case events.ClusterDescribed():
            return change(state, annotations=event.annotations, values=event.values)
        case events.ClusterVersionChanged():
            return change(
                state,
                kubernetes_version=event.kubernetes_version,
                api_versions=event.api_versions,
                version_sequence=event.reports_sequence,
            )
        case events.ClusterIdentified():
            return change(state, uid=event.uid)
        case events.DesiredRefused():
            return change(state, refused=state.refused + 1, refused_sequence=event.reports_sequence)
        case events.ClusterSuspended():
            return change(state, suspended=event.reason)
        case events.ClusterResumed():
            return change(state, suspended="")
        case events.ClusterRemoved():
            return change(state, removed=True)
        case events.ClusterUidRefused():
            return change(state, uid_refused_sequence=event.reports_sequence)
        case _:
            assert_never(event)
