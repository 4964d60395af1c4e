"""What a Git tree says, as plain data: names and modes are facts, never paths to follow."""

import enum
import re

import msgspec

from controller.git import errors

OID_BYTES = 20

_CONTROL = re.compile(r"[\x00-\x1f\x7f/]")


class Kind(enum.StrEnum):
    """What a name in a tree stands for."""

    DIRECTORY = "directory"
    FILE = "file"
    LINK = "symbolic link"
    SUBMODULE = "submodule"


_KINDS = {b"40000": Kind.DIRECTORY, b"040000": Kind.DIRECTORY, b"120000": Kind.LINK, b"160000": Kind.SUBMODULE}


class TreeEntry(msgspec.Struct, frozen=True):
    """One name in a tree."""

    name: str
    """Printable: bytes that are not UTF-8 and control characters stand as escapes."""
    kind: Kind
    oid: str
    odd: bool = False
    """The name is no file name that a checkout could have made, or not one a person could read."""


def parse_tree(oid: str, data: bytes) -> tuple[TreeEntry, ...]:
    """The entries of a raw tree object in Git's order; raise Malformed if the bytes are no tree.

    Read by hand: libgit2's own tree reader drops what a strict file system could not hold, and we must not drop.
    """
    entries = []
    at = 0
    while at < len(data):
        blank = data.find(b" ", at)
        end = data.find(b"\0", blank)
        if blank < 0 or end < 0 or end + OID_BYTES >= len(data):
            raise errors.Malformed(f"tree {oid}: cannot be read (cut short)")
        stop = end + 1 + OID_BYTES
        entries.append(_entry(data[at:blank], data[blank + 1 : end], data[end + 1 : stop].hex()))
        at = stop
    return tuple(entries)


def _entry(mode: bytes, raw: bytes, oid: str) -> TreeEntry:
    kind = _KINDS.get(mode)
    if kind is None:
        if not mode.startswith(b"100"):
            raise errors.Malformed(f"object {oid}: unknown mode {mode[:8]!r} in its tree")
        kind = Kind.FILE
    try:
        name = raw.decode()
    except UnicodeDecodeError:
        return TreeEntry(_printable(raw.decode(errors="backslashreplace")), kind, oid, odd=True)
    if _CONTROL.search(name) or name in ("", ".", ".."):
        return TreeEntry(_printable(name), kind, oid, odd=True)
    return TreeEntry(name, kind, oid)


def _printable(name: str) -> str:
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", name)
