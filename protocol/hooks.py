"""When the hooks of a bundle run, and in which order, in Helm's words.

The agent does it, and the hub says before it happens what will not: they mean the same. A hook runs at a moment of an
operation: before (`pre-install`, `pre-upgrade`) or after (`post-install`, `post-upgrade`) the bundle's objects.
"""

import enum

from protocol import bundles


class Operation(enum.StrEnum):
    """What a bundle's new content is to a cluster."""

    INSTALL = "install"
    """The bundle was never applied there."""
    UPGRADE = "upgrade"


class Moment(enum.StrEnum):
    """When hooks run, seen from the bundle's objects."""

    PRE = "pre"
    """Before any of them is applied."""
    POST = "post"
    """Once all of them are applied, and work."""


class Policy(enum.StrEnum):
    """When the object of a hook goes again."""

    BEFORE_CREATION = "before-hook-creation"
    SUCCEEDED = "hook-succeeded"
    FAILED = "hook-failed"


def phase(moment: Moment, operation: Operation) -> str:
    """Helm's word for a moment of an operation."""
    return f"{moment.value}-{operation.value}"


RUN = frozenset(phase(moment, operation) for moment in Moment for operation in Operation)
"""The phases that are run. Nothing is ever uninstalled or rolled back here as Helm does it: what leaves Git is deleted
object by object, and a revert is an upgrade."""

_KINDS = (
    "PriorityClass", "Namespace", "NetworkPolicy", "ResourceQuota", "LimitRange", "PodSecurityPolicy",
    "PodDisruptionBudget", "ServiceAccount", "Secret", "SecretList", "ConfigMap", "StorageClass", "PersistentVolume",
    "PersistentVolumeClaim", "CustomResourceDefinition", "ClusterRole", "ClusterRoleList", "ClusterRoleBinding",
    "ClusterRoleBindingList", "Role", "RoleList", "RoleBinding", "RoleBindingList", "Service", "DaemonSet", "Pod",
    "ReplicationController", "ReplicaSet", "Deployment", "HorizontalPodAutoscaler", "StatefulSet", "Job", "CronJob",
    "IngressClass", "Ingress", "APIService", "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration",
)  # fmt: skip
_RANKS = {kind: rank for rank, kind in enumerate(_KINDS)}
"""Helm's InstallOrder (pkg/releaseutil/kind_sorter.go of Helm 3.20): other kinds come last."""


def order(entry: bundles.HookEntry) -> tuple[object, ...]:
    """A sort key: weights, then names, then kinds, as Helm has it. A ServiceAccount so comes before the Job of the same
    name; the rest only keeps the order fixed."""
    of = entry.object
    return entry.weight, of.name, _RANKS.get(of.kind, len(_RANKS)), of.kind, of, entry.manifest


def policies(entry: bundles.HookEntry) -> frozenset[str]:
    """When the hook's object goes: where nothing is said, as Helm does then."""
    return frozenset(entry.delete_policies) or frozenset({Policy.BEFORE_CREATION.value})


def ignored(entry: bundles.HookEntry) -> tuple[str, ...]:
    """The phases of a hook that are never run."""
    return tuple(one for one in entry.phases if one not in RUN)
