"""How a forge proves that a webhook is its own, and not one that was seen before.

The secret of a hook is `whsec_` and 32 bytes in base64. Who signs does so with HMAC-SHA256 over the raw body:
  GitHub             X-Hub-Signature-256: sha256=HEX      keyed with the secret's characters
  Bitbucket          X-Hub-Signature: sha256=HEX          keyed with the secret's characters
  Gitea, Forgejo     X-Gitea-Signature: HEX               keyed with the secret's characters
  GitLab from 19 on, and anybody by the Standard Webhooks specification
                     webhook-signature: v1,BASE64 …       keyed with the secret's bytes, over `ID.TIMESTAMP.BODY`,
                     webhook-id, webhook-timestamp        with a time that must be near ours
  GitLab before      X-Gitlab-Token: SECRET               no signature; the secret itself
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md

SHA-1, by which GitHub and Gitea sign as well (`X-Hub-Signature: sha1=…`), proves nothing.

What a payload says is never believed, so that a proof is worth one look at the remote and no more.
"""

import base64
import binascii
import datetime
import hashlib
import hmac
from collections.abc import Mapping

import msgspec

SECRET_PREFIX = "whsec_"  # noqa: S105 - what a secret begins with
SECRET_BYTES = 32
"""What GitLab wants of a signing token."""

SKEW_MAX = datetime.timedelta(minutes=5)
"""How far a signed time may be from ours; the specification's proposal."""

PROOFS_MAX = 8
"""Signatures that one request may show: a forge that changes its secret shows two."""

HEADER_CHARACTERS_MAX = 1024
"""Of a header that is looked at."""

_GITHUB = "X-Hub-Signature-256"
_BITBUCKET = "X-Hub-Signature"
_SHA_256 = "sha256="
_GITEA = ("X-Gitea-Signature", "X-Forgejo-Signature")
_GITLAB = "X-Gitlab-Token"


class Claim(msgspec.Struct, frozen=True):
    """What a request shows as its proof."""

    proofs: tuple[bytes, ...] = ()
    """Signatures, one of which must be right."""
    token: str = ""
    """The secret itself, where nothing is signed."""
    prefix: bytes = b""
    """Signed before the body."""
    keyed_with_bytes: bool = False
    """Whether the key is what the secret encodes, rather than its characters."""
    at: int | None = None
    """When it was signed, in seconds since 1970; None: that is not said."""
    delivery: str = ""
    """Tells it from every other; empty: nothing does."""


def new_secret(chance: bytes) -> str:
    """The secret that these random bytes make."""
    assert len(chance) == SECRET_BYTES, "GitLab takes no other length"
    return SECRET_PREFIX + base64.b64encode(chance).decode()


def claim(headers: Mapping[str, str]) -> Claim | None:
    """What the request shows; None: nothing that could prove anything. The best proof counts, and no other."""
    if any(len(value) > HEADER_CHARACTERS_MAX for name, value in headers.items() if name.lower() in _LOOKED_AT):
        return None
    if "webhook-signature" in headers:
        return _standard(headers)
    if _GITHUB in headers:
        return _signed(headers[_GITHUB].removeprefix(_SHA_256))
    for name in _GITEA:
        if name in headers:
            return _signed(headers[name])
    if headers.get(_BITBUCKET, "").startswith(_SHA_256):
        return _signed(headers[_BITBUCKET].removeprefix(_SHA_256))
    if _GITLAB in headers:
        return Claim(token=headers[_GITLAB], delivery=headers.get("Idempotency-Key", ""))
    return None


def is_timely(shown: Claim, at: datetime.datetime) -> bool:
    """Was it signed near this time, as far as it says when?"""
    return shown.at is None or abs(at.timestamp() - shown.at) <= SKEW_MAX.total_seconds()


def hasher(shown: Claim, secret: str) -> hmac.HMAC:
    """Takes the body, piece by piece."""
    encoded = secret.encode()
    key = base64.b64decode(encoded.removeprefix(SECRET_PREFIX.encode())) if shown.keyed_with_bytes else encoded
    return hmac.new(key, shown.prefix, hashlib.sha256)


def is_proof(shown: Claim, secret: str, digest: bytes) -> bool:
    """Does it prove that who sent it knows the secret? `digest`: of the whole body. Compared in constant time."""
    if shown.token:
        return hmac.compare_digest(shown.token.encode("utf-8", "surrogatepass"), secret.encode())
    right = [hmac.compare_digest(one, digest) for one in shown.proofs]
    return any(right)


def _standard(headers: Mapping[str, str]) -> Claim | None:
    delivery, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not delivery or not (at.isascii() and at.isdecimal() and len(at) <= 12):
        return None
    shown = [one.removeprefix("v1,") for one in headers["webhook-signature"].split() if one.startswith("v1,")]
    proofs = tuple(filter(None, map(_from_base64, shown[:PROOFS_MAX])))
    prefix = f"{delivery}.{at}.".encode("utf-8", "surrogatepass")
    return Claim(proofs=proofs, prefix=prefix, keyed_with_bytes=True, at=int(at), delivery=delivery)


def _signed(text: str) -> Claim | None:
    """The forge's id of the delivery is not signed: what tells it from every other is the signature itself."""
    try:
        proof = bytes.fromhex(text)
    except ValueError:
        return None
    return Claim(proofs=(proof,), delivery=proof.hex())  # not the text: spaces in it would make it another


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


_LOOKED_AT = frozenset(
    name.lower()
    for name in (
        _GITHUB,
        _BITBUCKET,
        *_GITEA,
        _GITLAB,
        "webhook-signature",
        "webhook-id",
        "webhook-timestamp",
        "Idempotency-Key",
    )
)
