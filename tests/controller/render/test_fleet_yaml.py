"""fleet.yaml: what counts, what is told to have no effect, and every mistake with its line."""

from typing import Any

import hypothesis
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.render import errors, fleet_fields, fleet_yaml, limits, recipes, settings
from protocol import bundles, selectors
from tests.controller.render import shapes

FULL = b"""\
name: Shop
namespace: shop
defaultNamespace: web
labels: {team: web}
helm:
  chart: ../charts/shop
  releaseName: shop
  takeOwnership: true
  values: {replicas: 1}
kustomize: {dir: build}
yaml: {overlays: [common]}
diff:
  comparePatches:
  - apiVersion: apps/v1
    kind: Deployment
    namespace: shop
    name: web
    jsonPointers: [/spec/paused]
    operations:
    - {op: remove, path: /spec/replicas}
  - apiVersion: v1
    kind: Secret
    operations: [{op: ignore}]
correctDrift: {enabled: true}
keepResources: true
paused: true
rolloutStrategy:
  maxUnavailable: 15%
  maxUnavailablePartitions: 0
  autoPartitionSize: 10
  partitions:
  - name: canary
    maxUnavailable: 1
    clusterGroup: canary
dependsOn:
- name: shop-base
- selector: {matchLabels: {tier: data}}
  acceptedStates: [Ready, NotReady]
targetCustomizationMode: AllMatches
targetCustomizations:
- name: production
  clusterSelector: {matchLabels: {env: prod}}
  clusterGroup: gold
  namespace: prod
  helm: {values: {replicas: 3}}
  kustomize: {dir: overlays/prod}
  yaml: {overlays: [prod]}
- clusterName: edge-1
  doNotDeploy: true
"""


def read(text: str | bytes) -> settings.Settings:
    found, warnings = fleet_yaml.parse(text.encode() if isinstance(text, str) else text)
    assert [str(warning) for warning in warnings] == []
    return found


def told(text: str) -> list[tuple[str, int]]:
    """The warnings of a file: the first word, which is the field, and the line."""
    return [(warning.reason.split(": ")[0], warning.line) for warning in fleet_yaml.parse(text.encode())[1]]


def test_every_supported_field_is_read() -> None:
    production = selectors.Target(match_labels={"env": "prod"}, groups=("gold",))

    assert read(FULL) == settings.Settings(
        name="Shop",
        namespace="shop",
        default_namespace="web",
        labels={"team": "web"},
        adopt=bundles.Adopt.ALWAYS,
        prune=bundles.Prune.NEVER,
        ignore=(
            settings.IgnoreRule("apps", "Deployment", "shop", "web", ("/spec/paused", "/spec/replicas")),
            settings.IgnoreRule("", "Secret"),
        ),
        paused=True,
        depends_on=(
            settings.DependsOn("shop-base"),
            settings.DependsOn(selector=settings.BundleSelector({"tier": "data"}), state=settings.State.APPLIED),
        ),
        rollout=settings.RolloutOverride(
            max_concurrency="15%",
            auto_partition_size="10",
            partitions=(settings.Partition((selectors.Target(groups=("canary",)),), "canary", "1"),),
        ),
        recipe=recipes.Recipe(
            base=recipes.Customization(
                helm=recipes.Helm(
                    chart="../charts/shop",
                    release_name="shop",
                    values={"replicas": 1},
                    fleet_templates=True,
                    files_win=True,
                ),
                kustomize=recipes.Kustomize("build"),
                overlays=("overlays/common",),
                namespace="shop",
                default_namespace="web",
            ),
            choices=(
                recipes.Choice(
                    production,
                    recipes.Customization(
                        helm=recipes.Helm(values={"replicas": 3}, fleet_templates=True, files_win=True),
                        kustomize=recipes.Kustomize("overlays/prod"),
                        overlays=("overlays/prod",),
                        namespace="prod",
                    ),
                    "production",
                ),
                recipes.Choice(selectors.Target(names=("edge-1",)), recipes.Customization(do_not_deploy=True)),
            ),
            mode=recipes.Mode.MERGE,
        ),
    )


@pytest.mark.parametrize("data", [b"", b"# nothing yet\n", b"---\n"])
def test_an_empty_file_says_nothing(data: bytes) -> None:
    assert fleet_yaml.parse(data) == (settings.NONE, ())


def test_the_first_match_counts_and_a_cluster_without_one_gets_the_base() -> None:
    found = read("targetCustomizations:\n- clusterSelector: {matchLabels: {env: dev}}\n")

    assert found.recipe.mode is recipes.Mode.FIRST_MATCH
    assert found.targets is None


