"""What is ignored is sent as the cluster has it, and nothing else is touched."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.domain import ignoring
from protocol import bundles, ids

WEB = ids.ObjectId("apps", "Deployment", "shop", "web")


def options(*rules: bundles.IgnoreRule) -> bundles.BundleOptions:
    return bundles.BundleOptions(ignore=rules)


def obj(**fields: Any) -> dict[str, Any]:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, **fields}


def containers(*items: dict[str, Any]) -> dict[str, Any]:
    return obj(spec={"containers": list(items)})


@pytest.mark.parametrize(
    "rule",
    [
        bundles.IgnoreRule(pointers=("/spec/a",)),
        bundles.IgnoreRule("apps", "Deployment", "shop", "web", ("/spec/a",)),
        bundles.IgnoreRule(group="apps", pointers=("/spec/a",)),
    ],
)
def test_a_rule_is_for_every_object_that_all_its_parts_mean(rule: bundles.IgnoreRule) -> None:
    assert ignoring.pointers(options(rule), WEB) == ("/spec/a",)


@pytest.mark.parametrize(
    "rule",
    [
        bundles.IgnoreRule(group="", kind="Deployment", pointers=("/spec/a",)),
        bundles.IgnoreRule(kind="StatefulSet", pointers=("/spec/a",)),
        bundles.IgnoreRule(namespace="other", pointers=("/spec/a",)),
        bundles.IgnoreRule(name="other", pointers=("/spec/a",)),
    ],
)
def test_a_rule_is_for_no_other_object(rule: bundles.IgnoreRule) -> None:
    assert ignoring.pointers(options(rule), WEB) == ()


def test_the_pointers_of_several_rules_count_once_each_and_a_whole_object_is_all() -> None:
    one, two = bundles.IgnoreRule(pointers=("/spec/a", "/spec/b")), bundles.IgnoreRule(pointers=("/spec/b",))
    whole = bundles.IgnoreRule(kind="Deployment")

    assert ignoring.pointers(options(one, two), WEB) == ("/spec/a", "/spec/b")
    assert not ignoring.is_whole(options(one, two), WEB)
    assert ignoring.pointers(options(one, whole), WEB) == (ignoring.WHOLE,)
    assert ignoring.is_whole(options(whole), WEB)


@pytest.mark.parametrize(
    ("wanted", "live", "expected"),
    [
        ({"replicas": 2}, {"replicas": 5, "paused": True}, {"replicas": 5}),
        ({"replicas": 2, "paused": False}, {"paused": True}, {"paused": False}),
        ({"paused": False}, {"replicas": 5}, {"paused": False}),
        ({"replicas": {"a": 1}}, {"replicas": {"b": 2}}, {"replicas": {"b": 2}}),
    ],
    ids=["another value", "gone in the cluster", "gone in Git", "a map"],
)
def test_a_field_is_sent_as_the_cluster_has_it(
    wanted: dict[str, Any], live: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert ignoring.kept(obj(spec=wanted), obj(spec=live), ("/spec/replicas",)) == obj(spec=expected)


def test_what_is_not_there_yet_is_created_with_its_ignored_fields() -> None:
    """Only the field itself may be missing: a new container comes with its image."""
    wanted = obj(spec={"strategy": {"type": "Recreate"}})

    assert ignoring.kept(wanted, obj(spec={}), ("/spec/strategy/type",)) == wanted
    assert ignoring.kept(wanted, obj(spec={"strategy": {}}), ("/spec/strategy/type",)) == obj(spec={"strategy": {}})
    new = containers({"name": "web", "image": "web:1"}, {"name": "side", "image": "side:1"})
    live = containers({"name": "web", "image": "web:2"})
    assert ignoring.kept(new, live, ("/spec/containers/0/image", "/spec/containers/1/image")) == containers(
        {"name": "web", "image": "web:2"}, {"name": "side", "image": "side:1"}
    )


def test_items_with_names_are_found_by_name_and_others_by_place() -> None:
    wanted = containers({"name": "web", "image": "web:1"})
    live = containers({"name": "injected", "image": "x"}, {"name": "web", "image": "web:2"})

    assert ignoring.kept(wanted, live, ("/spec/containers/0/image",)) == containers({"name": "web", "image": "web:2"})
    assert ignoring.kept(obj(spec=[1, 2]), obj(spec=[8, 9]), ("/spec/1",)) == obj(spec=[1, 9])


def test_an_ignored_item_that_is_gone_stays_gone_and_moves_no_other() -> None:
    wanted = containers({"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"})
    live = containers({"name": "b", "image": "b:2"})

    found = ignoring.kept(wanted, live, ("/spec/containers/0", "/spec/containers/1/image", "/spec/containers/0/image"))
    assert found == containers({"name": "b", "image": "b:2"})


@pytest.mark.parametrize("pointer", ["/spec/a/b/c", "/spec/list/x", "/spec/list/7", "/spec/list/-", "/none/of/these"])
def test_a_pointer_to_nowhere_changes_nothing(pointer: str) -> None:
    wanted = obj(spec={"a": 1, "list": [1]})

    assert ignoring.kept(wanted, obj(spec={"a": {"b": 1}, "list": [2]}), (pointer,)) == wanted


def test_a_pointer_may_hold_any_key() -> None:
    wanted, live = obj(data={"a/b": "1", "c~d": "1"}), obj(data={"a/b": "2", "c~d": "2"})

    assert ignoring.kept(wanted, live, ("/data/a~1b", "/data/c~0d")) == live


def test_which_object_it_is_and_our_own_annotations_are_never_taken_from_elsewhere() -> None:
    wanted = obj(spec={"a": 1})
    wanted["metadata"] |= {"annotations": {"flotilla.gitops/bundle": "shop/web", "team": "a"}, "labels": {"x": "1"}}
    live = copy.deepcopy(wanted) | {"kind": "Other", "apiVersion": "v2", "spec": {"a": 2}, "status": {}}
    live["metadata"] |= {"name": "other", "uid": "u", "annotations": {"flotilla.gitops/bundle": "old", "team": "b"}}

    expected = obj(spec={"a": 2})
    expected["metadata"] |= {"annotations": {"flotilla.gitops/bundle": "shop/web", "team": "b"}, "labels": {"x": "1"}}
    assert ignoring.kept(wanted, live, (ignoring.WHOLE,)) == expected
    assert ignoring.kept(wanted, live, ("/metadata", "/spec", "/kind", "/apiVersion")) == expected
    assert ignoring.kept(wanted, live, ("/metadata/name", "/metadata/annotations/team", "/spec")) == expected


def test_our_annotation_stays_though_the_cluster_has_none() -> None:
    wanted = obj()
    wanted["metadata"] |= {"annotations": {"flotilla.gitops/bundle": "shop/web", "team": "a"}}

    found = ignoring.kept(wanted, obj(), ("/metadata/annotations",))
    assert found["metadata"] == {"name": "web", "annotations": {"flotilla.gitops/bundle": "shop/web"}}


keys = st.sampled_from(["a", "b", "name"])
values = st.recursive(
    st.integers(0, 3) | st.text("xy", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=12,
)
objects = st.dictionaries(st.sampled_from(["spec", "data"]), values).map(lambda fields: obj(**fields))
pointers = st.lists(
    st.tuples(st.sampled_from(["spec", "data"]), st.lists(keys | st.sampled_from(["0", "1"]), max_size=3)).map(
        lambda steps: "/".join(["", steps[0], *steps[1]])
    ),
    max_size=3,
)
_NONE = object()


def at(found: Any, pointer: str) -> Any:
    """What stands at a pointer through maps; _NONE: nothing does."""
    for step in pointer.split("/")[1:]:
        if not isinstance(found, dict) or step not in found:
            return _NONE
        found = found[step]
    return found


@given(objects, objects, pointers)
def test_an_ignored_field_that_the_cluster_has_is_never_changed(
    wanted: dict[str, Any], live: dict[str, Any], ignored: list[str]
) -> None:
    """It is not sent at all, or as it is."""
    before = copy.deepcopy((wanted, live))
    found = ignoring.kept(wanted, live, ignored)

    assert (wanted, live) == before
    for pointer in ignored:
        if at(live, pointer) is not _NONE and at(wanted, pointer) is not _NONE:
            assert at(found, pointer) == at(live, pointer)


@given(objects, objects, pointers)
def test_what_no_pointer_leads_to_is_sent_as_git_has_it(
    wanted: dict[str, Any], live: dict[str, Any], ignored: list[str]
) -> None:
    found = ignoring.kept(wanted, live, ignored)

    for name in wanted.keys() - {pointer.split("/")[1] for pointer in ignored}:
        assert found[name] == wanted[name]


@given(objects)
def test_an_object_that_is_as_git_has_it_is_sent_so(wanted: dict[str, Any]) -> None:
    assert ignoring.kept(wanted, copy.deepcopy(wanted), (ignoring.WHOLE,)) == wanted


def held(manager: str, fields: dict[str, Any], **more: str) -> dict[str, Any]:
    return {"manager": manager, "operation": "Update", "fieldsV1": fields, **more}


def live_with(spec: Any, *entries: dict[str, Any]) -> dict[str, Any]:
    found = obj(spec=spec)
    found["metadata"] |= {"managedFields": list(entries)}
    return found


def by(*managers: str) -> bundles.BundleOptions:
    return options(bundles.IgnoreRule(kind="Deployment", managers=managers))


def test_what_a_named_manager_holds_is_sent_as_the_cluster_has_it() -> None:
    """Deep in maps and in lists by key; what others hold, what we do not send, and what is gone stays as it is."""
    wanted = obj(spec={"a": 1, "b": 1, "list": [{"name": "x", "v": 1}, {"name": "y", "v": 1}, "odd"], "flat": 1})
    live = {"a": 2, "b": 2, "more": 2, "list": [{"name": "y", "v": 2}, "odd"], "flat": {"deep": 2}}
    one, other, gone = (f'k:{{"name":"{name}"}}' for name in ("y", "x", "z"))
    fields = {
        "f:spec": {
            ".": {},
            "f:a": {},
            "f:more": {},
            "f:gone": {},
            "f:list": {one: {".": {}, "f:v": {}}, other: {"f:v": {}}, gone: {}, 'v:"odd"': {}},
            "f:flat": {"f:deep": {}},
        }
    }
    found = ignoring.settled(
        wanted, live_with(live, held("hpa", fields), held("kubectl", {"f:spec": {"f:b": {}}})), by("hpa"), of=WEB
    )

    assert found == obj(spec={"a": 2, "b": 1, "list": [{"name": "x", "v": 1}, {"name": "y", "v": 2}, "odd"], "flat": 1})


def test_a_rule_for_managers_is_not_for_the_whole_object() -> None:
    assert ignoring.pointers(by("hpa"), WEB) == ()
    assert ignoring.managers(by("hpa"), WEB) == {"hpa"}
    assert ignoring.managers(options(bundles.IgnoreRule(name="other", managers=("hpa",))), WEB) == frozenset()


def test_our_own_annotations_are_never_anybody_elses() -> None:
    wanted = obj()
    wanted["metadata"] |= {"annotations": {"flotilla.gitops/bundle": "shop/web"}}
    live = obj()
    fields = {"f:metadata": {"f:annotations": {"f:flotilla.gitops/bundle": {}}}}
    live["metadata"] |= {"annotations": {"flotilla.gitops/bundle": "other"}, "managedFields": [held("x", fields)]}

    assert ignoring.settled(wanted, live, by("x"), of=WEB) == wanted


REPLICAS = {"f:spec": {"f:replicas": {}}}


@pytest.mark.parametrize(
    ("entry", "replicas"),
    [
        (held("kube-controller-manager", REPLICAS, subresource="scale"), 5),
        (held("kube-controller-manager", REPLICAS), 2),
        (held("kubectl", REPLICAS, subresource="scale"), 2),
    ],
    ids=["an autoscaler", "the controller manager otherwise", "somebody who scales by hand"],
)
def test_replicas_that_an_autoscaler_has_set_are_its_own(entry: dict[str, Any], replicas: int) -> None:
    found = ignoring.settled(obj(spec={"replicas": 2}), live_with({"replicas": 5}, entry), options(), of=WEB)

    assert found == obj(spec={"replicas": replicas})


def test_a_status_is_the_clusters() -> None:
    wanted = obj() | {"status": {"phase": "New"}}

    assert ignoring.settled(wanted, obj() | {"status": {"phase": "Old"}}, options(), of=WEB)["status"] == {
        "phase": "Old"
    }
    assert ignoring.settled(wanted, obj(), options(), of=WEB) == obj()


def test_only_what_depends_on_the_cluster_has_to_be_read_first() -> None:
    plain = obj(spec={"paused": True})
    custom = ids.ObjectId("example", "Deployment", "shop", "web")

    assert not ignoring.needs_live(plain, options(), WEB)
    assert ignoring.needs_live(obj(spec={"replicas": 2}), options(), WEB)
    assert not ignoring.needs_live(obj(spec={"replicas": 2}), options(), custom)
    assert not ignoring.needs_live(obj(spec=None), options(), WEB)
    assert ignoring.needs_live(plain | {"status": {}}, options(), WEB)
    assert ignoring.needs_live(plain, by("hpa"), WEB)
    assert ignoring.needs_live(plain, options(bundles.IgnoreRule(pointers=("/spec/a",))), WEB)


def writer(manager: str, fields: dict[str, Any], **more: str) -> dict[str, Any]:
    return {"manager": manager, "operation": "Update", "fieldsV1": {"f:spec": fields}, **more}


@pytest.mark.parametrize(
    ("rule", "left"),
    [
        (bundles.IgnoreRule(), []),
        (bundles.IgnoreRule(name="other"), ["list", "named", "spec"]),
        (bundles.IgnoreRule(managers=("one",)), ["list", "named"]),
        (bundles.IgnoreRule(pointers=("/spec/paused",)), ["list", "named"]),
        (bundles.IgnoreRule(pointers=("/spec",)), []),
        (bundles.IgnoreRule(pointers=("/spec/containers/0/image",)), ["spec"]),
        (bundles.IgnoreRule(pointers=("/spec/containers/1/image",)), ["spec"]),
        (bundles.IgnoreRule(pointers=("/spec/containers/7/image",)), ["spec"]),
        (bundles.IgnoreRule(pointers=("/spec/gone/0/image",)), ["list", "named", "spec"]),
    ],
    ids=["all", "none", "manager", "field", "above", "by place", "no name", "no place", "nowhere"],
)
def test_fields_that_are_ignored_do_not_count(rule: bundles.IgnoreRule, left: list[str]) -> None:
    """Nor a status, nor what an autoscaler scales; what cannot be told from what is ignored does not count either."""
    live = containers({"name": "web", "image": "a"}, {"image": "b"})
    live["metadata"]["managedFields"] = [
        writer("one", {"f:paused": {}}),
        writer("kube-controller-manager", {"f:replicas": {}}, subresource="scale"),
    ]
    found = {
        ".spec.paused": "spec",
        ".spec.replicas": "scaled",
        ".status.ready": "status",
        ".spec.containers[name=web].image": "named",
        ".spec.containers": "list",
    }

    assert sorted(ignoring.counted(found, live, options(rule), of=WEB).values()) == left
