"""Which directories of a commit are bundles, and which files are theirs."""

import pytest

from controller.domain import catalogs
from controller.render import errors, limits
from protocol import messages
from tests.controller import repositories
from tests.controller.render.conftest import Workbench
from tests.controller.repositories import Directory, Link, Submodule, config_map

A = config_map("a")


def content(bench: Workbench, catalog: catalogs.Catalog) -> dict[str, list[str]]:
    """Bundle path → its files."""
    return {
        entry.path: sorted(
            {item.file for item in messages.INDEX.decode(bench.blobs[repositories.content(entry)].plain).objects}
        )
        for entry in catalog.entries
        if repositories.content(entry)
    }


def found(bench: Workbench, files: repositories.Files, *paths: str) -> dict[str, list[str]]:
    catalog = bench.resolve(files, *paths).catalog
    assert catalogs.errors(catalog) == ()
    return content(bench, catalog)


def test_by_default_the_repository_is_one_bundle(bench: Workbench) -> None:
    files = {"a.yaml": A, "deep/er/b.yml": config_map("b"), "c.json": "{}", "README.md": "x", "x.yaml.bak": "x"}
    files["c.json"] = '{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "c"}}'

    assert found(bench, files) == {".": ["a.yaml", "c.json", "deep/er/b.yml"]}


def test_a_glob_makes_a_bundle_of_each_directory_and_of_no_file(bench: Workbench) -> None:
    files = {"apps/one/a.yaml": A, "apps/two/b/c.yaml": A, "apps/top.yaml": A, "other/x.yaml": A, "z.yaml": A}

    assert found(bench, files, "apps/*") == {"apps/one": ["apps/one/a.yaml"], "apps/two": ["apps/two/b/c.yaml"]}
    assert found(bench, files, "/apps/*/", "./other") == {
        "apps/one": ["apps/one/a.yaml"],
        "apps/two": ["apps/two/b/c.yaml"],
        "other": ["other/x.yaml"],
    }


@pytest.mark.parametrize("marker", ["flotilla.yaml", "fleet.yaml"])
def test_a_marker_below_starts_a_bundle_that_leaves_its_parent(bench: Workbench, marker: str) -> None:
    files = {
        "a.yaml": A,
        f"web/{marker}": "",
        "web/b.yaml": A,
        f"web/deep/down/{marker}": "",
        "web/deep/down/c.yaml": A,
    }

    assert found(bench, files) == {
        ".": ["a.yaml"],
        "web": ["web/b.yaml"],
        "web/deep/down": ["web/deep/down/c.yaml"],
    }


def test_what_was_a_bundle_of_its_own_is_part_of_a_chart_that_came_above_it(bench: Workbench) -> None:
    files = {"web/a.yaml": A, "web/sub/Chart.yaml": "x: y"}
    first = bench.resolve(files).catalog
    second = bench.resolve(files | {"Chart.yaml": "x: y"}, previous=first).catalog

    assert [entry.path for entry in first.entries] == [".", "web/sub"]
    assert [entry.path for entry in second.entries] == ["."]


def test_below_a_chart_only_a_settings_file_makes_a_bundle(bench: Workbench) -> None:
    files = {
        "Chart.yaml": "x: y",
        "charts/sub/Chart.yaml": "x: y",
        "base/kustomization.yaml": "x: y",
        "own/flotilla.yaml": "",
        "own/a.yaml": A,
    }

    assert [entry.path for entry in bench.resolve(files).catalog.entries] == [".", "own"]


def test_a_marker_outside_the_paths_is_nobodys(bench: Workbench) -> None:
    files = {"apps/one/a.yaml": A, "lab/flotilla.yaml": "", "lab/b.yaml": A, "apps/flotilla.yaml": ""}

    assert found(bench, files, "apps/*") == {"apps/one": ["apps/one/a.yaml"]}


def test_an_entry_within_another_leaves_it(bench: Workbench) -> None:
    files = {"apps/a.yaml": A, "apps/web/b.yaml": A}

    assert found(bench, files, "apps", "apps/web") == {"apps": ["apps/a.yaml"], "apps/web": ["apps/web/b.yaml"]}


