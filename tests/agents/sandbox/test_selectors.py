"""Selectors of labels in objects, and of fields."""

import pytest

from agents.sandbox import selectors, statuses


@pytest.mark.parametrize(
    ("selector", "labels", "expected"),
    [
        ({"matchLabels": {"a": "1"}}, {"a": "1", "b": "2"}, True),
        ({"matchLabels": {"a": "1"}}, {"a": "2"}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1"]}]}, {"a": "1"}, True),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, {}, True),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, {}, False),
        ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, {}, True),
        ({}, {}, True),
    ],
)
def test_a_selector_of_an_object(selector: dict[str, object], labels: dict[str, str], expected: bool) -> None:
    assert selectors.of_object(selector)(labels) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("status.phase=Running", True),
        ("status.phase!=Running", False),
        ("spec.paused=true", True),
        ("spec.nothing=", True),
        ("status.phase=Running,spec.paused=false", False),
    ],
)
def test_a_selector_of_fields(text: str, expected: bool) -> None:
    document = {"status": {"phase": "Running"}, "spec": {"paused": True}}

    assert selectors.matches_fields(document, selectors.fields(text)) is expected


@pytest.mark.parametrize("text", ["nothing", "a=b,=c"])
def test_a_field_selector_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(statuses.Failure):
        selectors.fields(text)
