"""The real helm and kustomize in the way of a bundle: what stands in its directory decides what renders it."""

import contextlib
import os
import pathlib
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from controller.domain import audiences, catalogs, inputs, placements
from controller.render import programs, resolve, stages
from protocol import bundles, messages
from tests.controller.render.conftest import SHOP, Workbench
from tests.controller.repositories import config_map

INPUTS = os.environ.get("FLOTILLA_TEST_INPUTS") or pathlib.Path(__file__).parents[4] / "shared" / "inputs"
EXAMPLES = pathlib.Path(INPUTS) / "fleet-examples" / "multi-cluster"

CHART = {
    "Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
    "values.yaml": "replicas: 1\n",
    "templates/web.yaml": (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ .Release.Name }}'}\n"
        "data: {replicas: '{{ .Values.replicas }}', who: '${cluster.name}'}\n"
    ),
    "templates/hook.yaml": (
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: hook\n  annotations:\n"
        "    helm.sh/hook: pre-install,pre-upgrade\n    helm.sh/hook-weight: '-5'\n"
        "    helm.sh/hook-delete-policy: hook-succeeded\n"
    ),
}
KUSTOMIZATION = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
BASE = {
    "base/kustomization.yaml": f"{KUSTOMIZATION}resources: [a.yaml]\n",
    "base/a.yaml": config_map("a", "base"),
    "prod/kustomization.yaml": f"{KUSTOMIZATION}resources: [../base]\nnamePrefix: prod-\n",
}
DEV, PROD = (inputs.Facts(name=name, labels={"env": name}) for name in ("dev", "prod"))


@pytest.fixture
def stager(helm_program: programs.Program, kustomize_program: programs.Program) -> Iterator[stages.Stages]:
    made = stages.Stages(stages.Tools(helm=helm_program, kustomize=kustomize_program))
    yield made
    made.close()


def below(directory: str, files: dict[str, str]) -> dict[str, str]:
    return {f"{directory}/{path}": text for path, text in files.items()}


class Rendered:
    """What clusters get of the one bundle of a commit."""

    def __init__(self, bench: Workbench, entry: catalogs.Entry) -> None:
        self.entry = entry
        self._bench = bench

    def index(self, of: inputs.Facts) -> bundles.BundleIndex:
        placed = placements.place(self.entry, of)
        assert placed is not None, self.entry
        assert placed.index, catalogs.problems(self.entry)
        return messages.INDEX.decode(self._bench.blobs[placed.index].plain)

    def objects(self, of: inputs.Facts) -> dict[str, Any]:
        return {
            f"{item.object.kind}/{item.object.name}": msgspec.json.decode(self._bench.blobs[item.manifest].plain)
            for item in self.index(of).objects
        }


def run(
    bench: Workbench,
    stager: stages.Stages,
    files: dict[str, str],
    path: str,
    *fleet: inputs.Facts,
    before: catalogs.Catalog | None = None,
) -> Rendered:
    request = resolve.Request(SHOP, bench.revision(files), paths=(path,), fleet=fleet or (DEV, PROD), previous=before)
    (entry,) = bench.run(request, stager=stager).catalog.entries
    return Rendered(bench, entry)


def test_a_chart_is_templated_with_the_values_of_each_cluster(bench: Workbench, stager: stages.Stages) -> None:
    said = "helm: {valuesFiles: ['env/${cluster.labels.env}.yaml']}\n"
    files = CHART | {"flotilla.yaml": said, "env/dev.yaml": "replicas: 2\n", "env/prod.yaml": "replicas: 9\n"}
    found = run(bench, stager, below("web", files), "web")

    assert [found.objects(one)["ConfigMap/shop-web"]["data"] for one in (DEV, PROD)] == [
        {"replicas": "2", "who": "dev"},
        {"replicas": "9", "who": "prod"},
    ]


def test_hooks_travel_beside_the_objects(bench: Workbench, stager: stages.Stages) -> None:
    index = run(bench, stager, below("web", CHART), "web").index(DEV)

    assert [item.object.name for item in index.objects] == ["shop-web"]
    assert [(hook.object.name, hook.phases, hook.weight, hook.delete_policies) for hook in index.hooks] == [
        ("hook", ("pre-install", "pre-upgrade"), -5, ("hook-succeeded",))
    ]


def test_images_of_hooks_are_replaced_too(bench: Workbench, stager: stages.Stages) -> None:
    pod = (
        "apiVersion: v1\nkind: Pod\nmetadata: {name: hook, annotations: {helm.sh/hook: pre-install}}\n"
        "spec: {containers: [{name: main, image: 'tool:1'}]}\n"
    )
    said = "images: [{name: tool, newName: mirror.example/tool}]\n"
    files = CHART | {"templates/hook.yaml": pod, "flotilla.yaml": said}
    found = run(bench, stager, below("web", files), "web")
    (hook,) = found.index(DEV).hooks
    manifest = msgspec.json.decode(bench.blobs[hook.manifest].plain)

    assert manifest["spec"]["containers"] == [{"name": "main", "image": "mirror.example/tool:1"}]


