"""Histories of commits and fleets at random: what is taken over unread is what reading it again gives."""

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.domain import catalogs, inputs, placements
from controller.render import resolve
from tests.controller.render.conftest import SHOP, Workbench
from tests.controller.render.test_varying_over_commits import FLEETS, MANIFESTS
from tests.controller.repositories import config_map

MORE_SETTINGS = st.sampled_from(
    [
        "",
        "varsFiles: [/more.yaml]\n",
        "varsFiles: ['/vars/${cluster.labels.env:-none}.yaml']\n",
        "overlays: ['${cluster.labels.env:-a}']\n",
        "targetMode: firstMatch\ntargets: [{matchLabels: {env: a}, overlays: [a]}, {overlays: [b]}]\n",
        "targets: [{matchLabels: {env: a}}, {matchLabels: {region: b}, doNotDeploy: true}]\n",
        "drift: alert\n",
        "name: x\ndependsOn: [{name: y}]\n",
        "paused: true\n",
    ]
)
OTHERS = {
    "more.yaml": st.sampled_from(["x: one\n", "x: two\n", "x: [\n"]),
    "vars/a.yaml": st.sampled_from(["x: a\n", "x: b\n"]),
    "vars/none.yaml": st.just("x: none\n"),
    "web/overlays/a/b.yaml": st.sampled_from([config_map("b"), config_map("b", "${cluster.labels.region:-x}")]),
    "web/overlays/b/b.yaml": st.just(config_map("b", "other")),
    "web/below/flotilla.yaml": st.sampled_from(["", "name: y\n", "dependsOn: [{name: x}]\nname: y\n"]),
    "web/below/c.yaml": st.sampled_from([config_map("c"), "kind: [\n"]),
}


@st.composite
def commits_of(draw: st.DrawFn) -> dict[str, str]:
    files = {"web/flotilla.yaml": draw(MORE_SETTINGS), "web/a.yaml": draw(MANIFESTS)}
    for path in draw(st.lists(st.sampled_from(sorted(OTHERS)), unique=True)):
        files[path] = draw(OTHERS[path])
    return files


def forgetful(catalog: catalogs.Catalog) -> catalogs.Catalog:
    """The same, but nothing in it is taken over unread."""
    entries = tuple(msgspec.structs.replace(entry, spoiled="something else") for entry in catalog.entries)
    return msgspec.structs.replace(catalog, entries=entries)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=st.lists(st.tuples(commits_of(), FLEETS), min_size=1, max_size=4))
def test_what_is_taken_over_unread_is_what_reading_it_again_gives(
    bench: Workbench, steps: list[tuple[dict[str, str], list[inputs.Facts]]]
) -> None:
    """Also where clusters come, go and change; and a second look at the same commit finds nothing new (I2, I5)."""
    before: catalogs.Catalog | None = None
    for files, fleet in steps:
        request = resolve.Request(SHOP, bench.revision(files), paths=("web",), fleet=tuple(fleet), previous=before)
        found = bench.run(request).catalog
        assert bench.run(msgspec.structs.replace(request, previous=found)).catalog == found
        again = bench.run(msgspec.structs.replace(request, previous=forgetful(found))).catalog
        for entry, anew in zip(found.entries, again.entries, strict=True):
            assert (entry.errors, entry.depends_on) == (anew.errors, anew.depends_on)
            assert [given_to(entry, one) for one in fleet] == [given_to(anew, one) for one in fleet]
        fresh = bench.run(msgspec.structs.replace(request, previous=None)).catalog
        paused = any(entry.paused for entry in found.entries)
        for entry, anew in zip(found.entries, fresh.entries, strict=True):
            check(entry, anew, fleet, whole=catalogs.is_complete(fresh) and not paused)
        before = found


def given_to(entry: catalogs.Entry, one: inputs.Facts) -> catalogs.Variant | None:
    placed = placements.place(entry, one)
    return placed.variant if placed is not None else None


def check(entry: catalogs.Entry, anew: catalogs.Entry, fleet: list[inputs.Facts], *, whole: bool) -> None:
    for one in fleet:
        placed, expected = placements.place(entry, one), placements.place(anew, one)
        if whole:
            assert (placed and (placed.index, placed.depends_on)) == (
                expected and (expected.index, expected.depends_on)
            )
        if not entry.errors and placed is not None:
            agreeing = [
                v for v in entry.variants if v.matched == placed.variant.matched and inputs.agree(one, v.inputs)
            ]
            assert agreeing == [placed.variant]
