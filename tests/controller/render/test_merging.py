"""Strategic merges: what kubectl makes of the same, and that no patch hurts."""

import copy
import json
import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.render import errors, merging
from tests.controlplane.assets import Assets

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "a", "labels": {"x": "1"}, "finalizers": ["f/a", "f/b"]},
    "spec": {
        "containers": [
            {
                "name": "a",
                "image": "a:1",
                "args": ["1", "2"],
                "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}, {"name": "C", "value": "3"}],
                "ports": [{"containerPort": 80, "name": "http"}, {"containerPort": 443}],
                "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
            },
            {"name": "b", "image": "b:1"},
            {"name": "c", "image": "c:1"},
        ],
        "volumes": [{"name": "v", "emptyDir": {}}, {"name": "w", "secret": {"secretName": "s"}}],
        "tolerations": [{"key": "a", "operator": "Exists"}],
        "imagePullSecrets": [{"name": "p"}],
        "nodeSelector": {"a": "1", "b": "2"},
    },
}
BUDGET: dict[str, Any] = {
    "apiVersion": "policy/v1",
    "kind": "PodDisruptionBudget",
    "metadata": {"name": "a"},
    "spec": {"minAvailable": 1, "selector": {"matchLabels": {"a": "1"}}},
}
DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "a"},
    "spec": {
        "replicas": 1,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}},
        "selector": {"matchLabels": {"a": "1"}},
        "template": {"metadata": {"labels": {"a": "1"}}, "spec": {"containers": [{"name": "a", "image": "a:1"}]}},
    },
}
SERVICE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "a"},
    "spec": {"ports": [{"port": 80, "name": "a"}, {"port": 81, "name": "b"}], "externalIPs": ["1.1.1.1"]},
}


def of_containers(*items: Any) -> dict[str, Any]:
    return {"spec": {"containers": list(items)}}


CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a label": (POD, {"metadata": {"labels": {"y": "2"}}}),
    "null removes": (POD, {"metadata": {"labels": {"x": None}}, "spec": {"nodeSelector": None, "hostname": None}}),
    "null in what is new": (POD, {"spec": {"affinity": {"nodeAffinity": None, "podAffinity": {}}}}),
    "a container is merged": (POD, of_containers({"name": "b", "image": "b:2"})),
    "a container is new": (POD, of_containers({"name": "d", "image": "d:1", "command": None})),
    "containers new and old": (
        POD,
        of_containers({"name": "c", "image": "c:2"}, {"name": "d", "image": "d"}, {"name": "a", "tty": True}),
    ),
    "containers new between": (
        POD,
        of_containers({"name": "b", "tty": True}, {"name": "d", "image": "d"}, {"name": "e", "image": "e"}),
    ),
    "a container is deleted": (POD, of_containers({"name": "b", "$patch": "delete"})),
    "one deleted, one merged": (
        POD,
        of_containers({"name": "a", "$patch": "delete"}, {"name": "c", "image": "c:3"}, {"name": "d", "image": "d"}),
    ),
    "containers are replaced": (POD, of_containers({"$patch": "replace"}, {"name": "z", "image": "z"})),
    "args are replaced": (POD, of_containers({"name": "a", "args": ["3"]})),
    "env and ports": (
        POD,
        of_containers(
            {
                "name": "a",
                "env": [{"name": "C", "value": "9"}, {"name": "A", "$patch": "delete"}, {"name": "D", "value": "4"}],
                "ports": [{"containerPort": 443, "name": "https"}, {"containerPort": 8080}],
            }
        ),
    ),
    "a quantity": (POD, of_containers({"name": "a", "resources": {"limits": {"memory": "2Gi", "cpu": None}}})),
    "resources replaced": (POD, of_containers({"name": "a", "resources": {"$patch": "replace", "limits": {"x": "1"}}})),
    "resources deleted": (POD, of_containers({"name": "a", "resources": {"$patch": "delete"}})),
    "finalizers": (POD, {"metadata": {"finalizers": ["f/c", "f/b"]}}),
    "a finalizer goes": (POD, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["f/a"]}}),
    "tolerations are replaced": (POD, {"spec": {"tolerations": [{"key": "b"}]}}),
    "a volume keeps only": (
        POD,
        {"spec": {"volumes": [{"name": "v", "$retainKeys": ["name", "configMap"], "configMap": {"name": "m"}}]}},
    ),
    "pull secrets": (POD, {"spec": {"imagePullSecrets": [{"name": "q"}]}}),
    "a selector is replaced": (BUDGET, {"spec": {"selector": {"matchLabels": {"b": "2"}}}}),
    "retained strategy": (
        DEPLOYMENT,
        {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}},
    ),
    "a deep container": (
        DEPLOYMENT,
        {"spec": {"template": {"spec": {"containers": [{"name": "b", "image": "b"}, {"name": "a", "image": "a:2"}]}}}},
    ),
    "ports by number": (SERVICE, {"spec": {"ports": [{"port": 81, "name": "c"}, {"port": 82, "name": "d"}]}}),
    "addresses are replaced": (SERVICE, {"spec": {"externalIPs": ["2.2.2.2"]}}),
    "a scalar becomes an object": (SERVICE, {"metadata": {"labels": {"a": "b"}}}),
}


