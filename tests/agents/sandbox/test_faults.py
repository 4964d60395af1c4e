"""Faults on demand, over HTTP as an agent meets them."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.kube_api import Api, Json, config_map
from tests.fixtures import sandbox as sandboxes
from tests.fixtures.sandbox import Endpoint

FAULTS = "/sandbox/faults"
PATH = "/api/v1/namespaces/default/configmaps/a"


@pytest.fixture
def api(sandbox: list[Endpoint]) -> Iterator[Api]:
    """A cluster whose faults are gone when the test is over."""
    endpoint = sandbox[1]
    with contextlib.closing(Api(endpoint.server, endpoint.token, endpoint.authority_pem)) as found:
        yield found
        found.call("DELETE", FAULTS)


def test_a_fault_strikes_so_many_times(api: Api) -> None:
    api.call("POST", FAULTS, {"status": 429, "verb": "patch", "resource": "configmaps", "times": 2, "retryAfterS": 3})
    answers = [api.apply(PATH, config_map()) for _ in range(3)]

    assert [answer.code for answer in answers[:2]] == [429, 429]
    assert answers[2].code in (200, 201)
    assert answers[0].body["reason"] == "TooManyRequests"
    assert answers[0].body["details"] == {"retryAfterSeconds": 3}


def test_a_fault_is_only_for_what_it_names(api: Api) -> None:
    api.call("POST", FAULTS, {"status": 403, "resource": "deployments.apps", "name": "web", "times": 9})

    assert api.apply(PATH, config_map()).code in (200, 201)
    assert api.call("GET", "/apis/apps/v1/namespaces/default/deployments/other").code == 404
    assert api.call("GET", "/apis/apps/v1/namespaces/default/deployments/web").code == 403


def test_faults_are_listed_and_cleared(api: Api) -> None:
    api.call("POST", FAULTS, {"status": 500, "times": 5})
    api.call("GET", PATH)
    listed = api.call("GET", FAULTS).body
    api.call("DELETE", FAULTS)

    assert [(fault["status"], fault["times"]) for fault in listed] == [(500, 4)]
    assert api.call("GET", FAULTS).body == []
    assert api.call("GET", PATH).code in (200, 404)


def test_an_unknown_field_of_a_fault_is_refused(api: Api) -> None:
    assert api.call("POST", FAULTS, {"satus": 500}).code == 400


def test_a_request_that_hangs_is_freed_when_faults_are_cleared(api: Api, sandbox: list[Endpoint]) -> None:
    api.call("POST", FAULTS, {"status": 503, "verb": "get", "resource": "configmaps", "hang": True})
    endpoint = sandbox[1]
    hanging = Api(endpoint.server, endpoint.token, endpoint.authority_pem)
    with contextlib.closing(hanging):
        hanging.send("GET", PATH)
        listed = api.call("GET", FAULTS).body
        while listed:  # the fault is used up once the request has arrived
            listed = api.call("GET", FAULTS).body
        api.call("DELETE", FAULTS)

        assert hanging.receive().code == 503


def test_a_fault_without_a_code_only_delays(api: Api) -> None:
    api.call("POST", FAULTS, {"status": 0, "delayS": 0.2, "verb": "get", "resource": "configmaps"})
    before = time.monotonic()
    answer = api.call("GET", PATH)

    assert answer.code in (200, 404)
    assert time.monotonic() - before >= 0.2
    assert api.call("POST", FAULTS, {"delayS": 4000}).code == 400


def test_a_fault_may_stay_until_it_is_cleared(api: Api) -> None:
    api.call("POST", FAULTS, {"status": 503, "retryAfterS": 1, "times": 0})
    codes = {api.call("GET", path).code for path in (PATH, "/api/v1/namespaces", "/apis", "/apis/apps/v1") * 3}
    api.call("DELETE", FAULTS)

    assert codes == {503}
    assert api.call("GET", "/apis").code == 200


@pytest.fixture
def watch(api: Api) -> Iterator[Json]:
    """A watch of ConfigMaps that has told of one."""
    api.apply(PATH, config_map())
    opened = api.watch("/api/v1/namespaces/default/configmaps", fieldSelector="metadata.name!=kube-root-ca.crt")
    assert next(opened)["type"] == "ADDED"
    with contextlib.closing(opened):
        yield opened


def change(api: Api) -> None:
    api.apply(PATH, config_map(data={"now": str(time.monotonic())}))


def test_a_silent_watch_says_nothing_until_faults_are_cleared(api: Api, watch: Iterator[Json]) -> None:
    api.call("POST", FAULTS, {"watch": "silent", "resource": "configmaps"})
    change(api)
    api.call("DELETE", FAULTS)

    assert list(watch) == []


def test_a_silent_watch_is_struck_before_it_begins_as_well(api: Api) -> None:
    api.call("POST", FAULTS, {"watch": "silent"})
    opened = Api(api.server, api.token, api.authority_pem)
    with contextlib.closing(opened):
        opened.send("GET", "/api/v1/namespaces?watch=1")
        while api.call("GET", FAULTS).body:  # the fault is used up once the watch has arrived
            pass
        api.call("DELETE", FAULTS)

        assert opened.receive().body == ""


def test_an_expired_watch_is_told_to_list_again(api: Api, watch: Iterator[Json]) -> None:
    api.call("POST", FAULTS, {"watch": "expire"})
    (event,) = watch

    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")


def test_a_fault_of_watches_leaves_lists_and_other_watches_alone(api: Api, watch: Iterator[Json]) -> None:
    api.call("POST", FAULTS, {"watch": "expire", "resource": "secrets", "times": 0})
    change(api)

    assert next(watch)["type"] == "MODIFIED"
    assert api.call("GET", "/api/v1/secrets").code == 200


def test_some_clusters_may_begin_with_a_fault(tmp_path: Path) -> None:
    fault = '{"status": 503, "resource": "secrets", "times": 0}'
    with sandboxes.running(tmp_path, "--cluster", "edge-1", "--cluster", "core", "--fault", f"edge-*={fault}") as found:
        codes = {}
        for endpoint in found:
            with contextlib.closing(Api(endpoint.server, endpoint.token, endpoint.authority_pem)) as api:
                codes[endpoint.name] = api.call("GET", "/api/v1/secrets").code

    assert codes == {"edge-1": 503, "core": 200}


@pytest.mark.parametrize(
    "wish", ["edge-*", '={"status": 500}', 'edge-*={"satus": 500}', 'nobody={"status": 500}', 'edge-*={"watch": "odd"}']
)
def test_a_fault_that_cannot_be_meant_is_refused_at_the_start(tmp_path: Path, wish: str) -> None:
    command = [sys.executable, "-m", "protocol.dispatch", "sandbox", "--dir", str(tmp_path), "--cluster", "edge-1"]
    done = subprocess.run([*command, "--fault", wish], capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "--fault" in done.stderr
