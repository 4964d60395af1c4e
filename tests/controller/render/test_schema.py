"""The JSON Schema of flotilla.yaml says what its parser does, and says it in words."""

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from hypothesis import assume, given, settings

from controller.cli import schema as command
from controller.render import errors, flotilla_yaml, limits, schema, yamls
from tests.controller.render import shapes, test_flotilla_yaml

SCHEMA = schema.of_flotilla_yaml()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def objects() -> Iterator[tuple[str, dict[str, Any]]]:
    yield "", SCHEMA
    for name, definition in SCHEMA["$defs"].items():
        if definition.get("type") == "object":
            yield name, definition


def read(text: bytes) -> Any:
    """The document as an editor's YAML gives it; what is no mapping in one document is no matter of a schema."""
    documents = yamls.load(text)
    return documents[0].value if len(documents) == 1 else None


def is_parsed(text: bytes) -> bool:
    try:
        flotilla_yaml.parse(text)
    except errors.UnreadableError:
        return False
    return True


def test_it_is_a_schema_of_the_dialect_that_it_names() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)

    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert SCHEMA["$id"] == "urn:flotilla:flotilla.yaml"
    assert SCHEMA["title"] == "flotilla.yaml"


def test_every_field_is_described() -> None:
    silent = [
        f"{name}.{field}"
        for name, definition in objects()
        for field, shown in definition["properties"].items()
        if not shown.get("description")
    ]

    assert silent == []


def test_every_type_is_described_and_closed() -> None:
    assert [name for name, definition in SCHEMA["$defs"].items() if not definition.get("description")] == []
    assert [name for name, definition in objects() if definition.get("additionalProperties") is not False] == []


def test_the_values_of_an_enumeration_are_described() -> None:
    assert SCHEMA["$defs"]["Mode"]["description"] == (
        "Which of the matching customizations count.\n`merge`: All, in order.\n`firstMatch`: The first."
    )


def test_nothing_of_another_language_is_left_in_it() -> None:
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA
    assert "None" not in json.dumps(SCHEMA)


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([]) == 0
    assert json.loads(capsys.readouterr().out) == SCHEMA


@pytest.mark.parametrize("text", [test_flotilla_yaml.FULL, b"{}\n", b"name: a\n", b"drift: off\n", b"helm: ~\n"])
def test_what_is_parsed_is_valid(text: bytes) -> None:
    assert is_parsed(text)
    assert [error.message for error in VALIDATOR.iter_errors(read(text))] == []


@pytest.mark.parametrize(
    "text",
    [
        "namspace: b\n",
        "adopt: maybe\n",
        "prune: yes\n",
        "name: 12\n",
        'name: "a\\nb"\n',
        "namespace: Not_A_Name\n",
        "targets: []\n",
        "targets: [{matchLabel: {}}]\n",
        "targets: [{namespace: -a}]\n",
        "targets: [{kustomize: {allowRemoteBases: true}}]\n",
        "targets: [{matchExpressions: [{key: a}]}]\n",
        "helm: {values: {a: 1}}\nvalues: {a: 2}\n",
        "targets: [{helm: {valuesFiles: [a]}, valuesFiles: [b]}]\n",
        "helm: {skipCrds: true}\n",
        "overlays: [../prod]\n",
        "overlays: [a/./b]\n",
        "overlays: ['']\n",
        "dependsOn: [{state: ready}]\n",
        "dependsOn: [{name: a, selector: {matchLabels: {a: b}}}]\n",
        "dependsOn: [{selector: {}}]\n",
        "ignore: [{name: web}]\n",
        "ignore: [{pointers: [spec]}]\n",
        "ignore: [{managers: []}]\n",
        "ignore: [{managers: ['']}]\n",
        "ignore: [{pointers: [/a~2]}]\n",
        "patches: [{target: {kind: Pod}}]\n",
        "images: [{newTag: x}]\n",
        "vars: {a: [b]}\n",
        "vars: {a: ~}\n",
        "vars: {a b: c}\n",
        "drift: maybe\n",
        f"ignore: [{'{kind: A}, ' * limits.SETTINGS_ENTRIES_MAX}{{kind: A}}]",
    ],
)
def test_what_is_refused_is_invalid(text: str) -> None:
    assert not is_parsed(text.encode())
    assert not VALIDATOR.is_valid(read(text.encode()))


@settings(max_examples=400)
@given(shapes.near(SCHEMA))
def test_schema_and_parser_agree(value: Any) -> None:
    assume(value is not None)  # an empty file is good, and there is nothing for a schema to see

    assert VALIDATOR.is_valid(value) == is_parsed(json.dumps(value).encode())
