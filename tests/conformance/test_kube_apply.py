"""Server-side apply: who owns what, who may change it, and what happens to what nobody wants any more."""

from tests.conformance.kube_api import Api, config_map, owners, pod_template

WEB = {"name": "web", "image": "nginx:1"}


def test_an_apply_creates_what_is_not_there(api: Api) -> None:
    path = api.path("configmaps", "a")
    created = api.apply(path, config_map(data={"x": "1"}))
    value = created.body

    assert created.code == 201
    assert value == {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {
            "name": "a",
            "namespace": api.namespace,
            "uid": value["metadata"]["uid"],
            "resourceVersion": value["metadata"]["resourceVersion"],
            "creationTimestamp": value["metadata"]["creationTimestamp"],
            "managedFields": [
                {
                    "manager": "one",
                    "operation": "Apply",
                    "apiVersion": "v1",
                    "time": value["metadata"]["creationTimestamp"],
                    "fieldsType": "FieldsV1",
                    "fieldsV1": {"f:data": {"f:x": {}}},
                }
            ],
        },
        "data": {"x": "1"},
    }


def test_an_apply_of_the_same_changes_nothing(api: Api) -> None:
    path = api.path("configmaps", "a")
    first = api.apply(path, config_map(data={"x": "1"}, labels={"a": "b"}))
    again = api.apply(path, config_map(data={"x": "1"}, labels={"a": "b"}))

    assert again.code == 200
    assert again.body == first.body


def test_an_apply_needs_a_field_manager(api: Api) -> None:
    refused = api.apply(api.path("configmaps", "a"), config_map(), manager="")

    assert refused.code == 422
    assert refused.body == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": (
            'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch'
        ),
        "reason": "Invalid",
        "details": {
            "group": "meta.k8s.io",
            "kind": "PatchOptions",
            "causes": [
                {
                    "reason": "FieldValueRequired",
                    "message": "Required value: is required for apply patch",
                    "field": "fieldManager",
                }
            ],
        },
        "code": 422,
    }


def test_a_dropped_field_is_removed(api: Api) -> None:
    path = api.path("configmaps", "a")
    api.apply(path, config_map(data={"x": "1", "y": "2"}, labels={"a": "b"}))
    value = api.apply(path, config_map(data={"x": "1"})).body

    assert value["data"] == {"x": "1"}
    assert "labels" not in value["metadata"]
    assert owners(value) == {"one/Apply": {"f:data": {"f:x": {}}}}


def test_a_dropped_field_stays_while_another_manager_owns_it(api: Api) -> None:
    path = api.path("configmaps", "a")
    api.apply(path, config_map(data={"x": "1", "y": "2"}))
    api.apply(path, config_map(data={"y": "2"}), manager="two")
    value = api.apply(path, config_map(data={"x": "1"})).body

    assert value["data"] == {"x": "1", "y": "2"}
    assert owners(value) == {"one/Apply": {"f:data": {"f:x": {}}}, "two/Apply": {"f:data": {"f:y": {}}}}


def test_a_manager_that_gives_up_its_last_field_is_not_listed(api: Api) -> None:
    path = api.path("configmaps", "a")
    api.apply(path, config_map(data={"x": "1"}))
    api.apply(path, config_map(data={"y": "2"}), manager="two")
    value = api.apply(path, config_map(), manager="two").body

    assert value["data"] == {"x": "1"}
    assert owners(value) == {"one/Apply": {"f:data": {"f:x": {}}}}


def test_one_conflict_is_named_with_its_manager_and_field(api: Api) -> None:
    path = api.path("configmaps", "a")
    api.apply(path, config_map(data={"x": "1"}))
    refused = api.apply(path, config_map(data={"x": "2"}), manager="two")

    assert refused.code == 409
    assert refused.body == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'Apply failed with 1 conflict: conflict with "one": .data.x',
        "reason": "Conflict",
        "details": {
            "causes": [{"reason": "FieldManagerConflict", "message": 'conflict with "one"', "field": ".data.x"}]
        },
        "code": 409,
    }
    assert api.get(path)["data"] == {"x": "1"}


