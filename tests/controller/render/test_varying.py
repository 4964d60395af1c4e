"""Variants: each cluster gets what it should, and what is the same is rendered once."""

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.domain import catalogs, inputs, placements
from controller.render import resolve, stages, staging
from protocol import bundles, messages
from tests.controller.render.conftest import SHOP, Workbench
from tests.controller.repositories import config_map

VARIABLE = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {region: '${cluster.labels.region:-none}'}\n"
NAMED = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {who: '${cluster.name}'}\n"


def cluster(name: str, **labels: str) -> inputs.Facts:
    return inputs.Facts(name=name, labels=labels)


EU, US, PLAIN = cluster("a", region="eu"), cluster("b", region="us"), cluster("c")


class Counting(stages.Stages):
    """Counts the stages that are made."""

    def __init__(self) -> None:
        super().__init__()
        self.made = 0

    def plan(self, *words: Any) -> staging.Plan:
        plan = super().plan(*words)

        def make() -> staging.Staged:
            self.made += 1
            return plan.make()

        return msgspec.structs.replace(plan, make=make)


def run(
    bench: Workbench, files: dict[str, str], *fleet: inputs.Facts, before: resolve.Resolution | None = None, **more: Any
) -> resolve.Resolution:
    request = resolve.Request(
        SHOP, bench.revision(files), fleet=fleet, previous=before.catalog if before is not None else None
    )
    return bench.run(request, **more)


def entry_of(found: resolve.Resolution) -> catalogs.Entry:
    (entry,) = found.catalog.entries
    return entry


def manifest(bench: Workbench, entry: catalogs.Entry, of: inputs.Facts) -> Any:
    """The one object that the cluster gets."""
    placed = placements.place(entry, of)
    assert placed is not None
    (item,) = messages.INDEX.decode(bench.blobs[placed.index].plain).objects
    return msgspec.json.decode(bench.blobs[item.manifest].plain)


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


def test_a_change_renders_only_the_variants_that_it_is_about(bench: Workbench) -> None:
    files = {
        "a.yaml": config_map("a"),
        "flotilla.yaml": (
            "targets:\n- matchLabels: {region: eu}\n  overlays: [eu]\n- matchLabels: {region: us}\n  overlays: [us]\n"
        ),
        "overlays/eu/b.yaml": config_map("b", "eu"),
        "overlays/us/b.yaml": config_map("b", "us"),
    }
    first = run(bench, files, EU, US)
    stager = Counting()
    second = run(bench, files | {"overlays/us/b.yaml": config_map("b", "new")}, EU, US, before=first, stager=stager)

    assert stager.made == 1
    assert entry_of(second).variants[0] == entry_of(first).variants[0]
    assert entry_of(second).variants[1] != entry_of(first).variants[1]


def test_a_new_cluster_renders_only_what_nobody_else_has(bench: Workbench) -> None:
    files = {"apps/a.yaml": VARIABLE, "base/flotilla.yaml": "", "base/b.yaml": config_map("b")}
    first = run(bench, files, EU)
    stager = Counting()
    second = run(bench, files, EU, US, before=first, stager=stager)

    assert (second.stats.rendered, second.stats.reused) == (1, 1)
    assert [len(entry.variants) for entry in second.catalog.entries] == [2, 1]


def test_nothing_is_looked_at_where_nothing_is_new(bench: Workbench) -> None:
    files = {"a.yaml": VARIABLE}
    first = run(bench, files, EU, US)
    second = run(bench, files, EU, US, before=first)

    assert (second.stats.rendered, second.stats.made) == (0, 0)
    assert second.catalog.entries == first.catalog.entries


