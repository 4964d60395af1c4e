"""Charts of real commits, templated by the real helm."""

from collections.abc import Mapping

import pytest

from controller.render import charts, commits, errors, helm, manifests, programs
from tests.controller import repositories
from tests.controller.render.conftest import Workbench

pytestmark = pytest.mark.helm

CHART = "apiVersion: v2\nname: web\nversion: 1.0.0\n"


def _map(name: str, data: str = "key: x", annotations: str = "") -> str:
    return (
        f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  annotations: {{{annotations}}}\n"
        f"data:\n  {data}\n"
    )


def _commit(bench: Workbench, files: repositories.Files) -> commits.Commit:
    return commits.Commit(bench.reader, bench.revision(files).tree)


def _chart(bench: Workbench, templates: Mapping[str, str], **more: str) -> charts.Chart:
    files = {"web/Chart.yaml": CHART, **{f"web/templates/{name}": content for name, content in templates.items()}}
    return charts.from_commit(_commit(bench, {**files, **{f"web/{name}": text for name, text in more.items()}}), "web")


def _names(documents: bytes) -> list[str]:
    return [manifest.id.name for manifest in manifests.read("x.yaml", documents).manifests]


RELEASE = helm.Release(name="shop", namespace="front")


def test_a_chart_gets_its_release_its_files_and_its_values_in_order(
    bench: Workbench, helm_engine: programs.Engine
) -> None:
    text = "r: {{ .Release.Name }}-{{ .Release.Namespace }}-{{ .Values.a }}-{{ .Values.b }}-{{ .Values.c }}"
    files = {
        "apps/web/Chart.yaml": CHART,
        "apps/web/values.yaml": "a: chart\nb: chart\nc: chart\n",
        "apps/web/templates/a.yaml": _map("a", text),
        "apps/one, two.yaml": "a: file\nb: file\n",
    }
    commit = _commit(bench, files)
    release = helm.Release(
        name="shop",
        namespace="front",
        values={"a": "inline"},
        values_files=helm.values_files(commit, "apps/web", ["../one, two.yaml"]),
    )

    output = helm.template(helm_engine, charts.from_commit(commit, "apps/web"), release)

    assert b"r: shop-front-inline-file-chart" in output.documents
    assert (output.hooks, output.warnings, output.resolved) == (b"", (), ())


def test_a_values_file_that_is_not_there_is_an_error(bench: Workbench) -> None:
    with pytest.raises(errors.UnreadableError, match=r"^apps/prod\.yaml: there is no such file in the commit$"):
        helm.values_files(_commit(bench, {"a": ""}), "apps/web", ["../prod.yaml"])


def test_an_error_names_the_values_file_as_it_is_called_in_the_repository(
    bench: Workbench, helm_engine: programs.Engine
) -> None:
    release = helm.Release(name="shop", values_files=(helm.File("apps/prod.yaml", b"a: ["),))

    with pytest.raises(errors.ChildError, match=r"^web: helm: exit code 1: Error: failed to parse apps/prod\.yaml"):
        helm.template(helm_engine, _chart(bench, {"a.yaml": _map("a")}), release)


def test_an_error_of_a_template_has_its_place(bench: Workbench, helm_engine: programs.Engine) -> None:
    chart = _chart(bench, {"a.yaml": '{{ required "give me a" .Values.a }}\n'})

    with pytest.raises(errors.ChildError) as raised:
        helm.template(helm_engine, chart, RELEASE)

    assert raised.value.reason.startswith(
        "web: helm: exit code 1: Error: execution error at (web/templates/a.yaml:1:3): give me a"
    )


def test_hooks_come_apart_and_tests_not_at_all(bench: Workbench, helm_engine: programs.Engine) -> None:
    chart = _chart(
        bench,
        {
            "a.yaml": _map("a", "note: 'helm.sh/hook'"),
            "b.yaml": _map("before", annotations='"helm.sh/hook": pre-install') + "---\n" + _map("b"),
            "c.yaml": _map("test", annotations='"helm.sh/hook": test'),
        },
    )

    output = helm.template(helm_engine, chart, RELEASE)
    without = helm.template(helm_engine, chart, helm.Release(name="shop", skip_hooks=True))

    assert _names(output.documents) == ["a", "b"]
    assert _names(output.hooks) == ["before"]
    assert (_names(without.documents), without.hooks) == (["a", "b"], b"")


def test_a_hook_that_helm_does_not_know_is_left_out_and_said(bench: Workbench, helm_engine: programs.Engine) -> None:
    """As `crd-install`, which was Helm 2's."""
    chart = _chart(bench, {"a.yaml": _map("a"), "b.yaml": _map("crd", annotations='"helm.sh/hook": crd-install')})

    output = helm.template(helm_engine, chart, RELEASE)

    assert (_names(output.documents), output.hooks) == (["a"], b"")
    assert output.warnings == ('helm: skipping unknown hook: "crd-install"',)


