"""How an agent gets its credentials, and how it renews them: what passes between it and the hub.

An operator's token says which cluster; it is used once, by the agent that makes a key of its own and sends the public
half. From then on that key is who the agent is: it signs each renewal, over NATS or, where its credentials have expired
meanwhile, over HTTP.
"""

import hashlib
import re

import msgspec

from protocol import credentials, ids

SIGNED_PREFIX = b"flotilla.renewal.v1\0"
"""Comes before the payload when it is signed, so that a renewal never passes for a server's challenge, or back."""

BODY_BYTES_MAX = 8 * 1024
"""A request has some hundred bytes."""

_TOKEN = re.compile(r"(A[A-Z2-7]{55})\.[\w-]{20,100}")


class EnrolRequest(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag="EnrolRequest"):
    """Let me in: `POST /api/v1/enroll`."""

    token: str
    agent_key: str
    """The public user nkey that the agent made (`U…`)."""
    cluster_uid: str
    """UID of the namespace `kube-system`."""
    epoch: int = 0
    """Of the high-water mark that stands in the cluster; 0: there is none."""
    generation: int = 0


class EnrolmentWaiting(msgspec.Struct, frozen=True, rename="camel", tag="EnrolmentWaiting"):
    """A person must accept the agent first: ask again."""

    retry_after_s: float


class RenewRequest(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag="RenewRequest"):
    """Give me a fresh token."""

    cluster: ids.ClusterId
    agent_key: str
    """The key that the hub knows the agent by."""
    new_key: str = ""
    """The key that is to take its place; empty: it stays."""
    nonce: str = ""
    """As the hub gave it; over NATS there is none."""


class SignedRenewal(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag="SignedRenewal"):
    """A RenewRequest, on `flotilla.v1.renew.<cluster>` or as `POST /api/v1/enroll/renew`."""

    payload: bytes
    """Canonical JSON of a RenewRequest."""
    signature: bytes
    """Of `agent_key` over SIGNED_PREFIX and the payload."""
    new_signature: bytes = b""
    """Of `new_key` over the same, where there is one: whoever names a key must hold it."""


class Renewed(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag="Renewed"):
    """The fresh credentials."""

    credentials: credentials.Credentials
    rotate: bool = False
    """The operator wants another key: make one, and ask again with it."""


class NotRenewed(msgspec.Struct, frozen=True, rename="camel", tag="NotRenewed"):
    """Why there are none."""

    message: str
    refused: bool
    """Asking again changes nothing; else something failed that may work later."""


class RenewNow(msgspec.Struct, frozen=True, tag="RenewNow"):
    """The hub's hint on a cluster's live subject: ask now. Whoever makes an agent ask gains nothing."""


EnrolAnswer = credentials.Credentials | EnrolmentWaiting
RenewAnswer = Renewed | NotRenewed


def token_digest(token: str) -> str:
    """SHA-256 of a token, in hexadecimal: all that the hub keeps of it."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def cluster_of(token: str) -> ids.ClusterId | None:
    """The cluster that a token is for; None: it is no token."""
    found = _TOKEN.fullmatch(token)
    return ids.ClusterId(found[1]) if found is not None else None


def new_token(cluster: ids.ClusterId, secret: str) -> str:
    """The token with this secret part, which is of at least 128 random bits."""
    token = f"{cluster}.{secret}"
    assert _TOKEN.fullmatch(token), "a token that nobody would know for one"
    return token


class _Tagged(msgspec.Struct):
    type: str = ""


_tag_decoder = msgspec.json.Decoder(_Tagged)


def is_hint(data: bytes) -> bool:
    """Does a live message ask for a renewal? What cannot be read at all says nothing."""
    try:
        return _tag_decoder.decode(data).type == "RenewNow"
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
