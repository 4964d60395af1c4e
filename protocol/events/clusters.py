"""A cluster's life as the hub sees it (aggregate `cluster`)."""

import msgspec

from protocol import ids, reports, specs


class ClusterAdded(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag="ClusterAdded"):
    cluster: ids.ClusterId
    name: str
    labels: dict[str, str]
    managed_by: specs.ManagedBy
    annotations: dict[str, str] = {}
    values: dict[str, str] = {}
    """Variables that renderings may use as `${vars.KEY}`."""


class ClusterLabelled(msgspec.Struct, frozen=True, rename="camel", tag="ClusterLabelled"):
    """All its labels from now on."""

    cluster: ids.ClusterId
    labels: dict[str, str]


class ClusterDescribed(msgspec.Struct, frozen=True, rename="camel", tag="ClusterDescribed"):
    """All its annotations and registered values from now on."""

    cluster: ids.ClusterId
    annotations: dict[str, str]
    values: dict[str, str]


class ClusterVersionChanged(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag="ClusterVersionChanged"
):
    """Its agent said what its API server runs and serves, for the first time or something else than before."""

    cluster: ids.ClusterId
    kubernetes_version: str
    reports_sequence: int
    api_versions: tuple[str, ...] = ()
    """Beside Kubernetes' own groups: `group/version` and `group/version/Kind`, sorted."""


class ClusterIdentified(msgspec.Struct, frozen=True, rename="camel", tag="ClusterIdentified"):
    """Its agent said hello for the first time: the name is bound to this cluster's UID."""

    cluster: ids.ClusterId
    uid: str
    reports_sequence: int


class ClusterUidRefused(msgspec.Struct, frozen=True, rename="camel", tag="ClusterUidRefused"):
    """Somebody with the cluster's credentials speaks for another cluster."""

    cluster: ids.ClusterId
    uid: str
    reports_sequence: int


class DesiredRefused(msgspec.Struct, frozen=True, rename="camel", tag="DesiredRefused"):
    """Its agent did not accept a desired state: forged, foreign, stale or a fork."""

    cluster: ids.ClusterId
    refusal: reports.Refusal
    message: str
    epoch: int
    generation: int
    reports_sequence: int


class ClusterSuspended(msgspec.Struct, frozen=True, rename="camel", tag="ClusterSuspended"):
    """Given nothing new; what it has stays."""

    cluster: ids.ClusterId
    reason: str


class ClusterResumed(msgspec.Struct, frozen=True, rename="camel", tag="ClusterResumed"):
    cluster: ids.ClusterId


class ClusterRemoved(msgspec.Struct, frozen=True, rename="camel", tag="ClusterRemoved"):
    """Its credentials end; its workloads stay, unowned."""

    cluster: ids.ClusterId


Event = (
    ClusterAdded
    | ClusterLabelled
    | ClusterDescribed
    | ClusterVersionChanged
    | ClusterIdentified
    | ClusterUidRefused
    | DesiredRefused
    | ClusterSuspended
    | ClusterResumed
    | ClusterRemoved
)
