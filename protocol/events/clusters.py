"""A cluster's life as the hub sees it (aggregate `cluster`)."""

import datetime

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
    replaces: str = ""
    """The account of the cluster that had this name until now, where an operator said that this is another one."""


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


class EnrolmentOffered(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag="EnrolmentOffered"):
    """An operator made a token by which one agent can be let in; an older one that is unused ends."""

    cluster: ids.ClusterId
    token: str
    """SHA-256 of the token, hexadecimal: the token itself is told once and kept nowhere."""
    expires_at: datetime.datetime
    manual: bool = False
    """A person must accept the agent that shows it."""


class EnrolmentRequested(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag="EnrolmentRequested"):
    """An agent used the token, and waits for a person."""

    cluster: ids.ClusterId
    uid: str
    key: str
    epoch: int = 0
    """As in AgentEnrolled."""


class EnrolmentExpired(msgspec.Struct, frozen=True, rename="camel", tag="EnrolmentExpired"):
    """Nobody used the token in time: it lets nobody in any more, even if the clock is set back."""

    cluster: ids.ClusterId


class EnrolmentRefused(msgspec.Struct, frozen=True, rename="camel", tag="EnrolmentRefused"):
    """An agent with a valid token sits in another cluster than the one that the name is bound to."""

    cluster: ids.ClusterId
    uid: str


class AgentEnrolled(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag="AgentEnrolled"):
    """The holder of this key is let in as the cluster's agent, and the name is bound to the UID."""

    cluster: ids.ClusterId
    uid: str
    key: str
    epoch: int = 0
    """Its desired states begin in this epoch at least: above the mark that an earlier hub left in it."""


class AgentReadmitted(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag="AgentReadmitted"):
    """The agent of an account that an earlier log let in is taken back as it is: with its account, its key and its
    cluster's UID."""

    cluster: ids.ClusterId
    uid: str
    reports_sequence: int
    """Of the hello that said so."""
    key: str = ""
    """That may renew its token; empty: none."""
    file_key: str = ""
    """Of its credentials file; empty: it has none, or did not say."""
    epoch: int = 0
    """As in AgentEnrolled."""
    before: datetime.datetime | None = None
    """Tokens issued up to then were void already, as the server was told; None: none were."""


class CredentialsIssued(msgspec.Struct, frozen=True, rename="camel", tag="CredentialsIssued"):
    """A credentials file was made for the holder of this key."""

    cluster: ids.ClusterId
    key: str


class CredentialsRevoked(msgspec.Struct, frozen=True, rename="camel", tag="CredentialsRevoked"):
    """Everything that lets an agent of the cluster in ends."""

    cluster: ids.ClusterId
    before: datetime.datetime
    """Tokens issued up to then are void."""


class RotationAsked(msgspec.Struct, frozen=True, rename="camel", tag="RotationAsked"):
    """The cluster's agent is to make itself another key."""

    cluster: ids.ClusterId


class AgentKeyRotated(msgspec.Struct, frozen=True, rename="camel", tag="AgentKeyRotated"):
    """It did; the key before lets nobody in any more."""

    cluster: ids.ClusterId
    key: str
    before: datetime.datetime
    """Tokens issued up to then are void."""


Entry = (
    EnrolmentOffered
    | EnrolmentRequested
    | EnrolmentRefused
    | EnrolmentExpired
    | AgentEnrolled
    | AgentReadmitted
    | CredentialsIssued
    | CredentialsRevoked
    | RotationAsked
    | AgentKeyRotated
)
"""What lets its agent in."""

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
    | Entry
)
