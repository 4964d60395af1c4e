"""What is said against a working tree, and what is not."""

import xml.etree.ElementTree as ElementTree

import msgspec
import pytest

from controller.preview import findings, fleets
from protocol import selectors, specs
from tests.controller.preview.conftest import DEV, PROD, Tree, fleet, told
from tests.controller.repositories import config_map

BROKEN = "a: b: c\n"


def test_a_good_tree_has_nothing_to_say(tree: Tree) -> None:
    report = tree.write({"a/x.yaml": config_map("a"), "b/x.yaml": config_map("b")}).check(fleet(DEV, PROD))

    assert report == findings.Report((), bundles=("shop/a", "shop/b"), clusters=2)


def test_every_bundle_in_error_is_named_with_its_line(tree: Tree) -> None:
    files = {"a/x.yaml": BROKEN, "b/flotilla.yaml": "nmae: x\n", "b/x.yaml": "", "c/x.yaml": config_map("c")}
    report = tree.write(files).check(fleet(DEV))

    assert told(report) == ["error render shop/a", "error settings shop/b"]
    assert [(one.path, one.line) for one in report.findings] == [("a/x.yaml", 1), ("b/flotilla.yaml", 1)]


def test_a_variable_that_a_cluster_lacks_is_an_error_on_that_cluster(tree: Tree) -> None:
    known = msgspec.structs.replace(PROD, labels={"env": "prod", "region": "eu"})
    tree.write({"a/x.yaml": config_map("a", "'${cluster.labels.region}'")})
    (finding,) = tree.check(fleet(DEV, known)).findings

    assert (finding.rule, finding.clusters, finding.severity) == ("variables", ("dev",), "error")


def test_what_many_variants_have_in_common_is_said_once(tree: Tree) -> None:
    tree.write({"a/x.yaml": config_map("a", "'${cluster.name} ${cluster.labels.region}'")})
    known = msgspec.structs.replace(PROD, name="good", labels={"region": "eu"})
    (finding,) = tree.check(fleet(DEV, known, PROD)).findings

    assert finding.clusters == ("dev", "prod")


def test_without_clusters_variables_have_placeholders(tree: Tree) -> None:
    files = {
        "a/x.yaml": config_map("a", "'${cluster.labels.region} ${vars.x} ${cluster.kubernetesVersion}'"),
        "b/x.yaml": config_map("b", "'${vars.y}'"),
        "b/flotilla.yaml": "vars: {y: there}\n",
    }

    assert told(tree.write(files).check()) == []


def test_every_customization_is_tried_on_an_invented_cluster(tree: Tree) -> None:
    said = "targets:\n  - {}\n  - {matchLabels: {env: prod}, patches: [{patch: [{op: remove, path: /data/nope}]}]}\n"
    files = {"a/x.yaml": config_map("a"), "a/flotilla.yaml": said}
    (alone,) = tree.write(files).check().findings
    (idle, error) = sorted(tree.check(fleet(DEV)).findings, key=lambda one: one.severity, reverse=True)

    assert (alone.severity, alone.clusters) == ("error", ("a cluster with env=prod",))
    assert (error.severity, idle.message) == ("error", "targets[1]: matches no known cluster")


def test_a_file_that_only_a_placeholder_lacks_is_no_error(tree: Tree) -> None:
    files = {"a/x.yaml": config_map("a"), "a/flotilla.yaml": "overlays: ['${cluster.labels.env}']\n"}
    files |= {"a/overlays/dev/x.yaml": config_map("a", "dev")}

    assert told(tree.write(files).check()) in ([], ["warning render shop/a"], ["warning settings shop/a"])
    assert told(tree.check(fleet(DEV))) == []


def test_rules_that_match_nobody_are_warnings(tree: Tree) -> None:
    files = {
        "a/x.yaml": config_map("a"),
        "a/flotilla.yaml": "targets:\n  - {matchLabels: {env: prdo}}\n  - {groups: [nobody]}\n",
    }
    spec = specs.SourceSpec(url="https://git.example/shop.git", targets=(selectors.Target(names=("edge-*",)),))
    messages = [one.message for one in tree.write(files).check(fleet(DEV, PROD, groups=("retail",))).findings]
    of_source = [one.message for one in tree.check(fleet(DEV), spec=spec).findings if not one.bundle]

    assert sorted(messages) == [
        "no known cluster gets it",
        "targets[0]: matches no known cluster",
        "targets[1]: matches no known cluster",
        "targets[1]: there is no ClusterGroup 'nobody'",
    ]
    assert of_source == ["targets[0] of source shop: matches no known cluster"]


def test_one_object_in_two_bundles_is_an_error_where_both_go(tree: Tree) -> None:
    files = {
        "a/x.yaml": config_map("same"),
        "b/x.yaml": config_map("same", namespace="default"),
        "b/flotilla.yaml": "targets: [{matchLabels: {env: prod}}]\n",
        "c/x.yaml": config_map("same", namespace="elsewhere"),
    }
    (found,) = tree.write(files).check(fleet(DEV, PROD)).findings
    (unknown,) = tree.check().findings

    assert (found.rule, found.bundle, found.clusters) == ("duplicates", "shop/b", ("prod",))
    assert found.message == "ConfigMap default/same: stands in shop/a, too (a/x.yaml): neither would get it"
    assert unknown.clusters == ("a cluster with env=prod",)


def test_one_object_in_two_bundles_that_never_meet_is_none(tree: Tree) -> None:
    files = {"a/x.yaml": config_map("same"), "b/x.yaml": config_map("same")}
    files |= {
        "a/flotilla.yaml": "targets: [{matchLabels: {env: dev}}]\n",
        "b/flotilla.yaml": "targets: [{matchLabels: {env: prod}}]\n",
    }

    assert told(tree.write(files).check(fleet(DEV, PROD))) == []