def test_what_stands_outside_the_bundle_counts_as_part_of_it(bench: Workbench) -> None:
    files = {
        "web/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {size: '${vars.size}'}\n",
        "web/flotilla.yaml": "varsFiles: [/sizes.yaml]\n",
        "sizes.yaml": "size: 1\n",
    }

    def resolved(files: dict[str, str], before: catalogs.Catalog | None = None) -> resolve.Resolution:
        return bench.run(
            resolve.Request(SHOP, bench.revision(files), paths=("web",), fleet=(EU,), previous=before, covered=True)
        )

    first = resolved(files)
    same = resolved(files | {"README.md": "x"}, first.catalog)
    other = resolved(files | {"sizes.yaml": "size: 2\n"}, first.catalog)

    assert (same.stats.rendered, other.stats.rendered) == (0, 1)
    assert manifest(bench, entry_of(other), EU)["data"]["size"] == "2"


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


def test_a_need_that_another_bundle_mends_is_met_though_nothing_else_changed(bench: Workbench) -> None:
    files = {"app/a.yaml": config_map("app"), "app/flotilla.yaml": "dependsOn: [{name: db}]\n"}

    def resolved(files: dict[str, str], before: catalogs.Catalog | None = None) -> catalogs.Catalog:
        request = resolve.Request(SHOP, bench.revision(files), paths=("*",), fleet=(EU,), previous=before)
        return bench.run(request).catalog

    broken = resolved(files)
    whole = resolved(files | {"db/a.yaml": config_map("db")}, broken)

    assert not catalogs.is_complete(broken)
    assert catalogs.is_complete(whole)
    assert [one.bundle for one in whole.entries[0].depends_on] == ["shop/db"]


def test_other_words_on_drift_are_other_content_for_a_cluster(bench: Workbench) -> None:
    files = {"flotilla.yaml": "drift: alert\n", "a.yaml": config_map("a")}
    first = run(bench, files, EU)
    second = run(bench, files | {"flotilla.yaml": "drift: off\nignore: [{kind: Secret}]\n"}, EU, before=first)

    placed = placements.place(entry_of(second), EU)
    assert placed is not None
    options = messages.INDEX.decode(bench.blobs[placed.index].plain).options
    assert (options.drift, len(options.ignore)) == (bundles.Drift.OFF, 1)


SIZE = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {size: '${vars.size}'}\n"


def in_web(
    bench: Workbench, files: dict[str, str], *fleet: inputs.Facts, before: resolve.Resolution | None = None
) -> resolve.Resolution:
    """Resolve the bundles at and below `web`; what else the commit has lies outside of them."""
    previous = before.catalog if before is not None else None
    request = resolve.Request(SHOP, bench.revision(files), paths=("web",), fleet=fleet, previous=previous)
    return bench.run(request)


def test_content_that_stays_is_looked_at_where_it_comes_from_now(bench: Workbench) -> None:
    files = {
        "web/a.yaml": SIZE, "web/flotilla.yaml": "varsFiles: [/one.yaml]\n", "one.yaml": "size: 1\n",
        "two.yaml": "size: 1\n",
    }  # fmt: skip
    first = in_web(bench, files, EU)
    moved = files | {"web/flotilla.yaml": "varsFiles: [/two.yaml]\n"}
    second = in_web(bench, moved, EU, before=first)
    third = in_web(bench, moved | {"two.yaml": "size: 2\n"}, EU, before=second)

    assert manifest(bench, entry_of(third), EU)["data"]["size"] == "2"


def test_a_file_outside_mends_a_bundle_that_was_never_good(bench: Workbench) -> None:
    files = {"web/a.yaml": SIZE, "web/flotilla.yaml": "varsFiles: [/sizes.yaml]\n"}
    for fleet in ((), (EU,)):
        broken = in_web(bench, files, *fleet)
        mended = in_web(bench, files | {"sizes.yaml": "size: 1\n"}, *fleet, before=broken)

        assert (len(catalogs.errors(broken.catalog)), catalogs.errors(mended.catalog)) == (1, ())


