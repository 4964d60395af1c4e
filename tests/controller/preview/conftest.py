"""Working trees that are looked at, rendered by what the test asks for."""

import pathlib
from collections.abc import Mapping, Sequence

import pytest

from controller.domain import inputs
from controller.git import worktrees
from controller.preview import checking, fleets, looking
from controller.preview.findings import Report
from controller.render import stages, staging
from protocol import ids, selectors, specs

SHOP = ids.SourceName("shop")
DEV, PROD = (inputs.Facts(name=name, labels={"env": name}) for name in ("dev", "prod"))


class Tree:
    """Files that nobody committed."""

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root

    def write(self, files: Mapping[str, str]) -> "Tree":
        for path, text in files.items():
            target = self.root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        return self

    def look(
        self,
        *fleet: inputs.Facts,
        paths: Sequence[str] = ("/",),
        below: str = ".",
        stager: staging.Stager | None = None,
    ) -> looking.Look:
        scope = looking.Scope(SHOP, tuple(paths), below, is_whole=below == ".", fleet=fleet)
        with worktrees.taken(self.root) as snapshot:
            return looking.look(scope, snapshot, stager or stages.Stages())

    def check(
        self,
        known: fleets.Fleet = fleets.UNKNOWN,
        *,
        paths: Sequence[str] = ("*",),
        below: str = ".",
        spec: specs.SourceSpec | None = None,
        stager: staging.Stager | None = None,
    ) -> Report:
        scope = looking.Scope(SHOP, tuple(paths), below, is_whole=below == ".")
        with worktrees.taken(self.root) as snapshot:
            return checking.check(checking.Subject(scope, spec, known), snapshot, stager or stages.Stages())


@pytest.fixture
def tree(tmp_path: pathlib.Path) -> Tree:
    return Tree(tmp_path / "tree")


def fleet(*clusters: inputs.Facts, groups: tuple[str, ...] | None = None) -> fleets.Fleet:
    declared = None if groups is None else {name: specs.GroupSpec(selector=selectors.Selector()) for name in groups}
    return fleets.Fleet(clusters=clusters, groups=declared)


def told(report: Report) -> list[str]:
    """The findings in short."""
    return [f"{one.severity} {one.rule} {one.bundle or one.path}" for one in report.findings]