def test_an_empty_selector_selects_every_cluster() -> None:
    found = read("targetCustomizations:\n- clusterSelector: {}\n  doNotDeploy: true\n")

    assert [choice.target for choice in found.recipe.choices] == [selectors.Target()]


def test_an_entry_that_selects_by_nothing_selects_no_cluster() -> None:
    found, warnings = fleet_yaml.parse(b"targetCustomizations:\n- name: all\n  namespace: a\n")

    assert found.recipe.choices == ()
    assert [(warning.reason, warning.line) for warning in warnings] == [
        ("targetCustomizations[0]: selects by nothing, and so matches no cluster", 2)
    ]


def test_override_targets_narrow_the_placement() -> None:
    found, warnings = fleet_yaml.parse(b"overrideTargets:\n- clusterGroup: gold\n- clusterName: 'a*'\n")

    assert found.targets == (selectors.Target(groups=("gold",)), selectors.Target(names=("a[*]",)))
    assert [warning.reason.split(": ")[0] for warning in warnings] == ["overrideTargets"]


@pytest.mark.parametrize(("enabled", "drift"), [("true", "revert"), ("false", "alert")])
def test_drift_that_fleet_does_not_correct_is_shown(enabled: str, drift: str) -> None:
    assert read(f"correctDrift: {{enabled: {enabled}}}\n").drift is bundles.Drift(drift)


def test_templates_are_off_where_fleet_has_them_off() -> None:
    found = read(
        "helm: {disablePreProcess: true, values: {a: b}}\n"
        "targetCustomizations: [{clusterName: a, helm: {values: {a: c}}}]\n"
    )

    helms = [found.recipe.base.helm, found.recipe.choices[0].customization.helm]
    assert [helm.fleet_templates for helm in helms if helm is not None] == [False, False]


def test_null_and_what_is_off_anyway_say_nothing() -> None:
    assert read(
        "helm: {values: ~, force: false, valuesFrom: [], disableDNS: true}\nkustomize: ~\n"
    ) == settings.Settings(
        recipe=recipes.Recipe(
            recipes.Customization(helm=recipes.Helm(fleet_templates=True, files_win=True)), mode=FIRST
        ),
    )


FIRST = recipes.Mode.FIRST_MATCH


@pytest.mark.parametrize(
    ("text", "warnings"),
    [
        ("namespace: a\nserviceAccount: b\n", [("serviceAccount", 2)]),
        ("helm:\n  atomic: true\n  force: true\n", [("helm.atomic", 2), ("helm.force", 3)]),
        ("helm:\n  valuesFrom:\n  - secretKeyRef: {name: a}\n", [("helm.valuesFrom", 2)]),
        (
            "helm:\n  disablePreProcess: true\n  values: {a: [global.fleet.clusterLabels.env]}\n",
            [("helm.values", 3)],
        ),
        ("ignore:\n  conditions: [{type: Ready}]\n", [("ignore", 1)]),
        ("typo: 1\n", [("typo", 1)]),
        ("createNamespace: false\n", [("createNamespace", 1)]),
        ("correctDrift:\n  force: true\n", [("correctDrift", 1), ("correctDrift.force", 2)]),
        ("correctDrift:\n  enabled: false\n  keepFailHistory: true\n", [("correctDrift.keepFailHistory", 3)]),
        ("rolloutStrategy:\n  maxUnavailablePartitions: 1\n", [("rolloutStrategy.maxUnavailablePartitions", 2)]),
        ("rolloutStrategy:\n  maxUnavailablePartitions: 20%\n", [("rolloutStrategy.maxUnavailablePartitions", 2)]),
        (
            "rolloutStrategy:\n  maxUnavailable: 0\n  partitions:\n  - {clusterName: a, maxUnavailable: 0%}\n",
            [("rolloutStrategy.maxUnavailable", 2), ("rolloutStrategy.partitions[0].maxUnavailable", 4)],
        ),
        ("dependsOn:\n- name: a\n  acceptedStates: [Pending]\n", [("dependsOn[0].acceptedStates[0]", 3)]),
        ("dependsOn:\n- acceptedStates: [Ready]\n", [("dependsOn[0]", 2)]),
        (
            "targetCustomizations:\n- clusterName: a\n  diff: {comparePatches: [{kind: A}]}\n  helm: {atomic: true}\n",
            [("targetCustomizations[0].diff", 3), ("targetCustomizations[0].helm.atomic", 4)],
        ),
        (
            "targetCustomizations:\n- clusterName: a\n  helm: {disablePreProcess: true, takeOwnership: true}\n",
            [("targetCustomizations[0].helm.disablePreProcess", 3), ("targetCustomizations[0].helm.takeOwnership", 3)],
        ),
        (
            "targetCustomizations:\n- name: a\n  clusterGroupSelector: {matchLabels: {a: b}}\n",
            [("targetCustomizations[0].clusterGroupSelector", 3)],
        ),
        ("diff:\n  comparePatches:\n  - kind: A\n    name: .*\n", [("diff.comparePatches[0].name", 4)]),
        ("diff:\n  comparePatches:\n  - name: a\n", [("diff.comparePatches[0]", 3)]),
        (
            "diff:\n  comparePatches:\n  - kind: A\n"
            "    operations:\n    - op: add\n    - op: remove\n      path: spec\n",
            [("diff.comparePatches[0].operations[0].op", 5), ("diff.comparePatches[0].operations[1].path", 7)],
        ),
    ],
)
def test_what_has_no_effect_is_told_with_its_field_and_line(text: str, warnings: list[tuple[str, int]]) -> None:
    assert told(text) == warnings


