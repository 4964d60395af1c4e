"""flotilla.yaml and fleet.yaml: every field, and every mistake with its line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.render import errors, settings
from protocol import bundles, selectors

FULL = b"""\
name: Shop
namespace: shop
labels: {team: web}
targets:
- matchLabels: {env: prod}
  exclude:
  - names: [edge-*]
adopt: never
prune: all
"""


def test_every_field_is_read() -> None:
    assert settings.parse(FULL) == settings.Settings(
        name="Shop",
        namespace="shop",
        labels={"team": "web"},
        targets=(selectors.Target(match_labels={"env": "prod"}, exclude=(selectors.Selector(names=("edge-*",)),)),),
        adopt=bundles.Adopt.NEVER,
        prune=bundles.Prune.ALL,
    )


@pytest.mark.parametrize("data", [b"", b"# nothing yet\n", b"---\n"])
def test_an_empty_file_says_nothing(data: bytes) -> None:
    assert settings.parse(data) == settings.NONE
    assert settings.parse_fleet(data) == (settings.NONE, ())


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
        ("name: a\ntargets: []\n", "targets: an empty list", 2),
        ("targets:\n- groups: web\n", "targets[0].groups", 2),
        ("- a\n", "not a mapping", 1),
        ("a\n", "not a mapping", 1),
        ("name: a\n---\nname: b\n", "more than one document", 3),
        ("name: a\nname: b\n", "duplicate key 'name'", 2),
        ('name: "a\\nb"\n', "unprintable", 1),
        ("name: [\n", "", 2),
    ],
)
def test_a_mistake_is_told_with_its_field_and_line(text: str, reason: str, line: int) -> None:
    with pytest.raises(errors.UnreadableError) as caught:
        settings.parse(text.encode())

    assert reason in caught.value.reason
    assert caught.value.line == line


def test_of_fleet_yaml_three_fields_count_and_the_others_are_told() -> None:
    found, warnings = settings.parse_fleet(
        b"namespace: shop\ndefaultNamespace: web\nlabels: {a: b}\nhelm:\n  chart: x\ntargetCustomizations: []\n"
    )

    assert found == settings.Settings(namespace="shop", default_namespace="web", labels={"a": "b"})
    assert [(warning.reason.split()[0], warning.line) for warning in warnings] == [
        ("helm", 4),
        ("targetCustomizations", 6),
    ]


def test_a_mistake_in_fleet_yaml_is_an_error() -> None:
    with pytest.raises(errors.UnreadableError, match="namespace"):
        settings.parse_fleet(b"namespace: 12\n")


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_settings_or_one_documented_error(data: bytes) -> None:
    for parse in (settings.parse, settings.parse_fleet):
        try:
            parse(data)
        except errors.UnreadableError as error:
            caught = error
            assert caught.reason  # success is as good


FIELDS = st.sampled_from(["name", "namespace", "labels", "targets", "adopt", "prune", "x", "matchLabels", "exclude"])
DATA = st.recursive(
    st.sampled_from(["a", "no", "~", "1", "1.5", "Never", "never"]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.dictionaries(FIELDS, inner, max_size=3).map(
            lambda items: "{" + ", ".join(f"{key}: {value}" for key, value in items.items()) + "}"
        )
    ),
    max_leaves=12,
)


@given(DATA)
def test_any_shape_is_settings_or_one_documented_error(text: str) -> None:
    test_any_bytes_are_settings_or_one_documented_error.hypothesis.inner_test(text.encode())  # type: ignore[attr-defined]
