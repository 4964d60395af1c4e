"""The Merkle tree of a desired state: cluster root → bundle index → manifest.

Each level names the one below by digest, so that equal content is stored, sent and compared once, whatever the number
of clusters that share it.
"""

import enum
from typing import Any

import msgspec

from protocol import canonical, ids
from protocol.canonical import Digest

MANIFEST_TAG = "manifest"
INDEX_TAG = "index"
ROOT_TAG = "root"
CATALOG_TAG = "catalog"
DELETIONS_TAG = "deletions"

MANIFEST_BYTES_MAX = 1024 * 1024
"""An object over 1 MiB does not fit etcd's default request limit (1.5 MiB with everything around it)."""


class Adopt(enum.StrEnum):
    """When an object that existed before us may become ours."""

    NEVER = "never"
    IF_NO_DIFF = "ifNoDiff"
    ALWAYS = "always"


class Prune(enum.StrEnum):
    """What happens to an object of the bundle that leaves Git."""

    NEVER = "never"
    OWNED = "owned"
    """Delete what we created; release what we adopted."""
    ALL = "all"
    """Delete what we adopted, too."""


class Drift(enum.StrEnum):
    """What happens when a cluster's objects differ from Git."""

    OFF = "off"
    """They stay as with `alert`, and nobody looks."""
    ALERT = "alert"
    """They are reported, and stay as they are until Git brings new content of the bundle."""
    REVERT = "revert"
    """They are applied again."""


class IgnoreRule(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Where a difference from Git is no drift: it is set when it is created, and stays as the cluster has it."""

    group: str | None = None
    """API group, the core group's is empty; None: any."""
    kind: str = ""
    """Empty: any."""
    namespace: str = ""
    """With the namespace resolved; empty: any."""
    name: str = ""
    """Empty: any."""
    pointers: tuple[str, ...] = ()
    """JSON pointers (RFC 6901) to the fields; empty, and no managers either: the whole object."""
    managers: tuple[str, ...] = ()
    """Field managers: the fields that they hold, beside those of the pointers."""


class BundleOptions(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What a bundle asks of the agent."""

    namespace: str = ""
    """Forced on every object; cluster-scoped objects are refused then. Empty: not forced."""
    default_namespace: str = ""
    """Fills the namespace of a namespaced object that names none. Empty: `default`, as kubectl does."""
    adopt: Adopt = Adopt.IF_NO_DIFF
    prune: Prune = Prune.OWNED
    drift: Drift = Drift.REVERT
    ignore: tuple[IgnoreRule, ...] = ()


class IndexEntry(msgspec.Struct, frozen=True, rename="camel"):
    """One object of a bundle."""

    object: ids.ObjectId
    manifest: Digest
    file: str = ""
    """Where it stands, relative to the repository's root, for people."""


class HookEntry(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One object that is run at a moment of the bundle's life rather than kept in the cluster, as Helm's hooks are."""

    object: ids.ObjectId
    manifest: Digest
    file: str = ""
    """Where it stands, relative to the repository's root, for people."""
    phases: tuple[str, ...] = ()
    """When, in Helm's words: `pre-install`, `post-upgrade`, …"""
    weight: int = 0
    """Hooks of one phase run in the order of weights, then of names and kinds."""
    delete_policies: tuple[str, ...] = ()
    """When its object goes again, in Helm's words: `before-hook-creation`, `hook-succeeded`, `hook-failed`.
    Empty: as Helm does then, before the next one is made."""


class BundleIndex(msgspec.Struct, frozen=True, rename="camel", tag="BundleIndex", omit_defaults=True):
    """A bundle's content: its objects in the order of their ids, and its hooks, which are none of them."""

    bundle: ids.BundleId
    options: BundleOptions
    objects: tuple[IndexEntry, ...]
    hooks: tuple[HookEntry, ...] = ()
    """Run around the objects, and neither applied with them, nor in the inventory, nor pruned. Left out where there are
    none, so that the digests of such indexes are what they always were."""


class DependencyState(enum.StrEnum):
    """What has to be true of a bundle before one that depends on it is applied."""

    APPLIED = "applied"
    """Its present content is in the cluster without a failure."""
    READY = "ready"
    """It is applied, and works: healthy, or suspended on purpose."""


class Dependency(msgspec.Struct, frozen=True, rename="camel", order=True, omit_defaults=True):
    """A bundle that has to come first, in the same cluster."""

    bundle: ids.BundleId
    state: DependencyState = DependencyState.READY


class RootEntry(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A bundle that a cluster should have."""

    bundle: ids.BundleId
    index: Digest
    depends_on: tuple[Dependency, ...] = ()
    """In the order of bundle ids; left out where there is none, so that roots keep their digests."""


class Kept(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """An object that left Git but must not be judged yet: neither desired nor a debt."""

    object: ids.ObjectId
    bundle: ids.BundleId
    reason: str
    identity: ids.ObjectId | None = None
    """The object with the namespace in effect, where it differs from what is written."""
    prune: Prune = Prune.OWNED


class ClusterRoot(msgspec.Struct, frozen=True, rename="camel", tag="ClusterRoot"):
    """All a cluster should have, in the order of bundle ids, and what it keeps while the hub cannot be sure."""

    bundles: tuple[RootEntry, ...]
    kept: tuple[Kept, ...] = ()


def manifest_bytes(manifest: dict[str, Any]) -> bytes:
    """The canonical bytes of one manifest: what is hashed, stored and sent."""
    return canonical.encode(manifest)


def manifest_digest(plain: bytes) -> Digest:
    return canonical.digest(MANIFEST_TAG, plain)


def root_digest(plain: bytes) -> Digest:
    return canonical.digest(ROOT_TAG, plain)


EMPTY_ROOT = ClusterRoot(bundles=())
