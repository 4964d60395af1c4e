"""A bundle's patches, laid over its rendered objects.

A list of operations (RFC 6902) needs a target; an object is merged (strategic merge) into what its target matches, or
without a target into the object that it names. Group, version, kind, name and namespace of a target are regular
expressions that match the whole, as in Kustomize; an object that names no namespace counts as one of `default`. A merge
leaves kind, name and namespace as they are, whatever the patch says there; operations that change them are refused.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import msgspec

from controller.render import errors, json_patches, label_selectors, merging, recipes, regexes

Object: TypeAlias = dict[str, Any]

_DEFAULT_NAMESPACE = "default"
_SHOWN_CHARACTERS = 60


class _Name(msgspec.Struct, frozen=True):
    """What an object is told apart by."""

    group: str
    version: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        name = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind} {name}"[:300]


def apply(objects: Sequence[Any], patches: Sequence[recipes.Patch]) -> list[Any]:
    """The objects after all patches, in order, each in its place; None where a patch deleted one.

    Raises UnreadableError, which names the patch: one that is malformed, matches nothing, or does not fit an object.
    Nothing that is given is changed; what is no object stays.
    """
    found = list(objects)
    for patch in patches:
        _apply(found, patch)
    return found


def _apply(objects: list[Any], patch: recipes.Patch) -> None:
    label = _label(patch)
    try:
        is_meant = _meant(patch)
        places = [at for at, value in enumerate(objects) if (name := _name(value)) and is_meant(name, value)]
    except errors.UnreadableError as error:
        raise errors.UnreadableError(f"{label}: {error.reason}") from error
    if not places:
        raise errors.UnreadableError(f"{label}: matches no object")
    for at in places:
        try:
            objects[at] = patched(objects[at], patch.patch)
        except errors.UnreadableError as error:
            raise errors.UnreadableError(f"{label}: {_name(objects[at])}: {error.reason}") from error


def patched(value: Object, patch: Sequence[dict[str, Any]] | dict[str, Any]) -> Object | None:
    """One object after one patch; None: the patch deletes it. Raises UnreadableError."""
    if isinstance(patch, dict):
        return _merged(value, patch)
    made = json_patches.apply(value, patch)
    before, after = _name(value), _name(made)
    if after is None:
        raise errors.UnreadableError("after the patch, apiVersion, kind or metadata.name is missing")
    if before is not None and msgspec.structs.replace(before, version="") != msgspec.structs.replace(after, version=""):
        raise errors.UnreadableError(f"it would become {after} (a patch may not change kind, namespace or name)")
    return dict(made)


def _merged(value: Object, patch: Object) -> Object | None:
    found = merging.merged(value, {name: item for name, item in patch.items() if name not in ("apiVersion", "kind")})
    if found is None:
        return None
    metadata = found.get("metadata", {})
    if not isinstance(metadata, dict):
        raise errors.UnreadableError("after the patch, metadata is no mapping")
    own = value["metadata"]
    kept = {name: own[name] for name in ("name", "namespace") if name in own}
    others = {name: item for name, item in metadata.items() if name not in ("name", "namespace")}
    typed = {name: value[name] for name in ("apiVersion", "kind")}
    return typed | found | {"metadata": kept | others}


def _name(value: Any) -> _Name | None:
    """None: it is no object, which a later check says better."""
    if not isinstance(value, dict) or not isinstance(value.get("metadata"), dict):
        return None
    api_version, kind, metadata = value.get("apiVersion"), value.get("kind"), value["metadata"]
    name, namespace = metadata.get("name"), metadata.get("namespace") or ""
    if not all(isinstance(text, str) and text for text in (api_version, kind, name)) or not isinstance(namespace, str):
        return None
    group, _, version = str(api_version).rpartition("/")
    return _Name(group, version, str(kind), namespace, str(name))


def _meant(patch: recipes.Patch) -> Callable[[_Name, Object], bool]:
    """Tells which objects the patch is for; raise UnreadableError if it does not say so."""
    if patch.target is not None:
        return _matching(patch.target)
    if not isinstance(patch.patch, dict):
        raise errors.UnreadableError("a list of operations needs a target")
    wanted = _name(patch.patch)
    if wanted is None:
        raise errors.UnreadableError("needs a target, or apiVersion, kind and metadata.name of the object it is for")
    return lambda name, _: _in_some_namespace(name) == _in_some_namespace(wanted)


def _matching(target: recipes.PatchTarget) -> Callable[[_Name, Object], bool]:
    selector = label_selectors.parse(target.label_selector)
    patterns = (target.group, target.version, target.kind, target.namespace, target.name)
    for pattern in patterns:
        regexes.compiled(pattern)

    def is_meant(name: _Name, value: Object) -> bool:
        own = msgspec.structs.astuple(_in_some_namespace(name))
        return regexes.all_match(zip(patterns, own, strict=True)) and label_selectors.selects(selector, _labels(value))

    return is_meant


def _in_some_namespace(name: _Name) -> _Name:
    return name if name.namespace else msgspec.structs.replace(name, namespace=_DEFAULT_NAMESPACE)


def _labels(value: Object) -> dict[str, str]:
    labels = value["metadata"].get("labels")
    return {key: text for key, text in labels.items() if isinstance(text, str)} if isinstance(labels, dict) else {}


def _label(patch: recipes.Patch) -> str:
    """The patch in a message."""
    if patch.target is not None:
        given = [(field, getattr(patch.target, field)) for field in recipes.PatchTarget.__struct_fields__]
        said = [f"{field.replace('_', ' ')} {text[:_SHOWN_CHARACTERS]}" for field, text in given if text]
        return f"patch for {', '.join(said) or 'any object'}"
    name = _name(patch.patch)
    return f"patch for {name}" if name is not None else "patch without a target"
