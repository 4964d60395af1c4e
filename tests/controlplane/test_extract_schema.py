"""What is taken from a published schema, and that the stored file is what the pinned server publishes."""

import json
from typing import Any

import pytest

from tests.controlplane import extract_schema
from tests.controlplane.assets import Assets
from tests.controlplane.server import ControlPlane

REF = {"allOf": [{"$ref": "#/components/schemas/a.b.C"}]}


@pytest.mark.parametrize(
    ("published", "expected"),
    [
        ({"type": "string", "default": "TCP"}, {"type": "string", "default": "TCP"}),
        (
            {"type": "string", "format": "byte", "x-kubernetes-list-type": "atomic"},
            {"type": "string", "format": "byte"},
        ),
        ({}, {"type": "any"}),
        ({"type": "object"}, {"type": "map", "values": {"type": "any"}}),
        ({**REF, "default": {}}, {"ref": "a.b.C", "default": {}}),
        ({**REF, "x-kubernetes-map-type": "atomic"}, {"ref": "a.b.C", "atomic": True}),
        ({"type": "array", "items": REF}, {"type": "list", "items": {"ref": "a.b.C"}, "list": "atomic"}),
        (
            {"type": "array", "items": REF, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["b", "a"]},
            {"type": "list", "items": {"ref": "a.b.C"}, "list": "map", "keys": ["b", "a"]},
        ),
        (
            {"type": "array", "items": REF, "x-kubernetes-patch-strategy": "merge"},
            {"type": "list", "items": {"ref": "a.b.C"}, "list": "set", "patch": {"strategy": "merge"}},
        ),
        (
            {"type": "object", "properties": {"ref": {"type": "string"}}, "required": ["ref"]},
            {"type": "struct", "fields": {"ref": {"type": "string"}}, "required": ["ref"]},
        ),
    ],
)
def test_a_published_schema_becomes_a_type(published: dict[str, Any], expected: dict[str, Any]) -> None:
    assert extract_schema.convert(published) == expected


def test_only_what_a_kind_refers_to_is_kept() -> None:
    field = {"$ref": "#/components/schemas/b"}
    published = {"a": {"type": "object", "properties": {"ref": field}}, "b": {"type": "string"}, "c": {}}

    assert list(extract_schema.reachable({"a"}, published)) == ["a", "b"]


@pytest.mark.kube
def test_the_stored_schema_is_what_the_server_publishes(kube_assets: Assets) -> None:
    stored = extract_schema.OUTPUT.read_text()
    recorded, served = json.loads(stored)["kubernetes"], kube_assets.version()
    if recorded != served:
        pytest.skip(f"the assets are Kubernetes {served}, the stored schema is of {recorded}")

    # A server of its own: other tests may have added kinds to the shared one.
    with ControlPlane.start(kube_assets, controllers=False) as control_plane:
        published = extract_schema.render(extract_schema.extract(control_plane.client))

    assert published == stored
