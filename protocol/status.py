"""The words for how things stand, in Argo CD's and Flux's terms."""

import enum


class Sync(enum.StrEnum):
    """Does the cluster hold what Git says?"""

    SYNCED = "Synced"
    OUT_OF_SYNC = "OutOfSync"
    UNKNOWN = "Unknown"


class Health(enum.StrEnum):
    """Does what the cluster holds work?"""

    HEALTHY = "Healthy"
    PROGRESSING = "Progressing"
    DEGRADED = "Degraded"
    SUSPENDED = "Suspended"
    MISSING = "Missing"
    UNKNOWN = "Unknown"


class Action(enum.StrEnum):
    """What an apply or a prune did to one object."""

    CREATED = "created"
    CONFIGURED = "configured"
    UNCHANGED = "unchanged"
    DELETED = "deleted"
    SKIPPED = "skipped"


SEVERITY = (
    Health.HEALTHY,
    Health.SUSPENDED,
    Health.PROGRESSING,
    Health.UNKNOWN,
    Health.MISSING,
    Health.DEGRADED,
)
"""From best to worst: a whole is as healthy as the worst of its parts."""


def worst(parts: list[Health]) -> Health:
    """The health of a whole; Healthy where it has no parts."""
    return max(parts, key=SEVERITY.index, default=Health.HEALTHY)
