"""Overlays: directories whose files replace, remove, patch or join a bundle's own, before any is read (Fleet's way).

A file replaces the bundle's file of the same path, or is added; an empty one removes it. `name_patch.yaml` patches
`name.yaml`: an object is merged (strategic merge), a list of operations applied (RFC 6902). A file of one object is
patched as a whole; in a file of several, a merged object says by apiVersion, kind, name and namespace which it is for.
Patched files are written anew; references to variables stay plain or quoted as they were.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from controller.render import errors, limits, manifests, patches, recipes, yamls

PATCH_SUFFIXES = ("_patch.yaml", "_patch.yml", "_patch.json")

_PATCH = "_patch"
_MANY = "the file has {count} objects: {reason}"
_NOT_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
"""JSON has these as they are, YAML does not; both read their escapes."""

_KEY_CHARACTERS_MAX = 250
"""libyaml takes a longer key only after `?`; escapes make a character six."""


def apply(files: Mapping[str, bytes], overlay: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files after one overlay, by path; raise OverlayError with the overlay's file, the reason and its line.

    Paths are relative, to the bundle and to the overlay. Whole files come first, so that a patch finds what its own
    overlay adds.
    """
    found = dict(files)
    patching = sorted(path for path in overlay if path.endswith(PATCH_SUFFIXES))
    for path in sorted(set(overlay) - set(patching)):
        _lay(found, path, overlay[path])
    for path in patching:
        try:
            _patch(found, path, overlay[path])
        except errors.UnreadableError as error:
            raise errors.OverlayError(path, error.reason, error.line) from error
    return found


def _lay(files: dict[str, bytes], path: str, data: bytes) -> None:
    if data.strip():
        files[path] = data
    elif path in files:
        del files[path]
    elif path.endswith(manifests.SUFFIXES):
        raise errors.OverlayError(path, "an empty file removes the bundle's, which has none of this path")


def _patch(files: dict[str, bytes], path: str, data: bytes) -> None:
    stem, dot, suffix = path.rpartition(".")
    target = stem.removesuffix(_PATCH) + dot + suffix
    if target not in files:
        raise errors.UnreadableError(f"patches {target}, which the bundle does not have")
    changes = manifests.load(path, data, with_plain=True)
    if not changes:
        raise errors.UnreadableError("holds no patch")
    try:
        documents = manifests.load(target, files[target], with_plain=True)
    except errors.UnreadableError as error:
        raise errors.UnreadableError(f"{target}: {error.reason} (line {error.line})") from error
    values = [document.value for document in documents]
    for change in changes:
        try:
            values = _patched(values, _read(change.value))
        except errors.UnreadableError as error:
            raise errors.UnreadableError(f"{target}: {error.reason}", change.line) from error
    files[target] = _written(values, as_json=target.endswith(".json"))


def _read(value: Any) -> dict[str, Any] | tuple[dict[str, Any], ...]:
    if isinstance(value, dict):
        return value
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return tuple(value)
    raise errors.UnreadableError("a patch is an object, or a list of operations")


def _patched(values: list[Any], change: dict[str, Any] | tuple[dict[str, Any], ...]) -> list[Any]:
    if len(values) == 1 and isinstance(values[0], dict):
        if not _is_object(values[0]):
            raise errors.UnreadableError("what is patched is no Kubernetes object")
        made = [patches.patched(values[0], change)]
    else:
        try:
            made = patches.apply(values, [recipes.Patch(patch=change)])
        except errors.UnreadableError as error:
            raise errors.UnreadableError(_MANY.format(count=len(values), reason=error.reason)) from error
    return [value for value in made if value is not None]


def _is_object(value: dict[str, Any]) -> bool:
    return "apiVersion" in value and "kind" in value and isinstance(value.get("metadata"), dict)


def _written(values: list[Any], *, as_json: bool) -> bytes:
    lines: list[str] = []
    for value in values:
        if as_json:
            lines.append(_json(value))
        else:
            lines.append("---")
            _write(value, 0, lines)
    data = "".join(f"{line}\n" for line in lines).encode()
    if len(data) > limits.FILE_BYTES_MAX:
        raise errors.UnreadableError(f"larger than {limits.FILE_BYTES_MAX} bytes after the patch")
    return data


def _json(value: Any) -> str:
    """JSON that is YAML, too."""
    text = json.dumps(value, ensure_ascii=False)
    return _NOT_IN_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _write(value: Any, depth: int, lines: list[str]) -> None:
    """Block YAML, in which a plain scalar may hold braces; everything else is written as JSON."""
    pad = " " * depth
    if isinstance(value, dict) and value:
        for key, item in value.items():
            name = _json(str(key))
            begin = f"{name}:" if len(key) <= _KEY_CHARACTERS_MAX else f"? {name}\n{pad}:"
            _write_entry(pad + begin, item, depth=depth, lines=lines)
    elif isinstance(value, list) and value:
        for item in value:
            _write_entry(f"{pad}-", item, depth=depth, lines=lines)
    else:
        lines.append(pad + _scalar(value))


def _write_entry(begin: str, item: Any, *, depth: int, lines: list[str]) -> None:
    if isinstance(item, dict | list) and item:
        lines.append(begin)
        _write(item, depth + 1, lines)
    else:
        lines.append(f"{begin} {_scalar(item)}")


def _scalar(value: Any) -> str:
    if type(value) is yamls.Plain and "\n" not in value:
        return str(value)
    return _json(value)
