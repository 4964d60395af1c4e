"""Real Git repositories for tests, written object by object, so that anything can stand in a tree."""

import pathlib
from collections.abc import Mapping

import msgspec
import pygit2
import pygit2.enums

from controller.domain import catalogs
from protocol.canonical import NO_DIGEST, Digest

MAIN = "refs/heads/main"
AUTHOR = pygit2.Signature("Ada", "ada@example.com", 1_700_000_000, 0)


class Link(msgspec.Struct, frozen=True):
    """A symbolic link."""

    target: str


class Submodule(msgspec.Struct, frozen=True):
    """A commit of another repository."""

    commit: str = "1" * 40


class Directory(msgspec.Struct, frozen=True):
    """A tree that is written already."""

    tree: str


Content = str | bytes | Link | Submodule | Directory | Mapping[str, "Content"] | Mapping[bytes, "Content"]
Files = Mapping[str, Content]


class Origin:
    """A repository that sources are fetched from."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self.repository = pygit2.init_repository(str(path), bare=True, initial_head="main")

    @property
    def url(self) -> str:
        return f"file://{self.path}"

    def commit(self, files: Files, *, ref: str = MAIN, parents: list[str] | None = None) -> str:
        """Put exactly these files (by path) on a branch; by default on top of what it holds."""
        if parents is None:
            parents = [str(self.repository.references[ref].target)] if ref in self.repository.references else []
        commit = self.repository.create_commit(
            None, AUTHOR, AUTHOR, "change", self.tree(files), [pygit2.Oid(hex=parent) for parent in parents]
        )
        self.point(ref, str(commit))
        return str(commit)

    def point(self, ref: str, commit: str) -> None:
        """Let a ref point to a commit, wherever it pointed before."""
        self.repository.create_reference(ref, pygit2.Oid(hex=commit), force=True)

    def tag(self, name: str, commit: str) -> str:
        """An annotated tag."""
        kind = pygit2.enums.ObjectType.COMMIT
        return str(self.repository.create_tag(name, pygit2.Oid(hex=commit), kind, AUTHOR, "release"))

    def tree(self, files: Mapping[str, Content]) -> pygit2.Oid:
        """Write a tree from paths; directories may be nested mappings, too."""
        nested: dict[bytes, Content] = {}
        for path, content in files.items():
            _place(nested, path.encode().split(b"/"), content)
        return self._write(nested)

    def _write(self, nested: Mapping[bytes, Content]) -> pygit2.Oid:
        rows = [(name, *self._object(content)) for name, content in nested.items()]
        # Git sorts a directory as if its name ended in a slash.
        rows.sort(key=lambda row: row[0] + (b"/" if row[1] == b"40000" else b""))
        raw = b"".join(mode + b" " + name + b"\0" + oid.raw for name, mode, oid in rows)
        return self.repository.odb.write(pygit2.enums.ObjectType.TREE, raw)

    def _object(self, content: Content) -> tuple[bytes, pygit2.Oid]:
        match content:
            case str():
                return b"100644", self.repository.create_blob(content.encode())
            case bytes():
                return b"100644", self.repository.create_blob(content)
            case Link(target):
                return b"120000", self.repository.create_blob(target.encode())
            case Submodule(commit):
                return b"160000", pygit2.Oid(hex=commit)
            case Directory(tree):
                return b"40000", pygit2.Oid(hex=tree)
            case _:
                return b"40000", self._write({_bytes(name): below for name, below in content.items()})


def _place(nested: dict[bytes, Content], parts: list[bytes], content: Content) -> None:
    for part in parts[:-1]:
        below = nested.setdefault(part, {})
        assert isinstance(below, dict), f"{part!r} is a file and a directory"
        nested = below
    nested[parts[-1]] = content


def _bytes(name: str | bytes) -> bytes:
    return name.encode() if isinstance(name, str) else name


def config_map(name: str, value: str = "x", namespace: str = "") -> str:
    """A small manifest."""
    where = f", namespace: {namespace}" if namespace else ""
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}{where}}}\ndata: {{key: {value}}}\n"


def content(entry: catalogs.Entry) -> Digest:
    """The content of a bundle that is the same for every cluster; empty where it never had any."""
    return entry.variants[0].index if entry.variants else NO_DIGEST
