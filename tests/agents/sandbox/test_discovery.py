"""Discovery is rendered once for all clusters, until one of them has kinds of its own."""

import json

from agents.sandbox import discovery, schema
from agents.sandbox.crds import Registry
from agents.sandbox.schema import Resource

THINGS = Resource(
    group="example.com",
    version="v1",
    kind="Thing",
    plural="things",
    singular="thing",
    namespaced=True,
    verbs=("get", "list"),
    type=schema.DEDUCED,
    custom=True,
)


def groups(registry: Registry) -> list[str]:
    found = discovery.rendered(registry, ["apis"], aggregated=False)
    assert found is not None
    return [group["name"] for group in json.loads(found)["groups"]]


def test_clusters_share_what_is_built_in() -> None:
    first = discovery.rendered(Registry(), ["apis", "apps", "v1"], aggregated=False)
    second = discovery.rendered(Registry(), ["apis", "apps", "v1"], aggregated=False)

    assert first is second
    assert discovery.rendered(Registry(), ["nowhere"], aggregated=False) is None


def test_a_kind_of_a_cluster_s_own_is_in_its_own_discovery_only() -> None:
    mine, other = Registry(), Registry()
    mine.serve("things.example.com", [THINGS])

    assert mine.serves("example.com", "v1")
    assert "example.com" in groups(mine)
    assert "example.com" not in groups(other)
    assert mine.find("example.com", "v1", "things") is mine.of_key(("example.com", "things")) is THINGS
    assert other.find("example.com", "v1", "things") is None


def test_a_kind_that_is_withdrawn_is_gone() -> None:
    registry = Registry()
    registry.serve("things.example.com", [THINGS])
    registry.withdraw("things.example.com")

    assert "example.com" not in groups(registry)
    assert registry.find("apps", "v1", "deployments") is not None
