"""A question to one cluster: what would this desired state change? Signed, never stored, and answered by a report.

It travels as a core NATS message on the cluster's live subject, beside the stored states that are republished there:
an agent tells the two by their tags. Whoever holds a request can make a cluster do nothing but look.
"""

import datetime

import msgspec

from protocol import ids
from protocol.canonical import Digest

SIGNED_PREFIX = b"flotilla.plan.v1\0"
"""Comes before the payload when it is signed, so that a question never passes for a desired state."""


class PlanRequest(msgspec.Struct, frozen=True, rename="camel", tag="PlanRequest"):
    """Say what applying these bundles of this root would do, and touch nothing."""

    cluster: ids.ClusterId
    cluster_uid: str
    id: str
    """Random: the answer names it, and nobody else can."""
    root: Digest
    """A root that the cluster was never given; its blobs are stored like any other's."""
    source: ids.SourceName
    """Whose bundles are asked about; the others only say who claims what."""
    expires_at: datetime.datetime
    """After this nobody waits for the answer any more."""


class SignedPlanRequest(msgspec.Struct, frozen=True, rename="camel", tag="SignedPlanRequest"):
    """The message on `flotilla.v1.live.<cluster>`."""

    payload: bytes
    """Canonical JSON of a PlanRequest."""
    key: str
    """The public key that signed, 64 hexadecimal digits."""
    signature: bytes
    """Ed25519 over SIGNED_PREFIX and the payload (RFC 8032)."""


TAG = "SignedPlanRequest"


class _Tagged(msgspec.Struct):
    type: str = ""


_tag_decoder = msgspec.json.Decoder(_Tagged)


def is_request(data: bytes) -> bool:
    """Does a live message say that it is a question? What cannot be read at all says nothing."""
    try:
        return _tag_decoder.decode(data).type == TAG
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
