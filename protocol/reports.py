"""What an agent says to the hub: stored reports, and the heartbeat that is not stored.

A report tells how things *are*, so that a later one replaces an earlier one and a repeated one changes nothing. The hub
orders them by (cluster, boot, number) in the body, never by arrival.
"""

import datetime
import enum

import msgspec

from protocol import desired, drifts, ids, status
from protocol.canonical import Digest

FAILURES_MAX = 20
"""Object failures named in one bundle's status; the rest are counted. A person reads the first few."""

BEAT_BYTES_MAX = 16 * 1024
"""The largest heartbeat or renewal that a hub reads: they have some hundred bytes."""

MESSAGE_CHARS_MAX = 512
"""Longest message of an API server that is passed on."""

STATES_MAX = 100
"""Objects of one bundle that are told one by one: some 45 KB at most. Where more are not well, one cause is common."""

CLUSTER_STATES_MAX = 200
"""The same of all bundles of a cluster: a commit that breaks a whole fleet must not fill the hub's memory."""

STATE_MESSAGE_CHARS_MAX = 256
"""Of a message about each of many objects; the first failures are told in full beside them."""

REASON_CHARS_MAX = 64
"""Longest reason that is passed on: one word, but custom resources may hold anything."""

HOOKS_MAX = 20
"""Hooks of one bundle that are told, those that are not over first: a person reads the first few."""

ITEMS_MAX = 1000
"""Confirmations, adoptions or orphans in one report; more are split."""

PLANNED_HOOKS_MAX = 100
"""Hooks of one answer: they fit into its first part."""

UNWATCHED_MAX = 50
"""Collections that cannot be watched, told one by one: they have one cause, or few."""


class Origin(msgspec.Struct, frozen=True, rename="camel"):
    """Who says it, in which order, resting on what."""

    cluster: ids.ClusterId
    boot: int
    """Nanoseconds since 1970 when the agent started: later starts order higher."""
    number: int
    """1, 2, 3… within a boot."""
    at: datetime.datetime
    epoch: int
    generation: int
    """The newest verified generation, not necessarily the one applied."""
    log_head: desired.LogHead


