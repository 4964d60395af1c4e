"""Custom resources: a definition is established, served, merged by its schema, validated and taken away again."""

import uuid
from collections.abc import Iterator

import pytest

from tests.conformance.kube_api import MERGE, STRATEGIC, Api, Json, eventually, owners

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

SPEC = {
    "type": "object",
    "properties": {
        "size": {"type": "integer", "default": 3},
        "mode": {"type": "string", "enum": ["fast", "slow"]},
        "items": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["id"],
            "items": {
                "type": "object",
                "required": ["id"],
                "properties": {"id": {"type": "string"}, "value": {"type": "integer"}},
            },
        },
        "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "plain": {"type": "array", "items": {"type": "string"}},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "whole": {
            "type": "object",
            "x-kubernetes-map-type": "atomic",
            "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
        },
        "maybe": {"type": "string", "nullable": True},
        "nested": {"type": "object", "properties": {"deep": {"type": "string"}}},
    },
}


class Widgets:
    """A definition of the test's own, and where its resources are."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.group = f"g{uuid.uuid4().hex[:8]}.example.com"
        self.definition = f"{DEFINITIONS}/widgets.{self.group}"
        self.path = f"/apis/{self.group}/v1/namespaces/{api.namespace}/widgets"

    def define(self) -> Json:
        """The definition as it is applied."""
        schema = {
            "type": "object",
            "properties": {"spec": SPEC, "status": {"type": "object", "properties": {"ok": {"type": "boolean"}}}},
        }
        version = {
            "name": "v1",
            "served": True,
            "storage": True,
            "subresources": {"status": {}},
            "schema": {"openAPIV3Schema": schema},
            "additionalPrinterColumns": [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}],
        }
        names = {"plural": "widgets", "kind": "Widget", "shortNames": ["wd"]}
        spec = {"group": self.group, "scope": "Namespaced", "names": names, "versions": [version]}
        kind = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
        return {**kind, "metadata": {"name": f"widgets.{self.group}"}, "spec": spec}

    def established(self) -> Json:
        """The definition's condition, once it is there."""
        conditions = self.api.get(self.definition)["status"]["conditions"] or []
        return next((each for each in conditions if each["type"] == "Established"), None)

    def widget(self, **spec: Json) -> Json:
        """A widget, as it is applied."""
        return {"apiVersion": f"{self.group}/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": spec}

    def apply(self, manager: str = "one", /, **spec: Json) -> Json:
        """Apply a widget that is accepted; return it."""
        answer = self.api.apply(f"{self.path}/w", self.widget(**spec), manager)
        assert answer.code in (200, 201), answer
        return answer.body


@pytest.fixture
def widgets(api: Api) -> Iterator[Widgets]:
    """A definition that is established and served."""
    found = Widgets(api)
    assert api.apply(found.definition, found.define()).code == 201
    eventually(found.established)
    eventually(lambda: api.call("GET", found.path).code == 200)
    yield found
    api.call("DELETE", found.definition)


def test_a_definition_is_established_and_discovered(widgets: Widgets) -> None:
    condition = {name: text for name, text in widgets.established().items() if name != "lastTransitionTime"}
    resources = widgets.api.get(f"/apis/{widgets.group}/v1")["resources"]

    assert condition == {
        "type": "Established",
        "status": "True",
        "reason": "InitialNamesAccepted",
        "message": "the initial names have been accepted",
    }
    assert [(each["name"], each["kind"]) for each in resources] == [
        ("widgets", "Widget"),
        ("widgets/status", "Widget"),
    ]


def test_a_custom_resource_is_applied_with_its_defaults(widgets: Widgets) -> None:
    value = widgets.apply(mode="fast")
    again = widgets.apply(mode="fast")

    assert value["spec"] == {"mode": "fast", "size": 3}
    assert value["metadata"]["generation"] == 1
    assert owners(value) == {"one/Apply": {"f:spec": {"f:mode": {}}}}
    assert again == value


