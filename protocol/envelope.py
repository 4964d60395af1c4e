"""Message headers: CloudEvents 1.0 in the binary mode of its NATS binding, and W3C trace context.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/nats-protocol-binding.md
https://www.w3.org/TR/trace-context/
"""

import datetime

import msgspec

SPEC_VERSION = "1.0"
CONTENT_TYPE = "application/json"
TYPE_PREFIX = "gitops.flotilla.v1."


class Envelope(msgspec.Struct, frozen=True):
    """What travels beside a message's body."""

    id: str
    type: str
    """The tag of the body's type, for example `RolloutStarted`."""
    source: str
    """URI reference of who sent it, for example `/flotilla/hub` or `/flotilla/clusters/A…`."""
    time: datetime.datetime
    traceparent: str = ""
    """W3C trace context; empty: not traced."""


def to_headers(envelope: Envelope) -> dict[str, str]:
    """The headers of a message."""
    headers = {
        "ce-specversion": SPEC_VERSION,
        "ce-id": envelope.id,
        "ce-type": TYPE_PREFIX + envelope.type,
        "ce-source": envelope.source,
        "ce-time": envelope.time.isoformat(),
        "content-type": CONTENT_TYPE,
    }
    if envelope.traceparent:
        headers["traceparent"] = envelope.traceparent
    return headers
