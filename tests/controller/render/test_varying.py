"""Variants: each cluster gets what it should, and what is the same is rendered once."""

import msgspec
import pytest

from controller.domain import catalogs, inputs, placements
from controller.render import resolve
from tests.controller.render.conftest import SHOP, Workbench
from tests.controller.render.variants import EU, NAMED, PLAIN, US, VARIABLE, Counting, cluster, entry_of, manifest, run
from tests.controller.repositories import Content, Link, Submodule, config_map


def test_each_cluster_gets_its_own_values_in_the_manifests(bench: Workbench) -> None:
    entry = entry_of(run(bench, {"a.yaml": VARIABLE}, EU, US, PLAIN))

    assert [manifest(bench, entry, one)["data"]["region"] for one in (EU, US, PLAIN)] == ["eu", "us", "none"]
    assert len(entry.variants) == 3


def test_what_is_asked_of_nobody_is_rendered_once_for_all(bench: Workbench) -> None:
    stager = Counting()
    entry = entry_of(run(bench, {"a.yaml": config_map("a")}, EU, US, PLAIN, stager=stager))

    assert (len(entry.variants), entry.variants[0].inputs, stager.made) == (1, {}, 1)


def test_variants_share_all_but_their_variables(bench: Workbench) -> None:
    stager = Counting()
    fleet = [cluster(f"c{number:02}") for number in range(20)]
    found = run(bench, {"a.yaml": NAMED, "b.yaml": config_map("b")}, *fleet, stager=stager)

    assert (len(entry_of(found).variants), stager.made) == (20, 1)


def test_only_the_variables_that_are_used_tell_clusters_apart(bench: Workbench) -> None:
    fleet = [cluster(f"c{number}", region="eu" if number % 2 else "us", zone=str(number)) for number in range(6)]
    entry = entry_of(run(bench, {"a.yaml": VARIABLE}, *fleet))

    assert [variant.inputs for variant in entry.variants] == [
        {"cluster.labels.region": "eu"},
        {"cluster.labels.region": "us"},
    ]


def test_a_cluster_that_lacks_a_variable_keeps_its_last_content_and_nobody_else_suffers(bench: Workbench) -> None:
    strict = VARIABLE.replace(":-none", "")
    first = run(bench, {"a.yaml": VARIABLE}, EU, PLAIN)
    second = entry_of(run(bench, {"a.yaml": strict}, EU, PLAIN, before=first))

    assert manifest(bench, second, EU)["data"]["region"] == "eu"
    assert manifest(bench, second, PLAIN)["data"]["region"] == "none"
    assert [str(one) for one in catalogs.problems(second)] == [
        "a.yaml:4: ${cluster.labels.region}: no value, and no default (written ${NAME:-default})"
    ]
    assert not catalogs.is_complete(catalogs.Catalog(SHOP, bench.revision({}), "raw", (second,)))


def test_what_a_cluster_is_told_mends_what_lacked_a_value_everywhere(bench: Workbench) -> None:
    """Nobody has the value: the one that gets it must be seen to need another look."""
    broken = run(bench, {"a.yaml": NAMED.replace("cluster.name", "vars.size")}, EU, US)
    told = msgspec.structs.replace(EU, values={"size": "big"})

    assert [(entry_of(broken).errors, len(entry_of(broken).variants))] == [((), 1)]
    assert placements.place(entry_of(broken), told) == placements.Placed(entry_of(broken), None)
    mended = run(bench, {"a.yaml": NAMED.replace("cluster.name", "vars.size")}, told, US, before=broken)
    assert manifest(bench, entry_of(mended), told)["data"]["who"] == "big"
    assert len(catalogs.problems(entry_of(mended))) == 1


def test_a_bundle_that_fails_for_everybody_is_spoiled_as_a_whole(bench: Workbench) -> None:
    first = run(bench, {"a.yaml": VARIABLE}, EU, US)
    second = entry_of(run(bench, {"a.yaml": "kind: [\n"}, EU, US, before=first))

    assert second.variants == entry_of(first).variants
    assert [error.path for error in second.errors] == ["a.yaml"]


