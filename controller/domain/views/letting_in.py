"""What lets a cluster's agent in, for people: is there a token, does somebody wait, was it revoked?"""

import datetime
import enum

import msgspec

from controller.domain import clusters, entries
from controller.domain.views import sight


class Admission(enum.StrEnum):
    """In one word."""

    NONE = "None"
    """Nothing was ever made that would let an agent in."""
    OFFERED = "Offered"
    EXPIRED = "Expired"
    """The token was not used in time."""
    WAITING = "Waiting"
    """For a person: `flotilla cluster accept`."""
    ENROLLED = "Enrolled"
    FILE = "File"
    """A credentials file was made for it."""
    REVOKED = "Revoked"


class Agent(msgspec.Struct, frozen=True, rename="camel"):
    """The cluster's agent, as the hub knows it."""

    admission: Admission
    key: str
    """The public key that may renew; of one that waits, its own."""
    token_expires_at: datetime.datetime | None
    """Of a token that nobody used yet."""
    revoked_before: datetime.datetime | None
    """What was issued up to then is void."""
    rotation_asked: bool
    refused_uid: str
    """Of another cluster whose agent showed a valid token: the name is bound to a UID."""


def agent(looking: sight.Sight, cluster: clusters.Cluster) -> Agent:
    """How the cluster's agent stands."""
    entry = cluster.entry
    is_unused = entry.offer is not None and not entry.offer.key
    return Agent(
        admission=admission(looking, cluster),
        key=entry.key or (entry.offer.key if entry.offer is not None else ""),
        token_expires_at=entry.offer.expires_at if entry.offer is not None and is_unused else None,
        revoked_before=entry.revoked_before,
        rotation_asked=entry.is_rotation_asked,
        refused_uid=entry.refused_uid,
    )


def admission(looking: sight.Sight, cluster: clusters.Cluster) -> Admission:
    """In one word: what waits for somebody comes before what is settled."""
    entry = cluster.entry
    if entry.offer is not None and entry.offer.key and not entry.offer.is_accepted:
        return Admission.WAITING
    if entry.key:
        return Admission.ENROLLED
    if entry.file_key:
        return Admission.FILE
    if entry.offer is not None:
        return Admission.EXPIRED if entries.is_over(entry.offer, looking.at) else Admission.OFFERED
    return Admission.REVOKED if entry.revoked_before is not None else Admission.NONE


def silence(looking: sight.Sight, cluster: clusters.Cluster) -> str:
    """Why a cluster is not heard, where that is why; empty: nothing is known."""
    if cluster.entry.refused_uid:
        return (
            f"an agent of another cluster (UID {cluster.entry.refused_uid}) was refused; if it was rebuilt: "
            f"flotilla cluster replace {cluster.name}"
        )
    return {
        Admission.WAITING: f"its agent waits: flotilla cluster accept {cluster.name}",
        Admission.OFFERED: "its agent has not shown its token yet",
        Admission.EXPIRED: f"its token was not used in time: flotilla cluster token {cluster.name}",
        Admission.REVOKED: f"revoked: flotilla cluster token {cluster.name} lets an agent in again",
    }.get(admission(looking, cluster), "")
