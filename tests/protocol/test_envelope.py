"""Message headers: CloudEvents and trace context, there and back."""

import contextlib
import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    assert envelope.from_headers(envelope.to_headers(bare)) == bare


@given(
    identity=st.text(min_size=1),
    kind=st.sampled_from(["Hello", "RolloutStarted", "gitops"]),
    time=st.datetimes(timezones=st.just(datetime.UTC)),
)
def test_headers_read_back_to_the_same_envelope(identity: str, kind: str, time: datetime.datetime) -> None:
    one = envelope.Envelope(id=identity, type=kind, source="/flotilla/hub", time=time)

    assert envelope.from_headers(envelope.to_headers(one)) == one


@pytest.mark.parametrize("missing", ["ce-specversion", "ce-id", "ce-type", "ce-source", "ce-time"])
def test_a_missing_header_is_named(missing: str) -> None:
    headers = envelope.to_headers(EXAMPLE)
    del headers[missing]

    with pytest.raises(envelope.EnvelopeError, match=f"header '{missing}' is missing"):
        envelope.from_headers(headers)


def test_another_version_of_cloudevents_is_refused() -> None:
    with pytest.raises(envelope.EnvelopeError, match=r"^message: CloudEvents version '2.0' is not 1.0$"):
        envelope.from_headers({**envelope.to_headers(EXAMPLE), "ce-specversion": "2.0"})


@pytest.mark.parametrize(("time", "why"), [("yesterday", "is no time"), ("2026-11-24T08:30:00", "names no offset")])
def test_a_time_that_says_no_moment_is_refused(time: str, why: str) -> None:
    with pytest.raises(envelope.EnvelopeError, match=why):
        envelope.from_headers({**envelope.to_headers(EXAMPLE), "ce-time": time})


@given(
    st.dictionaries(
        st.sampled_from(["ce-specversion", "ce-id", "ce-type", "ce-source", "ce-time", "x"]),
        st.sampled_from(["1.0", "", "2026-01-01T00:00:00Z", "\x00", "9999999999"]),
    )
)
def test_any_headers_are_an_envelope_or_an_envelope_error(headers: dict[str, str]) -> None:
    with contextlib.suppress(envelope.EnvelopeError):
        envelope.from_headers(headers)