def test_customizations_decide_where_a_bundle_goes_and_what_it_is(bench: Workbench) -> None:
    files = {
        "a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {size: '${vars.size}'}\n",
        "flotilla.yaml": (
            "vars: {size: small}\n"
            "targets:\n- {}\n- {matchLabels: {region: eu}, vars: {size: large}}\n"
            "- {matchLabels: {region: us}, doNotDeploy: true}\n"
        ),
    }
    entry = entry_of(run(bench, files, EU, US, PLAIN))

    assert [manifest(bench, entry, one)["data"]["size"] for one in (EU, PLAIN)] == ["large", "small"]
    assert placements.place(entry, US) is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (Link("../../b.yaml"), "a symbolic link is not followed (put the file here, or list the link in"),
        (Submodule(), "a submodule is not read"),
    ],
)
def test_what_is_no_file_of_an_overlay_harms_its_bundle_alone(
    bench: Workbench, content: Link | Submodule, reason: str
) -> None:
    files: dict[str, Content] = {
        "web/a.yaml": config_map("a"),
        "web/flotilla.yaml": "overlays: [dev]\n",
        "web/overlays/dev/b.yaml": content,
        "db/c.yaml": config_map("c"),
    }
    good, bad = bench.resolve(files, "*").catalog.entries

    assert (good.path, catalogs.problems(good)) == ("db", ())
    assert [(one.path, one.reason.startswith(reason)) for one in catalogs.problems(bad)] == [
        ("web/overlays/dev/b.yaml", True)
    ]


@pytest.mark.parametrize("marker", ["Chart.yaml", "kustomization.yaml"])
def test_what_no_customization_of_a_cluster_renders_is_told_as_that(bench: Workbench, marker: str) -> None:
    """Not as a manifest that lacks this and that."""
    settings = "targets: [{matchLabels: {region: eu}, kustomize: {dir: base}, helm: {chart: base}}, {name: rest}]\n"
    files = {"flotilla.yaml": settings, f"base/{marker}": "resources: []\n", "a.yaml": config_map("a")}
    [_, of_us] = entry_of(run(bench, files, EU, US)).variants

    assert [(one.path, one.reason.partition(" where ")[0]) for one in of_us.errors] == [
        (f"base/{marker}", "a chart or kustomization is rendered")
    ]


def test_a_clusters_registered_value_wins_over_the_bundles(bench: Workbench) -> None:
    files = {
        "a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {size: '${vars.size}'}\n",
        "flotilla.yaml": "vars: {size: small}\nvarsFiles: [sizes.yaml]\n",
        "sizes.yaml": "size: middle\n",
    }
    own = msgspec.structs.replace(EU, values={"size": "own"})
    entry = entry_of(run(bench, files, own, US))

    assert [manifest(bench, entry, one)["data"]["size"] for one in (own, US)] == ["own", "small"]


def test_files_of_variables_are_no_manifests_and_may_be_named_by_variables(bench: Workbench) -> None:
    files = {
        "a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {size: '${vars.size}'}\n",
        "flotilla.yaml": "varsFiles: ['vars/${cluster.labels.region}.yaml']\n",
        "vars/eu.yaml": "size: 1\n",
        "vars/us.yaml": "size: 2\n",
    }
    entry = entry_of(run(bench, files, EU, US))

    assert [manifest(bench, entry, one)["data"]["size"] for one in (EU, US)] == ["1", "2"]


DEPLOYMENT = """apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: ${vars.replicas}
  paused: "${vars.replicas}"
  text: $${cluster.name}
"""


def test_a_plain_reference_becomes_a_number_and_an_escape_a_reference(bench: Workbench) -> None:
    files = {"flotilla.yaml": "vars: {replicas: '3'}", "a.yaml": DEPLOYMENT}
    found = manifest(bench, entry_of(run(bench, files, EU)), EU)

    assert found["spec"] == {"replicas": 3, "paused": "3", "text": "${cluster.name}"}


def test_a_malformed_reference_alone_is_found(bench: Workbench) -> None:
    text = VARIABLE.replace("${cluster.labels.region:-none}", "${cluster.nam}")
    first = run(bench, {"a.yaml": config_map("a")}, EU)
    entry = entry_of(run(bench, {"a.yaml": text}, EU, before=first))

    assert [str(one)[:44] for one in catalogs.problems(entry)] == ["a.yaml:4: ${cluster.nam}: no such variable ("]


def test_what_patches_bring_is_replaced_once_and_plain_where_it_is_plain(bench: Workbench) -> None:
    settings_ = """
vars: {replicas: '3', field: paused}
targets:
- matchLabels: {region: eu}
  patches:
  - target: {kind: Deployment, name: "${vars.name:-web}"}
    patch:
    - op: replace
      path: /spec/replicas
      value: ${vars.more:-5}
    - op: replace
      path: /spec/${vars.field}
      value: "${vars.odd}"
  - patch:
      apiVersion: apps/v1
      kind: Deployment
      metadata: {name: web}
      spec:
        text: ${vars.replicas}
"""
    one = inputs.Facts(name="a", labels={"region": "eu"}, values={"odd": "${cluster.name}"})
    entry = entry_of(run(bench, {"flotilla.yaml": settings_, "a.yaml": DEPLOYMENT}, one))

    assert manifest(bench, entry, one)["spec"] == {"replicas": 5, "paused": "${cluster.name}", "text": 3}