def test_a_kustomization_may_have_its_base_beside_it(bench: Workbench, stager: stages.Stages) -> None:
    found = run(bench, stager, below("apps", BASE), "apps/prod")

    assert list(found.objects(PROD)) == ["ConfigMap/prod-a"]
    assert list(found.entry.variants[0].looked_at) == ["apps/base"]


def test_each_cluster_gets_its_own_directory_of_a_kustomization(bench: Workbench, stager: stages.Stages) -> None:
    said = "kustomize: {dir: base}\ntargets: [{}, {matchLabels: {env: prod}, kustomize: {dir: prod}}]\n"
    found = run(bench, stager, below("apps", {**BASE, "flotilla.yaml": said}), "apps")

    assert [list(found.objects(one)) for one in (DEV, PROD)] == [["ConfigMap/a"], ["ConfigMap/prod-a"]]


def test_a_kustomization_changes_what_a_chart_gave(bench: Workbench, stager: stages.Stages) -> None:
    files = CHART | {"kustomization.yaml": f"{KUSTOMIZATION}namePrefix: of-\n"}
    found = run(bench, stager, below("web", files), "web")

    assert found.objects(PROD)["ConfigMap/of-shop-web"]["data"]["who"] == "prod"


def test_patches_and_images_change_what_was_rendered(bench: Workbench, stager: stages.Stages) -> None:
    said = (
        "targets:\n- {}\n- matchLabels: {env: prod}\n  patches:\n"
        "  - target: {kind: ConfigMap}\n    patch: [{op: replace, path: /data/replicas, value: '7'}]\n"
    )
    found = run(bench, stager, below("web", CHART | {"flotilla.yaml": said}), "web")

    assert [found.objects(one)["ConfigMap/shop-web"]["data"]["replicas"] for one in (DEV, PROD)] == ["1", "7"]


def test_a_values_file_of_one_cluster_changes_nobody_elses_content(bench: Workbench, stager: stages.Stages) -> None:
    said = "targets: [{}, {matchLabels: {env: prod}, valuesFiles: [prod.yaml]}]\n"
    files = below("web", CHART | {"flotilla.yaml": said, "prod.yaml": "replicas: 2\n"})
    first = bench.run(resolve.Request(SHOP, bench.revision(files), paths=("web",), fleet=(DEV, PROD)), stager=stager)
    files["web/prod.yaml"] = "replicas: 3\n"
    request = resolve.Request(SHOP, bench.revision(files), paths=("web",), fleet=(DEV, PROD), previous=first.catalog)
    second = bench.run(request, stager=stager)

    before, after = first.catalog.entries[0].variants, second.catalog.entries[0].variants
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, False]


def test_a_chart_asks_for_the_clusters_version_only_if_it_looks_at_it(bench: Workbench, stager: stages.Stages) -> None:
    old, new = (msgspec.structs.replace(DEV, name=name, kubernetes_version=f"v1.{name}.0") for name in ("30", "35"))
    plain = {**CHART, "templates/web.yaml": config_map("a")}
    looking = {**CHART, "templates/web.yaml": config_map("a", "{{ .Capabilities.KubeVersion.Minor }}")}

    same = run(bench, stager, below("web", plain), "web", old, new)
    other = run(bench, stager, below("web", looking), "web", old, new)

    assert (len(same.entry.variants), len(other.entry.variants)) == (1, 2)
    assert [next(iter(other.objects(one)["ConfigMap/a"]["data"].values())) for one in (old, new)] == [30, 35]


def test_a_chart_asks_for_the_clusters_apis_only_if_it_looks_at_them(bench: Workbench, stager: stages.Stages) -> None:
    monitored = msgspec.structs.replace(
        DEV, name="m", kubernetes_version="v1.35.0", api_versions=("example.com/v1", "example.com/v1/Widget")
    )
    plain = msgspec.structs.replace(monitored, name="p", api_versions=())
    has = '{{ .Capabilities.APIVersions.Has "example.com/v1/Widget" }}'
    other = {**CHART, "templates/web.yaml": config_map("a", "{{ .Capabilities.KubeVersion.Minor }}")}
    looking = {**CHART, "templates/web.yaml": config_map("a", has)}

    found = run(bench, stager, below("web", looking), "web", monitored, plain)

    said = [next(iter(found.objects(one)["ConfigMap/a"]["data"].values())) for one in (monitored, plain)]
    assert said == [True, False]
    assert len(run(bench, stager, below("web", other), "web", monitored, plain).entry.variants) == 1


def test_a_kind_that_a_cluster_comes_to_serve_renders_only_what_asks_for_it(
    bench: Workbench, stager: stages.Stages
) -> None:
    plain = msgspec.structs.replace(DEV, kubernetes_version="v1.35.0")
    serving = msgspec.structs.replace(plain, api_versions=("example.com/v1", "example.com/v1/Widget"))
    has = '{{ .Capabilities.APIVersions.Has "example.com/v1/Widget" }}'
    files = below("asks", {**CHART, "templates/web.yaml": config_map("a", has)})
    files |= below("other", {**CHART, "templates/web.yaml": config_map("b", "{{ .Capabilities.KubeVersion.Minor }}")})
    request = resolve.Request(SHOP, bench.revision(files), paths=("*",), fleet=(plain,))
    before = bench.run(request, stager=stager).catalog

    after = bench.run(msgspec.structs.replace(request, previous=before, fleet=(serving,)), stager=stager)

    assert (after.stats.rendered, after.stats.reused) == (1, 1)
    unrendered = [placements.unrendered(entry, audiences.Audience((serving,))) for entry in before.entries]
    assert unrendered == [serving, None]


