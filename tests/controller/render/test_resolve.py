"""From a commit to its catalog: what is carried over, what is an error of whom, and that nothing depends on chance."""

import itertools
import threading
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.domain import catalogs
from controller.git import errors as git_errors
from controller.git import objects, trees
from controller.render import discovery, limits, resolve, stages, varying
from protocol import bundles, messages, sealing, selectors
from protocol.events import sources
from tests.controller import repositories
from tests.controller.render.conftest import SHOP, Workbench
from tests.controller.repositories import config_map

A = config_map("a")


def index_of(bench: Workbench, entry: catalogs.Entry) -> bundles.BundleIndex:
    return messages.INDEX.decode(bench.blobs[repositories.content(entry)].plain)


def problems(entry: catalogs.Entry) -> list[str]:
    return [str(error) for error in entry.errors]


def test_the_index_names_the_objects_of_a_bundle_and_their_files(bench: Workbench) -> None:
    secret = '{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}'
    (entry,) = bench.resolve({"b.yaml": config_map("b"), "deep/a.json": secret, "README.md": "x"}).catalog.entries

    index = index_of(bench, entry)
    assert [(str(item.object), item.file) for item in index.objects] == [
        ("ConfigMap b", "b.yaml"),
        ("Secret a", "deep/a.json"),
    ]
    assert all(item.manifest in bench.blobs for item in index.objects)
    assert (entry.bundle, entry.path, catalogs.objects(entry), entry.errors) == ("shop/.", ".", 2, ())


def test_settings_travel_in_the_index_and_in_the_entry(bench: Workbench) -> None:
    flotilla = "name: Web\nnamespace: web\nlabels: {a: b}\ntargets: [{names: [x]}]\nadopt: always\nprune: never\n"
    (entry,) = bench.resolve(
        {"web/flotilla.yaml": flotilla, "web/a.yaml": config_map("a", namespace="x")}
    ).catalog.entries

    index = index_of(bench, entry)
    assert index.options == bundles.BundleOptions(
        namespace="web", adopt=bundles.Adopt.ALWAYS, prune=bundles.Prune.NEVER
    )
    assert index.objects[0].object.namespace == "x", "an object's namespace stays as it is written"
    assert (entry.name, entry.labels, entry.targets is None) == ("Web", {"a": "b"}, False)


def test_what_a_bundle_says_of_drift_reaches_the_agent(bench: Workbench) -> None:
    said = "drift: alert\nignore:\n- {group: apps, kind: Deployment, pointers: [/spec/replicas]}\n- {kind: Secret}\n"
    first = bench.resolve({"a.yaml": A})
    second = bench.resolve({"flotilla.yaml": said, "a.yaml": A}, previous=first.catalog)

    assert index_of(bench, first.catalog.entries[0]).options == bundles.BundleOptions()
    assert index_of(bench, second.catalog.entries[0]).options == bundles.BundleOptions(
        drift=bundles.Drift.ALERT,
        ignore=(
            bundles.IgnoreRule(group="apps", kind="Deployment", pointers=("/spec/replicas",)),
            bundles.IgnoreRule(kind="Secret"),
        ),
    )


def test_what_a_bundle_says_of_its_rollout_stands_in_the_catalog(bench: Workbench) -> None:
    said = "rolloutStrategy:\n  maxUnavailable: 2\n  partitions:\n  - {name: eu, clusterName: a, maxUnavailable: 10%}\n"
    (entry,) = bench.resolve({"fleet.yaml": said, "a.yaml": A}).catalog.entries

    assert entry.rollout == catalogs.Rollout(
        max_concurrency="2", partitions=(catalogs.Partition((selectors.Target(names=("a",)),), "eu", "10%"),)
    )
    (entry,) = bench.resolve({"a.yaml": A}).catalog.entries
    assert entry.rollout is None


def test_other_words_on_drift_are_other_content(bench: Workbench) -> None:
    first = bench.resolve({"flotilla.yaml": "drift: alert\n", "a.yaml": A})
    second = bench.resolve({"flotilla.yaml": "drift: off\n", "a.yaml": A}, previous=first.catalog)

    assert index_of(bench, second.catalog.entries[0]).options.drift is bundles.Drift.OFF


