"""References to variables: what is one, what stands in its place, and that no input can hurt."""

import contextlib
import copy
import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.render import errors, limits, manifests, typed_yaml, variables, yamls
from tests import growth

VALUES = {
    "cluster.name": "lab-1",
    "cluster.kubernetesVersion": "v1.35.4",
    "cluster.labels.topology.kubernetes.io/region": "eu",
    "vars.replicas": "3",
    "vars.on": "on",
    "vars.empty": "",
    "vars.tricky": "a: {b: 1}\n- ${vars.replicas}",
    "vars.inf": ".inf",
    "vars.big": "x" * 100_000,
}


def loaded(text: str) -> Any:
    (document,) = manifests.load("a.yaml", text.encode(), with_plain=True)
    return document.value


def substituted(text: str) -> Any:
    return variables.substitute(loaded(text), VALUES.get)


def refused(text: str) -> errors.VariableError:
    with pytest.raises(errors.VariableError) as caught:
        substituted(text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${vars.replicas}", 3),
        ('"${vars.replicas}"', "3"),
        ("'${vars.replicas}'", "3"),
        ("!!str ${vars.replicas}", "3"),
        ("|-\n  ${vars.replicas}", "3"),
        ("${vars.on}", True),
        ('"${vars.on}"', "on"),
        ("${vars.empty}", None),
        ('"${vars.empty}"', ""),
        ("${vars.none:-7}", 7),
        ('"${vars.none:-7}"', "7"),
        ("${vars.none:-}", None),
        ("${vars.none:-a:-b}", "a:-b"),
        ("${vars.replicas}${vars.replicas}", "33"),
        ("x${vars.replicas}", "x3"),
        ("${vars.replicas}x", "3x"),
        ("${cluster.labels.topology.kubernetes.io/region}.example.org", "eu.example.org"),
        ("${vars.tricky}", "a: {b: 1}\n- ${vars.replicas}"),
        ("$${cluster.name}", "${cluster.name}"),
        ("$$${cluster.name}", "$lab-1"),
        ("$$$${cluster.name}", "$${cluster.name}"),
        ("$${cluster.name}${cluster.name}", "${cluster.name}lab-1"),
        ("$$${HOME} $$ $ ${HOME}", "$$${HOME} $$ $ ${HOME}"),
        ("${datasource} ${__from:date} ${var%%x} {{ $x }}", "${datasource} ${__from:date} ${var%%x} {{ $x }}"),
        ('"\\x24{vars.replicas}"', "3"),
    ],
)
def test_a_reference_becomes_what_the_value_would_be_there(text: str, value: object) -> None:
    found = substituted(f"a: {text}")

    assert (found, type(found["a"])) == ({"a": value}, type(value))


def test_keys_are_text_and_stay_in_their_order() -> None:
    found = substituted("a: 1\n${vars.replicas}: 2\n${cluster.name}/x: {z: [1, 2]}\nb: 3\n")

    assert list(found.items()) == [("a", 1), ("3", 2), ("lab-1/x", {"z": [1, 2]}), ("b", 3)]


def test_an_anchored_reference_is_text_as_a_key() -> None:
    assert substituted("a: &x ${vars.replicas}\nb: {*x : *x}\n") == {"a": 3, "b": {"3": 3}}


def test_what_has_no_reference_stays_the_same_object() -> None:
    document = loaded("a: [1, {b: x, c: '${HOME}'}]\nd: {e: $$}\n")

    assert variables.substitute(document, VALUES.get) is document


def test_values_that_an_alias_shares_are_not_changed() -> None:
    document = loaded("a: &x [{b: '${cluster.name}'}]\nc: *x\nd: {e: [1]}\n")
    before = copy.deepcopy(document)
    found = variables.substitute(document, VALUES.get)

    assert found == {"a": [{"b": "lab-1"}], "c": [{"b": "lab-1"}], "d": {"e": [1]}}
    assert document == before
    assert found["d"] is document["d"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("${vars.none}", "no value, and no default"),
        ("${cluster.labels.none}", "no value, and no default"),
        ("${cluster.nam}", "no such variable"),
        ("${cluster.nam:-x}", "no such variable"),
        ("${cluster.labels.}", "no such variable"),
        ("${vars.}", "no such variable"),
        ("${vars.a b}", "not a variable's name"),
        ("${vars.x:=y}", "not a variable's name"),
        ("${vars.x", "not closed by }"),
        ("${vars.x:-${vars.y}}", "a default is text"),
        ("${vars.inf}", "no number in JSON"),
    ],
)
def test_a_reference_that_cannot_be_replaced_is_refused_with_its_place(text: str, reason: str) -> None:
    found = refused(f"a:\n- b\n- c: {text}\n")

    assert reason in found.reason
    assert found.place == ("a", 1, "c")
    assert found.reason.startswith(text.partition("}")[0])


