"""Drift on the wire: what differs from Git in a cluster, who did it, and how it ended."""

import datetime
import enum

import msgspec

from protocol import bundles, ids

FIELDS_MAX = 8
"""Fields told of one object; the rest are counted."""

VALUE_CHARS_MAX = 200
"""Longest value that is told whole."""


class Kind(enum.StrEnum):
    """In what an object differs from Git."""

    CHANGED = "changed"
    """Some of its fields."""
    GONE = "gone"
    """It is not there any more."""
    REPLACED = "replaced"
    """Another object stands in its place."""


class Means(enum.StrEnum):
    """How a drift ended."""

    REVERTED = "reverted"
    """The agent applied the object again."""
    ACCEPTED = "accepted"
    """Git has other content of it, and that was applied."""
    IGNORED = "ignored"
    """The bundle says now that it does not count."""
    GONE = "gone"
    """Nothing differs any more, or the object is wanted no more: somebody took the change back, or Git the object."""


class Field(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One field. Values are JSON, shortened; of a Secret they are an HMAC under a key that only the agent has."""

    field: str
    expected: str = ""
    """As Git says; empty: not there."""
    actual: str = ""
    """As the cluster has it; empty: not there."""
    manager: str = ""
    """Who holds the field now, by managedFields; empty: nobody does, as after somebody took it away."""
    operation: str = ""
    """`Apply` or `Update`."""
    subresource: str = ""
    """Through which it was written, such as `scale`."""
    time: datetime.datetime | None = None
    """When that manager wrote last, by the API server's clock."""
    last_writer: str = ""
    """Where nobody holds the field: who is recorded to have written to the object last since we did, and so may have
    taken it away; empty: unknown."""
    last_written: datetime.datetime | None = None
    """When that was, by the API server's clock."""
    passed: bool = False
    """Somebody changed it, and it has the value of Git again: both values are that."""


class Fight(msgspec.Struct, frozen=True, rename="camel"):
    """Somebody undoes again and again what the agent puts right."""

    manager: str
    field: str
    count: int
    """Reverts so far."""


class Drift(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One object that differs from Git."""

    object: ids.ObjectId
    """As written."""
    bundle: ids.BundleId
    policy: bundles.Drift
    """In force for this object: what was adopted is alerted about until Git changes it."""
    kind: Kind
    since: datetime.datetime
    """When the agent noticed it, by its clock."""
    fields: tuple[Field, ...] = ()
    """At most FIELDS_MAX."""
    left_out: int = 0
    fighting: Fight | None = None


class Correction(msgspec.Struct, frozen=True, rename="camel"):
    """A drift that is over. It is told whole: the report that it began may be lost."""

    drift: Drift
    means: Means
    at: datetime.datetime
