"""The objects that a cluster would get, in the order and in the namespaces in which its agent would apply them.

The hub cannot know the scope of a custom kind, unless its definition stands in what is rendered: where only the
cluster knows, the namespace stays as it is written, and what the agent would write is told beside it.
"""

import graphlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from controller.domain import kinds, placements
from controller.preview import looking
from protocol import bundles, groups, ids, ordering
from protocol.canonical import Digest


class Shown(msgspec.Struct, frozen=True):
    """One object that a cluster would get."""

    bundle: ids.BundleId
    object: ids.ObjectId
    """In its namespace, as far as that is known."""
    file: str
    """Where it stands, or the directory that it was rendered from."""
    digest: Digest
    """Of its canonical bytes: what the hub stores."""
    plain: bytes
    """Those bytes, in the namespace that is written."""
    if_namespaced: str = ""
    """Its namespace, if the kind is namespaced; empty: the namespace is known, or there is none."""
    refused: str = ""
    """Why its agent would not apply it."""
    is_hook: bool = False

    @property
    def manifest(self) -> dict[str, Any]:
        """As the agent sends it, its own annotations apart."""
        found: dict[str, Any] = msgspec.json.decode(self.plain)
        metadata = dict(found["metadata"])
        if self.object.namespace:
            metadata["namespace"] = self.object.namespace
        elif not self.if_namespaced:
            metadata.pop("namespace", None)
        return {**found, "metadata": metadata}


def shown(look: looking.Look, placed: Sequence[placements.Placed], *, hooks: bool = False) -> tuple[Shown, ...]:
    """The objects of these bundles, those that others depend on first."""
    rendered = {one.bundle: look.index(one.index) for one in placed if one.index}
    scopes = dict(_scopes(look, rendered.values()))
    found: list[Shown] = []
    for bundle in _ordered(placed):
        if bundle in rendered:
            index = rendered[bundle]
            objects = [_shown(look, index, item, scopes) for item in index.objects]
            found += sorted(objects, key=lambda one: (ordering.stage_of(one.object), one.object))
            if hooks:
                found += [_hook(look, index, item, scopes) for item in index.hooks]
    return tuple(found)


def refusal(object_id: ids.ObjectId, options: bundles.BundleOptions) -> str:
    """Why an agent will not apply the object, whatever its cluster says; empty: it will try."""
    if options.namespace and (object_id.group, object_id.kind) in kinds.CLUSTER_SCOPED:
        return f"{object_id}: is cluster-scoped, and the bundle forces the namespace {options.namespace}"
    return ""


_Scopes = Mapping[tuple[str, str], bool]
"""(group, kind) → is it namespaced, for the custom kinds whose definitions are at hand."""


def _scopes(look: looking.Look, indexes: Iterable[bundles.BundleIndex]) -> Iterator[tuple[tuple[str, str], bool]]:
    for index in indexes:
        for item in index.objects:
            if ordering.stage_of(item.object) is ordering.Stage.DEFINITIONS:
                spec = msgspec.json.decode(look.manifest(item.manifest)).get("spec")
                if isinstance(spec, dict) and isinstance(names := spec.get("names"), dict):
                    yield (str(spec.get("group")), str(names.get("kind"))), spec.get("scope") == "Namespaced"


def _shown(
    look: looking.Look, index: bundles.BundleIndex, item: bundles.IndexEntry | bundles.HookEntry, scopes: _Scopes
) -> Shown:
    written, options = item.object, index.options
    identity = kinds.identity(written, options)
    namespace = options.namespace or written.namespace or options.default_namespace or ordering.DEFAULT_NAMESPACE
    is_namespaced = scopes.get((written.group, written.kind))
    if_namespaced = ""
    if is_namespaced is not None:
        identity = msgspec.structs.replace(identity, namespace=namespace if is_namespaced else "")
    elif written.group not in groups.BUILT_IN and not identity.namespace:
        if_namespaced = namespace
    return Shown(
        bundle=index.bundle,
        object=identity,
        file=item.file,
        digest=item.manifest,
        plain=look.manifest(item.manifest),
        if_namespaced=if_namespaced,
        refused=refusal(written, options),
    )


def _hook(look: looking.Look, index: bundles.BundleIndex, item: bundles.HookEntry, scopes: _Scopes) -> Shown:
    return msgspec.structs.replace(_shown(look, index, item, scopes), is_hook=True)


def _ordered(placed: Sequence[placements.Placed]) -> list[ids.BundleId]:
    """Those that others depend on first, otherwise by their ids; by their ids alone where they go round in a circle."""
    waiting = graphlib.TopologicalSorter(
        {one.bundle: {needed.bundle for needed in one.depends_on} for one in sorted(placed, key=lambda one: one.bundle)}
    )
    try:
        waiting.prepare()
    except graphlib.CycleError:
        return sorted(one.bundle for one in placed)
    found: list[ids.BundleId] = []
    while waiting.is_active():
        ready = sorted(waiting.get_ready())
        found += ready
        waiting.done(*ready)
    return found