def test_flotilla_yaml_wins_whole_over_fleet_yaml(bench: Workbench) -> None:
    files = {"flotilla.yaml": "defaultNamespace: one\n", "fleet.yaml": "namespace: two\nlabels: {a: b}\n", "a.yaml": A}
    (entry,) = bench.resolve(files).catalog.entries

    assert index_of(bench, entry).options == bundles.BundleOptions(default_namespace="one")
    assert entry.labels == {}
    assert [str(warning) for warning in entry.warnings] == ["fleet.yaml: ignored, since flotilla.yaml is there"]


def test_an_unchanged_bundle_is_not_read(bench: Workbench) -> None:
    files = {f"apps/{name}/a.yaml": config_map(name) for name in ("one", "two", "three")}
    first = bench.resolve(files, "apps/*")

    second = bench.resolve(files | {"apps/two/a.yaml": config_map("two", "y")}, "apps/*", previous=first.catalog)

    assert (second.stats.blobs, second.stats.rendered, second.stats.reused, second.stats.made) == (0, 1, 2, 2)
    assert second.catalog.entries[0] == first.catalog.entries[0]


def test_an_unchanged_bundle_brings_along_all_below_it(bench: Workbench) -> None:
    files = {"apps/one/a.yaml": A, "apps/one/web/flotilla.yaml": "", "apps/one/web/b.yaml": A, "apps/one-b/c.yaml": A}
    first = bench.resolve(files, "apps/*")
    second = bench.resolve(files | {"apps/one-b/c.yaml": config_map("c")}, "apps/*", previous=first.catalog)

    assert [entry.path for entry in second.catalog.entries] == ["apps/one", "apps/one-b", "apps/one/web"]
    assert (second.stats.rendered, second.stats.reused) == (1, 2)


def test_other_paths_or_other_ignore_files_above_render_anew(bench: Workbench) -> None:
    files = {"apps/one/a.yaml": A, "apps/one/b.yaml": config_map("b")}
    first = bench.resolve(files, "apps/*").catalog

    assert bench.resolve(files, "apps/one", previous=first).stats.rendered == 1
    (entry,) = bench.resolve(files | {".flotillaignore": "b.yaml\n"}, "apps/*", previous=first).catalog.entries
    assert catalogs.objects(entry) == 1


def test_another_renderer_renders_anew(bench: Workbench) -> None:
    class Next(stages.Stages):
        @property
        def version(self) -> str:
            return "raw/next"

    first = bench.resolve({"a.yaml": A}).catalog
    request = resolve.Request(SHOP, bench.revision({"a.yaml": A}), previous=first)

    found = bench.run(request, stager=Next())
    assert (found.catalog.renderer, found.stats.rendered) == ("raw/next", 1)


def test_one_bad_file_spoils_its_bundle_and_keeps_its_last_content(bench: Workbench) -> None:
    files = {"apps/one/a.yaml": config_map("one"), "apps/two/a.yaml": config_map("two")}
    first = bench.resolve(files, "apps/*").catalog
    bench.blobs.clear()

    second = bench.resolve(files | {"apps/one/b.yaml": "kind: [\n"}, "apps/*", previous=first).catalog

    assert [entry.path for entry in second.entries] == ["apps/one", "apps/two"]
    assert (second.entries[0].variants, second.entries[0].tree) == (first.entries[0].variants, first.entries[0].tree)
    assert [(error.path, error.line) for error in second.entries[0].errors] == [("apps/one/b.yaml", 2)]
    assert second.entries[1] == first.entries[1]
    assert not catalogs.is_complete(second)
    assert bench.blobs == {}, "a spoiled bundle brings no content"


def test_the_same_errors_are_told_again_unread_and_go_with_their_cause(bench: Workbench) -> None:
    files = {"apps/one/a.yaml": A, "apps/two/a.yaml": A}
    good = bench.resolve(files, "apps/*").catalog
    broken = files | {"apps/one/b.yaml": "kind: [\n"}
    bad = bench.resolve(broken, "apps/*", previous=good).catalog

    again = bench.resolve(broken | {"apps/two/a.yaml": config_map("b")}, "apps/*", previous=bad)
    mended = bench.resolve(files, "apps/*", previous=again.catalog)

    assert again.catalog.entries[0] == bad.entries[0]
    assert (again.stats.rendered, again.stats.reused) == (1, 1)
    assert mended.catalog.entries[0] == good.entries[0]


def test_a_bundle_that_was_never_good_has_no_content(bench: Workbench) -> None:
    (entry,) = bench.resolve({"a.yaml": "kind: [\n"}).catalog.entries

    assert (entry.variants, entry.tree) == ((), "")
    assert len(entry.errors) == 1


