"""flotilla.yaml: every field, and every mistake with its line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.render import errors, flotilla_yaml, limits, recipes, settings
from protocol import bundles, selectors

FULL = b"""\
name: Shop
namespace: shop
labels: {team: web}
adopt: never
prune: all
drift: alert
ignore:
- {group: apps, kind: Deployment, name: web, pointers: [/spec/replicas]}
- {managers: [hpa-controller]}
paused: true
dependsOn:
- {name: base}
- {selector: {matchLabels: {tier: data}}, state: applied}
substitute: false
helm:
  chart: ../charts/shop
  releaseName: shop
  skipCRDs: true
  values: {replicas: 1}
valuesFiles: [values.yaml]
kustomize: {dir: build, allowRemoteBases: true}
overlays: [common]
patches:
- patch: [{op: remove, path: /spec/replicas}]
  target: {kind: Deployment, labelSelector: app=web}
images: [{name: nginx, newTag: "1.29"}]
vars: {region: eu, size: 0644, blue: yes, release: 1.10}
varsFiles: [/vars.yaml]
targetMode: firstMatch
targets:
- name: production
  matchLabels: {env: prod}
  groups: [gold]
  exclude:
  - names: [edge-*]
  namespace: ""
  values: {replicas: 3}
  kustomize: {dir: overlays/prod}
  overlays: [prod, site/eu]
