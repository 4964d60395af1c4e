"""Who acts for a cluster: one agent at a time, by a Lease in the cluster itself.

Nobody's clock is compared with another's. Whoever waits measures, by its own clock, how long it has seen the very same
record, and takes the Lease when that is as long as the record says. Whoever holds it counts from the moment at which it
*began* to renew, and stops writing after a shorter time than the others wait: it has stopped before another one starts.
"""

import math

import msgspec

DURATION_MAX_S = 300
"""Longest time that a record is believed: one that says years was not written by an agent, and must not stop all."""


class Terms(msgspec.Struct, frozen=True):
    """The times of a Lease, in seconds."""

    duration_s: float
    """How long a record that nobody renews is respected."""
    deadline_s: float
    """After this without a renewal the holder stops writing; what it has sent has the rest of `duration_s` to end."""
    retry_s: float
    """Between renewals, and between looks of those who wait."""

    @property
    def problem(self) -> str:
        """Why these times cannot work; empty: they can."""
        if 0 < self.retry_s < self.deadline_s < self.duration_s <= DURATION_MAX_S:
            return ""
        return (
            f"they must grow: retry {self.retry_s:g} s, deadline {self.deadline_s:g} s, duration {self.duration_s:g} s"
        )


class Record(msgspec.Struct, frozen=True):
    """What the Lease says."""

    holder: str = ""
    """Empty: it was released."""
    duration_s: int = 0
    renewed: str = ""
    """The holder's time of day, for people; compared only with itself."""
    acquired: str = ""
    transitions: int = 0
    boot: int = 0
    """Of the last holder: the next one's is higher, whatever its clock says, so that its reports order after."""


NOBODY = Record()
"""There is no Lease yet."""


class Sight(msgspec.Struct, frozen=True):
    """A record, and since when it was seen to say just this, by the own monotonic clock in seconds."""

    record: Record
    since: float


def look(before: Sight | None, found: Record, now: float) -> Sight:
    """What is known after reading the record once more."""
    if before is not None and before.record == found:
        return before
    return Sight(found, now)


def is_free(sight: Sight, me: str, now: float) -> bool:
    """May it be taken? A record of one's own is left from an earlier run, which has ended."""
    if sight.record.holder in ("", me):
        return True
    return now - sight.since >= min(max(sight.record.duration_s, 1), DURATION_MAX_S)


def taken(before: Record, me: str, terms: Terms, *, at: str, boot: int) -> Record:
    """The record by which an agent takes the Lease; `at`: its time of day."""
    assert boot > before.boot, "boots order the reports of all agents of a cluster"
    changed = before.holder != me
    return Record(
        holder=me,
        duration_s=math.ceil(terms.duration_s),
        renewed=at,
        acquired=at,
        transitions=before.transitions + (1 if changed and before != NOBODY else 0),
        boot=boot,
    )


def renewed(held: Record, *, at: str) -> Record:
    """The record by which the holder keeps it."""
    return msgspec.structs.replace(held, renewed=at)


def released(held: Record, *, at: str) -> Record:
    """The record by which the holder gives it up: the next one need not wait."""
    return msgspec.structs.replace(held, holder="", duration_s=1, renewed=at)


def is_valid(renewed_at: float, terms: Terms, now: float) -> bool:
    """May the holder still write, having last begun to renew at `renewed_at`?"""
    return now - renewed_at < terms.deadline_s


def grace_s(renewed_at: float, terms: Terms, now: float) -> float:
    """How long what the holder has sent may still take once it stops writing: nothing of it may arrive after another
    one has started."""
    return max(0.0, min(terms.duration_s - terms.deadline_s, renewed_at + terms.duration_s - now))