def test_a_broken_flotilla_yaml_keeps_the_targets_that_were(bench: Workbench) -> None:
    files = {"web/flotilla.yaml": "targets: [{names: [x]}]\n", "web/a.yaml": A}
    first = bench.resolve(files).catalog
    second = bench.resolve(files | {"web/flotilla.yaml": "target: [{names: [x]}]\n"}, previous=first).catalog

    assert second.entries[0].targets == first.entries[0].targets
    assert problems(second.entries[0]) == ["web/flotilla.yaml:1: target: unknown field"]


@pytest.mark.parametrize(
    ("flotilla", "first", "second", "twice"),
    [
        ("", config_map("a"), config_map("a", "other"), True),
        ("", config_map("a"), config_map("a", namespace="default"), True),
        ("", config_map("a"), config_map("a", namespace="web"), False),
        ("defaultNamespace: web", config_map("a"), config_map("a", namespace="web"), True),
        ("defaultNamespace: web", config_map("a"), config_map("a", namespace="default"), False),
        ("namespace: web", config_map("a", namespace="one"), config_map("a", namespace="two"), True),
    ],
)
def test_an_object_that_stands_in_two_files_is_an_error_of_both(
    bench: Workbench, flotilla: str, first: str, second: str, twice: bool
) -> None:
    files = {"web/flotilla.yaml": flotilla, "web/one.yaml": first, "web/two.yaml": config_map("x") + "---\n" + second}
    (entry,) = bench.resolve(files).catalog.entries

    assert bool(entry.errors) is twice
    if twice:
        assert (entry.errors[0].path, entry.errors[0].line) == ("web/two.yaml", 6)
        assert "stands in web/one.yaml:1, too" in entry.errors[0].reason


