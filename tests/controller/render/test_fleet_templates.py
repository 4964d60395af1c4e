"""Templates in the values of fleet.yaml: what they give, what they refuse, and that nothing else comes out of them."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from controller.render import errors, fleet_templates, template_functions, template_syntax

CLUSTER = {
    "cluster.name": "edge-1",
    "cluster.labels.env": "prod",
    "cluster.labels.replicas": "3",
    "cluster.labels.flag": "true",
    "cluster.labels.empty": "",
    "cluster.labels.topology.kubernetes.io/zone": "eu-1a",
    "cluster.annotations.note": "a: b # c",
    "cluster.annotations.lines": "x\ny: z",
    "vars.team": "web",
    "vars.a.b": "deep",
}


def filled(text: str) -> Any:
    return fleet_templates.fill({"key": text}, CLUSTER.get)["key"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no template", "no template"),
        ("$HOME {x} $", "$HOME {x} $"),
        ("${ .ClusterLabels.env }-foo", "prod-foo"),
        ("${.ClusterName}", "edge-1"),
        ("${ .ClusterLabels.replicas }", 3),
        ("${ .ClusterLabels.flag }", True),
        ("${ .ClusterLabels.replicas | quote }", "3"),
        ("${ .ClusterLabels.empty }", None),
        ("x${ .ClusterLabels.empty }", "x"),
        ('${ index .ClusterLabels "topology.kubernetes.io/zone" }', "eu-1a"),
        ("${ index .ClusterLabels `env` }", "prod"),
        ("${ .ClusterValues.team | upper | quote }", "WEB"),
        ("${ .ClusterValues.a.b }", "deep"),
        ('${ index .ClusterValues "a" "b" }', "deep"),
        ('${ get .ClusterLabels "none" | default "dev" }', "dev"),
        ('${ index .ClusterLabels "none" | default "dev" }', "dev"),
        ('${ default "dev" (get .ClusterLabels "env") }', "prod"),
        ('${ if hasKey .ClusterLabels "none" }a${ else }b${ end }', "b"),
        ('${ if eq .ClusterLabels.env "dev" }1${ else if eq .ClusterLabels.env "test" "prod" }2${ else }3${ end }', 2),
        ('${ if and (eq .ClusterLabels.env "prod") (not (hasKey .ClusterLabels "x")) }a${ end }', "a"),
        ('${ or (get .ClusterLabels "none") .ClusterLabels.env }', "prod"),
        ('${ ne .ClusterLabels.env "prod" }', False),
        ('${ ternary "big" "small" (eq .ClusterLabels.env "prod") }', "big"),
        ('${ eq .ClusterLabels.env "prod" | ternary 5 1 }', 5),
        ('${ printf "%s-%d%%-%v-%q" .ClusterName 3 true "x" }', 'edge-1-3%-true-"x"'),
        ('${ .ClusterName | trimSuffix "-1" | trimPrefix "ed" }', "ge"),
        ('${ .ClusterName | replace "-" "." }', "edge.1"),
        ('${ " x " | trim }', "x"),
        ('${ required "no env" .ClusterLabels.env | lower }', "prod"),
        ('${ coalesce "" (get .ClusterLabels "none") "z" }', "z"),
        ("${ trunc 4 .ClusterName }${ trunc -1 .ClusterName }", "edge1"),
        ('${ contains "dge" .ClusterName }', True),
        ('${ and (hasPrefix "edge" .ClusterName) (hasSuffix "-1" .ClusterName) }', True),
        ("${ 3 | toString | quote }", "3"),
        ("${ 1.5 }", 1.5),
        ("a ${- .ClusterName -} b", "aedge-1b"),
        ("a ${- /* why } */ -} b", "ab"),
        ('${ "\\u00e9\\n\\x41" | quote }', "\u00e9\nA"),
        ("${ .ClusterAnnotations.note | quote }", "a: b # c"),
        ("it: ${ .ClusterAnnotations.note }", "it: a: b # c"),
        ("one\n${ .ClusterLabels.replicas }\n", "one\n3\n"),
        ("global.fleet.clusterLabels.topology.kubernetes.io/zone", "eu-1a"),
        ("global.fleet.clusterLabels.none", ""),
        ("global.fleet.clusterLabels.replicas", "3"),
    ],
)
def test_a_template_gives_what_fleet_gives(text: str, value: Any) -> None:
    assert filled(text) == value
    assert type(filled(text)) is type(value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("${ .ClusterLabels.none }", "the cluster has no .ClusterLabels.none, at character 4"),
        ('${ .ClusterLabels.none | default "x" }', "the cluster has no .ClusterLabels.none"),
        ('${ index .ClusterLabels "none" }', "there is no value"),
        ("${ .ClusterNamespace }", ".ClusterNamespace is not known here"),
        ("${ .ClusterLabels }", ".ClusterLabels as a whole is not supported"),
        ("${ .ClusterLabels | toJson }", ".ClusterLabels as a whole is not supported"),
        ("${ range .ClusterLabels }x${ end }", "range is not supported, at character 1"),
        ('${ define "x" }${ end }', "define is not supported"),
        ("${ . }", "all data at once"),
        ("${ $x := 1 }", "variables of templates are not supported"),
        ("${ uuidv4 }", "there is no function 'uuidv4' here, at character 4"),
        ("${ FOO }", "there is no function 'FOO' here"),
        ("a ${ .ClusterName | b64enc }", "there is no function 'b64enc' here, at character 21"),
        ('${ upper "a" "b" }', "upper: 2 arguments are too few or too many"),
        ("${ upper 3 }", "upper: takes a string, not an integer"),
        ('${ eq "3" 3 }', "eq: compares a string with an integer"),
        ('${ ternary 1 2 "x" }', "ternary: takes a boolean"),
        ('${ printf "%5d" 3 }', "printf: the verb %5 is not supported"),
        ('${ printf "%d" "3" }', "printf: takes an integer"),
        ('${ printf "%s" }', "printf: more verbs than arguments"),
        ('${ printf "x" 1 }', "printf: more arguments than verbs"),
        ('${ required "say env" (get .ClusterLabels "none") }', "required: say env"),
        ('${ get "a" "b" }', "get: looks only into"),
        ('${ get .ClusterLabels "a" "b" }', "get: too few or too many"),
        ('${ index .ClusterLabels "a" "b" }', ".ClusterLabels holds strings"),
        ("${ .ClusterLabels.a.b }", ".ClusterLabels holds strings"),
        ("${ index .ClusterLabels 3 }", "index: takes keys that are strings"),
        ("${ and }", "and: takes at least one argument"),
        ("${ }", "a value is missing"),
        ("${ .ClusterName | }", "a value is missing"),
        ("${ .ClusterName", "${ without its }, at character 1"),
        ("${ (.ClusterName }", "( without its )"),
        ('${ (get .ClusterLabels "a").b }', "a field of what stands in parentheses"),
        ("${ .ClusterName ) }", "')' has no meaning here"),
        ("${ .ClusterName 3 }", ".ClusterName is no function"),
        ("${ .ClusterLabels.my-label }", "has no meaning in a template"),
        ("${ 'a' }", "has no meaning in a template"),
        ("${ if true }x", "if without its end"),
        ("${ if true }x${ else }y${ else }z${ end }", "else after else"),
        ("x${ end }", "end without its if"),
        ("x${ else }", "else without its if"),
        ("${ if true }${ end 3 }", "'3' has no meaning here"),
        ('${ "\\q" }', "is no escape"),
        ('${ "\\ud800" }', "is no escape"),
        (f"${{ {'9' * 30} }}", "is no number that a template can hold"),
        ("${ 1e999 }", "is no number that a template can hold"),
        (f"${{ {'(' * 60}1{')' * 60} }}", "more than 50 levels"),
        (f'${{ "a"{" | upper" * 60} }}', "more than 50 levels"),
        ("${ if true }" * 60 + "${ end }" * 60, "more than 50 levels"),
        ("${ .ClusterAnnotations.note }", "what its template gives is no YAML"),
        ("${ .ClusterAnnotations.lines }", "what its template gives is more than one value"),
    ],
)
def test_what_cannot_be_followed_is_an_error_with_its_place(text: str, reason: str) -> None:
    with pytest.raises(errors.UnreadableError) as caught:
        fleet_templates.fill({"a": [{"b": text}]}, CLUSTER.get)

    assert caught.value.reason.startswith("helm.values.a[0].b: ")
    assert reason in caught.value.reason


def test_keys_are_templates_too() -> None:
    found = fleet_templates.fill({"${ .ClusterLabels.env }": {"x": 1}, "plain": [2]}, CLUSTER.get)

    assert found == {"prod": {"x": 1}, "plain": [2]}


def test_two_keys_that_become_one_are_refused() -> None:
    with pytest.raises(errors.UnreadableError, match="gives key 'prod' a second time"):
        fleet_templates.fill({"prod": 1, "${ .ClusterLabels.env }": 2}, CLUSTER.get)


def test_only_what_decides_is_asked_for() -> None:
    asked = []

    def lookup(name: str) -> str | None:
        asked.append(name)
        return CLUSTER.get(name)

    text = '${ if eq .ClusterLabels.env "prod" }${ .ClusterName }${ else }${ .ClusterValues.team }${ end }'
    fleet_templates.fill({"a": text, "b": "${ or .ClusterLabels.env .ClusterLabels.flag }"}, lookup)

    assert asked == ["cluster.labels.env", "cluster.name", "cluster.labels.env"]


def test_what_templates_make_is_bounded() -> None:
    doubling = '${ "' + "a" * 200 + '"' + ' | replace "a" "aaaaaaaaaa"' * 6 + " }"

    with pytest.raises(errors.UnreadableError, match="longer than"):
        filled(doubling)
    with pytest.raises(errors.UnreadableError, match="templates make more than"):
        fleet_templates.fill({"a": ["${ .ClusterName }"] * 20_000}, CLUSTER.get)


@given(st.text())
def test_a_quoted_text_is_read_as_itself(text: str) -> None:
    template = "${ .ClusterName | quote }"

    try:
        found = fleet_templates.fill({"key": template}, lambda _name: text)["key"]
    except errors.UnreadableError as error:
        caught = error
        assert "no YAML" in caught.reason  # what YAML cannot hold at all
    else:
        assert found == text


PIECES = st.sampled_from(
    [
        *(
            "${ ",
            " }",
            "${- ",
            " -}",
            "}",
            "if ",
            "else ",
            "end ",
            "range ",
            "| ",
            "( ",
            ") ",
            '"',
            "`",
            "\\",
            "$x ",
            ":= ",
        ),
        *(
            ".ClusterLabels",
            ".env ",
            ".none ",
            ".ClusterName ",
            ". ",
            "'a' ",
            "/* ",
            " */",
            "nil ",
            "true ",
            "3 ",
            "-1.5e3 ",
        ),
        *(f"{name} " for name in (*template_functions.FUNCTIONS, "and", "or", "get", "hasKey", "index", "nope")),
        *('"env" ', '"%s" ', "\n", ": ", "# ", "- ", "é"),
    ]
)
LOOKUP = st.sampled_from([CLUSTER.get, lambda _name: None, lambda _name: "a: [", lambda _name: "\x00"])


@settings(max_examples=500)
@given(st.lists(PIECES, max_size=25).map("".join) | st.text(), LOOKUP)
@example("${ -}", CLUSTER.get)
@example("${-", CLUSTER.get)
def test_any_template_is_values_or_one_documented_error(text: str, lookup: Callable[[str], str | None]) -> None:
    try:
        fleet_templates.fill({"a": [text], text: "b"}, lookup)
    except errors.UnreadableError as error:
        caught = error
        assert caught.reason  # success is as good


@given(st.lists(PIECES, max_size=25).map("".join) | st.text())
def test_any_template_is_nodes_or_one_error_within_it(text: str) -> None:
    try:
        template_syntax.parse(text)
    except template_syntax.TemplateError as error:
        caught = error
        assert 0 <= caught.at <= len(text)
