"""What lets a cluster's agent in: the offer of a token, the key that used it, and since when older tokens are void.

Of a token only its digest is known. It is used once: by the first agent that shows it, which is then the only one that
may show it again, so that a lost answer locks nobody out.

A revocation voids every NATS token by its time of issue. That is no time of a clock, which may be set back: a token
would bear a later time than the revocation after it, and stay good. It is the second after the last revocation, for
all tokens up to the next one.
"""

import datetime
from typing import assert_never

import msgspec

from protocol.events import clusters as events

ISSUE_STEP = datetime.timedelta(seconds=1)
"""Tokens tell their time of issue in whole seconds, and a revocation voids those of its own second, too."""

BEGINNING = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
"""Before every revocation."""


class Offer(msgspec.Struct, frozen=True, rename="camel"):
    """A token that an operator made."""

    token: str
    """SHA-256, hexadecimal."""
    expires_at: datetime.datetime
    manual: bool = False
    key: str = ""
    """Of the agent that used it; empty: nobody did."""
    uid: str = ""
    """Of that agent's cluster."""
    epoch: int = 0
    """In which its desired states are to begin at least."""
    is_accepted: bool = False
    is_expired: bool = False
    """The log says so, whatever the clock says now."""


class Entry(msgspec.Struct, frozen=True, rename="camel"):
    """Who is let in as one cluster's agent."""

    offer: Offer | None = None
    key: str = ""
    """The public key that may renew; empty: none."""
    file_key: str = ""
    """Of the credentials file that was made last, whose token does not end by itself; empty: there is none."""
    revoked_before: datetime.datetime | None = None
    is_rotation_asked: bool = False
    refused_uid: str = ""
    """Of the other cluster whose agent came last with a valid token."""
    epoch: int = 0
    """Its desired states have at least this epoch."""
    is_readmitted: bool = False
    """An earlier log let it in, and it was taken back as it is."""


NOBODY = Entry()


def is_over(offer: Offer, at: datetime.datetime) -> bool:
    """Is its token past its end?"""
    return offer.is_expired or offer.expires_at <= at


def lets_nobody_in(entry: Entry) -> bool:
    """Was all revoked that let an agent in, and nothing given since that one has used?"""
    return entry.revoked_before is not None and not entry.key and not entry.file_key


def issued_at(entry: Entry, voided: datetime.datetime | None = None) -> datetime.datetime:
    """The time of issue that tokens bear now. `voided`: up to when the server holds tokens for void, by the word of a
    log that is lost."""
    return max(entry.revoked_before or BEGINNING, voided or BEGINNING) + ISSUE_STEP


def voided_by(entry: Entry, at: datetime.datetime, voided: datetime.datetime | None = None) -> datetime.datetime:
    """Up to when tokens are void once all that were ever issued are: whatever the clock says."""
    return max(at, issued_at(entry, voided))


def removed(entry: Entry, at: datetime.datetime) -> Entry:
    """Nobody is let in any more; what was issued stays void even if the cluster is added again."""
    return Entry(revoked_before=voided_by(entry, at), epoch=entry.epoch)


def evolve(state: Entry, event: events.Entry) -> Entry:
    """Who is let in after one more fact."""
    change = msgspec.structs.replace
    match event:
        case events.EnrolmentOffered():
            return change(state, offer=Offer(token=event.token, expires_at=event.expires_at, manual=event.manual))
        case events.EnrolmentRequested():
            assert state.offer is not None, "requested without an offer"
            return change(state, offer=change(state.offer, key=event.key, uid=event.uid, epoch=event.epoch))
        case events.EnrolmentExpired():
            assert state.offer is not None, "expired without an offer"
            return change(state, offer=change(state.offer, is_expired=True))
        case events.EnrolmentRefused():
            return change(state, refused_uid=event.uid)
        case events.AgentEnrolled():
            assert state.offer is not None, "enrolled without an offer"
            used = change(state.offer, key=event.key, uid=event.uid, is_accepted=True)
            epoch = max(state.epoch, event.epoch)
            return change(state, offer=used, key=event.key, is_rotation_asked=False, refused_uid="", epoch=epoch)
        case events.AgentReadmitted():
            return change(
                state,
                key=event.key,
                file_key=event.file_key,
                revoked_before=event.before,
                epoch=max(state.epoch, event.epoch),
                is_readmitted=True,
            )
        case events.CredentialsIssued():
            return change(state, file_key=event.key)
        case events.CredentialsRevoked():
            return Entry(revoked_before=event.before, epoch=state.epoch)
        case events.RotationAsked():
            return change(state, is_rotation_asked=True)
        case events.AgentKeyRotated():
            # The offer ends with the key that used it: it would let the old key in again.
            return change(state, offer=None, key=event.key, revoked_before=event.before, is_rotation_asked=False)
        case _:
            assert_never(event)
