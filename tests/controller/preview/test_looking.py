"""A working tree looked at gives the very blobs that a hub makes of the commit that it becomes."""

import threading
from collections.abc import Iterator

import hypothesis
import hypothesis.strategies as st
import pytest

from controller.domain import catalogs, placements
from controller.git import library, trees
from controller.render import errors, here, programs, resolve, stages
from protocol import sealing
from protocol.events import sources
from tests.controller import repositories
from tests.controller.preview.conftest import DEV, PROD, SHOP, Tree
from tests.controller.render.test_stages import BASE, CHART
from tests.controller.repositories import config_map

FILES = {
    "raw/a.yaml": config_map("a", "'${cluster.name}'"),
    "raw/flotilla.yaml": "defaultNamespace: shop\ndependsOn: [{name: web}]\nvarsFiles: [/vars.yaml]\n",
    "vars.yaml": "replicas: 3\n",
    **{f"web/{path}": text for path, text in CHART.items()},
    "web/flotilla.yaml": "name: web\nhelm: {valuesFiles: ['/env/${cluster.labels.env}.yaml']}\n",
    "env/dev.yaml": "replicas: 2\n",
    "env/prod.yaml": "replicas: 9\n",
    **{f"kustomized/{path}": text for path, text in BASE.items()},
    "kustomized/flotilla.yaml": (
        "kustomize: {dir: base}\ntargets: [{}, {matchLabels: {env: prod}, kustomize: {dir: prod}}]\n"
    ),
    "broken/a.yaml": "a: b: c\n",
}
PATHS = ("raw", "web", "kustomized", "broken")


@pytest.fixture
def stager(helm_program: programs.Program, kustomize_program: programs.Program) -> Iterator[stages.Stages]:
    made = stages.Stages(stages.Tools(helm=helm_program, kustomize=kustomize_program))
    yield made
    made.close()


def committed(
    tree: Tree, files: dict[str, str], stager: stages.Stages, *paths: str
) -> tuple[catalogs.Catalog, dict[str, bytes]]:
    """What a hub makes of a commit of these files."""
    origin = repositories.Origin(tree.root.parent / "origin.git")
    commit = origin.commit(files)
    revision = sources.Revision(ref="main", commit=commit, tree=str(origin.repository[commit].tree_id))
    blobs: dict[str, bytes] = {}

    def take(blob: sealing.Sealed) -> None:
        blobs[blob.id] = blob.data

    with library.opened(origin.path) as repository:
        reader = trees.Reader(repository, threading.Event())
        request = resolve.Request(SHOP, revision, paths=paths, fleet=(DEV, PROD))
        found = resolve.resolve(request, reader, take, renderer=here.Renderer(reader, stager))
    return found.catalog, blobs


def test_the_blobs_are_those_of_the_commit_byte_for_byte(tree: Tree, stager: stages.Stages) -> None:
    catalog, blobs = committed(tree, FILES, stager, *PATHS)
    look = tree.write(FILES).look(DEV, PROD, paths=PATHS, stager=stager)

    assert {digest: blob.data for digest, blob in look.blobs.items()} == blobs
    for found, wanted in zip(look.entries, catalog.entries, strict=True):
        assert (found.bundle, found.tree, found.variants) == (wanted.bundle, wanted.tree, wanted.variants)
        assert (found.errors, found.depends_on) == (wanted.errors, wanted.depends_on)


def test_a_bundle_looked_at_alone_is_the_same(tree: Tree, stager: stages.Stages) -> None:
    whole = tree.write(FILES).look(DEV, PROD, paths=PATHS, stager=stager)
    for path in PATHS:
        (alone,) = tree.look(DEV, PROD, paths=(path,), below=path, stager=stager).entries
        (among,) = tree.look(DEV, PROD, paths=PATHS, below=path, stager=stager).entries
        (wanted,) = (entry for entry in whole.entries if entry.path == path)

        assert (alone.variants, among.variants) == (wanted.variants, wanted.variants)


NAMES = st.from_regex(r"[a-z]{1,3}", fullmatch=True)
TEXTS = st.sampled_from([config_map("a"), config_map("b", "'${cluster.name}'"), "a: b: c\n", "", "x: 1\n"])


@hypothesis.settings(
    max_examples=60,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture, hypothesis.HealthCheck.too_slow],
)
@hypothesis.given(
    files=st.dictionaries(
        st.tuples(NAMES, NAMES).map(lambda it: f"{it[0]}/{it[1]}.yaml"), TEXTS, min_size=1, max_size=6
    )
)
def test_any_tree_gives_the_digests_of_its_commit(
    files: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    tree = Tree(tmp_path_factory.mktemp("any") / "tree")
    plain = stages.Stages()
    try:
        catalog, blobs = committed(tree, files, plain, "*")
        look = tree.write(files).look(DEV, PROD, paths=("*",), stager=plain)
    finally:
        plain.close()

    assert set(look.blobs) == set(blobs)
    assert [entry.variants for entry in look.entries] == [entry.variants for entry in catalog.entries]


def test_an_error_in_one_bundle_hides_no_other(tree: Tree) -> None:
    files = {"a/x.yaml": config_map("x"), "b/x.yaml": "a: b: c\n"}
    good, bad = tree.write(files).look(DEV, paths=("*",)).entries

    assert (placements.place(good, DEV) is not None, bool(good.errors), bool(bad.errors)) == (True, False, True)


def test_what_stands_outside_a_part_is_no_error_of_it(tree: Tree) -> None:
    files = {"a/x.yaml": config_map("x"), "a/flotilla.yaml": "dependsOn: [{name: b}]\n", "b/x.yaml": config_map("y")}
    tree.write(files)
    alone, among = (tree.look(DEV, paths=paths, below="a") for paths in (("a",), ("*",)))

    assert (len(alone.unchecked[alone.entries[0].bundle]), alone.entries[0].errors) == (1, ())
    assert [one.bundle for one in among.entries[0].depends_on] == ["shop/b"]


def test_a_part_of_a_bundle_is_not_looked_at_as_if_it_were_one(tree: Tree) -> None:
    tree.write({"a/b/x.yaml": config_map("x")})

    with pytest.raises(errors.NoBundleError, match="a/b: is a part of the bundle a "):
        tree.look(paths=("a",), below="a/b")
