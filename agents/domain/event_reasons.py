"""What the events of an object say where its status says nothing: a volume that cannot be mounted, a failing probe.

Events are read only of what is not well, and only for words: they never make anything healthier or worse.
"""

from collections.abc import Iterable

from agents.domain import conditions
from agents.domain.conditions import Object

TELLING = frozenset({"FailedBinding", "WaitForFirstConsumer", "ExternalProvisioning"})
"""Reasons of a claim that is not bound; Kubernetes takes them for normal."""

TOLD_ELSEWHERE = frozenset({"BackOff", "Failed", "FailedScheduling", "FailedToRetrieveImagePullSecret"})
"""Reasons that the status of the pod tells better, and takes back when they are over."""


def newest(found: Iterable[Object]) -> tuple[str, str]:
    """Reason and message of the newest event that tells what is wrong; empty if there is none."""
    counting = [one for one in found if _counts(conditions.text(one, "type"), conditions.text(one, "reason"))]
    if not counting:
        return "", ""
    last = max(counting, key=_time)
    involved = conditions.mapping(last, "involvedObject")
    about = f"{conditions.text(involved, 'kind').lower()} {conditions.text(involved, 'name')}"
    return conditions.text(last, "reason") or "Warning", f"{about}: {conditions.text(last, 'message')}"


def _counts(kind: str, reason: str) -> bool:
    return reason in TELLING or (kind == "Warning" and reason not in TOLD_ELSEWHERE)


def _time(event: Object) -> str:
    """When it was seen last, by either of the two event APIs; RFC 3339 in UTC sorts as text."""
    series = conditions.text(conditions.mapping(event, "series"), "lastObservedTime")
    return max(series, conditions.text(event, "lastTimestamp"), conditions.text(event, "eventTime"))
