"""Clusters that are known without a hub: from documents, from rows of the API, from what a person says."""

import pathlib

import pytest

from controller.configuration import reading
from controller.domain import inputs, rejections
from controller.preview import fleets

DOCUMENTS = """\
apiVersion: flotilla.gitops/v1alpha1
kind: Cluster
metadata: {name: edge-2}
spec: {labels: {env: prod}, annotations: {tier: gold}, values: {size: own}}
---
apiVersion: flotilla.gitops/v1alpha1
kind: Cluster
metadata: {name: edge-1}
spec: {labels: {env: dev}}
---
apiVersion: flotilla.gitops/v1alpha1
kind: ClusterGroup
metadata: {name: live}
spec: {selector: {matchLabels: {env: prod}}, values: {size: of-group, zone: z1}}
---
apiVersion: flotilla.gitops/v1alpha1
kind: Source
metadata: {name: shop}
spec: {url: "https://git.example/shop.git", paths: ["apps/*"], allClusters: true}
"""
EDGE = inputs.Facts(
    name="edge-2", labels={"env": "prod"}, annotations={"tier": "gold"}, groups=("live",),
    values={"size": "own", "zone": "z1"},
)  # fmt: skip


@pytest.fixture
def known(tmp_path: pathlib.Path) -> fleets.Fleet:
    (tmp_path / "fleet.yaml").write_text(DOCUMENTS)
    return fleets.from_file(tmp_path)


def test_documents_mean_what_they_mean_to_the_hub(known: fleets.Fleet) -> None:
    assert known.clusters == (inputs.Facts(name="edge-1", labels={"env": "dev"}), EDGE)
    assert (list(known.groups or ()), known.sources["shop"].paths) == (["live"], ("apps/*",))


@pytest.mark.parametrize("change", [("edge-1", "Edge 1"), ("kind: Cluster\n", "kind: Klaster\n"), ("dev", "'d e v'")])
def test_what_the_hub_would_refuse_is_refused(change: tuple[str, str], tmp_path: pathlib.Path) -> None:
    (tmp_path / "fleet.yaml").write_text(DOCUMENTS.replace(*change))

    with pytest.raises(reading.ConfigurationError, match=r"document [12] "):
        fleets.from_file(tmp_path)


def test_rows_of_the_api_are_the_same_clusters() -> None:
    row = {
        "name": "edge-2", "labels": {"env": "prod"}, "annotations": {"tier": "gold"}, "groups": ["live"],
        "values": {"size": "own", "zone": "z1"}, "kubernetesVersion": "",
    }  # fmt: skip

    assert fleets.from_rows([row]) == (EDGE,)


def test_other_labels_bring_a_cluster_into_other_groups(known: fleets.Fleet) -> None:
    said = fleets.Said(name="edge-1", labels={"env": "prod"}, values={"size": "said"})
    left = fleets.cluster(known, fleets.Said(name="edge-2", labels={"env": "dev"}))

    assert fleets.cluster(known, fleets.Said(name="edge-2")) == EDGE
    assert fleets.cluster(known, said) == inputs.Facts(
        name="edge-1", labels={"env": "prod"}, groups=("live",), values={"size": "said", "zone": "z1"}
    )
    assert (left.groups, left.values) == ((), {"size": "own"})


def test_a_cluster_is_made_up_where_none_is_known() -> None:
    said = fleets.Said(labels={"env": "dev"}, groups=("any",), kubernetes_version="1.34.0")

    assert fleets.cluster(fleets.UNKNOWN, said) == inputs.Facts(
        name="preview", labels={"env": "dev"}, groups=("any",), kubernetes_version="1.34.0"
    )


def test_a_name_or_group_that_is_not_there_is_a_mistake(known: fleets.Fleet) -> None:
    with pytest.raises(rejections.NotFound, match="edge-9"):
        fleets.cluster(known, fleets.Said(name="edge-9"))
    with pytest.raises(rejections.Invalid, match="ClusterGroup 'nobody'"):
        fleets.cluster(known, fleets.Said(name="edge-1", groups=("nobody",)))


def test_a_version_is_only_given_where_none_is_known(known: fleets.Fleet) -> None:
    versions = [one.kubernetes_version for one in fleets.of_version(known, "1.34.0").clusters]

    assert versions == ["1.34.0", "1.34.0"]
