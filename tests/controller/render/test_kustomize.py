"""Kustomizations of real commits: what a build reads, and what the real kustomize makes of it."""

import functools
import http.server
import json
import pathlib
import threading
from collections.abc import Iterator

import hypothesis
import pytest
from hypothesis import strategies

from controller.render import children, commits, errors, kustomize, manifests, programs
from tests.controller import repositories
from tests.controller.render.conftest import Workbench

BASE = {
    "base/kustomization.yaml": "resources: [web.yaml]\n",
    "base/web.yaml": repositories.config_map("web"),
}


def _commit(bench: Workbench, files: repositories.Files) -> commits.Commit:
    return commits.Commit(bench.reader, bench.revision(files).tree)


def _refusal(bench: Workbench, files: repositories.Files, directory: str = "app") -> str:
    with pytest.raises(errors.UnreadableError) as raised:
        kustomize.closure(_commit(bench, files), directory)
    return raised.value.reason


def test_a_build_reads_its_directory_and_all_that_it_builds_on(bench: Workbench) -> None:
    files = {
        **BASE,
        "app/kustomization.yaml": "resources: [../base, own.yaml, below]\ncomponents: [../parts/tls]\n",
        "app/own.yaml": repositories.config_map("own"),
        "app/below/Kustomization": "bases: [/deep/one]\n".replace("/deep", "../../deep"),
        "deep/one/kustomization.yml": "configMapGenerator: [{name: x, literals: [a=b]}]\n",
        "parts/tls/kustomization.yaml": "kind: Component\napiVersion: kustomize.config.k8s.io/v1alpha1\n",
        "other/kustomization.yaml": "resources: []\n",
    }

    found = kustomize.closure(_commit(bench, files), "app")

    assert found.directories == ("app", "base", "deep/one", "parts/tls")
    assert len(set(found.oids)) == 4
    assert not found.is_empty


def test_bases_that_name_one_another_are_read_once(bench: Workbench) -> None:
    files = {"a/kustomization.yaml": "resources: [../b]\n", "b/kustomization.yaml": "resources: [../a]\n"}

    assert kustomize.closure(_commit(bench, files), "a").directories == ("a", "b")


@pytest.mark.parametrize(
    "base",
    [
        "https://example.com/base.yaml",
        "github.com/example/shop//base?ref=v1",
        "git@example.com:shop/base",
        "git::https://example.com/shop",
        "ssh://git@example.com/shop.git",
        "../../elsewhere.git",
    ],
)
def test_a_remote_base_is_refused_unless_allowed(bench: Workbench, base: str) -> None:
    files = {"app/kustomization.yaml": f"resources: ['{base}']\n"}

    assert _refusal(bench, files) == (
        f"app/kustomization.yaml: resources entry {base!r}: a remote base, which another commit or nobody may answer"
        " tomorrow (copy it here)"
    )
    assert kustomize.closure(_commit(bench, files), "app", remote=True).remotes == (base,)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("resources: [gone.yaml]", "there is no such file or directory in the commit"),
        ("resources: [../../out]", "leads out of the repository"),
        ("resources: [/etc/passwd]", "is an absolute path"),
        ("resources: [../lone.yaml]", "a file outside of its kustomization, which kustomize refuses"),
        ("resources: [link]", "a symbolic link is not followed"),
        ("resources: [module]", "a submodule is not followed"),
        ("resources: {a: b}", "resources is not a list"),
        ("resources: [1]", "an entry of resources is not a path"),
        ("helmCharts: [{name: x}]", "helmCharts is not built (let helm render the chart: helm.chart)"),
        ("generators: [plugin.yaml]", "Secrets is a plugin; only those of kustomize itself are built"),
        ("transformers: [function.yaml]", "Script runs a program or a container, which rendering may not"),
        ("generators: ['apiVersion: builtin\n\n  kind: HelmChartInflationGenerator\n\n']", "is not built"),
        ("- a", "not a kustomization"),
        ("a: [", "app/kustomization.yaml: "),
        ("resources: [plain]", "plain: holds no kustomization.yaml"),
    ],
)
def test_what_cannot_be_built_is_named(bench: Workbench, content: str, reason: str) -> None:
    files = {
        "app/kustomization.yaml": content,
        "app/link": repositories.Link("web.yaml"),
        "app/module": repositories.Submodule(),
        "app/plain/web.yaml": repositories.config_map("web"),
        "app/plugin.yaml": "apiVersion: example.com/v1\nkind: Secrets\n",
        "app/function.yaml": (
            "apiVersion: builtin\nkind: Script\nmetadata: {annotations: {config.kubernetes.io/function: x}}\n"
        ),
        "lone.yaml": repositories.config_map("lone"),
    }

    assert reason in _refusal(bench, files)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("Resources: [web.yaml]", "'Resources' is written resources"),
        ("re\u017fources: [web.yaml]", "'re\u017fources' is written resources"),
        ("HelmCharts: [{name: x}]", "'HelmCharts' is written helmCharts"),
        ("configMapGenerator: [{name: x, files: ['a=http://example.com/x']}]", "a remote base"),
        ("secretGenerator: [{name: x, Envs: [HTTPS://example.com/x]}]", "a remote base"),
        ("patches: [{path: https://example.com/x}]", "a remote base"),
        ("patchesStrategicMerge: [https://example.com/x]", "a remote base"),
        ("openapi: {path: https://example.com/x}", "a remote base"),
        ("transformers: [patch.yaml]", "a remote base"),
    ],
)
def test_nothing_is_fetched_by_another_spelling_or_as_a_file(bench: Workbench, content: str, reason: str) -> None:
    files = {
        "app/kustomization.yaml": content,
        "app/patch.yaml": "apiVersion: builtin\nkind: PatchTransformer\npath: http://example.com/x\n",
    }

    assert reason in _refusal(bench, files)


