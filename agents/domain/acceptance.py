"""Which desired states an agent accepts: per cluster they come in strictly increasing order of (epoch, generation).

The mark is the highest that was accepted. It is kept in the cluster itself, so that neither a lost disk nor a second
agent nor a restored hub can take the cluster back.
"""

import enum

import msgspec

from protocol import desired, ids, reports
from protocol.canonical import NO_DIGEST, Digest


class Mark(msgspec.Struct, frozen=True, rename="camel"):
    """The order and the content of one desired state."""

    epoch: int = 0
    generation: int = 0
    root: Digest = NO_DIGEST
    deletions: Digest = NO_DIGEST

    @property
    def order(self) -> tuple[int, int]:
        return self.epoch, self.generation

    def __str__(self) -> str:
        return f"{self.epoch}.{self.generation}"


NOTHING = Mark()
"""Before the first accepted state."""


class Standing(msgspec.Struct, frozen=True, rename="camel"):
    """The newest verified state, and the LOG head that it rests on: what every report returns to the hub."""

    mark: Mark = NOTHING
    log_head: desired.LogHead = desired.GENESIS


NOWHERE = Standing()


class Verdict(enum.Enum):
    """What a verified desired state is to an agent that stands at a mark."""

    NEWER = "newer"
    SAME = "same"
    STALE = "stale"
    FORK = "fork"


def mark_of(state: desired.DesiredState) -> Mark:
    return Mark(state.epoch, state.generation, state.root, state.deletions)


def standing_at(state: desired.DesiredState) -> Standing:
    return Standing(mark_of(state), state.log_head)


def judge(offered: Mark, mark: Mark) -> Verdict:
    """Compare with the highest accepted: what is not higher changes nothing."""
    if offered.order > mark.order:
        return Verdict.NEWER
    if offered.order < mark.order:
        return Verdict.STALE
    return Verdict.SAME if offered == mark else Verdict.FORK


def refusal(verdict: Verdict) -> reports.Refusal | None:
    """What the hub hears of a verdict; None: nothing is wrong."""
    match verdict:
        case Verdict.STALE:
            return reports.Refusal.STALE
        case Verdict.FORK:
            return reports.Refusal.FORK
        case _:
            return None


def foreign(state: desired.DesiredState, *, cluster: ids.ClusterId, cluster_uid: str) -> str:
    """Why a state is meant for another cluster; empty if it is meant for this one."""
    if state.cluster != cluster:
        return f"desired state: meant for cluster {state.cluster}, this is {cluster}"
    if state.cluster_uid != cluster_uid:
        return f"desired state: meant for the cluster with UID {state.cluster_uid}, this one has {cluster_uid}"
    return ""