def test_lists_merge_by_the_keys_of_the_schema(widgets: Widgets) -> None:
    widgets.apply(items=[{"id": "a", "value": 1}, {"id": "b"}], tags=["x", "y"])
    widgets.apply("two", items=[{"id": "c"}], tags=["y", "z"])
    value = widgets.apply(items=[{"id": "b", "value": 2}], tags=["x"])

    assert value["spec"]["items"] == [{"id": "b", "value": 2}, {"id": "c"}]
    assert value["spec"]["tags"] == ["x", "y", "z"]


def test_what_the_schema_calls_atomic_has_one_owner(widgets: Widgets) -> None:
    widgets.apply(plain=["p"], whole={"a": "1"})
    refused = widgets.api.apply(f"{widgets.path}/w", widgets.widget(plain=["q"], whole={"b": "1"}), "two")

    assert refused.code == 409
    assert refused.message == ('Apply failed with 2 conflicts: conflicts with "one":\n- .spec.plain\n- .spec.whole')


def test_what_no_schema_describes_merges_by_key(widgets: Widgets) -> None:
    widgets.apply(free={"q": {"r": [1, 2]}, "s": 1})
    value = widgets.apply("two", free={"q": {"t": [3]}})

    assert value["spec"]["free"] == {"q": {"r": [1, 2], "t": [3]}, "s": 1}
    assert owners(value)["two/Apply"] == {"f:spec": {"f:free": {"f:q": {".": {}, "f:t": {}}}}}


def test_what_no_schema_describes_may_change_its_form(widgets: Widgets) -> None:
    found = []
    for form in ({"a": {"b": "1"}}, {"a": [1]}, {"a": "text"}, {"a": {"c": {}}}):
        value = widgets.apply(free=form)
        found.append((value["spec"]["free"], owners(value)["one/Apply"]["f:spec"]["f:free"]["f:a"]))

    assert found == [
        ({"a": {"b": "1"}}, {".": {}, "f:b": {}}),
        ({"a": [1]}, {}),
        ({"a": "text"}, {}),
        ({"a": {"c": {}}}, {".": {}, "f:c": {}}),
    ]


def test_a_dropped_struct_goes_whole(widgets: Widgets) -> None:
    widgets.apply(nested={"deep": "1"}, mode="fast")

    assert widgets.apply(mode="fast")["spec"] == {"mode": "fast", "size": 3}


def test_an_unknown_field_is_pruned_or_refused(widgets: Widgets) -> None:
    posted = {**widgets.widget(bogus=1), "metadata": {"name": "posted"}}
    pruned = widgets.api.call("POST", widgets.path, posted)
    refused = widgets.api.apply(f"{widgets.path}/w", widgets.widget(bogus=1))

    assert pruned.body["spec"] == {"size": 3}
    assert refused.message == (
        f"failed to create typed patch object (/w; {widgets.group}/v1, Kind=Widget):"
        " .spec.bogus: field not declared in schema"
    )


def test_a_value_of_the_wrong_type_is_invalid(widgets: Widgets) -> None:
    refused = widgets.api.call("POST", widgets.path, widgets.widget(size="big"))

    assert refused.code == 422
    assert refused.message == (
        f'Widget.{widgets.group} "w" is invalid: spec.size: Invalid value: "string":'
        ' spec.size in body must be of type integer: "string"'
    )


def test_a_value_that_is_not_allowed_is_invalid(widgets: Widgets) -> None:
    refused = widgets.api.call("POST", widgets.path, widgets.widget(mode="odd"))

    assert refused.code == 422
    assert refused.message == (
        f'Widget.{widgets.group} "w" is invalid: spec.mode: Unsupported value: "odd": supported values: "fast", "slow"'
    )


def test_a_missing_key_is_invalid(widgets: Widgets) -> None:
    refused = widgets.api.call("POST", widgets.path, widgets.widget(items=[{"value": 1}]))

    assert refused.code == 422
    assert refused.message == f'Widget.{widgets.group} "w" is invalid: spec.items[0].id: Required value'


