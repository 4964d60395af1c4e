"""Kinds, the resources behind them, and the paths of their objects at the API server.

A manifest names a kind; only the cluster's discovery knows the resource (plural) and the scope. What discovery could
not tell is kept as the reason, so that an API that is down is never mistaken for an API that is not there.
"""

import urllib.parse
from collections.abc import Mapping

import msgspec

from protocol import ids


class GroupKind(msgspec.Struct, frozen=True, order=True):
    """A kind without its version: `Deployment` in `apps`."""

    group: str
    kind: str

    def __str__(self) -> str:
        return f"{self.kind}.{self.group}" if self.group else self.kind


NAMESPACE = GroupKind("", "Namespace")
DEFINITION = GroupKind("apiextensions.k8s.io", "CustomResourceDefinition")
SECRET = GroupKind("", "Secret")


class Resource(msgspec.Struct, frozen=True):
    """Where the objects of a kind stand at the API server, at one version."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    listable: bool = True
    deletable: bool = True
    watchable: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def at(self, version: str) -> "Resource":
        """The same resource at another version of its group."""
        return self if version == self.version else msgspec.structs.replace(self, version=version)

    def collection(self, namespace: str = "") -> str:
        """The path of all objects, or of those in one namespace."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        return f"{root}/namespaces/{_quoted(namespace)}/{self.plural}" if namespace else f"{root}/{self.plural}"

    def path(self, namespace: str, name: str) -> str:
        """The path of one object."""
        return f"{self.collection(namespace if self.namespaced else '')}/{_quoted(name)}"


class Unresolved(msgspec.Struct, frozen=True):
    """Why the resource of a kind is not known."""

    reason: str
    message: str
    served: bool = False
    """The kind may well exist: discovery failed. False: the API server answered, and has no such kind."""


Resources = Mapping[GroupKind, Resource | Unresolved]


def kind_of(object_id: ids.ObjectId) -> GroupKind:
    return GroupKind(object_id.group, object_id.kind)


def version_of(api_version: str) -> str:
    """The version in an `apiVersion`, without its group."""
    return api_version.rpartition("/")[2]


def unknown(kind: GroupKind) -> Unresolved:
    """What is said of a kind that the API server does not serve."""
    return Unresolved(reason="NoMatch", message=f"the API server knows no kind {kind}")


def _quoted(segment: str) -> str:
    return urllib.parse.quote(segment, safe="")