def test_keys_that_become_equal_are_refused() -> None:
    assert refused("a: {lab-1: 1, '${cluster.name}': 2}").reason == (
        "key 'lab-1' stands twice, once variables are replaced"
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\n---\nb: 1\nc:\n- d\n- e: |\n    1\n    2 ${vars.none}\n", 8),
        ("a: 1\n---\nc:\n- d\n- '${vars.none}'\n", 5),
        ("a: 1\n---\nb: '$${vars.none}'\nc:\n  ${vars.none}\n", 5),
        ("a: 1\n---\n${vars.none}: 1\n", 3),
        ('a: 1\n---\nb: 1\nc: "\\x24{vars.none}"\n', 4),
        ("a: 1\n---\nb: &b {c: '${vars.none}'}\nd: *b\n", 3),
    ],
)
def test_the_line_of_a_reference_can_be_told(text: str, line: int) -> None:
    documents = manifests.load("a.yaml", text.encode(), with_plain=True)
    with pytest.raises(errors.VariableError) as caught:
        variables.substitute(documents[1].value, VALUES.get)

    error = caught.value
    assert variables.line_of(text.encode(), 1, place=error.place, found=error.found) == line


def test_the_line_in_json_that_is_no_yaml_is_that_of_the_first_such_text() -> None:
    data = b'{"a": "\\ud83d\\ude00\\/",\n"b":\n\t"${vars.none}"}'

    assert variables.line_of(data, 0, place=("b",), found="${vars.none}") == 3


def test_an_object_with_the_annotation_is_left_as_it_stands() -> None:
    disabled = "metadata: {annotations: {flotilla.gitops/substitute: disabled}}"
    document = loaded(f"kind: List\nitems:\n- {disabled}\n  a: ${{vars.none}}\n- a: ${{vars.replicas}}\n")
    found = variables.substitute(document, VALUES.get)

    assert [item["a"] for item in found["items"]] == ["${vars.none}", 3]
    assert type(found["items"][0]["a"]) is str
    assert variables.references(document) == {"vars.replicas"}


def test_the_annotation_counts_on_objects_only() -> None:
    document = "spec: {metadata: {annotations: {flotilla.gitops/substitute: disabled}}, a: '${vars.on}'}"

    assert substituted(document)["spec"]["a"] == "on"


def test_all_names_are_told_with_or_without_default() -> None:
    document = loaded("${vars.a}: ['${cluster.name} ${vars.b:-x}', '$${vars.c}', '${HOME}', '${cluster.nam}']")

    assert variables.references(document) == {"vars.a", "vars.b", "cluster.name"}
    assert variables.references("a/${vars.d}") == {"vars.d"}


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("a: ${vars.x}", True),
        ("a: [b, {$${vars.x}: c}]", True),
        ("a: '${cluster.nam}'", True),
        ("a: '${vars.x'", True),
        ("a: '${HOME} $$ ${var.x}'", False),
    ],
)
def test_what_substitution_would_not_leave_alone_is_known(text: str, held: bool) -> None:
    assert variables.holds({"x": text}) is held


def test_marks_go_where_nothing_is_replaced() -> None:
    document = loaded("a:\n- ${vars.x}\n- b\nc: {d: 1}")
    found = variables.as_it_stands(document)

    assert msgspec.json.encode(found) == b'{"a":["${vars.x}","b"],"c":{"d":1}}'
    assert found["c"] is document["c"]


def test_settings_keep_marks_in_fields_of_free_form_alone() -> None:
    text = b"name: ${vars.x}\npatch:\n  a: ${vars.x}\n"
    document = typed_yaml.single(text, with_plain=True)
    assert document is not None
    found = typed_yaml.convert(document, document.value, dict[str, Any])

    assert (type(found["name"]), type(found["patch"]["a"])) == (str, yamls.Plain)


def test_near_misses_are_told_and_stay() -> None:
    document = {
        "a": ["${Cluster.name} ${clusters.x}", "${var.x} ${ vars.y } ${cluster.name}"],
        "b": "$${var.x} ${HOME}",
    }

    assert [(one.place, one.found) for one in variables.near_misses(document)] == [
        (("a", 0), "${Cluster.name}"),
        (("a", 0), "${clusters.x}"),
        (("a", 1), "${var.x}"),
        (("a", 1), "${ vars.y }"),
    ]
    assert variables.substitute({"a": "${var.x}"}, VALUES.get) == {"a": "${var.x}"}


def test_single_strings_stay_text() -> None:
    assert variables.in_text("a/${vars.replicas}", VALUES.get) == "a/3"
    assert variables.in_text("${vars.on}", VALUES.get) == "on"
    with pytest.raises(errors.VariableError):
        variables.in_text("${vars.none}", VALUES.get)


