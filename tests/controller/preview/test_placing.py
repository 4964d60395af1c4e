"""Which clusters, by which rule, in which variant."""

from controller.preview import placing
from protocol import selectors, specs
from tests.controller.preview.conftest import DEV, PROD, Tree
from tests.controller.repositories import config_map

FLEET_YAML = (
    "targetCustomizations:\n  - {name: live, clusterSelector: {matchLabels: {env: prod}}, yaml: {overlays: [prod]}}\n"
    "  - {name: none, clusterName: dev, doNotDeploy: true}\n"
)


def test_each_cluster_is_told_by_its_rule_and_its_variant(tree: Tree) -> None:
    said = "targets: [{matchLabels: {env: dev}}, {matchLabels: {env: prod}, overlays: [prod]}, {}]\n"
    files = {"a/x.yaml": config_map("a"), "a/flotilla.yaml": said, "a/overlays/prod/x.yaml": config_map("a", "prod")}
    look = tree.write({**files, "b/x.yaml": config_map("b")}).look(DEV, PROD, paths=("*",))
    rows = list(placing.rows(look, None, [DEV, PROD]))

    assert [(one.bundle, one.cluster, one.rule, one.customizations, one.objects) for one in rows] == [
        ("shop/a", "dev", "targets[0]", ["targets[0]", "targets[2]"], 1),
        ("shop/a", "prod", "targets[1]", ["targets[1]", "targets[2]"], 1),
        ("shop/b", "dev", "everywhere", [], 1),
        ("shop/b", "prod", "everywhere", [], 1),
    ]
    assert ([rows[0].variant == rows[1].variant, rows[2].variant == rows[3].variant], placing.renders(rows)) == (
        [False, True],
        3,
    )


def test_a_cluster_that_does_not_get_a_bundle_is_told_why(tree: Tree) -> None:
    files = {
        "a/x.yaml": config_map("a"),
        "a/fleet.yaml": FLEET_YAML,
        "a/overlays/prod/x.yaml": config_map("a", "prod"),
        "b/x.yaml": config_map("b"),
        "b/flotilla.yaml": "targets: [{matchLabels: {env: prod}}]\n",
        "c/x.yaml": "a: b: c\n",
        "d/x.yaml": config_map("d"),
        "d/flotilla.yaml": "paused: true\n",
    }
    spec = specs.SourceSpec(
        url="https://git.example/shop.git", targets=(selectors.Target(match_labels={"env": "dev"}),)
    )
    look = tree.write(files).look(DEV, PROD, paths=("*",))
    reasons = {(one.bundle, one.cluster): (one.deploys, one.reason) for one in placing.rows(look, None, [DEV, PROD])}
    of_source = {one.cluster: (one.source_rule, one.reason) for one in placing.rows(look, spec, [DEV, PROD])}

    assert reasons["shop/a", "dev"] == (False, "doNotDeploy of targetCustomizations[1] none")
    assert reasons["shop/a", "prod"] == (True, "")
    assert reasons["shop/b", "dev"] == (False, "no entry of targets matches")
    assert reasons["shop/c", "dev"][1].startswith("in error: c/x.yaml:1: ")
    assert reasons["shop/d", "dev"] == (False, "paused: it keeps what it has")
    assert of_source["prod"] == ("", "the source is not for it")
    assert of_source["dev"][0] == "targets[0]"