def test_a_url_in_an_object_is_nobodys_base(bench: Workbench) -> None:
    literal = "configMapGenerator: [{name: x, literals: ['url=https://example.com']}]\n"
    note = "commonAnnotations: {path: https://example.com}\n"
    patch = "patches: [{patch: '[{op: add, path: /data/x, value: https://example.com}]', target: {name: x}}]\n"

    merge = "patchesStrategicMerge: ['{apiVersion: v1, kind: ConfigMap, data: {x: url=https://example.com}}']\n1: x\n"
    files = {"app/kustomization.yaml": literal + note + patch + merge}

    assert kustomize.closure(_commit(bench, files), "app").remotes == ()


def test_two_kustomizations_in_one_directory_are_one_too_many(bench: Workbench) -> None:
    files = {"app/kustomization.yaml": "", "app/Kustomization": ""}

    assert "more than one kustomization" in _refusal(bench, files)


@hypothesis.settings(
    max_examples=200,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture, hypothesis.HealthCheck.too_slow],
)
@hypothesis.given(
    field=strategies.sampled_from(["resources", "generators", "components", "helmCharts", "kind", "patches"]),
    value=strategies.recursive(
        strategies.none() | strategies.booleans() | strategies.integers() | strategies.text(max_size=12),
        lambda inner: (
            strategies.lists(inner, max_size=3) | strategies.dictionaries(strategies.text(), inner, max_size=2)
        ),
        max_leaves=6,
    ),
)
def test_any_kustomization_has_a_closure_or_one_error(bench: Workbench, field: str, value: object) -> None:
    files = {"app/kustomization.yaml": json.dumps({field: value}), "app/a": "[]"}

    try:
        found = kustomize.closure(_commit(bench, files), "app")
    except errors.UnreadableError:
        return
    assert found.directories == ("app",)


def test_the_closure_follows_what_is_read_and_nothing_else(bench: Workbench) -> None:
    files = {**BASE, "app/kustomization.yaml": "resources: [../base]\n", "other/x.yaml": "1"}
    before = kustomize.closure(_commit(bench, files), "app")

    assert kustomize.closure(_commit(bench, {**files, "other/x.yaml": "2"}), "app") == before
    assert kustomize.closure(_commit(bench, {**files, "base/note": "2"}), "app") != before


