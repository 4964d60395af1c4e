"""Requests at random, made of the table of routes: most of them fit their types, some fit nothing."""

import enum
import re
import urllib.parse
from typing import Any, NamedTuple, cast

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

from controller.api import routes, table
from controller.domain.views import paging

ENDLESS = {"/api/v1/events/stream"}
"""Answers that do not end; they have tests of their own."""

NAMES = ("shop", "edge-1", "shop/web", "canary", "nobody", "Not a name", "..", "%00", "é\u2028", "x" * 300)

ROUTES = [one for one in table.TABLE if one.path not in ENDLESS]

texts = st.one_of(st.sampled_from(NAMES), st.text(max_size=20))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


class Asked(NamedTuple):
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@st.composite
def requests(draw: st.DrawFn) -> Asked:
    """Any request to any route."""
    route = draw(st.sampled_from(ROUTES))
    path = re.sub(r"{(\w+)(:[^{}]+)?}", lambda _: urllib.parse.quote(draw(texts), safe="/") or "x", route.path)
    query = draw(st.fixed_dictionaries({}, optional={one.name: _parameter(one) for one in route.query}))
    query.pop("wait", None)  # it waits as it is told
    query.pop("follow", None)
    headers = {"Content-Type": routes.JSON} if draw(st.integers(0, 9)) else {}
    return Asked(
        method=route.method,
        path=path + (f"?{urllib.parse.urlencode(query)}" if query else ""),
        headers=headers,
        body=draw(_body(route)) if route.method == "POST" else b"",
    )


def _body(route: routes.Route) -> st.SearchStrategy[bytes]:
    anything = st.binary(max_size=30) | json_values.map(msgspec.json.encode)
    if route.takes is None:
        return anything
    fitting = values(inspect.type_info(route.takes)).map(msgspec.json.encode)
    return st.one_of(fitting, fitting, fitting, anything)


def _parameter(one: routes.Parameter) -> st.SearchStrategy[str]:
    if one.kind is str or isinstance(one.kind, paging.Listed):
        return texts
    fitting = values(inspect.type_info(one.kind)).map(lambda value: str(value).lower() if value is True else str(value))
    return st.one_of(fitting, texts, st.integers().map(str), st.just("9" * 3000))


def values(info: inspect.Type) -> st.SearchStrategy[Any]:
    """Values that fit a type, as JSON has them; its bounds are overstepped now and then."""
    match info:
        case inspect.StructType():
            required = {one.encode_name: values(one.type) for one in info.fields if one.required}
            optional = {one.encode_name: values(one.type) for one in info.fields if not one.required}
            return st.fixed_dictionaries(required, optional=optional)
        case inspect.StrType():
            return texts
        case inspect.BytesType():
            return st.binary(max_size=40)
        case inspect.BoolType():
            return st.booleans()
        case inspect.IntType():
            return st.integers(-1, 2000)
        case inspect.FloatType():
            return st.floats(allow_nan=False, allow_infinity=False) | st.floats(1, 100)
        case inspect.EnumType():
            return st.sampled_from([one.value for one in cast(type[enum.Enum], info.cls)])
        case inspect.VarTupleType() | inspect.ListType():
            return st.lists(values(info.item_type), max_size=3)
        case inspect.DictType():
            return st.dictionaries(texts, values(info.value_type), max_size=3)
        case inspect.UnionType():
            return st.one_of([values(one) for one in info.types])
        case inspect.NoneType():
            return st.none()
        case inspect.Metadata():
            return values(info.type)
    raise AssertionError(f"{info}: no value is made of this type yet")
