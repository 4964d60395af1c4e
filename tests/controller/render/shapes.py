"""Values that nearly fit a JSON Schema: what people write, and now and then something else in one place."""

from typing import Any

from hypothesis import strategies as st

DEPTH_MAX = 5

SCALARS: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.sampled_from(["", "a", "/a", "..", "A b", "ready", "never", "In", "off"])
)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
)

_LEFT_OUT = object()


def near(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values near a schema as msgspec makes them."""
    return _near(schema, schema["$defs"], 0)


def _near(shown: dict[str, Any], definitions: dict[str, Any], depth: int) -> st.SearchStrategy[Any]:
    if "$ref" in shown:
        return _near(definitions[shown["$ref"].rpartition("/")[2]], definitions, depth)
    if "properties" in shown and depth < DEPTH_MAX:
        fitting = _object(shown, definitions, depth + 1)
    elif shown.get("type") == "array" and depth < DEPTH_MAX:
        fitting = st.lists(_near(shown["items"], definitions, depth + 1), max_size=2)
    elif shown.get("type") == "object":
        fitting = st.dictionaries(st.sampled_from("ab"), SCALARS, max_size=2)
    elif "anyOf" in shown and "properties" not in shown:
        fitting = st.one_of([_near(one, definitions, depth) for one in shown["anyOf"]])
    else:
        fitting = _plain(shown)
    return st.integers(0, 40).flatmap(lambda dice: ANYTHING if dice == 0 else fitting)


def _object(shown: dict[str, Any], definitions: dict[str, Any], depth: int) -> st.SearchStrategy[Any]:
    fields = {name: _near(field, definitions, depth) for name, field in shown["properties"].items()}
    required = {name: fields.pop(name) for name in shown.get("required", [])}
    optional = {name: _seldom(field) for name, field in fields.items()}
    return st.fixed_dictionaries(required, optional=optional).map(
        lambda found: {name: value for name, value in found.items() if value is not _LEFT_OUT}
    )


def _seldom(field: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Mostly left out, so that what is there is seen by itself."""
    return st.integers(0, 5).flatmap(lambda dice: field if dice == 0 else st.just(_LEFT_OUT))


def _plain(shown: dict[str, Any]) -> st.SearchStrategy[Any]:
    if "enum" in shown:
        return st.sampled_from(shown["enum"])
    kinds: dict[Any, st.SearchStrategy[Any]] = {
        "string": st.sampled_from(["a", "a-b", "", "/spec/replicas", "a/b", "..", "A b", "25%", "remove", "ignore"]),
        "boolean": st.booleans(),
        "integer": st.integers(-3, 3),
        "number": st.sampled_from([0.5, -1.5]),
        "null": st.none(),
    }
    return kinds.get(shown.get("type"), ANYTHING)