@pytest.mark.kube
@pytest.mark.parametrize("name", CASES)
def test_kubectl_merges_the_same(name: str, kube_assets: Assets, tmp_path: Any) -> None:
    document, patch = CASES[name]
    program = kube_assets.program("kubectl")
    if program is None:
        pytest.skip("these assets are without kubectl")
    file = tmp_path / "a.json"
    file.write_text(json.dumps(document))
    command = [str(program), "patch", "--local", "--type", "strategic", "-f", str(file), "-o", "json", "-p"]
    done = subprocess.run([*command, json.dumps(patch)], capture_output=True, check=True, timeout=60)

    assert _without_defaults(merging.merged(document, patch)) == _without_defaults(json.loads(done.stdout))


def _without_defaults(document: Any) -> Any:
    """kubectl writes what its Go types always have: empty objects, and `status`."""
    if isinstance(document, dict):
        made = {name: _without_defaults(value) for name, value in document.items()}
        return {name: value for name, value in made.items() if value not in ({}, None)}
    return [_without_defaults(item) for item in document] if isinstance(document, list) else document


@pytest.mark.parametrize("name", CASES)
def test_neither_document_nor_patch_is_changed(name: str) -> None:
    document, patch = copy.deepcopy(CASES[name])
    merging.merged(document, patch)

    assert (document, patch) == CASES[name]


def test_what_is_new_stands_first_as_with_kubectl() -> None:
    found = merging.merged(POD, of_containers({"name": "d", "image": "d"}))

    assert found is not None
    assert [item["name"] for item in found["spec"]["containers"]] == ["d", "a", "b", "c"]


def test_kinds_without_a_schema_merge_objects_and_replace_lists() -> None:
    document = {"apiVersion": "a/v1", "kind": "Thing", "spec": {"a": {"b": 1, "c": 2}, "l": [{"name": "x", "y": 1}]}}
    patch = {"spec": {"a": {"b": None, "d": 3}, "l": [{"name": "x", "z": 2}]}}
    found = merging.merged(document, patch)

    assert found == document | {"spec": {"a": {"c": 2, "d": 3}, "l": [{"name": "x", "z": 2}]}}
    assert not merging.is_known("a/v1", "Thing")
    assert merging.is_known("apps/v1", "Deployment")


def test_schemas_of_definitions_merge_below_any_property() -> None:
    def definition(docs: dict[str, Any]) -> dict[str, Any]:
        schema = {"openAPIV3Schema": {"properties": {"spec": {"properties": {"a": docs}}}}}
        kind = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
        return kind | {"spec": {"versions": [{"name": "v1", "schema": schema}]}}

    found = merging.merged(definition({"type": "string"}), definition({"description": "x"}))

    assert found == definition({"description": "x"})  # versions are no list that merges


def test_a_patch_may_delete_the_whole() -> None:
    assert merging.merged(POD, {"$patch": "delete"}) is None


@pytest.mark.parametrize(
    ("patch", "reason"),
    [
        ({"spec": {"$patch": "x"}}, "$patch is 'x'"),
        (of_containers({"image": "a"}), "has no name"),
        (of_containers("a"), "is no object"),
        (of_containers({"name": ["a"]}), "has no name"),
        (of_containers({"$patch": "delete"}), "has no name"),
        ({"metadata": {"finalizers": [{}]}}, "a list of scalars"),
        ({"metadata": {"$deleteFromPrimitiveList/finalizers": "a"}}, "is not a list"),
        ({"spec": {"$retainKeys": "a"}}, "not a list of names"),
        ({"spec": {"$retainKeys": ["a"], "hostname": "x"}}, "does not name 'hostname'"),
    ],
)
def test_malformed_patches_are_refused(patch: dict[str, Any], reason: str) -> None:
    with pytest.raises(errors.UnreadableError) as caught:
        merging.merged(POD, patch)

    assert reason in caught.value.reason


DIRECTIVES = ["$patch", "$retainKeys", "$deleteFromPrimitiveList/finalizers", "$setElementOrder/containers"]
FIELDS = ["metadata", "spec", "containers", "name", "finalizers", "env", "labels", "volumes", "ports", "containerPort"]
NAMES = st.sampled_from([*DIRECTIVES, *FIELDS])
VALUES = st.recursive(
    st.sampled_from(["a", "b", "delete", "replace", "merge", 1, True, 1.5, None, ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=15,
)
PATCHES = st.dictionaries(NAMES, VALUES, max_size=4)


@given(PATCHES, PATCHES)
def test_any_patch_is_merged_or_refused(document: dict[str, Any], patch: dict[str, Any]) -> None:
    document = document | {"apiVersion": "v1", "kind": "Pod"}
    before = copy.deepcopy((document, patch))
    try:
        json.dumps(merging.merged(document, patch))
    except errors.UnreadableError as error:
        assert error.reason  # noqa: PT017  that it is this error and no other is the test

    assert (document, patch) == before