def test_documents_are_read_without_marks_unless_they_are_asked_for() -> None:
    (document,) = manifests.load("a.yaml", b"a: ${vars.x}")

    assert type(document.value["a"]) is str


def test_large_values_cannot_fill_the_memory() -> None:
    with pytest.raises(errors.UnreadableError, match="characters in strings with variables"):
        variables.substitute({"a": "${vars.big}" * 100_000}, VALUES.get)


@pytest.mark.parametrize("piece", ["$", "${", "${vars.", "$${vars.", "${var.", "${vars.x:-", "${Cluster.a", "}"])
def test_time_is_linear_in_the_length_of_a_string(piece: str) -> None:
    def work(size: int) -> None:
        document = {"a": piece * (size // len(piece))}
        variables.references(document)
        variables.near_misses(document)
        with contextlib.suppress(errors.UnreadableError):
            variables.substitute(document, VALUES.get)

    assert growth.growth(work, limits.MIB // growth.STEP) < growth.LINEAR_MAX


PIECES = st.sampled_from(
    [
        "$",
        "$$",
        "{",
        "}",
        "${",
        "cluster.name",
        "vars.x",
        "vars.replicas",
        ":-",
        "a",
        " ",
        "\n",
        "cluster.",
        "${vars.",
        "é",
    ]
)
TEXTS = st.lists(PIECES, max_size=12).map("".join)
DOCUMENTS = st.recursive(
    TEXTS | st.integers() | st.none() | st.booleans() | TEXTS.map(yamls.Plain),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=12,
)


@given(DOCUMENTS)
def test_any_document_is_substituted_or_refused(document: Any) -> None:
    before = copy.deepcopy(document)
    try:
        found = variables.substitute(document, VALUES.get)
    except errors.UnreadableError:
        found = None

    json.dumps(found)
    assert document == before


@given(TEXTS)
def test_a_doubled_text_comes_back_as_it_was(text: str) -> None:
    escaped = re.sub(r"(\$+)(?=\{(?:cluster|vars)\.)", r"\1\1", text)

    assert variables.in_text(escaped, VALUES.get) == text


@given(st.binary(max_size=40) | TEXTS.map(str.encode))
def test_bytes_that_hold_no_reference_are_never_said_to_need_a_look_in_vain(data: bytes) -> None:
    try:
        documents = manifests.load("a.yaml", data, with_plain=True)
    except errors.UnreadableError:
        return
    if any(variables.references(document.value) for document in documents):
        assert variables.may_hold(data)


@given(st.lists(PIECES | st.sampled_from(["a: ", "- ", "\n", "'", "{", "&x ", "*x"]), max_size=15).map("".join))
def test_any_file_is_substituted_or_refused(text: str) -> None:
    try:
        documents = manifests.load("a.yaml", text.encode(), with_plain=True)
    except errors.UnreadableError:
        return
    for index, document in enumerate(documents):
        try:
            msgspec.json.encode(variables.substitute(document.value, VALUES.get))
        except errors.VariableError as error:
            line = variables.line_of(text.encode(), index, place=error.place, found=error.found)
            assert 1 <= line <= text.count("\n") + 1


def test_variables_of_a_file_are_text_as_it_is_written() -> None:
    data = b'a: 1.10\nb: 0644\nc: yes\nd: "x"\ne: 2001-01-01\nf: |\n  y\ng: ""\nno: .inf\n1.5: !!int 1\n'
    expected = {"a": "1.10", "b": "0644", "c": "yes", "d": "x", "e": "2001-01-01", "f": "y\n", "g": ""}

    assert variables.read_vars(data, "v.yaml") == {**expected, "no": ".inf", "1.5": "1"}
    assert variables.read_vars(b"", "v.yaml") == {}
    assert variables.read_vars(b'{"a": 1.10, "b": 1e3, "c": true, "d": "x"}', "v.json") == {
        "a": "1.10",
        "b": "1e3",
        "c": "true",
        "d": "x",
    }


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\nb:\n", 2),
        ("a: 1\nb: [1]\n", 2),
        ("a: 1\nb c: 1\n", 2),
        ("a: 1\n---\nb: 1\n", 3),
        ("- a\n", 1),
        ("a: 1\na: 2\n", 2),
        ("a: !x 1\n", 1),
        ("~: 1\n", 1),
    ],
)
def test_a_file_of_variables_that_is_none_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(errors.UnreadableError) as caught:
        variables.read_vars(text.encode(), "v.yaml")

    assert caught.value.line == line


@given(st.binary(max_size=60) | st.text(alphabet="ab: {}[]\"'\n-~!&*1.", max_size=40).map(str.encode))
def test_any_file_of_variables_is_read_or_refused(data: bytes) -> None:
    for path in ("v.yaml", "v.json"):
        try:
            found = variables.read_vars(data, path)
        except errors.UnreadableError:
            continue
        assert all(type(key) is str and type(value) is str for key, value in found.items())
