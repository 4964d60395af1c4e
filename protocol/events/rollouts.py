"""A source's rollouts, one after another (aggregate `rollout`, one per source).

An event names at most CLUSTERS_MAX clusters: what concerns more is several events in one append.
"""

import msgspec

from protocol import ids, specs
from protocol.canonical import Digest

CLUSTERS_MAX = 1000
"""Clusters in one event: 56 bytes each keeps it far below a message's limit."""


class PlannedStage(msgspec.Struct, frozen=True, rename="camel"):
    """A stage with its clusters: who is in it is decided when the rollout starts."""

    name: str
    reason: str
    """Why these clusters, for people: which rule chose them."""
    max_concurrency: int
    clusters: tuple[ids.ClusterId, ...]


class RolloutStarted(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag="RolloutStarted"):
    """A revision begins its way. A rollout of the same source that was still running is superseded by it."""

    source: ids.SourceName
    rollout: ids.RolloutId
    revision: str
    catalog: Digest
    base: Digest
    """The catalog that was completed last; the rollout judges only the bundles that differ from it."""
    policy: specs.RolloutPolicy
    stages: tuple[str, ...] = ()
    """Their names in order; StagePlanned names their clusters."""
    supersedes: ids.RolloutId = ids.RolloutId("")
    anew: bool = False
    """The revision of the rollout before, rendered anew: the failures of that one count on in this one, apart from
    those of clusters that are judged again at its beginning."""


class StagePlanned(msgspec.Struct, frozen=True, rename="camel", tag="StagePlanned"):
    """One stage of the rollout that just started; a large stage comes in several such events of the same name."""

    source: ids.SourceName
    rollout: ids.RolloutId
    stage: PlannedStage


class StageStarted(msgspec.Struct, frozen=True, rename="camel", tag="StageStarted"):
    """The stage's turn has come."""

    source: ids.SourceName
    rollout: ids.RolloutId
    stage: str


class ClustersDeferred(msgspec.Struct, frozen=True, rename="camel", tag="ClustersDeferred"):
    """These clusters were offline when their turn came: no slot, no failure, given nothing."""

    source: ids.SourceName
    rollout: ids.RolloutId
    stage: str
    clusters: tuple[ids.ClusterId, ...]
    reports_sequence: int


class ClustersAdmitted(msgspec.Struct, frozen=True, rename="camel", tag="ClustersAdmitted"):
    """These clusters are given the revision, and each takes a slot."""

    source: ids.SourceName
    rollout: ids.RolloutId
    stage: str
    catalog: Digest
    clusters: tuple[ids.ClusterId, ...]
    at: str
    """RFC 3339, the start of the progress deadline."""
    reports_sequence: int


class ClusterFailure(msgspec.Struct, frozen=True, rename="camel"):
    cluster: ids.ClusterId
    reason: str


class ClustersSettled(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag="ClustersSettled"):
    """These clusters gave their slots back: healthy with the revision, or failed."""

    source: ids.SourceName
    rollout: ids.RolloutId
    reports_sequence: int
    succeeded: tuple[ids.ClusterId, ...] = ()
    failed: tuple[ClusterFailure, ...] = ()
    withdrawn: tuple[ids.ClusterId, ...] = ()
    """Removed or suspended meanwhile: neither."""


class StageCompleted(msgspec.Struct, frozen=True, rename="camel", tag="StageCompleted"):
    source: ids.SourceName
    rollout: ids.RolloutId
    stage: str


class RolloutHalted(msgspec.Struct, frozen=True, rename="camel", tag="RolloutHalted"):
    """Too many clusters failed: no more are admitted."""

    source: ids.SourceName
    rollout: ids.RolloutId
    reason: str


class RolloutPaused(msgspec.Struct, frozen=True, rename="camel", tag="RolloutPaused"):
    source: ids.SourceName
    rollout: ids.RolloutId


class RolloutResumed(msgspec.Struct, frozen=True, rename="camel", tag="RolloutResumed"):
    source: ids.SourceName
    rollout: ids.RolloutId


class RolloutRetried(msgspec.Struct, frozen=True, rename="camel", tag="RolloutRetried"):
    """The failed clusters are judged anew, and a halt ends."""

    source: ids.SourceName
    rollout: ids.RolloutId
    at: str


class RolloutAborted(msgspec.Struct, frozen=True, rename="camel", tag="RolloutAborted"):
    """No more clusters are admitted, ever; those that have the revision keep it."""

    source: ids.SourceName
    rollout: ids.RolloutId


class RolloutCompleted(msgspec.Struct, frozen=True, rename="camel", tag="RolloutCompleted"):
    """Every stage is done. From now on joining and deferred clusters get this revision."""

    source: ids.SourceName
    rollout: ids.RolloutId
    catalog: Digest


Event = (
    RolloutStarted
    | StagePlanned
    | StageStarted
    | ClustersDeferred
    | ClustersAdmitted
    | ClustersSettled
    | StageCompleted
    | RolloutHalted
    | RolloutPaused
    | RolloutResumed
    | RolloutRetried
    | RolloutAborted
    | RolloutCompleted
)