@pytest.mark.kustomize
def test_an_overlay_is_built(bench: Workbench, kustomize_engine: programs.Engine) -> None:
    files = {
        **BASE,
        "app/kustomization.yaml": (
            "resources: [../base]\nnamePrefix: eu-\npatchesStrategicMerge: [patch.yaml]\n"
            "configMapGenerator: [{name: made, literals: [a=b]}]\n"
        ),
        "app/patch.yaml": repositories.config_map("web", "patched"),
        "app/link": repositories.Link("patch.yaml"),
    }

    built = kustomize.build(kustomize_engine, _commit(bench, files), "app")

    names = [manifest.id.name.rpartition("-")[0] for manifest in manifests.read("x.yaml", built.documents).manifests]
    assert sorted(names) == ["eu", "eu-made"]
    assert b"key: patched" in built.documents
    assert built.warnings[0] == "app/link: a symbolic link, left out of the build"
    assert "'patchesStrategicMerge' is deprecated" in built.warnings[1]


@pytest.mark.kustomize
def test_what_was_rendered_before_is_changed_by_the_kustomization(
    bench: Workbench, kustomize_engine: programs.Engine
) -> None:
    files = {"app/kustomization.yaml": "namespace: shop\n"}
    rendered = repositories.config_map("web").encode()

    built = kustomize.build(kustomize_engine, _commit(bench, files), "app", rendered=rendered)

    assert b"namespace: shop" in built.documents


@pytest.mark.kustomize
def test_an_error_of_kustomize_names_the_repositorys_paths(bench: Workbench, kustomize_engine: programs.Engine) -> None:
    files = {**BASE, "app/kustomization.yaml": "resources: [../base]\npatches: [{path: gone.yaml}]\n"}

    with pytest.raises(errors.ChildError) as raised:
        kustomize.build(kustomize_engine, _commit(bench, files), "app")

    assert raised.value.cause is errors.Cause.EXIT
    assert raised.value.reason.startswith("app: kustomize: exit code 1: Error: ")
    assert "gone.yaml" in raised.value.reason
    assert "flotilla-render" not in raised.value.reason


@pytest.mark.kustomize
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("resources: [none.yaml]\n", "app: kustomize gives no object (empty files, or all is patched away)"),
        ("namespace: shop\ngenerators: []\n", "kustomization"),
    ],
)
def test_a_build_of_nothing_is_an_error(
    bench: Workbench, kustomize_engine: programs.Engine, content: str, reason: str
) -> None:
    files = {"app/kustomization.yaml": content, "app/none.yaml": "# nothing yet\n"}

    with pytest.raises(errors.ChildError) as raised:
        kustomize.build(kustomize_engine, _commit(bench, files), "app")

    assert reason in raised.value.reason


@pytest.mark.kustomize
def test_a_cycle_is_an_error_of_its_bundle(bench: Workbench, kustomize_engine: programs.Engine) -> None:
    files = {"a/kustomization.yaml": "resources: [../b]\n", "b/kustomization.yaml": "resources: [../a]\n"}

    with pytest.raises(errors.ChildError, match="cycle"):
        kustomize.build(kustomize_engine, _commit(bench, files), "a")


@pytest.fixture
def elsewhere(tmp_path: pathlib.Path) -> Iterator[str]:
    """The address of a manifest that a real HTTP server gives out."""
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "web.yaml").write_text(repositories.config_map("elsewhere"))
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "web"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}/web.yaml"
        server.shutdown()
        serving.join()


@pytest.mark.kustomize
def test_a_remote_base_that_is_allowed_is_fetched(
    bench: Workbench, kustomize_program: programs.Program, elsewhere: str
) -> None:
    commit = _commit(bench, {"app/kustomization.yaml": f"resources: ['{elsewhere}']\n"})

    with children.Sandbox(network=True) as sandbox:
        built = kustomize.build(programs.Engine(kustomize_program, sandbox), commit, "app", remote=True)

    assert b"name: elsewhere" in built.documents


@pytest.mark.kustomize
def test_a_remote_base_is_out_of_reach_where_the_network_is_cut(
    bench: Workbench, kustomize_engine: programs.Engine, elsewhere: str
) -> None:
    if not kustomize_engine.sandbox.is_cut():
        pytest.skip("the kernel does not let us take a network away")
    commit = _commit(bench, {"app/kustomization.yaml": f"resources: ['{elsewhere}']\n"})

    with pytest.raises(errors.ChildError) as raised:
        kustomize.build(kustomize_engine, commit, "app", remote=True)

    assert raised.value.cause is errors.Cause.NETWORK
