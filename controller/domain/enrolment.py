"""Letting a cluster's agent in, and out again.

offer ──▶ an agent shows the token, its key and its cluster's UID ──▶ enrolled, or it waits for a person (`accept`)
enrolled ──▶ renews with that key, replaces it (`rotated`), until it is revoked

A name is bound to one UID (`clusters`): a valid token from another cluster is refused, and kept, until an operator
replaces the cluster.
"""

import datetime
import enum
import hmac

import msgspec

from controller.domain import clusters, debts, entries, rejections
from controller.domain.world import World
from protocol import ids
from protocol.events import clusters as events
from protocol.events import log

TTL_DEFAULT = datetime.timedelta(hours=1)
TTL_MAX = datetime.timedelta(days=30)
"""A token is for an agent that is being installed; what lies around longer is a risk without a use."""

EPOCH_MAX = 2**31
"""No fleet recovers so often: whoever says more would leave no room for a next epoch."""

UID_CHARACTERS_MAX = 128
"""A UUID has 36; the log takes what an agent says of itself."""


UNKNOWN_TOKEN = "token: unknown, expired, or used by another agent"  # noqa: S105 - a message


class Attempt(msgspec.Struct, frozen=True):
    """What an agent says that wants in."""

    token: str
    """SHA-256, hexadecimal."""
    key: str
    uid: str
    epoch: int = 0
    generation: int = 0


class Verdict(enum.Enum):
    """What becomes of an attempt with a valid token."""

    GRANTED = "granted"
    WAITING = "waiting"
    FOREIGN = "foreign"


def offer(
    cluster: clusters.Cluster, token: str, *, ttl: datetime.timedelta, manual: bool, at: datetime.datetime
) -> tuple[events.Event, ...]:
    """Decide to let one agent in by this token (its digest), made now."""
    if cluster.entry.offer is not None and cluster.entry.offer.token == token:
        return ()
    if not datetime.timedelta(0) < ttl <= TTL_MAX:
        raise rejections.Invalid(f"cluster {cluster.name!r}: a token lives more than 0 s and at most {TTL_MAX.days} d")
    return (events.EnrolmentOffered(cluster=cluster.id, token=token, expires_at=at + ttl, manual=manual),)


def enrol(
    cluster: clusters.Cluster, attempt: Attempt, *, fleet_epoch: int, at: datetime.datetime
) -> tuple[events.Event, ...]:
    """Decide about an agent that shows a token; the same agent again changes nothing.

    Raise rejections.Forbidden if the token lets nobody in, or not this agent. `verdict` says what it came to.
    """
    offered = _offered(cluster, attempt, at)
    if not attempt.uid or len(attempt.uid) > UID_CHARACTERS_MAX or not 0 <= attempt.epoch < EPOCH_MAX:
        raise rejections.Invalid(f"cluster {cluster.name!r}: an agent that says no UID, or no epoch")
    if cluster.uid not in ("", attempt.uid):
        refused = events.EnrolmentRefused(cluster=cluster.id, uid=attempt.uid)
        return () if cluster.entry.refused_uid == attempt.uid else (refused,)
    if offered.key:
        return ()
    epoch = _epoch(cluster, attempt, fleet_epoch)
    if offered.manual:
        return (events.EnrolmentRequested(cluster=cluster.id, uid=attempt.uid, key=attempt.key, epoch=epoch),)
    return (events.AgentEnrolled(cluster=cluster.id, uid=attempt.uid, key=attempt.key, epoch=epoch),)


def verdict(cluster: clusters.Cluster, attempt: Attempt) -> Verdict:
    """What an attempt came to that `enrol` has decided about."""
    if cluster.uid not in ("", attempt.uid):
        return Verdict.FOREIGN
    offered = cluster.entry.offer
    return Verdict.GRANTED if offered is not None and offered.is_accepted else Verdict.WAITING


def accept(cluster: clusters.Cluster) -> tuple[events.Event, ...]:
    """Decide, by command, to let the agent in that waits."""
    offered = cluster.entry.offer
    if offered is None or not offered.key:
        raise rejections.Invalid(f"cluster {cluster.name!r}: no agent waits to be accepted")
    if offered.is_accepted:
        return ()
    if cluster.uid not in ("", offered.uid):
        raise rejections.Changed(f"cluster {cluster.name!r}: is bound to UID {cluster.uid} since the agent asked")
    return (events.AgentEnrolled(cluster=cluster.id, uid=offered.uid, key=offered.key, epoch=offered.epoch),)


def issue(cluster: clusters.Cluster, key: str) -> tuple[events.Event, ...]:
    """Decide that the holder of this key is let in by a credentials file."""
    return () if cluster.entry.file_key == key else (events.CredentialsIssued(cluster=cluster.id, key=key),)