def test_a_named_file_hides_no_file_of_that_name_in_a_chart_that_is_depended_on(
    bench: Workbench, stager: stages.Stages
) -> None:
    lib = {
        "lib/Chart.yaml": "apiVersion: v2\nname: lib\nversion: 1.0.0\n", "lib/more.yaml": "one",
        "lib/templates/a.yaml": config_map("a", '{{ .Files.Get "more.yaml" }}'),
    }  # fmt: skip
    about = "apiVersion: v2\nname: web\nversion: 1.0.0\ndependencies:\n"
    about += "- {name: lib, version: 1.0.0, repository: 'file://../lib'}\n"
    web = {"Chart.yaml": about, "more.yaml": "x: y\n", "flotilla.yaml": "helm: {valuesFiles: [more.yaml]}\n"}

    first = run(bench, stager, {**below("web", web), **lib}, "web", DEV)
    before = catalogs.Catalog(SHOP, bench.revision({}), stager.version, (first.entry,))
    second = run(bench, stager, {**below("web", web), **lib, "lib/more.yaml": "two"}, "web", DEV, before=before)

    found = [next(iter(one.objects(DEV)["ConfigMap/a"]["data"].values())) for one in (first, second)]
    assert found == ["one", "two"]


def test_a_chart_of_chance_is_an_error_of_its_bundle(bench: Workbench, stager: stages.Stages) -> None:
    files = CHART | {"templates/web.yaml": config_map("a", "{{ randAlphaNum 9 }}")}
    entry = run(bench, stager, below("web", files), "web").entry

    assert "ConfigMap" in catalogs.problems(entry)[0].reason


@pytest.mark.parametrize("deed", ["refused", "gone"])
def test_what_need_not_be_the_bundles_doing_is_tried_again(
    bench: Workbench, helm_program: programs.Program, kustomize_program: programs.Program, tmp_path: pathlib.Path,
    deed: str,
) -> None:  # fmt: skip
    """A server that does not answer, and a program that is being replaced."""
    helm = msgspec.structs.replace(helm_program, path=tmp_path / "gone")
    settings = "kustomize: {allowRemoteBases: true}\n" if deed == "refused" else ""
    files = CHART if deed == "gone" else {"kustomization.yaml": "resources: ['http://127.0.0.1:1/web.yaml']\n"}
    made = stages.Stages(stages.Tools(helm=helm, kustomize=kustomize_program, allow_remote_bases=True))
    with contextlib.closing(made):
        found = run(bench, made, below("web", {**files, "flotilla.yaml": settings}), "web", DEV)

    assert len(catalogs.problems(found.entry)) == 1
    assert found.entry.spoiled == catalogs.SPOILED_FOR_NOW


def followers(objects: dict[str, Any]) -> int:
    return objects["Deployment/redis-slave"]["spec"]["replicas"] if "Deployment/redis-slave" in objects else 0


@pytest.mark.skipif(not EXAMPLES.is_dir(), reason="no rancher/fleet-examples in FLOTILLA_TEST_INPUTS, nor beside this")
@pytest.mark.parametrize("kind", ["helm", "kustomize", "manifests"])
def test_the_examples_of_fleet_give_what_their_readmes_say(bench: Workbench, stager: stages.Stages, kind: str) -> None:
    """Their READMEs: dev has no followers of redis, test three frontends, prod those and a load balancer."""
    files = {
        f"{kind}/{path.relative_to(EXAMPLES / kind)}": path.read_text()
        for path in (EXAMPLES / kind).rglob("*")
        if path.is_file()
    }
    fleet = [inputs.Facts(name=name, labels={"env": name}) for name in ("dev", "test", "prod")]
    found = run(bench, stager, files, kind, *fleet)

    dev, test, prod = (found.objects(one) for one in fleet)
    told = [warning for warning in catalogs.warnings(found.entry) if "is deprecated" not in warning.reason]

    assert (catalogs.problems(found.entry), told, len(found.entry.variants)) == ((), [], 3)
    assert found.index(fleet[0]).options.namespace == f"fleet-mc-{kind.removesuffix('s')}-example"
    assert [followers(one) for one in (dev, test, prod)] == [0, 2, 2]
    assert [one["Deployment/frontend"]["spec"]["replicas"] for one in (test, prod)] == [3, 3]
    assert [one["Service/frontend"]["spec"].get("type") for one in (test, prod)] == ["NodePort", "LoadBalancer"]


def test_what_may_be_fetched_is_part_of_what_renders() -> None:
    """A base that was refused is looked at again once the operator allows it."""
    assert stages.Tools().version != stages.Tools(allow_remote_bases=True).version