def test_a_conflict_with_an_updater_names_its_version(api: Api) -> None:
    path = api.path("configmaps")
    api.call("POST", f"{path}?fieldManager=kubectl-create", config_map(data={"x": "1"}))
    refused = api.apply(f"{path}/a", config_map(data={"x": "2"}))

    assert refused.message == 'Apply failed with 1 conflict: conflict with "kubectl-create" using v1: .data.x'


def test_many_conflicts_are_listed_by_manager(api: Api) -> None:
    path = api.path("podtemplates", "web")
    api.apply(path, pod_template({**WEB, "env": [{"name": "A", "value": "1"}]}))
    wanted = pod_template({"name": "web", "image": "nginx:2", "env": [{"name": "A", "value": "2"}]})
    refused = api.apply(path, wanted, manager="two")

    assert refused.message == (
        'Apply failed with 2 conflicts: conflicts with "one":\n'
        '- .template.spec.containers[name="web"].image\n'
        '- .template.spec.containers[name="web"].env[name="A"].value'
    )


def test_the_same_value_is_no_conflict_but_shared(api: Api) -> None:
    path = api.path("configmaps", "a")
    first = api.apply(path, config_map(data={"x": "1"}))
    shared = api.apply(path, config_map(data={"x": "1"}), manager="two")

    assert shared.code == 200
    assert owners(shared.body) == {"one/Apply": {"f:data": {"f:x": {}}}, "two/Apply": {"f:data": {"f:x": {}}}}
    assert shared.body["metadata"]["resourceVersion"] != first.body["metadata"]["resourceVersion"]


def test_an_apply_that_only_takes_a_share_has_no_time(api: Api) -> None:
    path = api.path("configmaps", "a")
    api.apply(path, config_map(data={"x": "1"}))
    value = api.apply(path, config_map(data={"x": "1"}), manager="two").body
    entries = {entry["manager"]: entry for entry in value["metadata"]["managedFields"]}

    assert "time" in entries["one"]
    assert "time" not in entries["two"]


def test_force_takes_the_field_and_its_ownership(api: Api) -> None:
    path = api.path("configmaps", "a")
    api.apply(path, config_map(data={"x": "1", "y": "2"}))
    forced = api.apply(path, config_map(data={"x": "9"}), manager="two", force="true")

    assert forced.code == 200
    assert forced.body["data"] == {"x": "9", "y": "2"}
    assert owners(forced.body) == {"one/Apply": {"f:data": {"f:y": {}}}, "two/Apply": {"f:data": {"f:x": {}}}}


def test_an_update_takes_what_it_changes_from_the_applier(api: Api) -> None:
    path = api.path("configmaps", "a")
    value = api.apply(path, config_map(data={"x": "1", "y": "2"})).body
    changed = {**value, "data": {"x": "1", "y": "3"}}
    value = api.call("PUT", f"{path}?fieldManager=editor", changed).body

    assert owners(value) == {"one/Apply": {"f:data": {"f:x": {}}}, "editor/Update": {"f:data": {"f:y": {}}}}


def test_the_manager_of_an_update_is_the_user_agent(api: Api) -> None:
    created = api.call("POST", api.path("configmaps"), config_map(data={"x": "1"}), user_agent="tool/v1 (linux)")

    assert owners(created.body) == {"tool/Update": {"f:data": {".": {}, "f:x": {}}}}


def test_an_unknown_field_is_refused(api: Api) -> None:
    refused = api.apply(api.path("configmaps", "a"), {**config_map(), "bogus": 1})

    assert refused.code == 500
    assert refused.message == (
        "failed to create typed patch object (/a; /v1, Kind=ConfigMap): .bogus: field not declared in schema"
    )


def test_another_uid_is_refused(api: Api) -> None:
    path = api.path("configmaps", "a")
    api.apply(path, config_map(data={"x": "1"}))
    other = "00000000-0000-0000-0000-000000000000"
    for wanted in ("1", "2"):
        refused = api.apply(path, config_map(data={"x": wanted}, uid=other))

        assert refused.code == 422
        assert refused.message == (
            f'ConfigMap "a" is invalid: metadata.uid: Invalid value: "{other}": field is immutable'
        )


