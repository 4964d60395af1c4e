"""What is wrong with a workload's pods, in words that a person can act on.

The status of a pod tells of each container why it waits or ended, of the pod whether the scheduler found a node. The
worst complaint of the newest pod is told: pods of one workload usually fail for the same reason.
"""

from collections.abc import Iterable, Iterator

import msgspec

from agents.domain import conditions
from agents.domain.conditions import Object

ON_THE_WAY = frozenset({"ContainerCreating", "PodInitializing", ""})
"""Reasons of a waiting container that are no complaint."""

LAST_WORDS_CHARS_MAX = 160
"""Of what a container wrote before it ended: the last line or two, where the cause usually stands."""

_BROKEN, _UNPLACED, _UNSTEADY, _SLOW, _ENDED = range(5)
"""Ranks: what cannot run; what has no place; what ran and stopped; what is not ready yet; what is over, and may have
been replaced long ago."""


class Complaint(msgspec.Struct, frozen=True):
    """What is wrong with one pod, the worst first."""

    rank: int
    reason: str
    message: str

    @property
    def is_broken(self) -> bool:
        """It will not run as it is, as far as the pod can tell."""
        return self.rank in (_BROKEN, _ENDED)

    @property
    def is_vague(self) -> bool:
        """Events may tell more."""
        return self.rank == _SLOW


def complaint(found: Iterable[Object]) -> Complaint | None:
    """The worst that one of these pods says, of the newest that says it; None: all is well with them."""
    told = [
        (worst, pod)
        for pod in found
        if "deletionTimestamp" not in pod["metadata"] and (worst := _worst(pod)) is not None
    ]
    if not told:
        return None
    rank = min(worst.rank for worst, _ in told)
    worst, _ = max(((one, pod) for one, pod in told if one.rank == rank), key=lambda entry: _age(entry[1]))
    alike = sum(one.reason == worst.reason for one, _ in told) - 1
    more = f" (and {alike} more pods)" if alike else ""
    return Complaint(rank, worst.reason, worst.message + more)


def unready(found: Iterable[Object]) -> Object | None:
    """The newest pod that does not serve yet; None: all do, or there is none."""
    waiting = [pod for pod in found if "deletionTimestamp" not in pod["metadata"] and not is_ready(pod)]
    return max(waiting, key=_age, default=None)


def _age(pod: Object) -> tuple[str, str]:
    """Newer pods have more of it; names keep the order fixed."""
    return conditions.text(pod["metadata"], "creationTimestamp"), pod["metadata"]["name"]


def is_ready(pod: Object) -> bool:
    """Does it serve, or has it done its work?"""
    phase = conditions.status_of(pod).get("phase")
    return phase == "Succeeded" or (phase == "Running" and conditions.of(pod).get("Ready", conditions.ABSENT).is_true)


def _worst(pod: Object) -> Complaint | None:
    if is_ready(pod):
        return None
    about = f"pod {pod['metadata']['name']}"
    return min(_complaints(pod, about), key=lambda one: one.rank, default=None)


def _complaints(pod: Object, about: str) -> Iterator[Complaint]:
    found, told = conditions.status_of(pod), conditions.of(pod)
    if found.get("phase") == "Failed":
        yield _ended(found, about)
        return
    for kind, word in (("initContainerStatuses", "init container"), ("containerStatuses", "container")):
        for container in conditions.items(found, kind):
            image = conditions.text(container, "image") or "no image"
            one = _Container(container, f"{about}, {word} {container['name']} ({image})", word != "container")
            yield from _of_container(one)
    scheduled = told.get("PodScheduled", conditions.ABSENT)
    if scheduled.is_false:
        yield Complaint(_UNPLACED, scheduled.reason or "Unschedulable", f"{about}: {scheduled.message}")
    ready = told.get("Ready", conditions.ABSENT)
    if ready.reason == "ReadinessGatesNotReady":
        yield Complaint(_SLOW, ready.reason, f"{about}: {ready.message}")


def _ended(found: Object, about: str) -> Complaint:
    """A pod that failed for good: evicted, or by the container that ended with an error."""
    reason, message = conditions.text(found, "reason"), conditions.text(found, "message")
    if not reason:
        containers = [*conditions.items(found, "initContainerStatuses"), *conditions.items(found, "containerStatuses")]
        for container in containers:
            end = conditions.mapping(conditions.mapping(container, "state"), "terminated")
            if conditions.count(end, "exitCode"):
                where = f"{about}, container {container['name']} ({conditions.text(container, 'image') or 'no image'})"
                return Complaint(_ENDED, conditions.text(end, "reason") or "Error", f"{where}: {_end(end)}")
    return Complaint(_ENDED, reason or "PodFailed", f"{about}: {message or 'the pod failed'}")


class _Container(msgspec.Struct, frozen=True):
    found: Object
    about: str
    is_init: bool


def _of_container(one: _Container) -> Iterator[Complaint]:
    container, about = one.found, one.about
    state, before = conditions.mapping(container, "state"), conditions.mapping(container, "lastState")
    waiting, ended = conditions.mapping(state, "waiting"), conditions.mapping(state, "terminated")
    ended_before, restarts = conditions.mapping(before, "terminated"), conditions.count(container, "restartCount")
    reason, is_ready = conditions.text(waiting, "reason"), container.get("ready") is True
    if reason not in ON_THE_WAY:
        told = [conditions.text(waiting, "message"), *_past(ended_before, restarts)]
        yield Complaint(_BROKEN, reason, f"{about}: {'; '.join(filter(None, told)) or 'it waits'}")
    elif conditions.count(ended, "exitCode"):
        told = [_end(ended), *_times(restarts)]
        yield Complaint(_BROKEN, conditions.text(ended, "reason") or "Error", f"{about}: {'; '.join(told)}")
    elif ended_before and not is_ready:
        past = "; ".join(_past(ended_before, restarts))
        yield Complaint(_UNSTEADY, conditions.text(ended_before, "reason") or "Restarted", f"{about}: {past}")
    elif "running" in state and not is_ready:
        yield _unready(one)


def _unready(one: _Container) -> Complaint:
    """It runs, and a probe has not said yes yet; a container without a probe is ready at once."""
    if one.found.get("started") is False:
        return Complaint(_SLOW, "NotStarted", f"{one.about}: it runs, and its startup probe does not succeed")
    if one.is_init:
        return Complaint(_SLOW, "Initializing", f"{one.about}: it runs, and the containers wait for it")
    return Complaint(_SLOW, "NotReady", f"{one.about}: it runs, and its readiness probe does not succeed")


def _past(ended: Object, restarts: int) -> Iterator[str]:
    if ended:
        yield f"last {_end(ended)}"
    yield from _times(restarts)


def _times(restarts: int) -> Iterator[str]:
    if restarts:
        yield f"restarts: {restarts}"


def _end(ended: Object) -> str:
    """How a container ended: with which code or signal, why, and its last words where it left any."""
    signal = conditions.count(ended, "signal")
    how = f"signal {signal}" if signal else f"exit code {conditions.count(ended, 'exitCode')}"
    reason, words = conditions.text(ended, "reason"), conditions.text(ended, "message").strip()
    why = f" ({reason})" if reason and reason != "Error" else ""
    return f"{how}{why}" + (f": {words[-LAST_WORDS_CHARS_MAX:]}" if words else "")
