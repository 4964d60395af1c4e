"""Message headers: CloudEvents and trace context."""

import datetime

from protocol import envelope

AT = datetime.datetime(2026, 11, 24, 8, 30, tzinfo=datetime.UTC)
EXAMPLE = envelope.Envelope(
    id="01J",
    type="RolloutStarted",
    source="/flotilla/hub",
    time=AT,
    traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
)


def test_headers_are_those_of_the_cloudevents_binding_for_nats() -> None:
    expected = {
        "ce-specversion": "1.0",
        "ce-id": "01J",
        "ce-type": "gitops.flotilla.v1.RolloutStarted",
        "ce-source": "/flotilla/hub",
        "ce-time": "2026-11-24T08:30:00+00:00",
        "content-type": "application/json",
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    }

    assert envelope.to_headers(EXAMPLE) == expected


def test_what_is_not_traced_has_no_traceparent() -> None:
    bare = envelope.Envelope(id="1", type="Hello", source="/x", time=AT)

    assert "traceparent" not in envelope.to_headers(bare)
