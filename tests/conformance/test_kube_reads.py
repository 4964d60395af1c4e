"""Reading: lists and their selections, watches, tables, discovery, and who may read at all."""

import itertools

import pytest

from tests.conformance.kube_api import MERGE, Api, Json, config_map, service

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


def names(listing: Json) -> list[str]:
    return [item["metadata"]["name"] for item in listing["items"] if item["metadata"]["name"] != "kube-root-ca.crt"]


@pytest.fixture
def labelled(api: Api) -> Api:
    """Three ConfigMaps that differ in their labels."""
    for name, labels in (("a", {"app": "x", "tier": "1"}), ("b", {"app": "y"}), ("c", {})):
        api.apply(api.path("configmaps", name), config_map(name, labels=labels))
    return api


def test_a_wrong_token_is_refused(api: Api) -> None:
    refused = api.call("GET", "/api/v1/namespaces", authorization="Bearer wrong")

    assert refused.code == 401
    assert refused.body == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "Unauthorized",
        "reason": "Unauthorized",
        "code": 401,
    }


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("app=x", ["a"]),
        ("app==x", ["a"]),
        ("app!=x", ["b", "c"]),
        ("app in (x, y)", ["a", "b"]),
        ("app notin (x)", ["b", "c"]),
        ("app", ["a", "b"]),
        ("!app", ["c"]),
        ("app,!tier", ["b"]),
        ("app=x,tier=1", ["a"]),
        ("app=", []),
    ],
)
def test_a_list_selects_by_label(labelled: Api, selector: str, expected: list[str]) -> None:
    found = labelled.call("GET", f"{labelled.path('configmaps')}?labelSelector={selector.replace(' ', '%20')}").body

    assert names(found) == expected


@pytest.mark.parametrize(
    ("selector", "expected"), [("metadata.name=a", ["a"]), ("metadata.name!=a", ["b", "c"]), ("metadata.name=q", [])]
)
def test_a_list_selects_by_field(labelled: Api, selector: str, expected: list[str]) -> None:
    assert names(labelled.get(f"{labelled.path('configmaps')}?fieldSelector={selector}")) == expected


def test_a_selector_that_cannot_be_read_is_refused(api: Api) -> None:
    assert api.call("GET", f"{api.path('configmaps')}?labelSelector=a%3D%3D%3Db").code == 400


def test_the_items_of_a_list_do_not_repeat_their_kind(labelled: Api) -> None:
    listing = labelled.get(labelled.path("configmaps"))
    whole = labelled.get(labelled.path("configmaps", "a"))
    item = next(item for item in listing["items"] if item["metadata"]["name"] == "a")

    assert (listing["kind"], listing["apiVersion"]) == ("ConfigMapList", "v1")
    assert item == {name: part for name, part in whole.items() if name not in ("kind", "apiVersion")}


def test_a_list_comes_in_pages(labelled: Api) -> None:
    path = f"{labelled.path('configmaps')}?fieldSelector=metadata.name!=kube-root-ca.crt&limit=2"
    first = labelled.get(path)
    rest = labelled.get(f"{path}&continue={first['metadata']['continue']}")

    assert (names(first), names(rest)) == (["a", "b"], ["c"])
    assert "continue" not in rest["metadata"]


def test_a_list_over_all_namespaces_has_the_test_s_own(labelled: Api) -> None:
    found = labelled.get("/api/v1/configmaps?labelSelector=tier%3D1")

    assert labelled.namespace in [item["metadata"]["namespace"] for item in found["items"]]


def test_a_watch_tells_changes_since_a_version(api: Api) -> None:
    path = api.path("configmaps")
    start = api.get(path)["metadata"]["resourceVersion"]
    api.apply(f"{path}/a", config_map(data={"x": "1"}))
    api.apply(f"{path}/a", config_map(data={"x": "2"}))
    api.call("DELETE", f"{path}/a")
    words = {"resourceVersion": start, "fieldSelector": "metadata.name=a"}
    events = list(itertools.islice(api.watch(path, timeoutSeconds="10", **words), 3))

    assert [(event["type"], event["object"].get("data")) for event in events] == [
        ("ADDED", {"x": "1"}),
        ("MODIFIED", {"x": "2"}),
        ("DELETED", {"x": "2"}),
    ]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
    assert versions == sorted(set(versions))


def test_a_watch_without_a_version_begins_with_what_is_there(labelled: Api) -> None:
    events = list(itertools.islice(labelled.watch(labelled.path("configmaps"), labelSelector="app"), 2))

    assert sorted((event["type"], event["object"]["metadata"]["name"]) for event in events) == [
        ("ADDED", "a"),
        ("ADDED", "b"),
    ]