def test_null_stays_where_it_may_and_else_asks_for_the_default(widgets: Widgets) -> None:
    value = widgets.api.call("POST", widgets.path, widgets.widget(maybe=None, size=None, nested=None))

    assert value.body["spec"] == {"maybe": None, "size": 3}


def test_null_cannot_be_applied_where_it_may_not_stand(widgets: Widgets) -> None:
    refused = widgets.api.apply(f"{widgets.path}/w", widgets.widget(nested=None))

    assert refused.message == (
        f'Widget.{widgets.group} "w" is invalid: spec.nested: Invalid value: "null":'
        ' spec.nested in body must be of type object: "null"'
    )


def test_its_status_has_a_door_of_its_own(widgets: Widgets) -> None:
    widgets.apply(mode="fast")
    path = f"{widgets.path}/w"
    main = widgets.api.call("PATCH", path, {"status": {"ok": True}}, content_type=MERGE).body
    patch = {"spec": {"mode": "slow"}, "status": {"ok": True}}
    status = widgets.api.call("PATCH", f"{path}/status", patch, content_type=MERGE).body

    assert "status" not in main
    assert (status["status"], status["spec"]["mode"]) == ({"ok": True}, "fast")
    assert status["metadata"]["generation"] == 1
    assert owners(status)["suite/Update/status"] == {"f:status": {".": {}, "f:ok": {}}}


def test_it_has_no_strategic_merge(widgets: Widgets) -> None:
    widgets.apply()
    refused = widgets.api.call("PATCH", f"{widgets.path}/w", {"spec": {"size": 1}}, content_type=STRATEGIC)

    assert refused.code == 415


def test_a_list_of_custom_resources_repeats_their_kind(widgets: Widgets) -> None:
    widgets.apply()
    listing = widgets.api.get(widgets.path)

    assert listing["kind"] == "WidgetList"
    assert [item["kind"] for item in listing["items"]] == ["Widget"]


def test_its_table_has_the_columns_of_the_definition(widgets: Widgets) -> None:
    widgets.apply(size=7)
    table = widgets.api.call("GET", widgets.path, accept="application/json;as=Table;v=v1;g=meta.k8s.io").body

    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Size"]
    assert table["rows"][0]["cells"] == ["w", 7]


def test_a_resource_is_served_in_every_version_of_its_definition(widgets: Widgets) -> None:
    definition = widgets.define()
    newer = {**definition["spec"]["versions"][0], "name": "v2", "storage": False}
    definition["spec"]["versions"] = [*definition["spec"]["versions"], newer]
    widgets.api.apply(widgets.definition, definition)
    widgets.apply(mode="fast")
    path = f"{widgets.path}/w".replace("/v1/", "/v2/")
    eventually(lambda: widgets.api.call("GET", path).code == 200)
    read = widgets.api.get(path)
    wanted = {**widgets.widget(mode="slow"), "apiVersion": f"{widgets.group}/v2"}
    changed = widgets.api.apply(path, wanted).body
    listed = widgets.api.get(widgets.path)["items"]

    assert (read["apiVersion"], read["spec"]["mode"]) == (f"{widgets.group}/v2", "fast")
    assert (changed["apiVersion"], changed["spec"]["mode"]) == (f"{widgets.group}/v2", "slow")
    assert owners(changed) == {"one/Apply": {"f:spec": {"f:mode": {}}}}
    assert [(item["apiVersion"], item["spec"]["mode"]) for item in listed] == [(f"{widgets.group}/v1", "slow")]


def test_a_deleted_definition_takes_its_resources_along(widgets: Widgets) -> None:
    widgets.apply()
    deleted = widgets.api.call("DELETE", widgets.definition).body
    eventually(lambda: widgets.api.call("GET", widgets.definition).code == 404)

    assert deleted["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
    assert eventually(lambda: widgets.api.call("GET", widgets.path).code == 404)