- doNotDeploy: true
"""

PRODUCTION = selectors.Target(
    match_labels={"env": "prod"}, groups=("gold",), exclude=(selectors.Selector(names=("edge-*",)),)
)


def test_every_field_is_read() -> None:
    assert flotilla_yaml.parse(FULL) == settings.Settings(
        name="Shop",
        namespace="shop",
        labels={"team": "web"},
        targets=(PRODUCTION, selectors.Target()),
        adopt=bundles.Adopt.NEVER,
        prune=bundles.Prune.ALL,
        drift=bundles.Drift.ALERT,
        ignore=(
            settings.IgnoreRule("apps", "Deployment", name="web", pointers=("/spec/replicas",)),
            settings.IgnoreRule(managers=("hpa-controller",)),
        ),
        paused=True,
        depends_on=(
            settings.DependsOn("base"),
            settings.DependsOn(selector=settings.BundleSelector({"tier": "data"}), state=settings.State.APPLIED),
        ),
        substitute=False,
        allow_remote_bases=True,
        recipe=recipes.Recipe(
            base=recipes.Customization(
                helm=recipes.Helm(
                    chart="../charts/shop",
                    release_name="shop",
                    values={"replicas": 1},
                    values_files=("values.yaml",),
                    skip_crds=True,
                ),
                kustomize=recipes.Kustomize("build"),
                overlays=("overlays/common",),
                patches=(
                    recipes.Patch(
                        ({"op": "remove", "path": "/spec/replicas"},),
                        recipes.PatchTarget(kind="Deployment", label_selector="app=web"),
                    ),
                ),
                images=(recipes.Image("nginx", new_tag="1.29"),),
                vars={"region": "eu", "size": "0644", "blue": "yes", "release": "1.10"},
                vars_files=("/vars.yaml",),
                namespace="shop",
            ),
            choices=(
                recipes.Choice(
                    PRODUCTION,
                    recipes.Customization(
                        helm=recipes.Helm(values={"replicas": 3}),
                        kustomize=recipes.Kustomize("overlays/prod"),
                        overlays=("overlays/prod", "overlays/site/eu"),
                        namespace="",
                    ),
                    "production",
                ),
                recipes.Choice(selectors.Target(), recipes.Customization(do_not_deploy=True)),
            ),
            mode=recipes.Mode.FIRST_MATCH,
        ),
    )


@pytest.mark.parametrize("data", [b"", b"# nothing yet\n", b"---\n", b"{}\n"])
def test_an_empty_file_says_nothing(data: bytes) -> None:
    assert flotilla_yaml.parse(data) == settings.NONE


@pytest.mark.parametrize(("text", "drift"), [("off", "off"), ("no", "off"), ("'off'", "off"), ("on", "revert")])
def test_a_bare_off_is_no_boolean_to_drift(text: str, drift: str) -> None:
    assert flotilla_yaml.parse(f"drift: {text}\n".encode()).drift is bundles.Drift(drift)


@pytest.mark.parametrize(
    ("text", "reason", "line"),
    [
        ("name: a\nnamspace: b\n", "namspace: unknown field", 2),
        ("targets:\n- matchLabels: {}\n  matchLabel: {}\n", "targets[0].matchLabel: unknown field", 3),
        ("targets:\n- exclude:\n  - name: x\n", "targets[0].exclude[0].name: unknown field", 3),
        ("name: a\nadopt: maybe\n", "adopt: invalid enum value 'maybe'", 2),
        ("name: a\nprune: yes\n", "prune: expected `str`, got `bool`", 2),
        ("name: 12\n", "name: expected `str`, got `int`", 1),
        ("labels:\n  a: b\n  canary: yes\n", "labels", 1),
        ("name: a\nnamespace: Not_A_Name\n", "namespace 'Not_A_Name': not a name", 2),
        ("name: a\ndefaultNamespace: -x\n", "defaultNamespace '-x': not a name", 2),
        ("targets:\n- {}\n- name: b\n  namespace: A\n", "targets[1].namespace 'A': not a name", 4),
        ("name: a\ntargets: []\n", "targets: an empty list", 2),
        ("targets:\n- groups: web\n", "targets[0].groups", 2),
        ("- a\n", "not a mapping", 1),
        ("a\n", "not a mapping", 1),
        ("name: a\n---\nname: b\n", "more than one document", 3),
        ("name: a\nname: b\n", "duplicate key 'name'", 2),
        ('name: "a\\nb"\n', "unprintable", 1),
        ("name: [\n", "", 2),
        ("drift: maybe\n", "drift: invalid enum value 'maybe'", 1),
        ("helm: {values: {a: 1}}\nvalues: {a: 2}\n", "values: stands in helm, too", 2),
        ("helm:\n  skipCrds: true\n", "helm.skipCrds: unknown field", 2),
        ("targets:\n- kustomize:\n    allowRemoteBases: true\n", "targets[0].kustomize.allowRemoteBases: unknown", 3),
        ("name: a\noverlays: [../prod]\n", "overlays: '../prod' is no directory below overlays/", 2),
        ("targets:\n- name: a\n  overlays: [/prod]\n", "targets[0].overlays: '/prod' is no directory", 3),
        ("dependsOn:\n- state: ready\n", "dependsOn[0]: takes a name or a selector", 2),
        ("dependsOn:\n- name: a\n  selector: {}\n", "dependsOn[0]: takes a name or a selector", 2),
        ("dependsOn:\n- selector: {}\n", "dependsOn[0].selector: an empty selector", 2),
        ("ignore:\n- kind: Deployment\n- name: web\n", "ignore[1]: takes a kind", 3),
        ("ignore:\n- pointers:\n  - /a\n  - spec\n", "ignore[0].pointers[1]: 'spec' is no JSON pointer", 2),
        ("ignore:\n- kind: Pod\n- managers: ['']\n", "ignore[1].managers[0]: is no field manager", 3),
        ("patches:\n- target:\n    kind: Pod\n", "patches[0].patch: required", 2),
        ("images:\n- newTag: x\n", "images[0].name: required", 2),
        ("vars: {a: [b]}\n", "vars", 1),
        ("vars:\n  a: ~\n", "vars", 1),
        ("targets:\n- vars:\n    a b: c\n", "targets[0].vars.a b: not a variable's name", 3),
    ],
)
def test_a_mistake_is_told_with_its_field_and_line(text: str, reason: str, line: int) -> None:
    with pytest.raises(errors.UnreadableError) as caught:
        flotilla_yaml.parse(text.encode())

    assert reason in caught.value.reason
    assert caught.value.line == line


@pytest.mark.parametrize(("field", "entry"), [("targets", "{}"), ("ignore", "{kind: A}"), ("dependsOn", "{name: a}")])
def test_lists_are_bounded(field: str, entry: str) -> None:
    text = f"{field}: [{', '.join([entry] * (limits.SETTINGS_ENTRIES_MAX + 1))}]"

    with pytest.raises(errors.UnreadableError, match=f"{field}: more than"):
        flotilla_yaml.parse(text.encode())


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_settings_or_one_documented_error(data: bytes) -> None:
    try:
        flotilla_yaml.parse(data)
    except errors.UnreadableError as error:
        caught = error
        assert caught.reason  # success is as good
