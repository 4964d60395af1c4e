"""Fields in which a difference from Git is no drift: set when they are created, from then on as the cluster has them.

Server-side apply takes away what its owner no longer sends, and overrules others with what it sends: leaving such a
field out may remove it, sending Git's value reverts it. So the value that the cluster has is sent: nothing changes, and
the field stays whoever changes it next. A field that the cluster lacks, in something that is there, is left out; one
whose surroundings are missing is created with them, from Git.

Fields may be named by where they are, or by who holds them. The status, and the replicas that a HorizontalPodAutoscaler
has set, are the cluster's without anybody saying so.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from agents.domain import forecast, ownership
from protocol import bundles, ids, naming

T = TypeVar("T")

Object = dict[str, Any]

WHOLE = ""
"""The JSON pointer to the whole object."""

_IDENTITY = frozenset({"apiVersion", "kind"})
_NAMED = frozenset({"name", "namespace", "uid", "resourceVersion", "managedFields"})
"""Of the metadata: what says which object it is is never taken from elsewhere."""

STATUS = "/status"
"""Set at creation where Git has one, and from then on the cluster's: it says how things are, not how they should be."""

AUTOSCALER = ("kube-controller-manager", "scale")
"""Field manager and subresource by which a HorizontalPodAutoscaler sets replicas; who scales by hand is another."""

_SCALED = frozenset({"Deployment", "ReplicaSet", "StatefulSet"})
"""Of group apps: what is scaled by itself."""

_PLACE = re.compile(r"0|[1-9][0-9]{0,8}")


class _Absent(msgspec.Struct, frozen=True):
    """Stands for a field that is left out, until all pointers were followed: others count the places beside it."""


_ABSENT = _Absent()


def pointers(options: bundles.BundleOptions, of: ids.ObjectId) -> tuple[str, ...]:
    """What a bundle ignores of one of its objects; WHOLE alone: all of it. `of` has its namespace resolved."""
    rules = [rule for rule in options.ignore if _is_meant(rule, of)]
    if any(not rule.pointers and not rule.managers for rule in rules):
        return (WHOLE,)
    return tuple(dict.fromkeys(pointer for rule in rules for pointer in rule.pointers))


def managers(options: bundles.BundleOptions, of: ids.ObjectId) -> frozenset[str]:
    """Whose fields a bundle ignores in one of its objects."""
    return frozenset(name for rule in options.ignore if _is_meant(rule, of) for name in rule.managers)


def needs_live(manifest: Object, options: bundles.BundleOptions, of: ids.ObjectId) -> bool:
    """Does what is sent to an object that exists depend on how that is?"""
    return bool(pointers(options, of) or managers(options, of)) or "status" in manifest or _is_scaled(manifest, of)


def settled(manifest: Object, live: Object, options: bundles.BundleOptions, *, of: ids.ObjectId) -> Object:
    """The manifest as it is sent to an object that exists, both in the same API version: without what is ignored."""
    found = kept(manifest, live, (*pointers(options, of), STATUS))
    names = managers(options, of)
    for entry in live["metadata"].get("managedFields") or ():
        scaling = (entry.get("manager"), entry.get("subresource")) == AUTOSCALER and _is_scaled(manifest, of)
        if entry.get("manager") in names or scaling:
            found = _yielded(found, live, entry.get("fieldsV1") or {})
    return found


def counted(found: Mapping[str, T], live: Object, options: bundles.BundleOptions, *, of: ids.ObjectId) -> dict[str, T]:
    """Of some fields of a live object, by their paths, those in which a difference from Git is drift."""
    places = [_place(live, pointer) for pointer in (*pointers(options, of), STATUS)]
    owners, names = ownership.others(live), managers(options, of)

    def counts(path: str) -> bool:
        owner = ownership.holder(path, owners)
        if owner is not None and (owner.manager in names or (owner.manager, owner.subresource) == AUTOSCALER):
            return False
        return not any(ownership.is_within(path, place) or ownership.is_within(place, path) for place in places)

    return {path: value for path, value in found.items() if counts(path)}


def is_whole(options: bundles.BundleOptions, of: ids.ObjectId) -> bool:
    """Is every difference of the object ignored?"""
    return pointers(options, of) == (WHOLE,)


def kept(manifest: Object, live: Object, ignored: Sequence[str]) -> Object:
    """The manifest with the fields at some pointers as the live object has them."""
    found: Any = manifest
    for steps in _expanded(manifest, ignored):
        found = _followed(found, live, steps)
    cleared: Object = _cleared(found)
    ours = {name: text for name, text in _annotations(manifest).items() if name.startswith(naming.PREFIX)}
    if not ours:
        return cleared
    annotations = {**_annotations(cleared), **ours}
    return {**cleared, "metadata": {**cleared["metadata"], "annotations": annotations}}