def test_what_is_wrong_with_one_customization_is_not_said_of_the_others(bench: Workbench) -> None:
    """Only the cluster of the broken one is there: the next to come, or to be labelled so, must be seen to need another
    look."""
    files = {
        "flotilla.yaml": "targetMode: firstMatch\ntargets: [{matchLabels: {region: eu}}, {overlays: [gone]}]\n",
        "a.yaml": config_map("a"),
    }
    broken = run(bench, files, US)
    whole = run(bench, files, US, EU, before=broken)

    assert len(catalogs.errors(broken.catalog)) == 1
    assert placements.place(entry_of(broken), EU) == placements.Placed(entry_of(broken), None)
    assert manifest(bench, entry_of(whole), EU)["metadata"]["name"] == "a"
    assert len(catalogs.errors(whole.catalog)) == 1


def test_what_was_wrong_for_a_cluster_that_has_gone_is_told_no_more(bench: Workbench) -> None:
    """Else deletions would wait for it."""
    files = {"a.yaml": VARIABLE.replace(":-none", "")}
    broken = run(bench, files, EU, PLAIN)
    whole = run(bench, files, EU, before=broken)

    assert (catalogs.is_complete(broken.catalog), catalogs.is_complete(whole.catalog)) == (False, True)


def test_a_bundle_that_fails_under_other_customizations_keeps_all_it_had(bench: Workbench) -> None:
    files = {"flotilla.yaml": "targets: [{matchLabels: {region: eu}}]\n", "a.yaml": VARIABLE}
    first = run(bench, files, EU)
    broken = run(bench, {"flotilla.yaml": "targets: [{}]\n", "a.yaml": "kind: [\n"}, EU, US, before=first)
    mended = run(bench, {"flotilla.yaml": "targets: [{}]\n", "a.yaml": VARIABLE}, EU, US, before=broken)

    assert entry_of(broken).variants == entry_of(first).variants
    assert (len(catalogs.errors(broken.catalog)), len(entry_of(mended).variants)) == (1, 2)


def test_what_is_wrong_below_a_bundle_that_stays_is_looked_at_again(bench: Workbench) -> None:
    files = {
        "web/a.yaml": config_map("a"), "web/app/b.yaml": config_map("b"),
        "web/app/flotilla.yaml": "dependsOn: [{name: db}]\n",
    }  # fmt: skip
    request = resolve.Request(SHOP, bench.revision(files), paths=("*",), fleet=(EU,))
    broken = bench.run(request)
    more = bench.revision(files | {"db/c.yaml": config_map("c")})
    whole = bench.run(msgspec.structs.replace(request, revision=more, previous=broken.catalog))

    assert not catalogs.is_complete(broken.catalog)
    assert catalogs.is_complete(whole.catalog)


def test_a_chart_that_was_missing_below_a_bundle_that_stays_is_looked_for_again(bench: Workbench) -> None:
    files = {
        "web/a.yaml": config_map("a"), "web/app/Chart.yaml": "apiVersion: v2\nname: app\nversion: 1.0.0\n",
        "web/app/flotilla.yaml": "",
    }  # fmt: skip
    broken = in_web(bench, files, EU)
    again = in_web(bench, files, EU, before=broken)

    assert catalogs.may_mend_itself(broken.catalog)
    assert (again.stats.rendered, again.stats.reused) == (2, 0)


def test_a_new_cluster_in_an_error_takes_nobodys_last_content_away(bench: Workbench) -> None:
    """What the error came before was not asked: the newcomer must not answer for those who had something."""
    files = {
        "flotilla.yaml": "overlays: ['x${cluster.labels.env:-}']\n", "a.yaml": VARIABLE,
        "overlays/x/a.yaml": VARIABLE,
    }  # fmt: skip
    first = run(bench, files, EU, US)
    newcomer = cluster("0", region="asia")
    second = entry_of(run(bench, files | {"z.yaml": "kind: [\n"}, newcomer, EU, US, before=first))

    assert [manifest(bench, second, one)["data"]["region"] for one in (EU, US)] == ["eu", "us"]
    placed = placements.place(second, newcomer)
    assert placed is not None
    assert (placed.index, len(catalogs.problems(second))) == ("", 1)


