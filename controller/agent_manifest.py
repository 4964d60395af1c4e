"""What an agent needs inside of its cluster, as manifests: a namespace, an account with its rights, a token, a pod.

The agent's own rights are few: to read which cluster it is in and what is served there, and to keep its identity, its
inventory and its lease in `flotilla-system`. What it may do beyond that is what its bundles need, and that is a choice:

- `cluster-admin`, the default. A bundle may hold any kind, a custom one included, and an account can only grant rights
  that it has itself, so that bundles with Roles or ClusterRoles need nothing less.
- `namespaced`: Kubernetes' own role `admin` in the namespaces that are named, and nowhere else. Bundles cannot make
  namespaces, cluster-wide objects, quotas, or kinds that `admin` does not cover.
- `none`: no more than its own; bind to the account whatever the bundles need. An object for which the right is missing
  fails alone, and its report names object and verb.
"""

import enum
from collections.abc import Sequence
from typing import Any

import msgspec

from controller import errors
from protocol import naming

NAME = "flotilla-agent"
IDENTITY = "flotilla-agent-identity"
TOKEN = "flotilla-agent-token"  # noqa: S105 - an object's name
TOKEN_FILE = "token"  # noqa: S105 - a file's name
STATE = "/var/lib/flotilla"
MOUNTED = "/etc/flotilla/enrolment"
USER = 65532
"""Nobody: the customary number of images without root."""

IMAGE = "ghcr.io/flotilla-gitops/flotilla:latest"

ALIVE_MAX_S = 60
"""The agent touches a file every few seconds; a loop that stands still for so long does not come back."""

Manifest = dict[str, Any]


class ManifestError(errors.Terminal):
    """A choice that makes no sense."""


class Role(enum.StrEnum):
    """What the agent may do beyond what it needs for itself."""

    CLUSTER_ADMIN = "cluster-admin"
    NAMESPACED = "namespaced"
    NONE = "none"


class Choice(msgspec.Struct, frozen=True):
    """What one agent's manifests are made of."""

    hub_url: str
    token: str
    ca_pin: str = ""
    image: str = IMAGE
    role: Role = Role.CLUSTER_ADMIN
    namespaces: tuple[str, ...] = ()
    """With the role `namespaced`."""


def manifests(choice: Choice) -> list[Manifest]:
    """In the order in which they can be applied; raise ManifestError if role and namespaces do not fit."""
    if (choice.role is Role.NAMESPACED) != bool(choice.namespaces):
        raise ManifestError("--namespace: goes with --role namespaced, which needs one at least")
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": naming.NAMESPACE}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _metadata(NAME)},
        *_own_rights(),
        *_rights_for_bundles(choice),
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": _metadata(TOKEN),
            "type": "Opaque",
            "stringData": {TOKEN_FILE: choice.token},
        },
        _deployment(choice),
    ]


def _own_rights() -> Sequence[Manifest]:
    """To know the cluster, and to keep what is the agent's own."""
    everywhere = [
        # Which cluster is this? And is the namespace there that a bundle's objects stand in?
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "list", "watch"]},
        # What is served beside Kubernetes' own kinds, and is a kind established before its objects come?
        {"apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions"], "verbs": ["get"]},
    ]
    at_home = [
        # The inventory and the high-water mark, in shards whose names are not known beforehand.
        {
            "apiGroups": [""],
            "resources": ["configmaps"],
            "verbs": ["get", "list", "watch", "create", "update", "patch", "delete"],
        },
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update", "patch"]},
        # A right to create cannot be limited to a name; it reveals nothing.
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]},
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": [IDENTITY], "verbs": ["get", "patch"]},
    ]
    return (
        _role("ClusterRole", NAME, everywhere),
        _binding("ClusterRoleBinding", NAME, _ref("ClusterRole", NAME)),
        _role("Role", NAME, at_home, namespace=naming.NAMESPACE),
        _binding("RoleBinding", NAME, _ref("Role", NAME), namespace=naming.NAMESPACE),
    )


def _rights_for_bundles(choice: Choice) -> Sequence[Manifest]:
    match choice.role:
        case Role.CLUSTER_ADMIN:
            return (_binding("ClusterRoleBinding", f"{NAME}-bundles", _ref("ClusterRole", "cluster-admin")),)
        case Role.NAMESPACED:
            return tuple(
                _binding("RoleBinding", f"{NAME}-bundles", _ref("ClusterRole", "admin"), namespace=namespace)
                for namespace in choice.namespaces
            )
        case Role.NONE:
            return ()


def _deployment(choice: Choice) -> Manifest:
    labels = {"app.kubernetes.io/name": NAME, "app.kubernetes.io/part-of": "flotilla"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {**_metadata(NAME), "labels": labels},
        "spec": {
            # One agent acts for a cluster: a new pod waits until the old one is gone.
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": _pod(choice)},
        },
    }


def _pod(choice: Choice) -> Manifest:
    return {
        "serviceAccountName": NAME,
        "terminationGracePeriodSeconds": 30,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(choice)],
        "volumes": [
            {"name": "state", "emptyDir": {"sizeLimit": "2Gi"}},
            {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
            {"name": "token", "secret": {"secretName": TOKEN, "defaultMode": 0o440, "optional": True}},
        ],
    }


def _container(choice: Choice) -> Manifest:
    arguments = ["agent", "run", "--hub", choice.hub_url, "--token-file", f"{MOUNTED}/{TOKEN_FILE}"]
    arguments += ["--ca-pin", choice.ca_pin] if choice.ca_pin else []
    return {
        "name": "agent",
        "image": choice.image,
        "args": [*arguments, "--in-cluster", "--state-dir", STATE],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
        "livenessProbe": {**_probe("alive"), "initialDelaySeconds": 30, "periodSeconds": 30},
        "readinessProbe": {**_probe("ready"), "periodSeconds": 10},
        "volumeMounts": [
            {"name": "state", "mountPath": STATE},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the pod's own
            {"name": "token", "mountPath": MOUNTED, "readOnly": True},
        ],
    }


def _probe(file: str) -> Manifest:
    """The agent listens nowhere: it is asked by the age of a file. The interpreter alone starts in 20 ms."""
    check = f"import os,sys,time; sys.exit(time.time() - os.stat('{STATE}/{file}').st_mtime > {ALIVE_MAX_S})"
    return {"exec": {"command": ["python3", "-I", "-S", "-c", check]}, "timeoutSeconds": 5, "failureThreshold": 3}


def _role(kind: str, name: str, rules: Sequence[Manifest], *, namespace: str = "") -> Manifest:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name, **({"namespace": namespace} if namespace else {})},
        "rules": list(rules),
    }


def _binding(kind: str, name: str, role: Manifest, *, namespace: str = "") -> Manifest:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name, **({"namespace": namespace} if namespace else {})},
        "roleRef": role,
        "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": naming.NAMESPACE}],
    }


def _ref(kind: str, name: str) -> Manifest:
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}


def _metadata(name: str) -> Manifest:
    return {"name": name, "namespace": naming.NAMESPACE}