def test_definitions_are_included_unless_skipped(bench: Workbench, helm_engine: programs.Engine) -> None:
    chart = _chart(bench, {"a.yaml": _map("a")}, **{"crds/crd.yaml": _map("crd")})

    assert _names(helm.template(helm_engine, chart, RELEASE).documents) == ["crd", "a"]
    skipped = helm.template(helm_engine, chart, helm.Release(name="shop", skip_crds=True))
    assert _names(skipped.documents) == ["a"]


def test_a_cluster_is_what_it_is_said_to_be(bench: Workbench, helm_engine: programs.Engine) -> None:
    text = 'v: "{{ .Capabilities.KubeVersion }} {{ .Capabilities.APIVersions.Has "example.com/v1/Thing" }}"'
    release = helm.Release(name="shop", kube_version="1.29.3", api_versions=("example.com/v1/Thing", "b/v1"))

    output = helm.template(helm_engine, _chart(bench, {"a.yaml": _map("a", text)}), release)

    assert b'v: "v1.29.3 true"' in output.documents


def test_lookup_finds_nothing_and_says_so(bench: Workbench, helm_engine: programs.Engine) -> None:
    chart = _chart(bench, {"a.yaml": _map("a", 'v: {{ lookup "v1" "Secret" "a" "b" | toJson | quote }}')})

    output = helm.template(helm_engine, chart, RELEASE)

    assert b'v: "{}"' in output.documents
    assert output.warnings == (
        "templates/a.yaml: `lookup` finds nothing, because charts are rendered without a cluster",
    )


def test_chance_is_an_error_that_names_the_object_and_not_its_value(
    bench: Workbench, helm_engine: programs.Engine
) -> None:
    chart = _chart(bench, {"a.yaml": _map("a"), "b.yaml": _map("b", "password: {{ randAlphaNum 12 }}")})

    with pytest.raises(errors.ChildError) as raised:
        helm.template(helm_engine, chart, RELEASE)

    assert raised.value.cause is errors.Cause.UNSTABLE
    assert raised.value.reason == (
        "web: ConfigMap b: data.password differs from one rendering to the next (give the value instead of making it:"
        " templates/b.yaml (randAlphaNum))"
    )


def test_chance_that_values_switch_off_is_none(bench: Workbench, helm_engine: programs.Engine) -> None:
    text = "password: {{ .Values.password | default (randAlphaNum 12) }}"
    release = helm.Release(name="shop", values={"password": "given"})

    output = helm.template(helm_engine, _chart(bench, {"b.yaml": _map("b", text)}), release)

    assert b"password: given" in output.documents


def test_a_clock_that_shows_is_an_error_or_a_warning(bench: Workbench, helm_engine: programs.Engine) -> None:
    exact = _chart(bench, {"a.yaml": _map("a", "at: {{ now | unixEpoch }}-{{ now.UnixNano }}")})
    coarse = _chart(bench, {"a.yaml": _map("a", 'at: {{ now | date "2006" | quote }}')})

    with pytest.raises(errors.ChildError, match=r"^web: ConfigMap a: data\.at differs"):
        helm.template(helm_engine, exact, RELEASE)
    assert helm.template(helm_engine, coarse, RELEASE).warnings == (
        "templates/a.yaml: reads the clock, so that another day's rendering may differ",
    )


def test_a_chart_that_gives_nothing_is_an_error(bench: Workbench, helm_engine: programs.Engine) -> None:
    chart = _chart(bench, {"a.yaml": "{{ if .Values.on }}\n" + _map("a") + "{{ end }}\n"})

    with pytest.raises(errors.ChildError, match="web: helm gives no object") as raised:
        helm.template(helm_engine, chart, RELEASE)
    assert raised.value.cause is errors.Cause.NOTHING


def test_a_template_that_swells_is_cut(bench: Workbench, helm_engine: programs.Engine) -> None:
    swelling = '{{ $x := "x" }}{{ range until 40 }}{{ $x = printf "%s%s" $x $x }}{{ end }}a: {{ $x }}'

    with pytest.raises(errors.ChildError) as raised:
        helm.template(helm_engine, _chart(bench, {"a.yaml": swelling}), RELEASE)

    assert raised.value.cause is errors.Cause.MEMORY


def test_a_template_that_includes_itself_is_an_error(bench: Workbench, helm_engine: programs.Engine) -> None:
    chart = _chart(bench, {"a.yaml": '{{ define "x" }}{{ include "x" . }}{{ end }}{{ include "x" . }}'})

    with pytest.raises(errors.ChildError, match="rendering template has a nested reference name: x"):
        helm.template(helm_engine, chart, RELEASE)


@pytest.mark.parametrize("name", ["-x", "--help", "--post-renderer=sh"])
def test_a_release_name_is_never_an_option(bench: Workbench, helm_engine: programs.Engine, name: str) -> None:
    with pytest.raises(errors.ChildError, match="invalid release name"):
        helm.template(helm_engine, _chart(bench, {"a.yaml": _map("a")}), helm.Release(name=name))
