"""Server-side apply of lists: by key, as sets, as one piece, and in whose order."""

from tests.conformance.kube_api import Api, config_map, owners, pod_template, service

WEB = {"name": "web", "image": "nginx:1"}


def test_containers_merge_by_name(api: Api) -> None:
    path = api.path("podtemplates", "web")
    api.apply(path, pod_template(WEB))
    side = {"name": "side", "image": "envoy:1"}
    value = api.apply(path, pod_template(side), manager="two").body
    found = [(container["name"], container["image"]) for container in value["template"]["spec"]["containers"]]

    assert found == [("web", "nginx:1"), ("side", "envoy:1")]
    assert owners(value)["two/Apply"]["f:template"]["f:spec"] == {
        "f:containers": {'k:{"name":"side"}': {".": {}, "f:name": {}, "f:image": {}}}
    }


def test_a_dropped_list_item_takes_its_defaults_along(api: Api) -> None:
    path = api.path("podtemplates", "web")
    api.apply(path, pod_template(WEB, {"name": "side", "image": "envoy:1"}))
    value = api.apply(path, pod_template(WEB)).body

    assert [container["name"] for container in value["template"]["spec"]["containers"]] == ["web"]


def test_environment_variables_merge_by_name(api: Api) -> None:
    path = api.path("podtemplates", "web")
    api.apply(path, pod_template({**WEB, "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}))
    mine = {"name": "web", "env": [{"name": "C", "value": "3"}]}
    api.apply(path, pod_template(mine), manager="two")
    value = api.apply(path, pod_template({**WEB, "env": [{"name": "B", "value": "2"}]})).body

    assert value["template"]["spec"]["containers"][0]["env"] == [
        {"name": "B", "value": "2"},
        {"name": "C", "value": "3"},
    ]


def test_container_ports_merge_by_number_and_protocol(api: Api) -> None:
    path = api.path("podtemplates", "web")
    api.apply(path, pod_template({**WEB, "ports": [{"containerPort": 53}]}))
    udp = {"name": "web", "ports": [{"containerPort": 53, "protocol": "UDP"}]}
    value = api.apply(path, pod_template(udp), manager="two").body
    container = value["template"]["spec"]["containers"][0]
    mine = owners(value)["one/Apply"]["f:template"]["f:spec"]["f:containers"]['k:{"name":"web"}']

    assert container["ports"] == [
        {"containerPort": 53, "protocol": "TCP"},
        {"containerPort": 53, "protocol": "UDP"},
    ]
    assert mine["f:ports"] == {'k:{"containerPort":53,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}}


def test_service_ports_keep_what_the_other_manager_added(api: Api) -> None:
    path = api.path("services", "web")
    http, https = {"name": "http", "port": 80}, {"name": "https", "port": 443}
    api.apply(path, service(http, selector={"app": "web"}))
    api.apply(path, service(https), manager="two")
    value = api.apply(path, service({**http, "targetPort": 8080}, selector={"app": "web"})).body

    assert value["spec"]["ports"] == [
        {"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080},
        {"name": "https", "port": 443, "protocol": "TCP", "targetPort": 443},
    ]


def test_an_atomic_list_has_one_owner(api: Api) -> None:
    path = api.path("roles", "reader", group="rbac.authorization.k8s.io")

    def role(verb: str) -> object:
        rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": [verb]}]
        kind = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role"}
        return {**kind, "metadata": {"name": "reader"}, "rules": rules}

    value = api.apply(path, role("get")).body
    refused = api.apply(path, role("list"), manager="two")

    assert owners(value) == {"one/Apply": {"f:rules": {}}}
    assert refused.message == 'Apply failed with 1 conflict: conflict with "one": .rules'


def test_a_set_takes_the_members_of_every_manager(api: Api) -> None:
    path = api.path("configmaps", "a")
    api.apply(path, config_map(finalizers=["example.com/a", "example.com/b"]))
    api.apply(path, config_map(finalizers=["example.com/b", "example.com/c"]), manager="two")
    value = api.apply(path, config_map(finalizers=["example.com/a"])).body
    api.call("PATCH", path, {"metadata": {"finalizers": None}}, content_type="application/merge-patch+json")

    assert value["metadata"]["finalizers"] == ["example.com/a", "example.com/b", "example.com/c"]
    assert owners(value)["one/Apply"] == {"f:metadata": {"f:finalizers": {'v:"example.com/a"': {}}}}


def test_a_selector_is_one_piece(api: Api) -> None:
    value = api.apply(api.path("services", "web"), service({"port": 80}, selector={"app": "web"})).body

    assert owners(value)["one/Apply"]["f:spec"]["f:selector"] == {}


def test_the_order_of_items_is_that_of_the_last_applier(api: Api) -> None:
    path = api.path("podtemplates", "web")
    letters = [{"name": name, "image": "i:1"} for name in "abcd"]
    api.apply(path, pod_template(*letters))
    api.apply(path, pod_template({"name": "x", "image": "i:1"}), manager="two")
    value = api.apply(path, pod_template(letters[2], letters[0], letters[3])).body

    assert [each["name"] for each in value["template"]["spec"]["containers"]] == ["c", "x", "a", "d"]


def test_a_duplicated_key_is_refused(api: Api) -> None:
    refused = api.apply(api.path("services", "web"), service({"port": 80}, {"port": 80}))

    assert refused.code == 500
    assert refused.message == (
        "failed to create typed patch object (/web; /v1, Kind=Service):"
        ' .spec.ports: duplicate entries for key [port=80,protocol="TCP"]'
    )
