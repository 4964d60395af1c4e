"""Bundles that could not be rendered for now: unread while they rest, tried again when anything about them changes."""

import pytest

from controller.render import errors, resolve
from tests.controller.render.conftest import SHOP, Workbench
from tests.controller.render.variants import EU, US
from tests.controller.repositories import config_map

CHART = "apiVersion: v2\nname: app\nversion: 1.0.0\n"
"""Nobody here looks for helm."""

FILES = {
    "web/Chart.yaml": CHART,
    "web/templates/a.yaml": config_map("a"),
    "web/flotilla.yaml": "varsFiles: [/sizes.yaml]\n",
    "sizes.yaml": "size: 1\n",
}


def resolved(
    bench: Workbench, files: dict[str, str], *resting: str, before: resolve.Resolution | None = None
) -> resolve.Resolution:
    request = resolve.Request(
        SHOP, bench.revision(files), paths=("*",), fleet=(EU, US), resting=frozenset(resting),
        previous=before.catalog if before is not None else None,
    )  # fmt: skip
    return bench.run(request)


@pytest.mark.parametrize("files", [FILES, FILES | {"web/flotilla.yaml": "vars: {x: '${cluster.labels.region}'}\n"}])
def test_a_bundle_that_rests_is_not_read(bench: Workbench, files: dict[str, str]) -> None:
    first = resolved(bench, files)
    resting = resolved(bench, files | {"db/a.yaml": config_map("a")}, "web", before=first)
    due = resolved(bench, files, before=first)

    assert (resting.stats.rendered, resting.stats.reused) == (1, 1)
    assert resting.catalog.entries[1:] == first.catalog.entries
    assert due.stats.rendered == 1
    assert due.catalog.entries == first.catalog.entries


@pytest.mark.parametrize(
    "change",
    [{"web/templates/a.yaml": config_map("b")}, {"sizes.yaml": "size: 2\n"}, {".flotillaignore": "*.md\n"}],
)
def test_no_bundle_rests_while_something_about_it_changes(bench: Workbench, change: dict[str, str]) -> None:
    first = resolved(bench, FILES)
    changed = resolved(bench, FILES | change, "web", before=first)

    assert changed.stats.rendered == 1


def test_a_bundle_that_is_mended_is_none_that_rests(bench: Workbench) -> None:
    broken = resolved(bench, FILES)
    plain = {"web/a.yaml": config_map("a")}
    mended = resolved(bench, plain, "web", before=broken)
    again = resolved(bench, FILES, "web", before=mended)
    back = resolved(bench, FILES, "web", before=again)

    assert (mended.catalog.entries[0].tried, mended.catalog.entries[0].looked_at) == ("", {})
    assert again.catalog.entries[0].errors
    assert again.catalog.entries[0].variants == mended.catalog.entries[0].variants
    assert (again.stats.rendered, back.stats.rendered) == (1, 0)
    assert back.catalog.entries == again.catalog.entries


@pytest.mark.parametrize("cause", list(errors.Cause))
def test_what_may_be_the_machines_doing_is_tried_again(cause: errors.Cause) -> None:
    """A busy machine is slow, and a limit of memory is the program's own."""
    machines = {errors.Cause.SIGNAL, errors.Cause.START, errors.Cause.TIME}

    assert errors.may_pass(errors.ChildError("helm: x", cause)) is (cause in machines)