def test_a_warning_says_why_where_it_can() -> None:
    (warning,) = fleet_yaml.parse(b"helm: {waitForJobs: true}\n")[1]

    assert warning.reason == (
        "helm.waitForJobs: not supported, and has no effect (there is no Helm release that is upgraded)"
    )


def test_warnings_are_bounded_and_the_last_one_counts_the_rest() -> None:
    warnings = fleet_yaml.parse("".join(f"x{number}: 1\n" for number in range(100)).encode())[1]

    assert len(warnings) == limits.WARNINGS_MAX
    assert warnings[-1].reason == "and 81 more of the like"


@pytest.mark.parametrize(
    ("text", "reason", "line"),
    [
        ("namespace: 12\n", "namespace: expected `str`, got `int`", 1),
        ("name: a\nnamespace: Not_A_Name\n", "namespace 'Not_A_Name': not a name", 2),
        (
            "targetCustomizations:\n- clusterName: a\n- clusterName: b\n  defaultNamespace: A\n",
            "targetCustomizations[1].defaultNamespace 'A': not a name",
            4,
        ),
        ("targetCustomizationMode: All\n", "targetCustomizationMode: neither", 1),
        ("helm:\n  chart: git::https://x/y\n", "helm.chart: an address for go-getter", 2),
        ("yaml:\n  overlays: [../x]\n", "yaml.overlays: '../x' is no directory below overlays/", 2),
        ("name: a\noverrideTargets:\n- name: b\n", "overrideTargets: no entry selects", 2),
        ("rolloutStrategy:\n  maxUnavailable: many\n", "rolloutStrategy.maxUnavailable: 'many' is neither", 2),
        ("dependsOn:\n- selector: {}\n", "dependsOn[0].selector: an empty selector", 2),
        (
            "targetCustomizations:\n- doNotDeploy: true\n  clusterGroupSelector: {}\n",
            "targetCustomizations[0].clusterGroupSelector: not supported",
            3,
        ),
        ("- a\n", "not a mapping", 1),
        ("name: a\n---\nname: b\n", "more than one document", 3),
    ],
)
def test_a_mistake_is_told_with_its_field_and_line(text: str, reason: str, line: int) -> None:
    with pytest.raises(errors.UnreadableError) as caught:
        fleet_yaml.parse(text.encode())

    assert reason in caught.value.reason
    assert caught.value.line == line


EXAMPLES = {
    "helm": """\
namespace: fleet-mc-helm-example
targetCustomizations:
- name: dev
  helm:
    values:
      replication: false
  clusterSelector:
    matchLabels:
      env: dev
""",
    "kustomize": """\
namespace: fleet-mc-kustomize-example
targetCustomizations:
- name: prod
  clusterSelector:
    matchLabels:
      env: prod
  kustomize:
    dir: overlays/prod
""",
    "manifests": """\
namespace: fleet-mc-manifest-example
targetCustomizations:
- name: prod
  clusterSelector:
    matchLabels:
      env: prod
  yaml:
    overlays:
    - servicelb
    - scale3
""",
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_repositories_as_fleet_shows_them_are_read_without_a_warning(name: str) -> None:
    assert len(read(EXAMPLES[name]).recipe.choices) == 1


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_settings_or_one_documented_error(data: bytes) -> None:
    try:
        fleet_yaml.parse(data)
    except errors.UnreadableError as error:
        caught = error
        assert caught.reason  # success is as good


@hypothesis.settings(max_examples=400)
@given(shapes.near(msgspec.json.schema(fleet_fields.File)))
def test_any_shape_is_settings_or_one_documented_error(value: Any) -> None:
    test_any_bytes_are_settings_or_one_documented_error.hypothesis.inner_test(  # type: ignore[attr-defined]
        msgspec.json.encode(value)
    )
