"""Faults on demand, over HTTP as an agent meets them."""

import contextlib
from collections.abc import Iterator

import pytest

from tests.conformance.kube_api import Api, config_map
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
