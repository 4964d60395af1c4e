"""What JetStream's errors mean for a report that waits."""

import pytest

from agents import errors, hub


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"code": 400, "err_code": 10054, "description": "message size exceeds maximum allowed"}, errors.HubRefused),
        ({"code": 503, "err_code": 10077, "description": "maximum bytes exceeded"}, errors.HubUnavailable),
        ({"code": 500, "err_code": 10047, "description": "insufficient storage"}, errors.HubUnavailable),
        ({"description": "no code"}, errors.HubRefused),
    ],
)
def test_a_hub_in_trouble_is_asked_again_and_one_that_will_never_take_it_is_not(
    error: dict[str, object], expected: type[errors.AgentError]
) -> None:
    """A report that is given up is never said again: the hub would believe for ever what it heard before."""
    found = hub.refusal("reports", error)

    assert type(found) is expected
    assert str(found) == f"reports: {error['description']}"
