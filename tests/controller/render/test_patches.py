"""Patches of rendered objects: which they are for, what they may not change, and that none hurts."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.render import errors, label_selectors, patches, recipes


def an_object(kind: str, name: str, api_version: str = "v1", **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, **metadata}}


OBJECTS = [
    an_object("ConfigMap", "web", namespace="shop", labels={"app": "web", "tier": "front"}),
    an_object("Deployment", "web", "apps/v1", namespace="shop", labels={"app": "web"}),
    an_object("Deployment", "web-2", "apps/v1", labels={"app": "web", "tier": "back"}),
    an_object("Ingress", "db", "networking.k8s.io/v1"),
    "no object",
]
MARK = {"metadata": {"annotations": {"marked": "yes"}}}


def marked(**target: str) -> list[int]:
    patch = recipes.Patch(patch=MARK, target=recipes.PatchTarget(**target))
    found = patches.apply(OBJECTS, [patch])
    return [at for at, value in enumerate(found) if value != OBJECTS[at]]


def refused(patch: Any, **target: str) -> str:
    chosen = recipes.PatchTarget(**target) if target else None
    with pytest.raises(errors.UnreadableError) as caught:
        patches.apply(OBJECTS, [recipes.Patch(patch=patch, target=chosen)])
    return caught.value.reason


@pytest.mark.parametrize(
    ("target", "places"),
    [
        ({}, [0, 1, 2, 3]),
        ({"kind": "Deployment"}, [1, 2]),
        ({"kind": "Deploy"}, None),
        ({"kind": "Deploy.*|Ingress"}, [1, 2, 3]),
        ({"name": "web"}, [0, 1]),
        ({"name": "web.*"}, [0, 1, 2]),
        ({"name": "^web-[0-9]$"}, [2]),
        ({"group": "apps"}, [1, 2]),
        ({"group": r".*\.k8s\.io"}, [3]),
        ({"version": "v1", "kind": "ConfigMap"}, [0]),
        ({"namespace": "shop"}, [0, 1]),
        ({"namespace": "default"}, [2, 3]),
        ({"label_selector": "app=web"}, [0, 1, 2]),
        ({"label_selector": "app=web,tier!=back"}, [0, 1]),
        ({"label_selector": "tier in (front, back)"}, [0, 2]),
        ({"label_selector": "tier notin (front)"}, [1, 2, 3]),
        ({"label_selector": "!tier, app"}, [1]),
        ({"label_selector": "app==web", "kind": "ConfigMap"}, [0]),
    ],
)
def test_a_target_matches_as_in_kustomize(target: dict[str, str], places: list[int] | None) -> None:
    if places is None:
        assert refused(MARK, **target) == "patch for kind Deploy: matches no object"
    else:
        assert marked(**target) == places


def test_a_merged_object_without_a_target_names_its_object() -> None:
    patch = an_object("Deployment", "web", "apps/v1", namespace="shop") | {"spec": {"replicas": 2}}
    found = patches.apply(OBJECTS, [recipes.Patch(patch=patch)])

    assert found == [OBJECTS[0], OBJECTS[1] | {"spec": {"replicas": 2}}, *OBJECTS[2:]]


def test_patches_follow_one_another() -> None:
    target = recipes.PatchTarget(kind="ConfigMap")
    first = recipes.Patch(patch={"data": {"a": "1", "b": "2"}}, target=target)
    second = recipes.Patch(patch=({"op": "replace", "path": "/data/a", "value": "3"},), target=target)

    assert patches.apply(OBJECTS, [first, second])[0]["data"] == {"a": "3", "b": "2"}


def test_a_deleted_object_leaves_its_place_empty() -> None:
    patch = recipes.Patch(patch={"$patch": "delete"}, target=recipes.PatchTarget(kind="Ingress"))

    assert patches.apply(OBJECTS, [patch]) == [*OBJECTS[:3], None, OBJECTS[4]]


@pytest.mark.parametrize(
    "patch",
    [
        {"kind": "X", "apiVersion": "x", "metadata": {"name": "not-important", "namespace": "y"}, "data": {"a": "b"}},
        {"$patch": "replace", "data": {"a": "b"}, "metadata": {"labels": OBJECTS[0]["metadata"]["labels"]}},
    ],
)
def test_a_merge_leaves_kind_name_and_namespace(patch: dict[str, Any]) -> None:
    chosen = recipes.Patch(patch=patch, target=recipes.PatchTarget(kind="ConfigMap"))

    assert patches.apply(OBJECTS, [chosen])[0] == OBJECTS[0] | {"data": {"a": "b"}}


@pytest.mark.parametrize(
    ("path", "value"),
    [("/metadata/name", "x"), ("/kind", "X"), ("/metadata/namespace", "x"), ("/apiVersion", "apps/v1")],
)
def test_operations_may_not_change_what_an_object_is(path: str, value: str) -> None:
    reason = refused(({"op": "replace", "path": path, "value": value},), kind="ConfigMap")

    assert reason.startswith("patch for kind ConfigMap: ConfigMap shop/web: it would become ")


@pytest.mark.parametrize(
    ("patch", "target", "reason"),
    [
        (({"op": "test", "path": ""},), {}, "patch without a target: a list of operations needs a target"),
        ({"spec": {}}, {}, "patch without a target: needs a target, or apiVersion, kind and metadata.name"),
        (an_object("Secret", "s"), {}, "patch for Secret s: matches no object"),
        (MARK, {"name": "("}, "patch for name (: pattern '(': a ( that is not closed"),
        (
            MARK,
            {"label_selector": "a=b=c"},
            "patch for label selector a=b=c: label selector: 'a=b=c' is no requirement",
        ),
        (
            ({"op": "remove", "path": "/data"},),
            {"kind": "ConfigMap"},
            "patch for kind ConfigMap: ConfigMap shop/web: remove /data: there is no 'data'",
        ),
        (({"op": "remove", "path": "/kind"},), {"kind": "ConfigMap"}, "apiVersion, kind or metadata.name is missing"),
        ({"metadata": "x"}, {"kind": "ConfigMap"}, "metadata is no mapping"),
    ],
)
def test_a_patch_that_does_not_fit_is_named(patch: Any, target: dict[str, str], reason: str) -> None:
    assert reason in refused(patch, **target)


@pytest.mark.parametrize("text", ["a=b,,c", ",", "a b", "a in b", "a in (b", "(a)", "a>1", "=b", "!", "a in (b),"])
def test_label_selectors_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(errors.UnreadableError, match="is no requirement"):
        label_selectors.parse(text)


FIELDS = st.sampled_from(["apiVersion", "kind", "metadata", "name", "labels", "$patch", "spec", "data"])
VALUES = st.recursive(
    st.sampled_from(["v1", "ConfigMap", "web", "delete", "replace", 1, None]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(FIELDS, inner, max_size=4),
    max_leaves=8,
)
OPERATIONS = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "remove", "replace"]), "path": st.sampled_from(["", "/metadata", "/kind", "/x"])},
    optional={"value": VALUES},
)
TARGETS = st.builds(
    recipes.PatchTarget,
    kind=st.sampled_from(["", "ConfigMap", ".*"]) | st.text("C.*()[]", max_size=4),
    label_selector=st.text("ab=!,() in", max_size=8),
)


@given(
    st.lists(st.dictionaries(FIELDS, VALUES, max_size=4), max_size=3),
    st.dictionaries(FIELDS, VALUES, max_size=4) | st.lists(OPERATIONS, max_size=3).map(tuple),
    st.none() | TARGETS,
)
def test_any_patch_of_any_objects_is_applied_or_refused(objects: list[Any], patch: Any, target: Any) -> None:
    objects = [*objects, *OBJECTS]
    before = copy.deepcopy(objects)
    try:
        found = patches.apply(objects, [recipes.Patch(patch=patch, target=target)])
    except errors.UnreadableError:
        found = objects

    json.dumps(found)
    assert len(found) == len(objects)
    assert objects == before