def test_a_bundle_that_is_too_large_is_an_error_of_its_own(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BUNDLE_FILES_MAX", 1)
    monkeypatch.setattr(limits, "FILE_BYTES_MAX", 500)
    monkeypatch.setattr(limits, "BUNDLE_BYTES_MAX", 300)
    files = {
        "apps/files/a.yaml": A,
        "apps/files/b.yaml": config_map("b"),
        "apps/bytes/a.yaml": "---\n".join(config_map(name, "x" * 20) for name in "abcd"),
        "apps/file/a.yaml": config_map("a", "x" * 500),
        "apps/good/a.yaml": A,
    }
    catalog = bench.resolve(files, "apps/*").catalog

    assert {entry.path: problems(entry) for entry in catalog.entries} == {
        "apps/bytes": ["apps/bytes: more than 300 bytes of manifests"],
        "apps/file": ["apps/file/a.yaml: larger than 500 bytes"],
        "apps/files": ["apps/files: more than 1 files"],
        "apps/good": [],
    }


def test_an_index_that_fits_no_blob_is_an_error(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(varying, "INDEX_BYTES_MAX", 100)

    assert problems(bench.resolve({"a.yaml": A}).catalog.entries[0]) == [".: 1 objects are too many for one bundle"]


def test_very_many_errors_are_counted_and_not_listed(bench: Workbench) -> None:
    files = {f"{number:02}.yaml": "x\n" for number in range(50)}
    (entry,) = bench.resolve(files).catalog.entries

    assert len(entry.errors) == limits.ERRORS_MAX
    assert entry.errors[-1].reason == "and 31 more of the like"


class Stubborn:
    """Reads up to a number of objects; the next one is missing."""

    def __init__(self, reader: trees.Reader, reads: int) -> None:
        self._reader = reader
        self._left = reads

    def entries(self, tree: str) -> tuple[objects.TreeEntry, ...]:
        self._count()
        return self._reader.entries(tree)

    def blob(self, oid: str, *, bytes_max: int) -> bytes | None:
        self._count()
        return self._reader.blob(oid, bytes_max=bytes_max)

    def _count(self) -> None:
        if self._left == 0:
            raise git_errors.Corrupt("object: not in the mirror")
        self._left -= 1


def test_a_missing_object_never_gives_a_catalog(bench: Workbench) -> None:
    files = {
        ".flotillaignore": "x\n",
        "a.yaml": A,
        "web/flotilla.yaml": "",
        "web/b.yaml": A,
        "web/deep/c.yaml": config_map("c"),
    }
    request = resolve.Request(SHOP, bench.revision(files))
    for reads in itertools.count():
        try:
            found = bench.run(request, reader=Stubborn(bench.reader, reads))
        except git_errors.Corrupt:
            continue
        break

    assert (reads, found.stats.trees, found.stats.blobs) == (8, 3, 2)
    assert [catalogs.objects(entry) for entry in found.catalog.entries] == [1, 2]


NAMES = st.sampled_from(["a", "b", "c", "overlays", ".dot"])
FILES = {
    "x.yaml": st.sampled_from([A, config_map("a", "other"), config_map("b"), "kind: [", "", "x: y"]),
    "y.yaml": st.sampled_from([A, config_map("y"), config_map("a", namespace="z")]),
    "z.json": st.just('{"apiVersion": "v1", "kind": "Z", "metadata": {"name": "z"}}'),
    "flotilla.yaml": st.sampled_from(["", "name: x", "namespace: z", "nme: x"]),
    "fleet.yaml": st.sampled_from(["", "helm: {}"]),
    ".flotillaignore": st.sampled_from(["x.yaml", "a/", "!x.yaml", "/b"]),
    "Chart.yaml": st.just("x"),
    "README.md": st.just("x"),
}
PATHS = st.lists(NAMES, max_size=3).map("/".join)
COMMIT = st.dictionaries(
    st.tuples(PATHS, st.sampled_from(sorted(FILES))), st.integers(0, 5), min_size=1, max_size=12
).flatmap(
    lambda files: st.fixed_dictionaries(
        {f"{path}/{name}".lstrip("/"): FILES[name] for path, name in files}
    )
)  # fmt: skip
GLOBS = st.sampled_from([("/",), ("a", "b"), ("*",), ("a/*", "/"), ("**",)])


class Shuffled:
    """Reads the entries of a tree in another order."""

    def __init__(self, reader: trees.Reader) -> None:
        self._reader = reader

    def entries(self, tree: str) -> tuple[objects.TreeEntry, ...]:
        return self._reader.entries(tree)[::-1]

    def blob(self, oid: str, *, bytes_max: int) -> bytes | None:
        return self._reader.blob(oid, bytes_max=bytes_max)


def outcome(bench: Workbench, reader: discovery.Reader, request: resolve.Request) -> tuple[Any, dict[str, bytes]]:
    """All that a resolution gives: the catalog's bytes or the error, and the blobs."""
    blobs: dict[str, bytes] = {}

    def take(blob: sealing.Sealed) -> None:
        blobs[blob.id] = blob.data

    try:
        return catalogs.CATALOG.encode(bench.run(request, reader=reader, sink=take).catalog), blobs
    except resolve.errors.SourceError as error:
        return str(error), blobs


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(commits=st.lists(COMMIT, min_size=1, max_size=4), paths=GLOBS)
def test_what_a_commit_says_depends_on_nothing_but_the_commits(
    bench: Workbench, commits: list[dict[str, str]], paths: tuple[str, ...]
) -> None:
    """Reading in another order, or every file again although nothing changed, gives the same bytes (I2)."""
    previous: catalogs.Catalog | None = None
    for files in commits:
        request = resolve.Request(SHOP, revision(bench, files), paths=paths, previous=previous)
        forgetful = msgspec.structs.replace(request, previous=forgotten(previous))

        quick, _ = outcome(bench, bench.reader, request)
        assert outcome(bench, bench.reader, forgetful)[0] == quick
        assert outcome(bench, Shuffled(bench.reader), request)[0] == quick
        first, second = (outcome(bench, reader, forgetful) for reader in (bench.reader, Shuffled(bench.reader)))
        assert first == second
        if isinstance(quick, bytes):
            previous = catalogs.CATALOG.decode(quick)


def revision(bench: Workbench, files: dict[str, str]) -> sources.Revision:
    return sources.Revision(ref="main", commit="0" * 40, tree=str(bench.origin.tree(files)))


def forgotten(catalog: catalogs.Catalog | None) -> catalogs.Catalog | None:
    """The same content, with nothing by which it would be known to be unchanged."""
    if catalog is None:
        return None
    entries = tuple(msgspec.structs.replace(entry, spoiled="something else") for entry in catalog.entries)
    return msgspec.structs.replace(catalog, entries=entries)


def test_a_cancelled_resolution_stops_reading(bench: Workbench) -> None:
    abandoned = threading.Event()
    abandoned.set()
    reader = trees.Reader(bench.reader._repository, abandoned)  # the same objects, given up

    with pytest.raises(git_errors.Abandoned):
        bench.run(resolve.Request(SHOP, bench.revision({"a.yaml": A})), reader=reader)