def test_an_object_that_leaves_a_selection_is_deleted_for_its_watch(labelled: Api) -> None:
    path = labelled.path("configmaps")
    start = labelled.get(path)["metadata"]["resourceVersion"]
    labelled.call("PATCH", f"{path}/a", {"metadata": {"labels": {"app": "z"}}}, content_type=MERGE)
    labelled.call("PATCH", f"{path}/a", {"metadata": {"labels": {"app": "x"}}}, content_type=MERGE)
    words = {"resourceVersion": start, "labelSelector": "app=x", "timeoutSeconds": "10"}
    events = list(itertools.islice(labelled.watch(path, **words), 2))

    assert [event["type"] for event in events] == ["DELETED", "ADDED"]


def test_a_watch_ends_when_its_time_is_over(api: Api) -> None:
    path = api.path("services")
    start = api.get(path)["metadata"]["resourceVersion"]

    assert list(api.watch(path, resourceVersion=start, timeoutSeconds="1")) == []


def test_a_streamed_list_ends_with_a_bookmark(labelled: Api) -> None:
    words = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    events = []
    for event in labelled.watch(labelled.path("configmaps"), labelSelector="app", timeoutSeconds="10", **words):
        events.append(event)
        if event["type"] == "BOOKMARK":
            break

    assert [event["type"] for event in events] == ["ADDED", "ADDED", "BOOKMARK"]
    assert events[-1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_the_first_version_of_all_is_remembered_or_too_old(api: Api) -> None:
    first = next(iter(api.watch("/api/v1/namespaces", resourceVersion="1", timeoutSeconds="2")))

    assert first["type"] in ("ADDED", "ERROR")
    if first["type"] == "ERROR":
        assert (first["object"]["code"], first["object"]["reason"]) == (410, "Expired")


def test_a_table_has_the_columns_that_kubectl_shows(api: Api) -> None:
    api.apply(api.path("configmaps", "a"), config_map(data={"x": "1", "y": "2"}))
    table = api.call("GET", f"{api.path('configmaps')}?fieldSelector=metadata.name%3Da", accept=TABLE).body

    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert table["rows"][0]["cells"][:2] == ["a", 2]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"


@pytest.mark.parametrize(
    ("group", "plural", "columns"),
    [
        ("", "pods", "Name,Ready,Status,Restarts,Age"),
        ("apps", "deployments", "Name,Ready,Up-to-date,Available,Age"),
        ("apps", "replicasets", "Name,Desired,Current,Ready,Age"),
        ("apps", "statefulsets", "Name,Ready,Age"),
        ("apps", "daemonsets", "Name,Desired,Current,Ready,Up-to-date,Available,Node Selector,Age"),
        ("batch", "jobs", "Name,Status,Completions,Duration,Age"),
    ],
)
def test_tables_of_workloads_have_the_columns_that_kubectl_shows(
    api: Api, group: str, plural: str, columns: str
) -> None:
    table = api.call("GET", api.path(plural, group=group), accept=TABLE).body
    found = [column["name"] for column in table["columnDefinitions"] if not column["priority"]]

    assert ",".join(found) == columns


def test_metadata_can_be_asked_for_alone(api: Api) -> None:
    path = api.path("services", "web")
    whole = api.apply(path, service({"port": 80})).body
    alone = api.call("GET", path, accept="application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io").body

    assert alone == {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": whole["metadata"],
    }


def test_discovery_says_what_can_be_done(api: Api) -> None:
    resources = {each["name"]: each for each in api.get("/apis/apps/v1")["resources"]}
    found = {name: part for name, part in resources["deployments"].items() if name != "storageVersionHash"}

    assert found == {
        "name": "deployments",
        "singularName": "deployment",
        "namespaced": True,
        "kind": "Deployment",
        "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
        "shortNames": ["deploy"],
        "categories": ["all"],
    }
    assert resources["deployments/scale"] == {
        "name": "deployments/scale",
        "singularName": "",
        "namespaced": True,
        "group": "autoscaling",
        "version": "v1",
        "kind": "Scale",
        "verbs": ["get", "patch", "update"],
    }


def test_aggregated_discovery_names_every_group_once(api: Api) -> None:
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
    groups = api.call("GET", "/apis", accept=accept).body
    apps = next(group for group in groups["items"] if group["metadata"]["name"] == "apps")
    deployments = next(each for each in apps["versions"][0]["resources"] if each["resource"] == "deployments")

    assert (groups["kind"], groups["apiVersion"]) == ("APIGroupDiscoveryList", "apidiscovery.k8s.io/v2")
    assert deployments["responseKind"] == {"group": "", "version": "", "kind": "Deployment"}
    assert deployments["scope"] == "Namespaced"


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz"])
def test_a_healthy_server_says_ok(api: Api, path: str) -> None:
    assert api.call("GET", path).body == "ok"


def test_a_kind_that_is_not_served_is_not_found(api: Api) -> None:
    known = api.call("GET", api.path("nothings"))
    unknown = api.call("GET", api.path("nothings", group="nowhere.example.com"))

    assert known.code == unknown.code == 404
    assert known.message == "the server could not find the requested resource"
    assert unknown.body == "404 page not found\n"