def _is_meant(rule: bundles.IgnoreRule, of: ids.ObjectId) -> bool:
    return (
        (rule.group is None or rule.group == of.group)
        and rule.kind in ("", of.kind)
        and rule.namespace in ("", of.namespace)
        and rule.name in ("", of.name)
    )


def _annotations(found: Object) -> dict[str, Any]:
    return found["metadata"].get("annotations") or {}


def _steps(pointer: str) -> tuple[str, ...]:
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:])


def _expanded(manifest: Object, ignored: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The pointers as steps, around what says which object it is."""
    for pointer in ignored:
        steps = _steps(pointer)
        for top in sorted(manifest.keys() - _IDENTITY) if not steps else steps[:1]:
            rest = steps[1:]
            if top in _IDENTITY:
                continue
            if top != "metadata":
                yield (top, *rest)
                continue
            for name in sorted(manifest["metadata"].keys() - _NAMED) if not rest else rest[:1]:
                if name not in _NAMED:
                    yield (top, name, *rest[1:])


def _followed(wanted: Any, live: Any, steps: tuple[str, ...]) -> Any:
    """What is wanted, with the field at the end of the steps as the live object has it."""
    if not steps:
        return live
    step, rest = steps[0], steps[1:]
    if isinstance(wanted, dict) and isinstance(live, dict) and step in wanted:
        if step in live:
            return {**wanted, step: _followed(wanted[step], live[step], rest)}
        return wanted if rest else {**wanted, step: _ABSENT}
    if isinstance(wanted, list) and isinstance(live, list) and _PLACE.fullmatch(step) and int(step) < len(wanted):
        place = int(step)
        there = _counterpart(wanted[place], place, live)
        if isinstance(there, _Absent):
            return wanted if rest else [*wanted[:place], _ABSENT, *wanted[place + 1 :]]
        return [*wanted[:place], _followed(wanted[place], there, rest), *wanted[place + 1 :]]
    return wanted


def _counterpart(item: Any, place: int, live: list[Any]) -> Any:
    """The live item that a wanted one is: that of its name, where it has one, else that in its place."""
    if isinstance(item, dict) and isinstance(item.get("name"), str):
        return next((one for one in live if isinstance(one, dict) and one.get("name") == item["name"]), _ABSENT)
    return live[place] if place < len(live) else _ABSENT


def _cleared(found: Any) -> Any:
    if isinstance(found, dict):
        return {name: _cleared(value) for name, value in found.items() if not isinstance(value, _Absent)}
    if isinstance(found, list):
        return [_cleared(value) for value in found if not isinstance(value, _Absent)]
    return found


def _place(live: Object, pointer: str) -> str:
    """Where a pointer leads to, as a path; to a list, where it leads to an item without a name."""
    path = ""
    here: Any = live
    for step in _steps(pointer):
        if isinstance(here, list):
            item = here[int(step)] if _PLACE.fullmatch(step) and int(step) < len(here) else _ABSENT
            if not isinstance(item, dict) or not isinstance(item.get("name"), str):
                return path
            path, here = f"{path}[name={item['name']}]", item
        else:
            path, here = path + forecast.step(step), here.get(step) if isinstance(here, dict) else None
    return path


def _is_scaled(manifest: Object, of: ids.ObjectId) -> bool:
    return of.group == "apps" and of.kind in _SCALED and "replicas" in (manifest.get("spec") or {})


def _yielded(wanted: Any, live: Any, fields: Mapping[str, Any]) -> Any:
    """What is wanted, with the fields that somebody holds (`fieldsV1`) as the live object has them."""
    if not fields:
        return live
    for key, below in fields.items():
        kind, _, name = key.partition(":")
        if kind == "f" and isinstance(wanted, dict) and isinstance(live, dict):
            if name in wanted and name in live and not name.startswith(naming.PREFIX):
                wanted = {**wanted, name: _yielded(wanted[name], live[name], below)}
        elif kind == "k" and isinstance(wanted, list) and isinstance(live, list):
            keys = msgspec.json.decode(name)
            there = next((one for one in live if _has(one, keys)), _ABSENT)
            if not isinstance(there, _Absent):
                wanted = [_yielded(one, there, below) if _has(one, keys) else one for one in wanted]
    return wanted


def _has(item: Any, keys: Mapping[str, Any]) -> bool:
    return isinstance(item, dict) and all(item.get(key) == value for key, value in keys.items())
