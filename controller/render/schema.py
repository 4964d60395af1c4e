"""The JSON Schema of flotilla.yaml (draft 2020-12), made of the types that its parser uses.

Titles and descriptions are the docstrings in the source. What the parser checks beyond types stands in the types'
own schemas, or here, where it is about several fields at once.
"""

import ast
import enum
import inspect
from typing import Any

import msgspec
import msgspec.inspect

from controller.render import flotilla_yaml, settings

DIALECT = "https://json-schema.org/draft/2020-12/schema"
ID = "urn:flotilla:flotilla.yaml"

Schema = dict[str, Any]


def of_flotilla_yaml() -> Schema:
    """The schema."""
    found = msgspec.json.decode(msgspec.json.encode(msgspec.json.schema(flotilla_yaml.File)))  # tuples become lists
    definitions: dict[str, Schema] = found["$defs"]
    for kind in _kinds(msgspec.inspect.type_info(flotilla_yaml.File)):
        _describe(definitions[kind.__name__], kind)
    for name, rule in _RULES.items():
        definitions[name].update(rule)
    root = definitions.pop(flotilla_yaml.File.__name__)
    root["title"] = settings.FLOTILLA
    return {"$schema": DIALECT, "$id": ID, **root, "$defs": definitions}


def _given(field: str, kind: str, least: str) -> Schema:
    """The field is there, and not empty."""
    return {"required": [field], "properties": {field: {"type": kind, least: 1}}}


def _not_twice(field: str, kind: str, least: str) -> Schema:
    """The short form of a field of `helm` and the long one exclude each other."""
    long = {"required": ["helm"], "properties": {"helm": {"type": "object", **_given(field, kind, least)}}}
    return {"not": {"allOf": [_given(field, kind, least), long]}}


_VALUES = {"allOf": [_not_twice("values", "object", "minProperties"), _not_twice("valuesFiles", "array", "minItems")]}

_RULES: dict[str, Schema] = {
    "File": _VALUES,
    "Target": _VALUES,
    "IgnoreRule": {
        "anyOf": [
            _given("kind", "string", "minLength"),
            _given("pointers", "array", "minItems"),
            _given("managers", "array", "minItems"),
        ]
    },
    "DependsOn": {
        "oneOf": [
            _given("name", "string", "minLength"),
            {"required": ["selector"], "properties": {"selector": {"type": "object"}}},
        ]
    },
    "BundleSelector": {
        "anyOf": [
            _given("matchLabels", "object", "minProperties"),
            _given("matchExpressions", "array", "minItems"),
        ]
    },
}
"""What the parser checks of several fields at once, by type."""


def _kinds(found: msgspec.inspect.Type) -> set[type]:
    """All structs and enumerations that a type is made of."""
    pending, kinds = [found], set[type]()
    while pending:
        one = pending.pop()
        if isinstance(one, msgspec.inspect.Metadata):
            pending.append(one.type)
        elif isinstance(one, msgspec.inspect.UnionType):
            pending.extend(one.types)
        elif isinstance(one, msgspec.inspect.VarTupleType):
            pending.append(one.item_type)
        elif isinstance(one, msgspec.inspect.DictType):
            pending.append(one.value_type)
        elif isinstance(one, msgspec.inspect.EnumType):
            kinds.add(one.cls)
        elif isinstance(one, msgspec.inspect.StructType) and one.cls not in kinds:
            kinds.add(one.cls)
            pending.extend(field.type for field in one.fields)
    return kinds


def _describe(definition: Schema, kind: type) -> None:
    """Write the docstrings of a type's fields, or of an enumeration's values, into its schema."""
    said = _docstrings(kind)
    if issubclass(kind, enum.Enum):
        values = [f"`{one.value}`: {said[one.name]}" for one in kind if one.name in said]
        definition["description"] = "\n".join([definition.get("description", ""), *values])
        return
    assert issubclass(kind, msgspec.Struct)
    if not definition["required"]:
        del definition["required"]
    for field in msgspec.structs.fields(kind):
        shown = definition["properties"][field.encode_name]
        if field.name in said:
            shown["description"] = said[field.name]
        if shown.get("default", "") is None:
            del shown["default"]  # editors would write the null down


def _docstrings(kind: type) -> dict[str, str]:
    """The docstrings of a class's attributes, each in one line."""
    body = ast.parse(inspect.getsource(kind)).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for statement, after in zip(body.body, body.body[1:], strict=False):
        name = _assigned(statement)
        if name and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            found[name] = " ".join(str(after.value.value).split())
    return found


def _assigned(statement: ast.stmt) -> str:
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        return statement.target.id
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
        return statement.targets[0].id
    return ""
