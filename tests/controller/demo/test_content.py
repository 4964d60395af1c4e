"""What the demo's repository says renders, and is what the story checks in the clusters."""

import pathlib
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from controller.demo import content, fleet
from controller.domain import catalogs, inputs, placements
from controller.render import programs, resolve, stages
from protocol import messages
from tests.controller.render.conftest import SHOP, Workbench, bench

__all__ = ["bench"]

COMMITS = (content.first, content.second, content.third, content.fourth)


@pytest.fixture
def stager(
    helm_program: programs.Program, kustomize_program: programs.Program, tmp_path: pathlib.Path
) -> Iterator[stages.Stages]:
    made = stages.Stages(stages.Tools(helm=helm_program, kustomize=kustomize_program, places=str(tmp_path)))
    yield made
    made.close()


def rendered(bench: Workbench, stager: stages.Stages, files: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Cluster → kind and name → object."""
    clusters = [inputs.Facts(name=name, labels={"env": fleet.environment(name)}) for name in fleet.names()]
    request = resolve.Request(SHOP, bench.revision(files), paths=("apps/*", "platform/*"), fleet=tuple(clusters))
    entries = bench.run(request, stager=stager).catalog.entries
    assert [problem for entry in entries for problem in catalogs.problems(entry)] == []
    found: dict[str, dict[str, Any]] = {}
    for of in clusters:
        indexes = [placed.index for entry in entries if (placed := placements.place(entry, of)) is not None]
        objects = [one for index in indexes for one in messages.INDEX.decode(bench.blobs[index].plain).objects]
        found[of.name] = {
            f"{one.object.kind}/{one.object.name}": msgspec.json.decode(bench.blobs[one.manifest].plain)
            for one in objects
        }
    return found


def test_each_environment_gets_its_own_of_the_first_commit(bench: Workbench, stager: stages.Stages) -> None:
    found = rendered(bench, stager, content.first())

    for name, objects in found.items():
        env = fleet.environment(name)
        assert objects["Deployment/storefront"]["spec"]["replicas"] == content.REPLICAS[env]
        assert ("Deployment/checkout" in objects) == (env in content.CHECKOUT_REPLICAS)
        assert objects["ConfigMap/log-shipper"]["data"]["cluster"] == name
    assert found["prod-1"]["Deployment/checkout"]["spec"]["replicas"] == content.CHECKOUT_REPLICAS["prod"]
    assert "PodDisruptionBudget/checkout" in found["prod-1"]


def test_commits_bring_and_take_what_the_story_says(bench: Workbench, stager: stages.Stages) -> None:
    told = [rendered(bench, stager, commit())["dev-1"] for commit in COMMITS]

    images = [one["Deployment/storefront"]["spec"]["template"]["spec"]["containers"][0]["image"] for one in told]
    assert images == [f"{content.IMAGE}:{version}" for version in (content.OLD, content.NEW, content.NEW, content.NEW)]
    assert ["ConfigMap/promotion" in one for one in told] == [False, True, False, False]
    assert ["ResourceQuota/shop" in one for one in told] == [True, True, True, False]
