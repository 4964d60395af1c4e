"""A working tree as a commit: what counts, what does not, and that nobody's repository is written into."""

import contextlib
import os
import pathlib
import shutil
import subprocess
from collections.abc import Iterator

import pygit2
import pygit2.enums
import pytest

from controller.git import errors, objects, worktrees
from tests.controller.repositories import AUTHOR


class Checkout:
    """A repository with a working tree."""

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root
        self.repository = pygit2.init_repository(str(root), initial_head="main")

    def write(self, **files: str) -> None:
        for name, text in files.items():
            write(self.root / name.replace("__", "/").replace("_", "."), text)

    def commit(self) -> str:
        index = self.repository.index
        index.add_all()
        index.write()
        tree = index.write_tree()
        self.repository.create_commit("refs/heads/main", AUTHOR, AUTHOR, "first", tree, [])
        return str(tree)


def write(path: pathlib.Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def checkout(tmp_path: pathlib.Path) -> Iterator[Checkout]:
    made = Checkout(tmp_path / "repository")
    yield made
    made.repository.free()


def paths(snapshot: worktrees.Snapshot, tree: str = "", above: str = "") -> dict[str, objects.TreeEntry]:
    """Everything below a tree that is none itself."""
    found: dict[str, objects.TreeEntry] = {}
    for entry in snapshot.reader.entries(tree or snapshot.tree):
        if entry.kind is objects.Kind.DIRECTORY:
            found |= paths(snapshot, entry.oid, f"{above}{entry.name}/")
        else:
            found[f"{above}{entry.name}"] = entry
    return found


def content(snapshot: worktrees.Snapshot, path: str) -> bytes | None:
    return snapshot.reader.blob(paths(snapshot)[path].oid, bytes_max=1000)


def test_an_unchanged_tree_is_that_of_the_commit(checkout: Checkout) -> None:
    checkout.write(a_yaml="a", apps__web__b_yaml="b", apps_yaml="c")
    tree = checkout.commit()

    with worktrees.taken(checkout.root / "apps") as snapshot:
        assert (snapshot.tree, snapshot.path, snapshot.root) == (tree, "apps", checkout.root)


def test_changes_that_nobody_added_count(checkout: Checkout) -> None:
    checkout.write(a_yaml="a", gone_yaml="b", apps__web__c_yaml="c")
    checkout.commit()
    (checkout.root / "gone.yaml").unlink()
    checkout.write(a_yaml="changed", apps__new__d_yaml="d")

    with worktrees.taken(checkout.root) as snapshot:
        assert sorted(paths(snapshot)) == ["a.yaml", "apps/new/d.yaml", "apps/web/c.yaml"]
        assert (content(snapshot, "a.yaml"), content(snapshot, "apps/new/d.yaml")) == (b"changed", b"d")


def test_what_git_ignores_does_not_count_unless_it_is_tracked(checkout: Checkout) -> None:
    checkout.write(a_log="tracked")
    checkout.commit()
    write(checkout.root / ".gitignore", "*.log\nbuild/\n")
    checkout.write(b_log="ignored", build__c_yaml="ignored", a_log="tracked and changed")

    with worktrees.taken(checkout.root) as snapshot:
        assert sorted(paths(snapshot)) == [".gitignore", "a.log"]
        assert content(snapshot, "a.log") == b"tracked and changed"


def test_links_submodules_and_odd_names_are_what_they_would_be_in_a_commit(checkout: Checkout) -> None:
    below = Checkout(checkout.root / "below")
    below.write(a_yaml="a")
    below.commit()
    (checkout.root / "loop").symlink_to(".")
    (checkout.root / "outside").symlink_to("/etc")
    write(pathlib.Path(os.fsdecode(os.fsencode(checkout.root) + b"/odd\xff.yaml")), "x")
    os.mkfifo(checkout.root / "pipe.yaml")

    with worktrees.taken(checkout.root) as snapshot:
        kinds = {path: (entry.kind, entry.odd) for path, entry in paths(snapshot).items()}
        assert kinds == {
            "below": (objects.Kind.SUBMODULE, False),
            "loop": (objects.Kind.LINK, False),
            "outside": (objects.Kind.LINK, False),
            "odd\\xff.yaml": (objects.Kind.FILE, True),
        }
        assert content(snapshot, "outside") == b"/etc"


@pytest.mark.skipif(shutil.which("git") is None, reason="compares with the program git, which is not here")
def test_the_tree_is_the_one_that_git_would_commit(checkout: Checkout, tmp_path: pathlib.Path) -> None:
    checkout.write(a_yaml="a\n", apps__web__b_yaml="b\n", apps_yaml="c\n", run_sh="#!\n")
    write(checkout.root / ".gitattributes", "*.txt text eol=crlf\n")
    checkout.commit()
    checkout.write(line_txt="one\r\ntwo\r\n", apps__a__d_yaml="d\n")
    (checkout.root / "run.sh").chmod(0o755)
    (checkout.root / "apps.yaml").unlink()
    (checkout.root / "apps.yaml").symlink_to("a.yaml")

    with worktrees.taken(checkout.root) as snapshot:
        found = snapshot.tree
    environment = {**os.environ, "GIT_INDEX_FILE": str(tmp_path / "index"), "GIT_CONFIG_GLOBAL": os.devnull}
    run = ["git", "-C", str(checkout.root), "-c", f"safe.directory={checkout.root}"]
    subprocess.run([*run, "add", "-A"], env=environment, check=True, capture_output=True)
    wanted = subprocess.run([*run, "write-tree"], env=environment, check=True, capture_output=True).stdout

    assert found == wanted.decode().strip()


def test_nothing_is_written_into_the_repository(checkout: Checkout) -> None:
    checkout.write(a_yaml="a", apps__b_yaml="b")
    checkout.commit()
    checkout.write(a_yaml="changed", apps__new__d_yaml="d")

    def state() -> list[tuple[str, int, int]]:
        about = [(path, path.lstat()) for path in checkout.root.rglob("*")]
        return sorted((str(path), one.st_mtime_ns, one.st_size) for path, one in about)

    before = state()
    with worktrees.taken(checkout.root) as snapshot:
        assert content(snapshot, "a.yaml") == b"changed"

    assert state() == before


def test_conflicts_count_as_they_stand_in_the_working_tree(checkout: Checkout) -> None:
    checkout.write(a_yaml="ours")
    checkout.commit()
    index = checkout.repository.index
    mine = pygit2.IndexEntry("a.yaml", checkout.repository.create_blob(b"ours"), pygit2.enums.FileMode.BLOB)
    theirs = pygit2.IndexEntry("a.yaml", checkout.repository.create_blob(b"theirs"), pygit2.enums.FileMode.BLOB)
    index.add_conflict(None, mine, theirs)
    index.write()
    checkout.write(a_yaml="<<<<<<< ours")

    with worktrees.taken(checkout.root) as snapshot:
        assert content(snapshot, "a.yaml") == b"<<<<<<< ours"


def test_without_a_repository_the_directory_stands_alone(tmp_path: pathlib.Path) -> None:
    write(tmp_path / "apps" / "web" / "a.yaml", "a")
    write(tmp_path / "apps" / ".gitignore", "*.log")
    write(tmp_path / "apps" / "b.log", "b")

    with worktrees.taken(tmp_path / "apps") as snapshot:
        assert (sorted(paths(snapshot)), snapshot.path) == ([".gitignore", "web/a.yaml"], ".")
        assert content(snapshot, "web/a.yaml") == b"a"
    assert sorted(os.listdir(tmp_path / "apps")) == [".gitignore", "b.log", "web"]


def test_a_huge_file_is_not_read(tmp_path: pathlib.Path) -> None:
    with (tmp_path / "huge.yaml").open("wb") as file:
        file.truncate(1 << 40)

    with worktrees.taken(tmp_path) as snapshot:
        entry = paths(snapshot)["huge.yaml"]
        assert snapshot.reader.blob(entry.oid, bytes_max=1 << 50) is None


def test_an_unreadable_file_is_an_error_once_it_is_wanted(tmp_path: pathlib.Path) -> None:
    write(tmp_path / "secret.yaml", "x")
    (tmp_path / "secret.yaml").chmod(0)
    if os.access(tmp_path / "secret.yaml", os.R_OK):
        pytest.skip("root reads every file")

    with worktrees.taken(tmp_path) as snapshot, pytest.raises(errors.Malformed, match=r"secret.yaml: cannot be read"):
        content(snapshot, "secret.yaml")


@pytest.mark.parametrize("name", ["nowhere", "file", "loop", "bare"])
def test_what_is_no_working_tree_is_refused(name: str, tmp_path: pathlib.Path) -> None:
    write(tmp_path / "file", "x")
    (tmp_path / "loop").symlink_to("loop")
    pygit2.init_repository(str(tmp_path / "bare"), bare=True).free()

    with pytest.raises(errors.Malformed, match=name), contextlib.ExitStack() as stack:
        stack.enter_context(worktrees.taken(tmp_path / name))
