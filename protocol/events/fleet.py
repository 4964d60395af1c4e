"""The hub itself, groups and policies (aggregates `fleet`, `group`, `policy`)."""

import msgspec

from protocol import specs


class HubInitialized(msgspec.Struct, frozen=True, rename="camel", tag="HubInitialized"):
    """The first event of a log."""

    epoch: int
    signing_key: str


class HubRecovered(msgspec.Struct, frozen=True, rename="camel", tag="HubRecovered"):
    """An operator took a restored or forked hub back into service: a new epoch, no debts."""

    epoch: int
    """Above every epoch seen."""
    reason: str


class RecoveryEntered(msgspec.Struct, frozen=True, rename="camel", tag="RecoveryEntered"):
    """This hub's data is older than the fleet: it resolves, plans and shows, and publishes nothing."""

    reason: str
    cluster: str
    """The cluster that shows it; empty: the hub found out by itself."""
    epoch: int
    """The highest that was seen in a cluster."""
    generation: int


class GroupDeclared(msgspec.Struct, frozen=True, rename="camel", tag="GroupDeclared"):
    name: str
    spec: specs.GroupSpec
    managed_by: specs.ManagedBy


class GroupSuspended(msgspec.Struct, frozen=True, rename="camel", tag="GroupSuspended"):
    """It vanished from the configuration; its last meaning stays."""

    name: str
    reason: str


class GroupRemoved(msgspec.Struct, frozen=True, rename="camel", tag="GroupRemoved"):
    name: str


class PolicyDeclared(msgspec.Struct, frozen=True, rename="camel", tag="PolicyDeclared"):
    name: str
    spec: specs.RolloutPolicy
    managed_by: specs.ManagedBy


class PolicySuspended(msgspec.Struct, frozen=True, rename="camel", tag="PolicySuspended"):
    """It vanished from the configuration; sources that name it go on with its last meaning."""

    name: str
    reason: str


class PolicyRemoved(msgspec.Struct, frozen=True, rename="camel", tag="PolicyRemoved"):
    name: str


Event = (
    HubInitialized
    | HubRecovered
    | RecoveryEntered
    | GroupDeclared
    | GroupSuspended
    | GroupRemoved
    | PolicyDeclared
    | PolicySuspended
    | PolicyRemoved
)