class ObjectFailure(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One object and why it is not as it should be."""

    object: ids.ObjectId
    reason: str
    """One word in CamelCase, as in a Kubernetes condition (`Conflict`, `Forbidden`, `ImagePullBackOff`)."""
    message: str = ""


class ObjectState(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One object that is not both Synced and Healthy."""

    object: ids.ObjectId
    """As written."""
    sync: status.Sync = status.Sync.SYNCED
    health: status.Health = status.Health.HEALTHY
    reason: str = ""
    message: str = ""
    """At most STATE_MESSAGE_CHARS_MAX."""


class HookProgress(enum.StrEnum):
    """How far one hook is."""

    WAITING = "Waiting"
    """Those before it, or the bundle's objects, come first."""
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


class HookStatus(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One hook of a bundle, in one phase, with the content that the status speaks of."""

    object: ids.ObjectId
    """As written."""
    phase: str
    """In Helm's words: `pre-install`, `post-upgrade`, …"""
    progress: HookProgress
    reason: str = ""
    message: str = ""
    """At most STATE_MESSAGE_CHARS_MAX."""


class BundleStatus(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """How one bundle stands in one cluster."""

    bundle: ids.BundleId
    index: Digest
    """The content this speaks of."""
    sync: status.Sync
    health: status.Health
    objects: int
    changed: int = 0
    """Objects that the last apply created or configured."""
    failed: int = 0
    drifted: int = 0
    """Objects that differ from Git, and stay so because the bundle says it."""
    failures: tuple[ObjectFailure, ...] = ()
    """Failed applies first, then what drifted, then what keeps the bundle from being healthy; at most FAILURES_MAX."""
    healths: dict[str, int] = {}
    """How many of its objects have which health, by its word; empty: nobody could tell."""
    states: tuple[ObjectState, ...] = ()
    """Its objects that are not both Synced and Healthy, the worst first: at most STATES_MAX, and of all bundles
    CLUSTER_STATES_MAX. All others are."""
    ailing: int = 0
    """How many such objects there are; more than `states` has: which they are is not told."""
    hooks: tuple[HookStatus, ...] = ()
    """Of the present operation, those that are not over first; at most HOOKS_MAX. Left out where there are none."""


class Hello(msgspec.Struct, frozen=True, rename="camel", tag="Hello"):
    """An agent started, or came back: who it is and where it stands."""

    origin: Origin
    cluster_uid: str
    agent_version: str
    kubernetes_version: str
    root: Digest
    inventory: int
    """Objects in the inventory."""
    api_versions: tuple[str, ...] = ()
    """What is served beside Kubernetes' own groups, as Helm names it: `group/version`, `group/version/Kind`; sorted."""
    lost: int = 0
    """Reports that the agent ever had to drop, for want of room, before the hub had them. All is said again."""
    agent_key: str = ""
    """The public user nkey by which the agent is let in: a hub whose log was lost knows it from here alone."""
    renews: bool = False
    """The agent's token ends, and the agent renews it."""
    unwatched: tuple[str, ...] = ()
    """Collections with managed objects that it cannot watch, each with the reason, such as `ConfigMap in shop
    (Forbidden)`: what changes there is seen by the resync alone. At most UNWATCHED_MAX."""


class Applied(msgspec.Struct, frozen=True, rename="camel", tag="Applied"):
    """A generation was worked through; `bundles` holds those it touched (after a restart: all)."""

    origin: Origin
    root: Digest
    bundles: tuple[BundleStatus, ...]
    inventory: int


class Failed(msgspec.Struct, frozen=True, rename="camel", tag="Failed"):
    """Bundles of the newest generation that could not be applied whole; the agent goes on trying."""

    origin: Origin
    root: Digest
    bundles: tuple[BundleStatus, ...]


class Ready(msgspec.Struct, frozen=True, rename="camel", tag="Ready"):
    """The health of these bundles changed."""

    origin: Origin
    root: Digest
    bundles: tuple[BundleStatus, ...]


class Adopted(msgspec.Struct, frozen=True, rename="camel", tag="Adopted"):
    """Objects that existed before us are ours now."""

    origin: Origin
    objects: tuple[ids.ObjectId, ...]


class Orphan(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """In the inventory, neither desired nor named for deletion."""

    object: ids.ObjectId
    bundle: ids.BundleId
    reason: str = ""


class Orphaned(msgspec.Struct, frozen=True, rename="camel", tag="Orphaned"):
    """All orphans of the cluster; an empty list says there are none any more."""

    origin: Origin
    orphans: tuple[Orphan, ...]
    total: int
    """May exceed the list, which holds at most ITEMS_MAX."""


class Outcome(enum.StrEnum):
    """How a debt ended in the cluster."""

    GONE = "gone"
    """A 404 for that very object, or another UID after our delete."""
    RELEASED = "released"
    """Not ours: not in the inventory, foreign UID, adopted, or annotated to be kept."""


class Confirmation(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One debt is settled. It names the debt: a late one must not settle a newer debt for the same object."""

    debt: ids.DebtId
    object: ids.ObjectId
    outcome: Outcome
    reason: str = ""


class Undeleted(msgspec.Struct, frozen=True, rename="camel"):
    """A named deletion that the agent refused or could not do; it stays in the inventory."""

    debt: ids.DebtId
    object: ids.ObjectId
    reason: str
    message: str


class Deleted(msgspec.Struct, frozen=True, rename="camel", tag="Deleted"):
    """Deletions that were carried out or refused."""

    origin: Origin
    confirmations: tuple[Confirmation, ...]
    undeleted: tuple[Undeleted, ...] = ()


class Refusal(enum.StrEnum):
    """Why an agent did not accept a desired state."""

    FORGED = "forged"
    FOREIGN = "foreign"
    STALE = "stale"
    FORK = "fork"
    UNREADABLE = "unreadable"


class Refused(msgspec.Struct, frozen=True, rename="camel", tag="Refused"):
    """A desired state was not accepted; the last good one stays. A person must know."""

    origin: Origin
    refusal: Refusal
    message: str
    seen_epoch: int
    seen_generation: int
    count: int
    """Refusals of this kind since the agent started."""


class Forecast(enum.StrEnum):
    """What applying one object would do."""

    CREATED = "created"
    CONFIGURED = "configured"
    UNCHANGED = "unchanged"
    ADOPTED = "adopted"
    """It existed before us, and would become ours."""
    CONFLICT = "conflict"
    """Other field managers hold fields of it; nothing would be forced."""
    FAILED = "failed"


class FieldChange(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One field that would change. Values are JSON, shortened; those of a Secret are never told."""

    field: str
    before: str = ""
    """Empty: it is not there."""
    after: str = ""
    """Empty: it would not be there."""


class FieldConflict(msgspec.Struct, frozen=True, rename="camel"):
    """A field that somebody else holds."""

    manager: str
    field: str


class PlannedObject(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What would become of one object."""

    object: ids.ObjectId
    """As written."""
    bundle: ids.BundleId
    forecast: Forecast
    reason: str = ""
    """One word in CamelCase, where it would fail."""
    message: str = ""
    changes: tuple[FieldChange, ...] = ()
    changes_left_out: int = 0
    conflicts: tuple[FieldConflict, ...] = ()


class PlannedHook(msgspec.Struct, frozen=True, rename="camel"):
    """A hook that would run."""

    object: ids.ObjectId
    """As written."""
    bundle: ids.BundleId
    phase: str
    """In Helm's words, such as `pre-upgrade`."""


class Planned(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag="Planned"):
    """A part of the answer to a PlanRequest; objects that would stay as they are, are only counted."""

    origin: Origin
    request: str
    part: int
    """1, 2, … `parts`."""
    parts: int
    objects: tuple[PlannedObject, ...] = ()
    unchanged: int = 0
    """In the whole answer."""
    left_out: int = 0
    """In the whole answer: objects that would change, beyond what an answer holds."""
    problem: str = ""
    """Why the answer is not whole; empty: it is."""
    hooks: tuple[PlannedHook, ...] = ()
    """In the first part, those of the whole answer."""
    hooks_left_out: int = 0


class DriftDetected(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag="DriftDetected"):
    """Objects that differ from Git, as they do now."""

    origin: Origin
    drifts: tuple[drifts.Drift, ...]
    all: bool = False
    """What is not named here differs no more: said at a start, and after reports were lost."""
    left_out: int = 0
    """Drifts beyond what is told."""


class DriftCorrected(msgspec.Struct, frozen=True, rename="camel", tag="DriftCorrected"):
    """Drifts that are over."""

    origin: Origin
    corrections: tuple[drifts.Correction, ...]


Report = (
    Hello | Applied | Failed | Ready | Adopted | Orphaned | Deleted | Refused | Planned | DriftDetected | DriftCorrected
)

KINDS: dict[type[Report], str] = {
    Hello: "hello",
    Applied: "applied",
    Failed: "failed",
    Ready: "ready",
    Adopted: "adopted",
    Orphaned: "orphaned",
    Deleted: "deleted",
    Refused: "refused",
    Planned: "plan",
    DriftDetected: "drift",
    DriftCorrected: "corrected",
}
"""The last token of each report's subject."""


class Beat(msgspec.Struct, frozen=True, rename="camel", tag="Beat"):
    """I am here, and this is what I hold."""

    origin: Origin
    root: Digest
    """Of the newest generation that was applied."""
    reported: int = 0
    """Number of the last report of this boot that tells how things stand: who has it knows all that there is to know.
    0: there was none yet."""
    agent: str = ""
    """Which of the cluster's agents: the holder of its lease."""


class Standby(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag="Standby"):
    """I am here and do not act. It says nothing of the cluster: a message of its own, so that nobody takes it for a
    heartbeat."""

    cluster: ids.ClusterId
    at: datetime.datetime
    agent: str
    reason: str
    holder: str = ""
    """Who acts, as the cluster's lease says; empty: nobody, as far as was seen."""
    agent_version: str = ""
