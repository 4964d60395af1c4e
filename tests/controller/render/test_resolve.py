"""From a commit to its catalog, on real Git objects."""

from controller.domain import catalogs
from protocol import messages
from tests.controller.render.conftest import Workbench
from tests.controller.repositories import config_map


def paths(catalog: catalogs.Catalog) -> list[str]:
    return [entry.path for entry in catalog.entries]


def test_the_index_names_the_objects_of_a_bundle_and_their_files(bench: Workbench) -> None:
    catalog = bench.resolve(
        {
            "b.yaml": config_map("b"),
            "deep/a.json": '{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}',
            "README.md": "# read me",
        }
    ).catalog

    (entry,) = catalog.entries
    index = messages.INDEX.decode(bench.blobs[entry.index].plain)
    assert [(str(item.object), item.file) for item in index.objects] == [
        ("ConfigMap b", "b.yaml"),
        ("Secret a", "deep/a.json"),
    ]
    assert all(item.manifest in bench.blobs for item in index.objects)
    assert (entry.bundle, entry.path, entry.objects, entry.errors) == ("shop/.", ".", 2, ())


def test_an_unchanged_bundle_is_not_read(bench: Workbench) -> None:
    files = {f"apps/{name}/a.yaml": config_map(name) for name in ("one", "two", "three")}
    first = bench.resolve(files, "apps/*")

    second = bench.resolve(files | {"apps/two/a.yaml": config_map("two", "y")}, "apps/*", previous=first.catalog)

    assert (second.stats.blobs, second.stats.rendered, second.stats.reused) == (1, 1, 2)
    assert second.catalog.entries[0] == first.catalog.entries[0]


def test_one_bad_file_spoils_its_bundle_and_keeps_its_last_content(bench: Workbench) -> None:
    files = {"apps/one/a.yaml": config_map("one"), "apps/two/a.yaml": config_map("two")}
    first = bench.resolve(files, "apps/*").catalog

    second = bench.resolve(files | {"apps/one/b.yaml": "kind: [\n"}, "apps/*", previous=first).catalog

    assert paths(second) == ["apps/one", "apps/two"]
    assert second.entries[0].index == first.entries[0].index
    assert [(error.path, error.line) for error in second.entries[0].errors] == [("apps/one/b.yaml", 2)]
    assert second.entries[1] == first.entries[1]
    assert not catalogs.is_complete(second)
