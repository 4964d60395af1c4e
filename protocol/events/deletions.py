"""What left Git and is not confirmed gone (aggregate `deletions`, one for the fleet).

A deletion set holds all that one revision (or one change of placement) takes away, on all clusters: it is held,
approved or rejected as a whole, and an approval binds to its digest.
"""

import enum

import msgspec

from protocol import bundles, ids
from protocol.canonical import Digest


class Member(msgspec.Struct, frozen=True, rename="camel"):
    """The same objects of one bundle, leaving these clusters."""

    bundle: ids.BundleId
    objects: tuple[ids.ObjectId, ...]
    clusters: tuple[ids.ClusterId, ...]
    prune: bundles.Prune
    whole_bundle: bool
    """The bundle leaves these clusters altogether."""


class DeletionsPlanned(msgspec.Struct, frozen=True, rename="camel", tag="DeletionsPlanned"):
    """What would be taken away, known before the first cluster is touched. With the same set id: the set grew."""

    set: ids.DeletionSetId
    topic: str
    """What takes it away, for example a rollout's id: sets of one topic follow each other."""
    source: ids.SourceName
    revision: str
    members: tuple[Member, ...]
    digest: Digest
    """Over all members of the set, those of earlier events included."""
    held: tuple[str, ...]
    """Why it waits for a person; empty: it does not."""


class OpenedDebt(msgspec.Struct, frozen=True, rename="camel"):
    debt: ids.DebtId
    cluster: ids.ClusterId
    object: ids.ObjectId
    """As written in the manifest."""
    identity: ids.ObjectId
    """With the namespace in effect: what is compared when something claims the object again."""
    bundle: ids.BundleId
    prune: bundles.Prune
    generation: int
    """The first generation without the object is above this one."""


class DebtsOpened(msgspec.Struct, frozen=True, rename="camel", tag="DebtsOpened"):
    """Clusters got a state without these objects."""

    set: ids.DeletionSetId
    debts: tuple[OpenedDebt, ...]
    at: str
    """RFC 3339: the budget of an hour counts from it."""


class Ending(enum.StrEnum):
    """How a debt ended."""

    GONE = "gone"
    RELEASED = "released"
    REWANTED = "rewanted"
    REJECTED = "rejected"
    """A person decided that the objects stay: they are orphans from now on."""


class ClosedDebt(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    debt: ids.DebtId
    ending: Ending
    reason: str = ""
    """Why the agent settled it so, in its words, at most REASON_CHARS_MAX of them; empty: nothing to add."""


class DebtsClosed(msgspec.Struct, frozen=True, rename="camel", tag="DebtsClosed"):
    debts: tuple[ClosedDebt, ...]
    reports_sequence: int
    """The report that it rests on; 0: a decision of the hub alone."""


class DeletionsApproved(msgspec.Struct, frozen=True, rename="camel", tag="DeletionsApproved"):
    set: ids.DeletionSetId
    digest: Digest


class DeletionsRejected(msgspec.Struct, frozen=True, rename="camel", tag="DeletionsRejected"):
    """The set's objects stay; debts of it that open later end at once."""

    set: ids.DeletionSetId
    digest: Digest


Event = DeletionsPlanned | DebtsOpened | DebtsClosed | DeletionsApproved | DeletionsRejected

DEBTS_MAX = 1000
"""Debts in one event; at some 250 bytes each it stays well below a message's limit."""

REASON_CHARS_MAX = 120
"""Of one closed debt: even escaped, those of a full event stay below a message's limit."""
