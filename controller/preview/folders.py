"""Objects as files, one for each, in a new directory and never outside it, whatever the objects are called."""

import hashlib
import os
import pathlib
import re
from collections.abc import Iterable

from controller import errors
from controller.preview import objects, texts

NAME_BYTES_MAX = 200
"""Of one file or directory; file systems take 255."""

_ODD = re.compile(r"[^A-Za-z0-9._-]")


class UnwritableError(errors.Terminal):
    """The directory cannot be written, or holds something already."""


def write(directory: pathlib.Path, shown: Iterable[objects.Shown]) -> int:
    """Write each object into a directory called after its bundle; return how many. Raise UnwritableError where the
    directory is not empty: what is left of another time would pass for a part of this one."""
    written = 0
    taken: set[str] = set()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if next(directory.iterdir(), None) is not None:
            raise UnwritableError(f"{directory}: not empty (what is left there would pass for rendered)")
        for one in shown:
            path = _path(one, taken)
            folder = directory.joinpath(*path[:-1])
            folder.mkdir(parents=True, exist_ok=True)
            # It is new, so that neither a link nor anybody else's file is written through.
            mode = 0o600 if (one.object.group, one.object.kind) == ("", "Secret") else 0o644
            descriptor = os.open(folder / path[-1], os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
            with os.fdopen(descriptor, "w") as file:
                file.write(texts.one_as_yaml(one))
            written += 1
    except OSError as error:
        raise UnwritableError(f"{directory}: cannot be written ({error.strerror or error})") from error
    return written


def _path(one: objects.Shown, taken: set[str]) -> tuple[str, ...]:
    kind = f"{one.object.kind}.{one.object.group}" if one.object.group else one.object.kind
    parts = [kind, one.object.namespace or one.if_namespaced, one.object.name]
    folders = tuple(safe(part) for part in one.bundle.split("/"))
    name = safe("_".join(part for part in parts if part))
    # Two that are told apart by the case of a letter alone are one file on some machines.
    if "/".join((*folders, name)).casefold() in taken:
        name = f"{name}-{hashlib.sha256(repr(one.object).encode() + one.digest.encode()).hexdigest()[:12]}"
    taken.add("/".join((*folders, name)).casefold())
    return (*folders, f"{name}.yaml")


def safe(name: str) -> str:
    """A file's name that leads nowhere else: odd characters as in URLs, and no longer than file systems like it."""
    found = _ODD.sub(lambda odd: "".join(f"%{byte:02X}" for byte in odd[0].encode(errors="surrogateescape")), name)
    if found.startswith("."):
        found = f"%2E{found[1:]}"
    if len(found) > NAME_BYTES_MAX:
        found = (
            f"{found[: NAME_BYTES_MAX - 13]}-{hashlib.sha256(name.encode(errors='surrogateescape')).hexdigest()[:12]}"
        )
    return found or "%"
