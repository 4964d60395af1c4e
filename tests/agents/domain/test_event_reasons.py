"""What events say where a status says nothing."""

from typing import Any

from agents.domain import event_reasons

Object = dict[str, Any]


def event(reason: str, at: str = "", **fields: Any) -> Object:
    involved = {"kind": "Pod", "name": "web-1"}
    return {
        "type": "Warning",
        "reason": reason,
        "message": "why",
        "lastTimestamp": at,
        "involvedObject": involved,
        **fields,
    }


def test_the_newest_warning_is_told() -> None:
    """By either of the two event APIs."""
    mount, probe = event("FailedMount", "2026-11-25T10:00:00Z"), event("Unhealthy", "2026-11-25T10:00:01Z")
    series = event("FailedCreate", series={"lastObservedTime": "2026-11-25T10:00:02Z"})

    assert event_reasons.newest([probe, mount]) == ("Unhealthy", "pod web-1: why")
    assert event_reasons.newest([mount, series, probe]) == ("FailedCreate", "pod web-1: why")
    assert event_reasons.newest([event("", eventTime="2026-11-25T10:00:00Z")]) == ("Warning", "pod web-1: why")


def test_what_is_normal_or_told_by_the_status_is_left_out() -> None:
    assert event_reasons.newest([event("Scheduled", type="Normal"), event("FailedScheduling"), event("BackOff")]) == (
        "",
        "",
    )
    assert event_reasons.newest([]) == ("", "")


def test_what_keeps_a_claim_from_being_bound_is_told_though_it_is_no_warning() -> None:
    told = event("WaitForFirstConsumer", type="Normal")

    assert event_reasons.newest([told]) == ("WaitForFirstConsumer", "pod web-1: why")
