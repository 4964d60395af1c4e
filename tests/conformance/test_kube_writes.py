"""Creating, replacing and patching: the answers and the refusals."""

import pytest

from tests.conformance.kube_api import (
    JSON_PATCH,
    MERGE,
    STRATEGIC,
    Api,
    Json,
    config_map,
    eventually,
    owners,
    pod_template,
    service,
)

NOBODY = "00000000-0000-0000-0000-000000000000"


def deployment(name: str = "web", **spec: Json) -> Json:
    labels = {"app": name}
    pod = {"containers": [{"name": "web", "image": "nginx:1"}]}
    template = {"metadata": {"labels": labels}, "spec": pod}
    full = {"selector": {"matchLabels": labels}, "template": template, "paused": True, **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": full}


def test_a_created_object_is_owned_whole_with_its_defaults(api: Api) -> None:
    created = api.call("POST", api.path("services"), service({"port": 80}, selector={"app": "web"}))

    assert created.code == 201
    assert owners(created.body) == {
        "suite/Update": {
            "f:spec": {
                "f:internalTrafficPolicy": {},
                "f:ports": {
                    ".": {},
                    'k:{"port":80,"protocol":"TCP"}': {
                        ".": {},
                        "f:port": {},
                        "f:protocol": {},
                        "f:targetPort": {},
                    },
                },
                "f:selector": {},
                "f:sessionAffinity": {},
                "f:type": {},
            }
        }
    }


def test_creating_it_again_is_refused(api: Api) -> None:
    path = api.path("deployments", group="apps")
    api.call("POST", path, deployment())
    refused = api.call("POST", path, deployment())

    assert refused.code == 409
    assert refused.body == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'deployments.apps "web" already exists',
        "reason": "AlreadyExists",
        "details": {"name": "web", "group": "apps", "kind": "deployments"},
        "code": 409,
    }


def test_what_is_not_there_is_not_found(api: Api) -> None:
    missing = api.call("GET", api.path("deployments", "web", group="apps"))

    assert missing.code == 404
    assert missing.body == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'deployments.apps "web" not found',
        "reason": "NotFound",
        "details": {"name": "web", "group": "apps", "kind": "deployments"},
        "code": 404,
    }


def test_the_server_completes_a_generated_name(api: Api) -> None:
    value = {"metadata": {"generateName": "a-"}}
    created = api.call("POST", api.path("configmaps"), value).body["metadata"]

    assert created["name"].startswith("a-")
    assert len(created["name"]) == len("a-") + 5


def test_a_name_must_be_a_subdomain(api: Api) -> None:
    refused = api.call("POST", api.path("configmaps"), config_map("A_b"))

    assert refused.code == 422
    assert refused.body["details"]["causes"][0]["field"] == "metadata.name"
    assert refused.message.startswith('ConfigMap "A_b" is invalid: metadata.name: Invalid value: "A_b": a lowercase')


@pytest.mark.parametrize("strict", ["Strict", "Ignore"])
def test_an_unknown_field_is_refused_only_when_asked(api: Api, strict: str) -> None:
    answer = api.call("POST", f"{api.path('configmaps')}?fieldValidation={strict}", {**config_map(), "bogus": 1})

    if strict == "Ignore":
        assert answer.code == 201
        assert "bogus" not in answer.body
    else:
        assert answer.code == 400
        assert answer.message == (
            'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "bogus"'
        )


def test_an_update_of_an_old_version_is_refused(api: Api) -> None:
    path = api.path("configmaps", "a")
    old = api.apply(path, config_map(data={"x": "1"})).body
    api.apply(path, config_map(data={"x": "2"}))
    refused = api.call("PUT", path, old)

    assert refused.code == 409
    assert refused.body["details"] == {"name": "a", "kind": "configmaps"}
    assert refused.message == (
        'Operation cannot be fulfilled on configmaps "a": the object has been modified;'
        " please apply your changes to the latest version and try again"
    )


def test_an_update_that_changes_nothing_keeps_the_version(api: Api) -> None:
    path = api.path("configmaps", "a")
    value = api.apply(path, config_map(data={"x": "1"})).body

    assert api.call("PUT", path, value).body == value