def test_the_right_uid_is_accepted(api: Api) -> None:
    path = api.path("configmaps", "a")
    uid = api.apply(path, config_map(data={"x": "1"})).body["metadata"]["uid"]
    changed = api.apply(path, config_map(data={"x": "2"}, uid=uid))

    assert (changed.code, changed.body["data"]) == (200, {"x": "2"})


def test_an_old_resource_version_is_refused(api: Api) -> None:
    path = api.path("configmaps", "a")
    version = api.apply(path, config_map(data={"x": "1"})).body["metadata"]["resourceVersion"]
    api.apply(path, config_map(data={"x": "2"}))
    refused = api.apply(path, config_map(data={"x": "3"}, resourceVersion=version))

    assert refused.code == 409
    assert refused.message == (
        'Operation cannot be fulfilled on configmaps "a": the object has been modified;'
        " please apply your changes to the latest version and try again"
    )


def test_a_uid_of_something_that_is_gone_creates_nothing(api: Api) -> None:
    uid = "00000000-0000-0000-0000-000000000000"
    refused = api.apply(api.path("configmaps", "a"), config_map(uid=uid))

    assert refused.code == 409
    assert refused.message == (
        f'Operation cannot be fulfilled on configmaps "a": uid mismatch:'
        f" the provided object specified uid {uid}, and no existing object was found"
    )


def test_a_dry_run_answers_and_changes_nothing(api: Api) -> None:
    path = api.path("configmaps", "a")
    api.apply(path, config_map(data={"x": "1"}))
    tried = api.apply(path, config_map(data={"x": "2"}), dryRun="All")

    assert tried.body["data"] == {"x": "2"}
    assert api.get(path)["data"] == {"x": "1"}
    assert api.apply(api.path("configmaps", "new"), config_map("new"), dryRun="All").code == 201
    assert api.call("GET", api.path("configmaps", "new")).code == 404


def test_nothing_is_created_in_a_namespace_that_is_not_there(api: Api) -> None:
    missing = f"{api.namespace}-missing"
    refused = api.apply(f"/api/v1/namespaces/{missing}/configmaps/a", config_map())

    assert refused.code == 404
    assert refused.body["details"] == {"name": missing, "kind": "namespaces"}
    assert refused.message == f'namespaces "{missing}" not found'


def test_quantities_come_back_in_their_shortest_form(api: Api) -> None:
    path = api.path("podtemplates", "web")
    asked = {"cpu": "1000m", "memory": "1.5Gi", "ephemeral-storage": "2048Ki"}
    config = pod_template({**WEB, "resources": {"requests": asked}})
    value = api.apply(path, config).body
    again = api.apply(path, config)

    assert value["template"]["spec"]["containers"][0]["resources"]["requests"] == {
        "cpu": "1",
        "memory": "1536Mi",
        "ephemeral-storage": "2Mi",
    }
    assert again.body == value


def test_empty_maps_and_lists_vanish(api: Api) -> None:
    config = pod_template({**WEB, "env": [], "resources": {"limits": {}}}, nodeSelector={}, tolerations=[])
    spec = api.apply(api.path("podtemplates", "web"), config).body["template"]["spec"]

    assert "nodeSelector" not in spec
    assert "tolerations" not in spec
    assert spec["containers"][0]["resources"] == {}
    assert "env" not in spec["containers"][0]


def test_defaults_are_filled_in_and_owned_by_nobody(api: Api) -> None:
    value = api.apply(api.path("podtemplates", "web"), pod_template(WEB)).body

    assert value["template"]["spec"] == {
        "containers": [
            {
                "name": "web",
                "image": "nginx:1",
                "imagePullPolicy": "IfNotPresent",
                "resources": {},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
            }
        ],
        "dnsPolicy": "ClusterFirst",
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
    }
    assert owners(value)["one/Apply"]["f:template"]["f:spec"] == {
        "f:containers": {'k:{"name":"web"}': {".": {}, "f:name": {}, "f:image": {}}}
    }