def test_quotes_around_a_reference_of_a_patch_make_another_variant(bench: Workbench) -> None:
    def settings_of(value: str) -> str:
        patch = f"patches:\n- target: {{kind: Deployment}}\n  patch:\n    spec:\n      replicas: {value}\n"
        return "vars: {replicas: '3'}\n" + patch

    first = run(bench, {"flotilla.yaml": settings_of("${vars.replicas}"), "a.yaml": DEPLOYMENT}, EU)
    second = run(bench, {"flotilla.yaml": settings_of("'${vars.replicas}'"), "a.yaml": DEPLOYMENT}, EU, before=first)

    assert [manifest(bench, entry_of(one), EU)["spec"]["replicas"] for one in (first, second)] == [3, "3"]


def test_substitution_may_be_off_for_an_object_and_for_a_bundle(bench: Workbench) -> None:
    off = DEPLOYMENT.replace("{name: web}", "{name: web, annotations: {flotilla.gitops/substitute: disabled}}")
    expected = {"replicas": "${vars.replicas}", "paused": "${vars.replicas}", "text": "$${cluster.name}"}
    settings_ = "substitute: false\npatches:\n- target: {kind: D.*}\n  patch:\n    spec:\n      x: ${vars.y}\n"
    for files in ({"a.yaml": off}, {"a.yaml": DEPLOYMENT, "flotilla.yaml": settings_}):
        found = manifest(bench, entry_of(run(bench, files, EU)), EU)["spec"]
        assert {key: value for key, value in found.items() if key != "x"} == expected


def test_a_bundle_for_nobody_is_checked_all_the_same(bench: Workbench) -> None:
    assert [str(one) for one in entry_of(run(bench, {"a.yaml": "kind: [\n"})).errors] != []
    assert entry_of(run(bench, {"a.yaml": VARIABLE.replace(":-none", "")})).errors == ()
    assert entry_of(run(bench, {"a.yaml": VARIABLE})).variants == ()


def test_a_paused_bundle_stays_where_it_is_and_goes_nowhere(bench: Workbench) -> None:
    first = run(bench, {"a.yaml": VARIABLE}, EU)
    files = {"a.yaml": VARIABLE.replace("none", "changed"), "flotilla.yaml": "paused: true\n"}
    second = entry_of(run(bench, files, EU, US, before=first))

    assert second.variants == entry_of(first).variants
    assert placements.place(second, US) is None
    assert "paused" in str(second.warnings[0])


@pytest.mark.parametrize(
    ("first", "second", "problem"),
    [
        (
            "dependsOn: [{name: two}]",
            "dependsOn: [{name: one}]",
            "goes round in a circle: shop/one → shop/two → shop/one",
        ),
        ("dependsOn: [{name: gone}]", "", "no bundle of the source is called 'gone'"),
    ],
)
def test_what_bundles_need_of_each_other_must_make_sense(
    bench: Workbench, first: str, second: str, problem: str
) -> None:
    files = {f"{name}/a.yaml": config_map(name) for name in ("one", "two")}
    files |= {"one/flotilla.yaml": f"name: one\n{first}\n", "two/flotilla.yaml": f"name: two\n{second}\n"}
    found = bench.run(resolve.Request(SHOP, bench.revision(files), paths=("*",), fleet=(EU,)))

    assert problem in str(catalogs.problems(found.catalog.entries[0])[0])


def test_needs_become_bundles_by_name_and_by_label(bench: Workbench) -> None:
    files = {f"{name}/a.yaml": config_map(name) for name in ("app", "db", "queue")}
    files |= {
        "app/flotilla.yaml": "dependsOn: [{name: db, state: applied}, {selector: {matchLabels: {tier: back}}}]\n",
        "queue/flotilla.yaml": "labels: {tier: back}\n",
    }
    found = bench.run(resolve.Request(SHOP, bench.revision(files), paths=("*",), fleet=(EU,)))

    assert [(one.bundle, one.state.value) for one in found.catalog.entries[0].depends_on] == [
        ("shop/db", "applied"),
        ("shop/queue", "ready"),
    ]
