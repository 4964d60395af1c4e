"""From a file's bytes to manifests that an API server may get: read, flattened, checked, and stripped of what only a
server sets.

Left out without a word: `status` and `metadata.creationTimestamp: null`, which generators write into every object.
Left out with a warning: the other fields of `metadata` that a server sets; server-side apply refuses `managedFields`,
and `resourceVersion` or `uid` would tie the object to a life that has passed.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from controller.render import errors, jsons, limits, yamls
from protocol import bundles, ids
from protocol.events import sources

Raw = dict[str, Any]

SUFFIXES = (".yaml", ".yml", ".json")

_SERVER_SET = ("managedFields", "resourceVersion", "uid", "generation", "selfLink", "creationTimestamp")
_IGNORABLE = "a file that is no manifest may be listed in .flotillaignore"


Item = tuple[int, Any]
"""What should be an object, with the line that it begins in."""


class Manifest(msgspec.Struct, frozen=True):
    """One object of a file."""

    id: ids.ObjectId
    plain: bytes
    """Its canonical bytes."""
    line: int


class File(msgspec.Struct, frozen=True):
    """All that one file says."""

    manifests: tuple[Manifest, ...] = ()
    problems: tuple[sources.Problem, ...] = ()
    """Not empty: the file cannot be used."""
    warnings: tuple[sources.Problem, ...] = ()


def read(name: str, data: bytes) -> File:
    """Read a file; whatever the bytes are, the result says what is wrong with them."""
    try:
        documents = load(name, data)
    except errors.UnreadableError as error:
        return File(problems=(sources.Problem("", error.reason, error.line),))
    return checked(flattened(documents))


def checked(items: Iterable[Item]) -> File:
    """Make manifests of objects; whatever they are, the result says what is wrong with them."""
    found: list[Manifest] = []
    problems: list[sources.Problem] = []
    warnings: list[sources.Problem] = []
    for line, value in items:
        if len(problems) >= limits.ERRORS_MAX:
            break
        try:
            found.append(_manifest(value, line, warnings))
        except errors.UnreadableError as error:
            problems.append(sources.Problem("", error.reason, line))
    return File(tuple(found), tuple(problems), tuple(warnings[: limits.WARNINGS_MAX]))


def load(name: str, data: bytes, *, with_plain: bool = False) -> list[yamls.Document]:
    """The documents of a JSON or YAML file, told apart as kubectl does; `Plain` scalars of YAML if asked for."""
    if name.endswith(".json"):
        return jsons.load(data)
    if jsons.looks_like_json(data):
        try:
            return jsons.load(data)
        except errors.UnreadableError as error:
            # A flow mapping of YAML begins with a brace, too.
            if not error.reason.startswith("not JSON"):
                raise
    return yamls.load(data, with_plain=with_plain)


def flattened(documents: list[yamls.Document]) -> Iterator[Item]:
    """Every object, in the order of the file; lists may hold lists."""
    pending = [(document.line, document.value) for document in reversed(documents)]
    while pending:
        line, value = pending.pop()
        if is_list(value):
            pending.extend((line, item) for item in reversed(value["items"]))
        else:
            yield line, value


def is_list(value: Any) -> bool:
    """Is it one of the kinds that only hold other objects?"""
    if not isinstance(value, dict):
        return False
    kind = value.get("kind")
    return isinstance(kind, str) and kind.endswith("List") and isinstance(value.get("items"), list)


def _manifest(value: Any, line: int, warnings: list[sources.Problem]) -> Manifest:
    if not isinstance(value, dict):
        raise errors.UnreadableError(f"not a Kubernetes object but {_kind(value)} ({_IGNORABLE})")
    _check_type(value)
    metadata = _checked_metadata(value)
    dropped = [name for name in _SERVER_SET if metadata.get(name) is not None]
    identity = ids.object_id(value)
    if dropped:
        warnings.append(
            sources.Problem("", f"{identity}: metadata.{', metadata.'.join(dropped)} left out (a server sets it)", line)
        )
    plain = bundles.manifest_bytes(_stripped(value, metadata))
    if len(plain) > bundles.MANIFEST_BYTES_MAX:
        raise errors.UnreadableError(f"{identity}: larger than {bundles.MANIFEST_BYTES_MAX} bytes")
    return Manifest(identity, plain, line)


def _check_type(value: Raw) -> None:
    for field in ("apiVersion", "kind"):
        if field not in value or value[field] in (None, ""):
            raise errors.UnreadableError(f"not a Kubernetes object: {field} is missing ({_IGNORABLE})")
        if not isinstance(value[field], str):
            raise errors.UnreadableError(f"{field} is {_kind(value[field])}, not a string (put it in quotes)")
    group, _, version = value["apiVersion"].rpartition("/")
    if not version or "/" in group or value["apiVersion"].startswith("/"):
        raise errors.UnreadableError(f"apiVersion {value['apiVersion'][:80]!r} is not `version` or `group/version`")


def _checked_metadata(value: Raw) -> Raw:
    who = f"{value['kind'][:80]} without a name"
    metadata = value.get("metadata")
    if not isinstance(metadata, dict):
        raise errors.UnreadableError(f"{who}: metadata is missing ({_IGNORABLE})")
    name = metadata.get("name")
    if name in (None, ""):
        if metadata.get("generateName"):
            raise errors.UnreadableError(f"{who}: generateName would create another object at every apply (use name)")
        raise errors.UnreadableError(f"{who}: metadata.name is missing ({_IGNORABLE})")
    for field in ("name", "namespace"):
        if not isinstance(metadata.get(field, ""), str | None):
            raise errors.UnreadableError(
                f"{value['kind'][:80]}: metadata.{field} is {_kind(metadata[field])}, not a string (put it in quotes)"
            )
    for field in ("labels", "annotations"):
        _check_strings(metadata.get(field), f"{value['kind'][:80]} {name}: metadata.{field}")
    return metadata


def _check_strings(value: Any, what: str) -> None:
    """The server would refuse them too, at the end of a rollout's way: `yes` and `1.10` are the classics."""
    if value is None:
        return
    if not isinstance(value, dict):
        raise errors.UnreadableError(f"{what} is {_kind(value)}, not a mapping")
    for key, item in value.items():
        if not isinstance(item, str):
            raise errors.UnreadableError(f"{what}.{key[:80]} is {_kind(item)}, not a string (put it in quotes)")


def _stripped(value: Raw, metadata: Raw) -> Raw:
    kept = {key: item for key, item in metadata.items() if key not in _SERVER_SET}
    if not kept.get("namespace"):
        kept.pop("namespace", None)  # templates that fill in nothing leave `namespace:` behind
    return {key: item for key, item in value.items() if key != "status"} | {"metadata": kept}


def _kind(value: Any) -> str:
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "a list", dict: "a mapping"}
    return "null" if value is None else names[type(value)]