def test_an_update_of_another_uid_is_refused(api: Api) -> None:
    path = api.path("configmaps", "a")
    uid = api.apply(path, config_map()).body["metadata"]["uid"]
    refused = api.call("PUT", path, config_map(uid=NOBODY))

    assert refused.code == 409
    assert refused.message.endswith(f"UID in precondition: {NOBODY}, UID in object meta: {uid}")


def test_a_selector_cannot_change(api: Api) -> None:
    path = api.path("deployments", "web", group="apps")
    api.apply(path, deployment())
    other = {"matchLabels": {"app": "other"}}
    template = {"metadata": {"labels": {"app": "other"}}, "spec": deployment()["spec"]["template"]["spec"]}
    refused = api.apply(path, deployment(selector=other, template=template))

    assert refused.code == 422
    assert refused.message == (
        'Deployment.apps "web" is invalid: spec.selector: Invalid value:'
        ' {"matchLabels":{"app":"other"}}: field is immutable'
    )


def test_a_deployment_must_select_its_own_pods(api: Api) -> None:
    refused = api.call("POST", api.path("deployments", group="apps"), deployment(selector=None))

    assert refused.code == 422
    assert refused.message == (
        'Deployment.apps "web" is invalid: [spec.selector: Required value, spec.template.metadata.labels:'
        ' Invalid value: {"app":"web"}: `selector` does not match template `labels`]'
    )


def test_an_immutable_config_map_keeps_its_data(api: Api) -> None:
    path = api.path("configmaps", "a")
    api.apply(path, {**config_map(data={"x": "1"}), "immutable": True})
    refused = api.apply(path, {**config_map(data={"x": "2"}), "immutable": True})

    assert refused.code == 422
    assert refused.message == ('ConfigMap "a" is invalid: data: Forbidden: field is immutable when `immutable` is set')


def test_only_a_change_of_the_spec_is_a_new_generation(api: Api) -> None:
    path = api.path("deployments", "web", group="apps")
    first = api.apply(path, deployment()).body["metadata"]["generation"]
    labelled = {**deployment(), "metadata": {"name": "web", "labels": {"a": "b"}}}
    second = api.apply(path, labelled).body["metadata"]["generation"]
    third = api.apply(path, {**labelled, "spec": deployment(replicas=2)["spec"]}).body["metadata"]["generation"]

    assert (first, second, third) == (1, 1, 2)


def test_a_merge_patch_changes_and_deletes(api: Api) -> None:
    path = api.path("configmaps", "a")
    api.apply(path, config_map(data={"x": "1", "y": "2"}))
    patch = {"data": {"x": None, "z": "3"}}
    value = api.call("PATCH", path, patch, content_type=MERGE).body

    assert value["data"] == {"y": "2", "z": "3"}
    assert owners(value) == {
        "one/Apply": {"f:data": {"f:y": {}}},
        "suite/Update": {"f:data": {"f:z": {}}},
    }


def test_a_json_patch_runs_whole_or_not_at_all(api: Api) -> None:
    path = api.path("configmaps", "a")
    api.apply(path, config_map(data={"x": "1"}))
    add = {"op": "add", "path": "/data/y", "value": "2"}
    done = api.call("PATCH", path, [{"op": "test", "path": "/data/x", "value": "1"}, add], content_type=JSON_PATCH)
    failed = api.call(
        "PATCH",
        path,
        [{"op": "remove", "path": "/data/x"}, {"op": "remove", "path": "/data/q"}],
        content_type=JSON_PATCH,
    )

    assert done.body["data"] == {"x": "1", "y": "2"}
    assert failed.code == 422
    assert api.get(path)["data"] == {"x": "1", "y": "2"}


def test_a_strategic_merge_patch_finds_items_by_their_key(api: Api) -> None:
    path = api.path("podtemplates", "web")
    side = {"name": "side", "image": "envoy:1"}
    api.apply(path, pod_template({"name": "web", "image": "nginx:1"}, side))
    patch = pod_template({"name": "web", "image": "nginx:2"}, {"name": "side", "$patch": "delete"})
    value = api.call("PATCH", path, patch, content_type=STRATEGIC).body

    assert [(each["name"], each["image"]) for each in value["template"]["spec"]["containers"]] == [("web", "nginx:2")]


