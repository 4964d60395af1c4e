"""What strategic merges need is what the stored schema says."""

import json

from tests.controlplane import extract_merges, extract_schema


def test_the_stored_merge_keys_are_those_of_the_stored_schema() -> None:
    schema = json.loads(extract_schema.OUTPUT.read_text())

    assert extract_merges.OUTPUT.read_text() == extract_merges.render(extract_merges.merges(schema))


def test_only_fields_at_or_below_which_lists_merge_are_kept() -> None:
    items = {"type": "list", "items": {"ref": "item"}, "list": "map", "patch": {"strategy": "merge", "key": "name"}}
    schema = {
        "kubernetes": "v1",
        "resources": [{"group": "", "version": "v1", "kind": "Thing", "definition": "thing"}],
        "definitions": {
            "thing": {"type": "struct", "fields": {"spec": {"ref": "spec"}, "x": {"type": "string"}}},
            "spec": {"type": "struct", "fields": {"items": items, "by": {"type": "map", "values": {"ref": "spec"}}}},
            "item": {"type": "struct", "fields": {"name": {"type": "string"}}},
        },
    }

    assert extract_merges.merges(schema) == {
        "kubernetes": "v1",
        "kinds": {"v1/Thing": "thing"},
        "types": {
            "thing": {"spec": {"type": "spec"}},
            "spec": {"items": {"key": "name"}, "by": {"type": "spec", "each": True}},
        },
    }