def test_custom_kinds_whose_scope_nobody_knows_are_doubtful(tree: Tree) -> None:
    thing = "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: a}\n"
    files = {"a/x.yaml": thing, "b/x.yaml": thing, "b/flotilla.yaml": "defaultNamespace: shop\n"}

    assert told(tree.write(files).check(fleet(DEV))) == ["warning duplicates shop/b"]
    assert told(tree.write({"a/flotilla.yaml": "defaultNamespace: shop\n"}).check(fleet(DEV))) == [
        "error duplicates shop/b"
    ]


def test_circles_and_unknown_names_are_errors(tree: Tree) -> None:
    files = {f"{name}/x.yaml": config_map(name) for name in "abc"}
    files |= {f"{name}/flotilla.yaml": f"dependsOn: [{{name: {other}}}]\n" for name, other in ("ab", "ba", "cx")}
    messages = [one.message for one in tree.write(files).check(fleet(DEV)).findings]

    assert messages == [
        "dependsOn: goes round in a circle: shop/a → shop/b → shop/a",
        "dependsOn: goes round in a circle: shop/a → shop/b → shop/a",
        "dependsOn: no bundle of the source is called 'x'",
    ]


def test_a_bundle_that_does_not_go_where_another_needs_it_is_an_error(tree: Tree) -> None:
    files = {"a/x.yaml": config_map("a"), "b/x.yaml": config_map("b"), "a/flotilla.yaml": "dependsOn: [{name: b}]\n"}
    files |= {"b/flotilla.yaml": "targets: [{matchLabels: {env: prod}}]\n"}
    (finding,) = tree.write(files).check(fleet(DEV, PROD)).findings

    assert (finding.severity, finding.rule, finding.clusters) == ("error", "dependencies", ("dev",))


def test_in_a_part_of_a_source_unknown_names_are_warnings(tree: Tree) -> None:
    files = {"apps/a/x.yaml": config_map("a"), "apps/a/flotilla.yaml": "dependsOn: [{name: b}]\n"}
    (finding,) = tree.write(files).check(paths=("apps/*",), below="apps").findings

    assert (finding.severity, finding.rule) == ("warning", "dependencies")


def test_what_every_agent_would_refuse_is_an_error(tree: Tree) -> None:
    namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"

    assert told(tree.write({"a/x.yaml": namespace, "a/flotilla.yaml": "namespace: shop\n"}).check()) == [
        "error placement shop/a"
    ]


def test_a_tree_that_cannot_be_resolved_at_all_is_a_finding(tree: Tree) -> None:
    tree.write({"README.md": "nothing here"})

    assert told(tree.check()) == ["error source ."]


@pytest.mark.parametrize("text", ["plain", "\x00\x1b[31m]]>", "<&>\"'", "\ud800", "é😀\ufffe"])
def test_junit_is_xml_whatever_is_wrong(text: str) -> None:
    error = findings.Finding(findings.Severity.ERROR, findings.Rule.RENDER, text, bundle="shop/a", path=text, line=3)
    warning = msgspec.structs.replace(error, severity=findings.Severity.WARNING)
    elsewhere = msgspec.structs.replace(error, bundle="")
    report = findings.Report((error, warning, elsewhere), bundles=("shop/a", "shop/b"), clusters=1)
    root = ElementTree.fromstring(findings.as_junit(report).encode())  # noqa: S314  # our own

    assert (root.tag, root.attrib["tests"], root.attrib["failures"]) == ("testsuites", "3", "2")
    cases = {case.attrib["name"]: [child.tag for child in case] for case in root.iter("testcase")}
    assert cases == {"shop/a": ["failure", "system-out"], "shop/b": [], "source": ["failure"]}


def test_a_finding_reads_like_a_compilers() -> None:
    finding = findings.Finding(
        findings.Severity.ERROR, findings.Rule.RENDER, "no", path="a.yaml", line=3, clusters=("a", "b", "c", "d")
    )

    assert str(finding) == "a.yaml:3: no (on a, b, c and 1 more) [render]"


def test_clusters_of_the_fleet_that_the_source_is_not_for_do_not_count(tree: Tree) -> None:
    spec = specs.SourceSpec(url="https://git.example/x.git", targets=(selectors.Target(match_labels={"env": "prod"}),))
    files = {"a/x.yaml": config_map("a", "'${cluster.labels.region}'")}
    known = msgspec.structs.replace(PROD, labels={"env": "prod", "region": "eu"})

    assert tree.write(files).check(fleet(DEV, known), spec=spec) == findings.Report((), bundles=("shop/a",), clusters=1)


def test_a_fleet_without_clusters_is_as_good_as_none(tree: Tree) -> None:
    assert tree.write({"a/x.yaml": config_map("a")}).check(fleets.Fleet()).clusters == 0


def test_hostile_files_are_findings_of_their_bundle(tree: Tree) -> None:
    tree.write({"a/x.yaml": config_map("a"), "b/x.yaml": config_map("b")})
    (tree.root / "b" / "loop").symlink_to("..")
    (tree.root / "b" / "outside.yaml").symlink_to("/etc/passwd")
    with (tree.root / "c.yaml").open("wb") as file:
        file.truncate(1 << 40)
    (tree.root / "c").mkdir()
    (tree.root / "c.yaml").rename(tree.root / "c" / "huge.yaml")

    assert told(tree.check(fleet(DEV))) == ["error render shop/b", "warning render shop/b", "error render shop/c"]
