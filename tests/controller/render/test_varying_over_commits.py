"""Variants from one commit to the next: what stays, what is rendered anew, and what an error takes along."""

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.domain import catalogs, inputs, placements
from controller.render import resolve
from protocol import bundles, messages
from tests.controller.render.conftest import SHOP, Workbench
from tests.controller.render.variants import EU, PLAIN, US, VARIABLE, Counting, cluster, entry_of, manifest, run
from tests.controller.repositories import config_map


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

    assert any(map(catalogs.is_tried_again, broken.catalog.entries))
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


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
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
