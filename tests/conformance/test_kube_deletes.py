"""Deleting: what is answered, what stands against it, and what goes along."""

import pytest

from tests.conformance.kube_api import MERGE, Api, Json, config_map, eventually

NOBODY = "00000000-0000-0000-0000-000000000000"


def test_a_delete_answers_with_what_is_gone(api: Api) -> None:
    path = api.path("configmaps", "a")
    uid = api.apply(path, config_map()).body["metadata"]["uid"]
    deleted = api.call("DELETE", path)

    assert deleted.code == 200
    assert deleted.body == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {"name": "a", "kind": "configmaps", "uid": uid},
    }
    assert api.call("GET", path).code == 404


def test_a_delete_of_another_uid_is_refused(api: Api) -> None:
    path = api.path("configmaps", "a")
    uid = api.apply(path, config_map()).body["metadata"]["uid"]
    refused = api.call("DELETE", path, {"preconditions": {"uid": NOBODY}})

    assert refused.code == 409
    assert refused.body == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": (
            f'Operation cannot be fulfilled on ConfigMap "a": the UID in the precondition ({NOBODY}) does not match'
            f" the UID in record ({uid}). The object might have been deleted and then recreated"
        ),
        "reason": "Conflict",
        "details": {"name": "a", "kind": "ConfigMap"},
        "code": 409,
    }
    assert api.call("DELETE", path, {"preconditions": {"uid": uid}}).code == 200


def test_a_finalizer_holds_a_deleted_object(api: Api) -> None:
    path = api.path("configmaps", "a")
    api.apply(path, config_map(finalizers=["example.com/hold"]))
    marked = api.call("DELETE", path)
    again = api.call("DELETE", path)
    kept = api.get(path)
    api.call("PATCH", path, {"metadata": {"finalizers": None}}, content_type=MERGE)

    assert marked.body["kind"] == "ConfigMap"
    assert marked.body["metadata"]["deletionGracePeriodSeconds"] == 0
    assert again.body == kept == marked.body
    assert api.call("GET", path).code == 404


def test_an_object_on_its_way_out_can_still_be_applied(api: Api) -> None:
    path = api.path("configmaps", "a")
    api.apply(path, config_map(data={"x": "1"}))
    api.call("PATCH", path, {"metadata": {"finalizers": ["example.com/hold"]}}, content_type=MERGE)
    api.call("DELETE", path)
    changed = api.apply(path, config_map(data={"x": "2"}))
    api.call("PATCH", path, {"metadata": {"finalizers": None}}, content_type=MERGE)

    assert changed.code == 200
    assert "deletionTimestamp" in changed.body["metadata"]


def test_a_collection_is_deleted_by_label(api: Api) -> None:
    for name, labels in (("a", {"app": "x"}), ("b", {"app": "y"}), ("c", {"app": "x"})):
        api.apply(api.path("configmaps", name), config_map(name, labels=labels))
    deleted = api.call("DELETE", f"{api.path('configmaps')}?labelSelector=app%3Dx")
    left = [item["metadata"]["name"] for item in api.get(api.path("configmaps"))["items"]]

    assert sorted(item["metadata"]["name"] for item in deleted.body["items"]) == ["a", "c"]
    assert "b" in left
    assert not {"a", "c"} & set(left)


def owned_by(owner: Json, **meta: Json) -> Json:
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    return config_map("owned", ownerReferences=[reference], **meta)


@pytest.fixture
def owner(api: Api) -> Json:
    """A ConfigMap that owns another."""
    value = api.apply(api.path("configmaps", "owner"), config_map("owner")).body
    api.apply(api.path("configmaps", "owned"), owned_by(value))
    return value


def test_what_an_object_owns_goes_after_it(api: Api, owner: Json) -> None:
    api.call("DELETE", api.path("configmaps", "owner"), {"propagationPolicy": "Background"})

    assert eventually(lambda: api.call("GET", api.path("configmaps", "owned")).code == 404)


def test_an_orphan_stays_without_its_owner(api: Api, owner: Json) -> None:
    api.call("DELETE", api.path("configmaps", "owner"), {"propagationPolicy": "Orphan"})

    assert eventually(lambda: api.call("GET", api.path("configmaps", "owner")).code == 404)
    assert "ownerReferences" not in api.get(api.path("configmaps", "owned"))["metadata"]


def test_a_namespace_takes_its_contents_along(api: Api) -> None:
    root = f"/api/v1/namespaces/{api.namespace}"
    api.apply(api.path("configmaps", "a"), config_map(finalizers=["example.com/hold"]))
    deleted = api.call("DELETE", root).body
    refused = api.apply(api.path("configmaps", "b"), config_map("b"))
    eventually(lambda: "deletionTimestamp" in api.get(api.path("configmaps", "a"))["metadata"])
    waiting = api.get(root)["status"]["phase"]
    api.call("PATCH", api.path("configmaps", "a"), {"metadata": {"finalizers": None}}, content_type=MERGE)

    assert (deleted["status"]["phase"], waiting) == ("Terminating", "Terminating")
    assert refused.code == 403
    assert refused.message == (
        f'configmaps "b" is forbidden: unable to create new content in namespace {api.namespace}'
        " because it is being terminated"
    )
    assert refused.body["details"]["causes"] == [
        {
            "reason": "NamespaceTerminating",
            "message": f"namespace {api.namespace} is being terminated",
            "field": "metadata.namespace",
        }
    ]
    assert eventually(lambda: api.call("GET", root).code == 404)