def test_a_patch_of_an_unknown_form_is_refused(api: Api) -> None:
    path = api.path("configmaps", "a")
    api.apply(path, config_map())

    assert api.call("PATCH", path, {}, content_type="application/json").code == 415


def test_the_status_has_a_door_of_its_own(api: Api) -> None:
    path = api.path("persistentvolumeclaims", "data")
    spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": "none", "resources": {"requests": {"storage": "1Gi"}}}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": spec}
    api.apply(path, {**claim, "status": {"phase": "Lost"}})
    through_main = api.get(path)["status"]["phase"]
    patch = {"status": {"phase": "Bound"}, "spec": {"storageClassName": "other"}}
    value = api.call("PATCH", f"{path}/status", patch, content_type=MERGE).body

    assert through_main == "Pending"
    assert (value["status"]["phase"], value["spec"]["storageClassName"]) == ("Bound", "none")
    assert owners(value)["suite/Update/status"] == {"f:status": {"f:phase": {}}}


def test_a_scale_changes_the_replicas(api: Api) -> None:
    path = api.path("deployments", "web", group="apps")
    api.apply(path, deployment(replicas=1))
    scaled = api.call("PATCH", f"{path}/scale", {"spec": {"replicas": 3}}, content_type=MERGE)

    assert scaled.body["kind"] == "Scale"
    assert scaled.body["spec"] == {"replicas": 3}
    assert api.get(path)["spec"]["replicas"] == 3


def test_a_body_that_is_too_large_is_refused(api: Api) -> None:
    text = "x" * (3 * 1024 * 1024)

    assert api.apply(api.path("configmaps", "a"), config_map(data={"x": text})).code == 413


def test_yaml_is_applied_as_well_as_json(api: Api) -> None:
    text = b'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  x: "1"\n  z: |\n    two\n  y: "3"\n'
    value = api.call(
        "PATCH",
        f"{api.path('configmaps', 'a')}?fieldManager=one",
        text,
        content_type="application/apply-patch+yaml",
    ).body

    assert value["data"] == {"x": "1", "z": "two\n", "true": "3"}, "YAML 1.1: a bare y is true"


def test_a_namespace_is_born_with_an_account_and_an_authority(api: Api) -> None:
    account = eventually(lambda: api.call("GET", api.path("serviceaccounts", "default")).code == 200)
    authority = eventually(lambda: api.call("GET", api.path("configmaps", "kube-root-ca.crt")).body.get("data"))

    assert account
    assert authority["ca.crt"].startswith("-----BEGIN CERTIFICATE-----")


LEASE = {"holderIdentity": "a", "leaseDurationSeconds": 15, "renewTime": "2026-11-25T21:06:25.123456Z"}


def test_a_lease_changes_hands_once(api: Api) -> None:
    """Two that want it write the version they have read: the second is told to read again."""
    path = api.path("leases", group="coordination.k8s.io")
    created = api.call("POST", path, {"metadata": {"name": "agent"}, "spec": LEASE})
    meta = {"name": "agent", "resourceVersion": created.body["metadata"]["resourceVersion"]}
    taken = api.call("PUT", f"{path}/agent", {"metadata": meta, "spec": {**LEASE, "holderIdentity": "b"}})
    refused = api.call("PUT", f"{path}/agent", {"metadata": meta, "spec": {**LEASE, "holderIdentity": "c"}})

    assert (created.code, created.body["spec"]) == (201, LEASE)
    assert (taken.code, taken.body["spec"]["holderIdentity"]) == (200, "b")
    assert (refused.code, refused.body["reason"]) == (409, "Conflict")


def test_a_lease_that_has_no_microseconds_is_refused(api: Api) -> None:
    path = api.path("leases", group="coordination.k8s.io")
    refused = api.call("POST", path, {"metadata": {"name": "a"}, "spec": {"renewTime": "2026-11-25T21:06:25Z"}})

    assert (refused.code, refused.body["reason"]) == (400, "BadRequest")
    assert 'parsing time "2026-11-25T21:06:25Z" as "2006-01-02T15:04:05.000000Z07:00"' in refused.message


def test_a_service_account_is_a_plain_object(api: Api) -> None:
    path = api.path("serviceaccounts", "agent")
    created = api.apply(path, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "agent"}})

    assert created.code == 201
    assert api.get(path)["metadata"]["uid"] == created.body["metadata"]["uid"]
