"""The desired state of one cluster: what is signed, and the message that carries it.

The message holds the payload as the very bytes that were signed: nobody has to encode anything again to verify.
"""

import msgspec

from protocol import bundles, canonical, ids
from protocol.canonical import Digest

SIGNED_PREFIX = b"flotilla.desired.v1\0"
"""Comes before the payload when it is signed, so that the key's other signatures never pass for one of these."""

DELETIONS_INLINE_BYTES_MAX = 4 * 1024
DELTA_INLINE_BYTES_MAX = 8 * 1024


class LogHead(msgspec.Struct, frozen=True, rename="camel"):
    """The last event of the LOG that something rests on: its stream sequence and its hash."""

    sequence: int
    hash: Digest


GENESIS = LogHead(sequence=0, hash=canonical.NO_DIGEST)
"""Before the first event; every log contains it."""


class SourceRevision(msgspec.Struct, frozen=True, rename="camel"):
    """Which commit of a source the state holds, printed `main@sha1:…`."""

    source: ids.SourceName
    revision: str


class Deletion(msgspec.Struct, frozen=True, rename="camel"):
    """One object that the agent may delete, by the debt it pays off."""

    debt: ids.DebtId
    object: ids.ObjectId
    bundle: ids.BundleId
    prune: bundles.Prune = bundles.Prune.OWNED


class Deletions(msgspec.Struct, frozen=True, tag="Deletions"):
    """All open debts that are not held, in the order of debt ids. Its digest is part of what is signed."""

    items: tuple[Deletion, ...]


NO_DELETIONS = Deletions(items=())


class DesiredState(msgspec.Struct, frozen=True, rename="camel", tag="DesiredState"):
    """What one cluster should have from one generation on."""

    cluster: ids.ClusterId
    cluster_uid: str
    """UID of the cluster's `kube-system` namespace: an account's key may move, the cluster may not."""
    epoch: int
    generation: int
    previous_root: Digest
    root: Digest
    revisions: tuple[SourceRevision, ...]
    deletions: Digest
    log_head: LogHead


class SignedDesired(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag="SignedDesired"):
    """The message on `flotilla.v1.desired.<cluster>`."""

    payload: bytes
    """Canonical JSON of a DesiredState."""
    key: str
    """The public key that signed, 64 hexadecimal digits."""
    signature: bytes
    """Ed25519 over SIGNED_PREFIX and the payload (RFC 8032)."""
    deletions: bytes = b""
    """The canonical bytes of the Deletions where they fit inline; else they are a blob named by their digest."""
    delta: tuple[bytes, ...] = ()
    """Plain blobs that the step from the previous root needs, with their type tags; a shortcut, never a need."""


def deletions_digest(plain: bytes) -> Digest:
    return canonical.digest(bundles.DELETIONS_TAG, plain)


def tagged(tag: str, plain: bytes) -> bytes:
    """A blob's bytes with its type tag, as they are sealed or sent in a delta: the input of its digest."""
    return tag.encode() + b"\0" + plain
