"""Helm's hooks as entries of a bundle's index: what their annotations say, read as Helm reads it."""

import re
from typing import Any

import msgspec

from controller.render import rendering
from protocol import bundles, hooks
from protocol.events import sources

PHASES = "helm.sh/hook"
WEIGHT = "helm.sh/hook-weight"
DELETE_POLICY = "helm.sh/hook-delete-policy"

_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")


def entry(hook: rendering.Object) -> bundles.HookEntry:
    """The entry of one hook. A weight that is no number counts as 0."""
    annotations = _annotations(msgspec.json.decode(hook.manifest.plain))
    weight = annotations.get(WEIGHT, "").strip()
    return bundles.HookEntry(
        object=hook.manifest.id,
        manifest=bundles.manifest_digest(hook.manifest.plain),
        file=hook.path,
        phases=_words(annotations.get(PHASES, "")),
        weight=int(weight) if _NUMBER.fullmatch(weight) else 0,
        delete_policies=_words(annotations.get(DELETE_POLICY, "")),
    )


def entries(found: tuple[rendering.Object, ...]) -> tuple[bundles.HookEntry, ...]:
    """The entries of a bundle's hooks, in the order in which those of one phase run."""
    return tuple(sorted(map(entry, found), key=lambda one: (one.weight, one.object, one.manifest)))


def warnings(found: tuple[rendering.Object, ...]) -> tuple[sources.Problem, ...]:
    """The hooks that no agent runs, each with what it waits for in vain."""
    told = ((item.path, entry(item)) for item in found)
    return tuple(
        sources.Problem(path, f"{one.object}: its hook {', '.join(ignored)} is never run{_rest(one)}")
        for path, one in told
        if (ignored := hooks.ignored(one))
    )


def _rest(one: bundles.HookEntry) -> str:
    run = [phase for phase in one.phases if phase in hooks.RUN]
    return f" ({', '.join(run)} is)" if run else ""


def _annotations(manifest: Any) -> dict[str, str]:
    found = manifest["metadata"].get("annotations") or {}
    return {name: value for name, value in found.items() if isinstance(value, str)}


def _words(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for part in text.split(",") if (word := part.strip())))
