"""Names of things on the wire, and the rules they obey."""

import re
from typing import Any, NewType

import msgspec

ClusterId = NewType("ClusterId", str)
"""The public key of the cluster's NATS account (`A…`, 56 characters). The human name is only a label."""

SourceName = NewType("SourceName", str)
"""A DNS label: lower-case letters, digits, hyphens; at most 63 characters (RFC 1123)."""

BundleId = NewType("BundleId", str)
"""`<source>/<path>`; the repository's root has the path `.`."""

RolloutId = NewType("RolloutId", str)
DebtId = NewType("DebtId", str)
DeletionSetId = NewType("DeletionSetId", str)

_DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_ACCOUNT_KEY = re.compile(r"A[A-Z2-7]{55}")


class InvalidNameError(ValueError):
    """A name that cannot stand in a subject or a label."""


def dns_label(value: str, what: str) -> str:
    """Return `value` if it is an RFC 1123 label; `what` names the thing in the error."""
    if _DNS_LABEL.fullmatch(value) is None:
        raise InvalidNameError(
            f"{what} {value!r}: not a name (1 to 63 lower-case letters, digits and hyphens, with a letter or digit "
            "at both ends)"
        )
    return value


def cluster_id(value: str) -> ClusterId:
    """Return `value` as a cluster's id; raise InvalidNameError if it is no account's public key."""
    if _ACCOUNT_KEY.fullmatch(value) is None:
        raise InvalidNameError(f"cluster id {value!r}: not an account's public key")
    return ClusterId(value)


def bundle_id(source: SourceName, path: str) -> BundleId:
    """The id of the bundle at `path` (relative, `.` for the root) of `source`."""
    return BundleId(f"{source}/{path}")


def source_of(bundle: BundleId) -> SourceName:
    """The source that a bundle belongs to."""
    return SourceName(bundle.partition("/")[0])


class ObjectId(msgspec.Struct, frozen=True, order=True):
    """One Kubernetes object: group, kind, namespace as written and name; never the API version.

    `namespace` is empty where the manifest names none: what that means (cluster-scoped, or the bundle's default)
    only the cluster's discovery can tell.
    """

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        kind = f"{self.kind}.{self.group}" if self.group else self.kind
        return f"{kind} {self.namespace}/{self.name}" if self.namespace else f"{kind} {self.name}"


def object_id(manifest: dict[str, Any]) -> ObjectId:
    """The id of a manifest that has `apiVersion`, `kind` and `metadata.name` (the loader has checked them)."""
    group, slash, _version = str(manifest["apiVersion"]).rpartition("/")
    metadata = manifest["metadata"]
    return ObjectId(
        group=group if slash else "",
        kind=manifest["kind"],
        namespace=metadata.get("namespace") or "",
        name=metadata["name"],
    )
