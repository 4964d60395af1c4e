"""Which kinds the API server serves, where, and with which scope.

Read group by group and kept. A kind that is not known makes its group be read again, because a CustomResourceDefinition
may have brought it; a group whose API server is down is an error of that group, never the absence of its kinds.
"""

import asyncio
import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from agents.domain import resources
from agents.domain.resources import GroupKind, Resource, Unresolved
from agents.kube import client, errors
from protocol import groups

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

STALE = "Stale"
"""As the `freshness` of a version: the server behind it did not answer the API server."""

Object = dict[str, Any]


class _Group(msgspec.Struct, frozen=True):
    """One API group as it was read: its kinds, and the versions that could not be read."""

    kinds: Mapping[str, Resource]
    failures: tuple[errors.KubeError, ...] = ()


class Discovery:
    """The API server's kinds, cached."""

    def __init__(self, api: client.Client) -> None:
        self._api = api
        self._versions: dict[str, tuple[str, ...]] | None = None
        self._groups: dict[str, _Group] = {}

    def forget(self, groups: Collection[str] | None = None) -> None:
        """Read these groups again at the next question; None: all of them."""
        self._versions = None
        self._groups = {
            name: found for name, found in self._groups.items() if groups is not None and name not in groups
        }

    async def resolve(self, kinds: Iterable[GroupKind]) -> dict[GroupKind, Resource | Unresolved]:
        """The resource of each kind, or why it is not known. Raise KubeError if the server cannot be asked at all."""
        wanted = sorted(set(kinds))
        await self._load(sorted({kind.group for kind in wanted} - self._groups.keys()))
        missing = {kind.group for kind in wanted if not isinstance(self._find(kind), Resource)}
        if missing:
            self._versions = None
            await self._load(sorted(missing))
        return {kind: self._find(kind) for kind in wanted}

    async def contents(self) -> list[Resource]:
        """Every namespaced resource that can be listed; raise KubeError if any group cannot be read.

        One resource per kind and group: its objects are the same at each version.
        """
        await self._load(sorted(await self._served()))
        for group in self._groups.values():
            if group.failures:
                raise group.failures[0]
        return [
            resource
            for _, group in sorted(self._groups.items())
            for _, resource in sorted(group.kinds.items())
            if resource.namespaced and resource.listable and resource.deletable
        ]

    def _find(self, kind: GroupKind) -> Resource | Unresolved:
        group = self._groups.get(kind.group, _Group({}))
        found = group.kinds.get(kind.kind)
        if found is not None:
            return found
        if group.failures:
            failure = group.failures[0]
            return Unresolved(failure.reason, f"{kind}: discovery failed ({failure})", served=True)
        return resources.unknown(kind)

    async def _served(self) -> dict[str, tuple[str, ...]]:
        """The versions of each group, the preferred one first."""
        if self._versions is None:
            document = await self._api.get("/apis")
            versions: dict[str, tuple[str, ...]] = {"": ("v1",)}
            with _readable("/apis"):
                for group in document.get("groups") or ():
                    preferred = (group.get("preferredVersion") or {}).get("version", "")
                    listed = [item["version"] for item in group["versions"]]
                    versions[group["name"]] = tuple(sorted(listed, key=lambda version: version != preferred))
            self._versions = versions
        return self._versions

    async def _load(self, groups: list[str]) -> None:
        if not groups:
            return
        served = await self._served()
        async with asyncio.TaskGroup() as tasks:
            loads = {group: tasks.create_task(self._read_group(group, served.get(group, ()))) for group in groups}
        self._groups.update({group: load.result() for group, load in loads.items()})

    async def _read_group(self, group: str, versions: tuple[str, ...]) -> _Group:
        kinds: dict[str, Resource] = {}
        failures: list[errors.KubeError] = []
        for version in versions:
            path = f"/apis/{group}/{version}" if group else f"/api/{version}"
            try:
                document = await self._api.get(path)
                with _readable(path):
                    listed = list(_listed(group, version, document))
            except errors.KubeError as error:
                failures.append(error)
                continue
            for resource in listed:
                kinds.setdefault(resource.kind, resource)
        return _Group(kinds, tuple(failures))


async def api_versions(api: client.Client) -> tuple[frozenset[str], frozenset[str]]:
    """What is served beside Kubernetes' own groups, as Helm names it, and each group and version of which the server
    knows only what it was told before, if anything; raise KubeError if the server does not say.

    One request: a server of Kubernetes 1.27 or later answers with the kinds of every group, an older one with groups
    and versions only.
    """
    document = await api.get("/apis", accept=f"{AGGREGATED}, {client.JSON}")
    with _readable("/apis"):
        listed = [(item["metadata"]["name"], item.get("versions") or ()) for item in document.get("items") or ()]
        listed += [(group["name"], group.get("versions") or ()) for group in document.get("groups") or ()]
        names = frozenset(name for group, versions in listed for name in _named(group, versions))
        stale = [
            f"{group}/{one['version']}"
            for group, versions in listed
            for one in versions
            if one.get("freshness") == STALE
        ]
    return names, frozenset(stale)


@contextlib.contextmanager
def _readable(path: str) -> Iterator[None]:
    """What the API server passes on from the servers of others may be anything."""
    try:
        yield
    except (KeyError, TypeError, AttributeError) as error:
        raise errors.Unexpected(f"{path}: the answer is not what the API says ({error!r})") from error


def _named(group: str, versions: Iterable[Object]) -> Iterator[str]:
    if group in groups.BUILT_IN:
        return
    for version in versions:
        yield f"{group}/{version['version']}"
        for resource in version.get("resources") or ():
            # None, or one without a name, of what has subresources only: KubeVirt serves such a group.
            if kind := (resource.get("responseKind") or {}).get("kind"):
                yield f"{group}/{version['version']}/{kind}"


def _listed(group: str, version: str, document: Object) -> Iterable[Resource]:
    for item in document.get("resources") or ():
        if "/" in item["name"]:
            continue  # a subresource
        verbs = item.get("verbs") or ()
        yield Resource(
            group=group,
            version=version,
            kind=item["kind"],
            plural=item["name"],
            namespaced=item["namespaced"],
            listable="list" in verbs,
            deletable="delete" in verbs,
            watchable="list" in verbs and "watch" in verbs,
        )
