"""What kubectl shows of Pods and Jobs."""

from typing import Any

import pytest

from agents.sandbox import schema, tables

BACKOFF = {"waiting": {"reason": "ImagePullBackOff"}}
STARTED = "2026-11-25T21:00:00Z"


def shown(kind: str, item: dict[str, Any]) -> list[Any]:
    """The cells between an object's name and its age."""
    resource = next(found for found in schema.builtin().resources if found.kind == kind)
    whole = {"metadata": {"name": "a", "creationTimestamp": STARTED}, "spec": {"containers": [{}]}, **item}
    table = tables.table(resource, [whole], meta={}, at=1.8e9, objects="None")
    cells: list[Any] = table["rows"][0]["cells"]
    return cells[1:-1]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({}, ["0/1", "Unknown", "0"]),
        ({"phase": "Pending", "containerStatuses": [{"state": BACKOFF}]}, ["0/1", "ImagePullBackOff", "0"]),
        ({"phase": "Pending", "initContainerStatuses": [{"state": BACKOFF}]}, ["0/1", "Init:ImagePullBackOff", "0"]),
        (
            {"phase": "Pending", "initContainerStatuses": [{"state": {"waiting": {"reason": "PodInitializing"}}}]},
            ["0/1", "Init:0/1", "0"],
        ),
        (
            {"phase": "Running", "containerStatuses": [{"ready": True, "restartCount": 2, "state": {"running": {}}}]},
            ["1/1", "Running", "2"],
        ),
        (
            {"phase": "Failed", "containerStatuses": [{"state": {"terminated": {"reason": "Error"}}}]},
            ["0/1", "Error", "0"],
        ),
    ],
)
def test_a_pod_is_shown_by_what_it_waits_for(status: dict[str, Any], expected: list[str]) -> None:
    assert shown("Pod", {"status": status}) == expected


@pytest.mark.parametrize(
    ("condition", "ended", "expected"),
    [
        ("", {}, ["Running", "0/2", ""]),
        ("Suspended", {}, ["Suspended", "0/2", ""]),
        ("Failed", {}, ["Failed", "0/2", ""]),
        ("Complete", {"succeeded": 2, "completionTime": "2026-11-25T21:01:30Z"}, ["Complete", "2/2", "90s"]),
    ],
)
def test_a_job_is_shown_by_how_it_ended(condition: str, ended: dict[str, Any], expected: list[str]) -> None:
    conditions = [{"type": condition, "status": "True"}] if condition else []
    status = {"startTime": STARTED, "conditions": conditions, **ended}

    assert shown("Job", {"spec": {"completions": 2}, "status": status}) == expected