def revoke(
    cluster: clusters.Cluster, at: datetime.datetime, voided: datetime.datetime | None = None
) -> tuple[events.Event, ...]:
    """Decide that nothing which was issued so far lets anybody in as this cluster's agent. `voided`: up to when the
    server holds tokens for void by the word of a log that is lost; what that log issued since then may be in use."""
    entry = cluster.entry
    is_last_word = entry.revoked_before is not None and (voided is None or voided <= entry.revoked_before)
    if is_last_word and not (entry.key or entry.file_key or entry.offer is not None):
        return ()
    return (events.CredentialsRevoked(cluster=cluster.id, before=entries.voided_by(entry, at, voided)),)


def expired(cluster: clusters.Cluster, at: datetime.datetime) -> tuple[events.Event, ...]:
    """Decide that nobody used the token in time, once. One that was used is its agent's alone, whenever that asks."""
    offered = cluster.entry.offer
    if cluster.removed or offered is None or offered.key or offered.is_expired or not entries.is_over(offered, at):
        return ()
    return (events.EnrolmentExpired(cluster=cluster.id),)


def ask_rotation(cluster: clusters.Cluster) -> tuple[events.Event, ...]:
    """Decide that the cluster's agent is to make itself another key."""
    if not cluster.entry.key:
        raise rejections.Invalid(f"cluster {cluster.name!r}: no agent is let in whose key could change")
    return () if cluster.entry.is_rotation_asked else (events.RotationAsked(cluster=cluster.id),)


def renew(
    cluster: clusters.Cluster,
    key: str,
    *,
    new_key: str,
    at: datetime.datetime,
    voided: datetime.datetime | None = None,
) -> tuple[events.Event, ...]:
    """Decide about an agent that proved to hold `key`, and `new_key` where it names one; the same again changes
    nothing. `voided` as for `revoke`. Raise rejections.Forbidden unless it is the cluster's agent.

    A key is changed only when an operator asked for it: whoever stole one cannot make the cluster its own, and no agent
    fills the log with changes.
    """
    entry = cluster.entry
    if entry.key and new_key == entry.key:
        return ()
    if cluster.removed or not entry.key or not hmac.compare_digest(entry.key, key):
        raise rejections.Forbidden(f"cluster {cluster.name!r}: this key lets nobody in (revoked, or replaced)")
    if not new_key:
        return ()
    if not entry.is_rotation_asked:
        raise rejections.Forbidden(f"cluster {cluster.name!r}: nobody asked for another key (flotilla cluster rotate)")
    before = entries.voided_by(entry, at, voided)
    return (events.AgentKeyRotated(cluster=cluster.id, key=new_key, before=before),)


def replaced(world: World, old: ids.ClusterId, *, account: ids.ClusterId) -> tuple[log.Event, ...]:
    """Decide that the name is another cluster's from now on, whose account is `account`: what the old one was given
    stays there, unowned; the new one owes nothing and starts from nothing, in an order of its own."""
    cluster = world.clusters[old]
    if account in world.clusters:
        return ()
    if cluster.removed:
        raise rejections.NotFound(f"cluster {cluster.name!r}: is removed")
    return (
        events.ClusterRemoved(cluster=cluster.id),
        *debts.cluster_left(world.ledger, cluster.id),
        events.ClusterAdded(
            cluster=account,
            name=cluster.name,
            labels=cluster.labels,
            managed_by=cluster.managed_by,
            annotations=cluster.annotations,
            values=cluster.values,
            replaces=cluster.id,
        ),
    )


def _offered(cluster: clusters.Cluster, attempt: Attempt, at: datetime.datetime) -> entries.Offer:
    """The offer that the attempt rests on. One text for every refusal: nobody learns what is wrong with a token."""
    offered = cluster.entry.offer
    if offered is not None and not cluster.removed and hmac.compare_digest(offered.token, attempt.token):
        # An agent that a person let in may learn of it whenever that was.
        is_open = not entries.is_over(offered, at) or (offered.manual and bool(offered.key))
        is_its_own = (offered.key, offered.uid) in (("", ""), (attempt.key, attempt.uid))
        if is_open and is_its_own:
            return offered
    raise rejections.Forbidden(UNKNOWN_TOKEN)


def _epoch(cluster: clusters.Cluster, attempt: Attempt, fleet_epoch: int) -> int:
    """Above the mark that another hub, or this one under another name, left in the cluster; 0: there is nothing to be
    above. A cluster that is ours already has the mark that we gave it."""
    stands = (attempt.epoch, attempt.generation) > (0, 0)
    return attempt.epoch + 1 if stands and not cluster.uid and attempt.epoch >= fleet_epoch else 0
