"""What was last published for each cluster, and whether what a cluster says fits to it."""

import datetime

import msgspec

from protocol import canonical, desired, ids, reports
from protocol.canonical import Digest


class Publication(msgspec.Struct, frozen=True, rename="camel"):
    """The desired state that lies on a cluster's subject."""

    cluster: ids.ClusterId
    sequence: int = 0
    """In the DESIRED stream: the fence of the next one. 0: there is none."""
    epoch: int = 0
    generation: int = 0
    root: Digest = canonical.NO_DIGEST
    deletions: Digest = canonical.NO_DIGEST
    log_head: desired.LogHead = desired.GENESIS
    revisions: tuple[desired.SourceRevision, ...] = ()
    at: datetime.datetime | None = None
    """When it was stored; None: nobody told."""
    missed_at: datetime.datetime | None = None
    """When the first state was stored that the cluster did not hold yet when it was given this one; None: it held the
    one before, or this hub was not there."""
    given: dict[ids.SourceName, Digest] = {}
    """The catalogs that it was derived from; empty after a restart until it is derived again."""
    conflicts: dict[ids.BundleId, str] = {}


def read(
    cluster: ids.ClusterId, sequence: int, state: desired.DesiredState, *, at: datetime.datetime | None = None
) -> Publication:
    """What is stored, as found at the start; `at`: when it was stored."""
    return Publication(
        cluster=cluster,
        sequence=sequence,
        epoch=state.epoch,
        generation=state.generation,
        root=state.root,
        deletions=state.deletions,
        log_head=state.log_head,
        revisions=state.revisions,
        at=at,
    )


def missed(before: Publication, held: tuple[int, int], at: datetime.datetime) -> datetime.datetime | None:
    """Since when a cluster that is given a new state now lacks what the states before brought; None: it has them.

    `held`: the (epoch, generation) that it says it holds.
    """
    if not before.sequence or held >= (before.epoch, before.generation):
        return None
    return before.missed_at or before.at or at


def lag(published: Publication, held: tuple[int, int]) -> int:
    """How many generations a cluster is behind: all of an epoch that it has not entered."""
    if held >= (published.epoch, published.generation):
        return 0
    return published.generation - (held[1] if held[0] == published.epoch else 0)


def ahead(origin: reports.Origin, offered: tuple[int, int], *, epoch: int, contained: bool) -> str:
    """Why the cluster holds what this hub cannot have given; empty: it fits.

    `offered`: the highest (epoch, generation) that was ever sent to it, `contained`: its LOG head is in our log. States
    of an earlier epoch are what a recovery left behind: they are overtaken, not ahead.
    """
    if origin.epoch < epoch:
        return ""
    if (origin.epoch, origin.generation) > offered:
        return (
            f"it is at epoch {origin.epoch}, generation {origin.generation}, "
            f"and this hub gave it at most {offered[0]}, {offered[1]}"
        )
    if not contained:
        return f"its state rests on event {origin.log_head.sequence} of another log"
    return ""


def forked(report: reports.Refused, *, epoch: int) -> str:
    """Why a refusal shows that this hub's log is not the fleet's; empty: it does not. One (epoch, generation) names one
    content for ever: who has another content for it had it from a log that this one is not."""
    if report.refusal is not reports.Refusal.FORK or report.seen_epoch < epoch:
        return ""
    return f"it holds another content for epoch {report.seen_epoch}, generation {report.seen_generation}"


def verified(origin: reports.Origin, *, epoch: int, contained: bool) -> bool:
    """May deletions be named for the cluster? Only once it showed a LOG head that is ours, in this epoch."""
    return contained and (origin.epoch == epoch or origin.log_head == desired.GENESIS)