def test_the_same_text_from_a_variable_and_without_is_one_variant(bench: Workbench) -> None:
    files = {
        "flotilla.yaml": "overlays: ['${cluster.labels.region}']\n", "a.yaml": config_map("a"),
        "overlays/eu/b.yaml": config_map("b"), "overlays/us/b.yaml": config_map("b", "us"),
    }  # fmt: skip
    plain = files | {"flotilla.yaml": "overlays: [eu]\n"}
    first = run(bench, files, EU, US)

    assert run(bench, plain, EU, US, before=first).catalog.entries == run(bench, plain, EU, US).catalog.entries


def test_a_circle_through_a_bundle_in_error_is_found(bench: Workbench) -> None:
    files = {f"{name}/a.yaml": config_map(name) for name in ("one", "two")}

    def resolved(files: dict[str, str], before: catalogs.Catalog | None = None) -> catalogs.Catalog:
        request = resolve.Request(SHOP, bench.revision(files), paths=("*",), fleet=(EU,), previous=before)
        return bench.run(request).catalog

    good = resolved(files | {"one/flotilla.yaml": "dependsOn: [{name: two}]\n"})
    for broken in ({"one/a.yaml": "kind: [\n"}, {"one/flotilla.yaml": "dependsOn: [{name: gone}]\n"}):
        both = {"one/flotilla.yaml": "", "two/flotilla.yaml": "dependsOn: [{name: one}]\n"} | broken
        found = resolved(files | both, good)

        assert [one.bundle for one in found.entries[0].depends_on] == ["shop/two"]
        assert found.entries[1].depends_on == ()
        assert "goes round in a circle" in str(found.entries[1].errors[0])


LABELS = st.dictionaries(st.sampled_from(["env", "region"]), st.sampled_from(["a", "b"]), max_size=2)
FLEETS = st.lists(LABELS, min_size=1, max_size=5).map(
    lambda found: [inputs.Facts(name=f"c{number}", labels=labels) for number, labels in enumerate(found)]
)
SETTINGS = st.sampled_from(
    [
        "",
        "vars: {x: base}\ntargets: [{}, {matchLabels: {env: a}, vars: {x: a}}]\n",
        "vars: {x: base}\ntargetMode: firstMatch\ntargets: [{matchLabels: {env: a}, vars: {x: a}}, {}]\n",
        "targets: [{matchLabels: {region: b}}]\n",
        "targets: [{}, {matchLabels: {region: b}, doNotDeploy: true}]\n",
    ]
)
MANIFESTS = st.sampled_from(
    [
        config_map("a"),
        config_map("a", "${cluster.labels.env:-x}"),
        config_map("a", "${vars.x:-x}"),
        config_map("a", "${cluster.labels.region}"),
        "kind: [\n",
    ]
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), fleet=FLEETS, commits=st.lists(st.tuples(SETTINGS, MANIFESTS), min_size=1, max_size=3))
def test_order_and_history_do_not_decide_what_a_cluster_gets(
    bench: Workbench, data: st.DataObject, fleet: list[inputs.Facts], commits: list[tuple[str, str]]
) -> None:
    """The same commit for the same clusters, in another order or rendered anew, gives the same (I2)."""
    before: resolve.Resolution | None = None
    for said, text in commits:
        files = {"flotilla.yaml": said, "a.yaml": text}
        shuffled = data.draw(st.permutations(fleet))
        found, other = (run(bench, files, *order, before=before) for order in (fleet, shuffled))
        fresh = run(bench, files, *fleet)
        for one in fleet:
            mine, theirs = (placements.place(entry_of(result), one) for result in (found, other))
            assert (mine and mine.index) == (theirs and theirs.index)
            anew = placements.place(entry_of(fresh), one)
            if mine is not None and anew is not None and catalogs.is_complete(fresh.catalog):
                assert mine.index == anew.index
        before = found