def test_a_directory_without_manifests_is_no_bundle(bench: Workbench) -> None:
    files = {"apps/docs/README.md": "x", "apps/web/a.yaml": A, "README.md": "x"}

    assert found(bench, files, "apps/*") == {"apps/web": ["apps/web/a.yaml"]}


def test_a_marker_alone_is_an_empty_bundle_and_says_so(bench: Workbench) -> None:
    (entry,) = bench.resolve({"web/flotilla.yaml": "name: Web\n"}, "web").catalog.entries

    assert (catalogs.objects(entry), entry.name, entry.errors) == (0, "Web", ())
    assert [str(warning) for warning in catalogs.warnings(entry)] == ["web: the bundle holds no manifest"]


def test_dot_names_and_the_overlays_of_a_bundle_are_left_out(bench: Workbench) -> None:
    files = {
        "a.yaml": A,
        ".hidden.yaml": "x",
        ".github/workflows/ci.yaml": "x",
        "overlays/prod/b.yaml": "x",
        "overlays/prod/kustomization.yaml": "x",
        "web/overlays/c.yaml": config_map("c"),
    }

    assert found(bench, files) == {".": ["a.yaml", "web/overlays/c.yaml"]}


def test_overlays_may_be_named_on_purpose(bench: Workbench) -> None:
    files = {"a.yaml": A, "overlays/prod/b.yaml": A}

    assert found(bench, files, "/", "overlays/*") == {".": ["a.yaml"], "overlays/prod": ["overlays/prod/b.yaml"]}


@pytest.mark.parametrize("ignore", [".flotillaignore", ".fleetignore"])
def test_ignore_files_hold_for_their_directory_and_below(bench: Workbench, ignore: str) -> None:
    files = {
        ignore: "values*.yaml\n/lab/\n",
        "values.yaml": "x",
        "a.yaml": A,
        "lab/flotilla.yaml": "x: y",
        f"web/{ignore}": "!values-keep.yaml\n/Chart.yaml\n",
        "web/flotilla.yaml": "",
        "web/values-keep.yaml": A,
        "web/values-drop.yaml": "x",
        "web/Chart.yaml": "x",
    }

    assert found(bench, files) == {".": ["a.yaml"], "web": ["web/values-keep.yaml"]}


def test_an_ignore_file_above_the_paths_holds_too(bench: Workbench) -> None:
    files = {
        ".flotillaignore": "b.yaml\napps/lab\n",
        "apps/web/a.yaml": A,
        "apps/web/b.yaml": "x",
        "apps/lab/c.yaml": A,
    }

    assert found(bench, files, "apps/*") == {"apps/web": ["apps/web/a.yaml"]}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xff\n", "not UTF-8"),
        ("x\n" * 70_000, "larger than"),
        (Link("x"), "symbolic link"),
        ({"a": "b"}, "directory"),
    ],
)
def test_an_ignore_file_that_cannot_be_read_spoils_the_source(
    bench: Workbench, content: repositories.Content, reason: str
) -> None:
    with pytest.raises(errors.SourceError, match=reason):
        bench.resolve({"a.yaml": A, "web/.flotillaignore": content})


def test_links_and_submodules_are_told_and_never_followed(bench: Workbench) -> None:
    files: repositories.Files = {
        "web/a.yaml": A,
        "web/link.yaml": Link("../../etc/passwd"),
        "web/shared": Link("../shared"),
        "web/module": Submodule(),
    }
    (entry,) = bench.resolve(files, "web").catalog.entries

    assert [error.path for error in entry.errors] == ["web/link.yaml"]
    assert [warning.path for warning in entry.warnings] == ["web/module", "web/shared"]


def test_a_link_in_the_place_of_a_marker_is_an_error(bench: Workbench) -> None:
    catalog = bench.resolve({"a.yaml": A, "web/flotilla.yaml": Link("../x"), "web/b.yaml": A}).catalog

    assert [(entry.path, [error.path for error in entry.errors]) for entry in catalog.entries] == [
        (".", []),
        ("web", ["web/flotilla.yaml"]),
    ]


