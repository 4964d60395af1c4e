"""The demo's Git repository: bare, written commit by commit, as a forge would hold it after each merge."""

import datetime
import pathlib
from collections.abc import Mapping

import pygit2
import pygit2.enums

BRANCH = "refs/heads/main"
AUTHOR = ("Ada from the platform team", "ada@example.com")


class Repository:
    """A bare repository with one branch."""

    def __init__(self, path: pathlib.Path) -> None:
        self._git = pygit2.init_repository(str(path), bare=True, initial_head="main")
        self.url = path.as_uri()

    def merge(self, files: Mapping[str, str], message: str, *, at: datetime.datetime) -> str:
        """Commit exactly these files on the branch, as a merged request does; return the commit's id."""
        parents = [self._git.references[BRANCH].target] if BRANCH in self._git.references else []
        author = pygit2.Signature(*AUTHOR, int(at.timestamp()))
        commit = self._git.create_commit(BRANCH, author, author, message, self._tree(files), parents)
        return str(commit)

    def reset(self, commit: str) -> None:
        """Move the branch, as `git reset --hard` and a forced push do."""
        self._git.references[BRANCH].set_target(pygit2.Oid(hex=commit))

    def _tree(self, files: Mapping[str, str]) -> pygit2.Oid:
        here, below = self._git.TreeBuilder(), dict[str, dict[str, str]]()
        for path, text in files.items():
            first, slash, rest = path.partition("/")
            if slash:
                below.setdefault(first, {})[rest] = text
            else:
                here.insert(first, self._git.create_blob(text.encode()), pygit2.enums.FileMode.BLOB)
        for name, inside in below.items():
            here.insert(name, self._tree(inside), pygit2.enums.FileMode.TREE)
        return here.write()
