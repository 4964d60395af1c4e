"""Charts with what they depend on: vendored, beside them, or from a real repository on the loopback."""

import io
import tarfile

import pytest

from controller.render import chart_store, charts, commits, errors, helm, programs
from tests.controller import repositories
from tests.controller.render.chart_servers import LIBRARY, Repository
from tests.controller.render.conftest import Workbench


def _commit(bench: Workbench, files: repositories.Files) -> commits.Commit:
    return commits.Commit(bench.reader, bench.revision(files).tree)


def _depending(repository: str, version: str = "1.2.0") -> dict[str, repositories.Content]:
    entry = f"dependencies:\n- {{name: lib, version: {version}, repository: '{repository}'}}\n"
    return {
        "web/Chart.yaml": f"apiVersion: v2\nname: web\nversion: 1.0.0\n{entry}",
        "web/templates/a.yaml": repositories.config_map("a"),
    }


def _below(directory: str, files: dict[str, str]) -> dict[str, repositories.Content]:
    return {f"{directory}/{path}": content for path, content in files.items()}


def _lock(repository: str, version: str = "1.2.0") -> dict[str, repositories.Content]:
    return {"web/Chart.lock": f"dependencies:\n- {{name: lib, version: {version}, repository: '{repository}'}}\n"}


def test_a_vendored_dependency_is_part_of_the_chart(bench: Workbench) -> None:
    files = {**_depending("https://example.com"), **_below("web/charts/lib", LIBRARY)}

    chart = charts.from_commit(_commit(bench, files), "web")

    assert "charts/lib/Chart.yaml" in chart.files
    assert chart.resolved == ()


def test_a_dependency_in_the_repository_comes_from_the_commit(bench: Workbench) -> None:
    files = {**_depending("file://../lib"), **_below("lib", LIBRARY)}

    chart = charts.from_commit(_commit(bench, files), "web")

    assert sorted(path for path in chart.files if path.startswith("charts/")) == [
        "charts/lib/Chart.yaml",
        "charts/lib/templates/lib.yaml",
    ]


def test_a_packed_chart_of_the_commit_is_unpacked(bench: Workbench) -> None:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        member = tarfile.TarInfo("lib/Chart.yaml")
        member.size = 10
        archive.addfile(member, io.BytesIO(b"name: lib\n"))

    chart = charts.from_commit(_commit(bench, {"vendor/lib.tgz": target.getvalue()}), "vendor/lib.tgz")

    assert chart.files == {"Chart.yaml": b"name: lib\n"}


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"web/x": ""}, r"^web: holds no Chart\.yaml$"),
        ({"web/Chart.yaml": "a: ["}, r"^web/Chart\.yaml: "),
        ({"web/Chart.yaml": "dependencies: [1]"}, r"^web/Chart\.yaml: dependencies: Expected `object`"),
        (_depending("https://example.com"), "is neither in charts/ nor locked"),
        ({**_depending("@lib"), **_lock("@lib")}, "'@lib' is a name on somebody's machine"),
        (_depending("file://../../lib"), "leads out of the repository"),
        (_depending("file://../web"), "its dependencies lead back to web"),
    ],
)
def test_a_chart_that_is_not_whole_is_an_error(bench: Workbench, files: repositories.Files, reason: str) -> None:
    with pytest.raises(errors.UnreadableError, match=reason):
        charts.from_commit(_commit(bench, files), "web")


def test_a_few_charts_that_say_billions_are_too_many(bench: Workbench) -> None:
    files: dict[str, repositories.Content] = {"c7/Chart.yaml": "name: c7\nversion: 1.0.0\n"}
    for level in range(7):
        again = f"- {{name: c{level + 1}, repository: 'file://../c{level + 1}'}}\n" * 20
        files[f"c{level}/Chart.yaml"] = f"name: c{level}\nversion: 1.0.0\ndependencies:\n{again}"

    with pytest.raises(errors.UnreadableError, match=r"^c0: depends on more than 1000 charts$"):
        charts.from_commit(_commit(bench, files), "c0")


def test_without_a_store_nothing_is_fetched(bench: Workbench) -> None:
    files = {**_depending("https://example.com"), **_lock("https://example.com")}

    with pytest.raises(errors.MissingError, match="nothing is fetched here"):
        charts.from_commit(_commit(bench, files), "web")


def test_the_closure_of_a_chart_is_what_of_the_commit_it_follows_from(bench: Workbench) -> None:
    files = {**_depending("file://../lib"), **_below("lib", LIBRARY), "other/x": ""}
    before = charts.closure(_commit(bench, files), "web")

    assert [path for path, _ in before] == ["lib", "web"]
    assert charts.closure(_commit(bench, {**files, "other/x": "2"}), "web") == before
    assert charts.closure(_commit(bench, {**files, "lib/y": "2"}), "web") != before


def test_a_chart_of_the_commit_that_is_gone_is_part_of_the_closure(bench: Workbench) -> None:
    found = charts.closure(_commit(bench, _depending("file://../lib")), "web")

    assert ("lib", commits.ABSENT) in found


def test_whether_a_chart_asks_about_the_cluster_is_seen(bench: Workbench) -> None:
    plain = {"web/Chart.yaml": "name: web\n", "web/templates/a.yaml": "a: {{ .Values.a }}\n"}
    asking = {**plain, "web/charts/lib/templates/b.yaml": "a: {{ $.Capabilities.KubeVersion.Minor }}\n"}
    bound = {**plain, "web/Chart.yaml": "name: web\nkubeVersion: '>=1.20'\n"}
    beside = {**_depending("file://../lib"), "lib/Chart.yaml": "name: lib\n", "lib/templates/b": "{{ .Capabilities }}"}

    found = [charts.traits(_commit(bench, files), "web").capabilities for files in (plain, asking, bound, beside)]

    assert found == [False, True, True, True]


@pytest.mark.helm
def test_a_locked_dependency_is_fetched_in_its_version(
    bench: Workbench, repository: Repository, store: chart_store.Store, helm_engine: programs.Engine
) -> None:
    repository.add(LIBRARY, "1.3.0")
    files = {**_depending(repository.url, "^1.0.0"), **_lock(repository.url)}

    chart = charts.from_commit(_commit(bench, files), "web", store)
    output = helm.template(helm_engine, chart, helm.Release(name="shop"))

    assert b"name: lib-1.2.0" in output.documents
    assert [(one.chart, one.version, len(one.digest)) for one in output.resolved] == [("lib", "1.2.0", 64)]


@pytest.mark.helm
def test_a_chart_of_a_repository_is_templated(
    repository: Repository, store: chart_store.Store, helm_engine: programs.Engine
) -> None:
    chart = charts.from_repository(store, chart_store.Remote("lib", repository.url))

    assert b"name: lib-1.2.0" in helm.template(helm_engine, chart, helm.Release(name="shop")).documents