def test_names_that_nobody_could_read_spoil_their_bundle(bench: Workbench) -> None:
    files: repositories.Files = {"web": {b"caf\xe9.yaml": A, b"new\nline.yaml": A, b"note\xff.txt": "x", b"ok.yaml": A}}
    (entry,) = bench.resolve(files, "web").catalog.entries

    assert [error.path for error in entry.errors] == ["web/caf\\xe9.yaml", "web/new\\x0aline.yaml"]


@pytest.mark.parametrize("name", [b"dir\xff", b"dir\n"])
def test_a_directory_that_nobody_could_name_spoils_the_source(bench: Workbench, name: bytes) -> None:
    with pytest.raises(errors.PathsError, match="its name"):
        bench.resolve({"web": {b"a.yaml": A, name: {b"b.yaml": A}}}, "web")


def test_dots_as_names_lead_nowhere(bench: Workbench) -> None:
    files: repositories.Files = {"web": {b"a.yaml": A, b"..": {b"b.yaml": A}, b".": A}}

    assert found(bench, files, "web") == {"web": ["web/a.yaml"]}


@pytest.mark.parametrize(
    ("paths", "kind", "reason"),
    [
        (("apps/*", "infra"), errors.PathsError, "'infra': matches no directory"),
        (("apps/x*",), errors.PathsError, "'apps/x.': matches no directory"),
        (("a.yaml",), errors.PathsError, "a.yaml is a file"),
        (("link",), errors.PathsError, "link is a symbolic link"),
        (("module",), errors.PathsError, "module is a submodule"),
        (("docs",), errors.NoBundleError, "holds no bundle"),
        (("apps/../apps",), errors.PathsError, "is no path"),
        ((".github",), errors.PathsError, "left out"),
        (("apps/lab",), errors.NoBundleError, "ignored"),
    ],
)
def test_an_entry_of_paths_that_finds_nothing_spoils_the_source(
    bench: Workbench, paths: tuple[str, ...], kind: type[errors.SourceError], reason: str
) -> None:
    files: repositories.Files = {
        ".flotillaignore": "/apps/lab\n",
        "a.yaml": A,
        "apps/web/a.yaml": A,
        "apps/lab/b.yaml": A,
        "docs/README.md": "x",
        "link": Link("apps"),
        "module": Submodule(),
    }

    with pytest.raises(kind, match=reason):
        bench.resolve(files, *paths)


def test_a_commit_without_anything_is_no_catalog(bench: Workbench) -> None:
    with pytest.raises(errors.NoBundleError):
        bench.resolve({})


def test_a_git_bomb_is_refused(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "DIRECTORIES_MAX", 1000)
    tree = bench.origin.tree({"a.yaml": A})
    for _ in range(12):
        tree = bench.origin.tree({f"d{number}": Directory(str(tree)) for number in range(10)})

    with pytest.raises(errors.TooLargeError, match="more than 1000 directories"):
        bench.resolve({"bomb": Directory(str(tree))})


def test_directories_end_somewhere(bench: Workbench) -> None:
    with pytest.raises(errors.TooLargeError, match="deeper than"):
        bench.resolve({"/".join(["d"] * (limits.DIRECTORY_DEPTH_MAX + 1)) + "/a.yaml": A})


def test_too_many_bundles_are_refused(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BUNDLES_MAX", 2)

    with pytest.raises(errors.TooLargeError, match="more than 2 bundles"):
        bench.resolve({f"apps/{name}/a.yaml": A for name in "abc"}, "apps/*")


@pytest.mark.parametrize("name", ["Chart.yaml", "kustomization.yaml", "kustomization.yml", "Kustomization"])
def test_without_helm_and_kustomize_their_bundles_are_in_error(bench: Workbench, name: str) -> None:
    catalog = bench.resolve({"a.yaml": A, f"web/{name}": "x: y", "web/values.yaml": "x"}).catalog

    assert [entry.path for entry in catalog.entries] == [".", "web"]
    (error,) = catalog.entries[1].errors
    assert (error.path.partition("/")[0], catalogs.objects(catalog.entries[1])) == ("web", 0)
