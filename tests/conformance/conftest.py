"""One suite for the real API server and for the sandbox: what the real one does is what is expected."""

import ssl
import uuid
from collections.abc import Iterator

import pytest

from tests.conformance.kube_api import Api
from tests.controlplane.server import ControlPlane
from tests.fixtures.sandbox import Endpoint


@pytest.fixture(params=["sandbox", pytest.param("real", marks=pytest.mark.kube)])
def cluster(request: pytest.FixtureRequest) -> Api:
    """The API of a cluster that all tests share."""
    if request.param == "sandbox":
        endpoints: list[Endpoint] = request.getfixturevalue("sandbox")
        return Api(endpoints[0].server, endpoints[0].token, endpoints[0].ssl_context())
    plane: ControlPlane = request.getfixturevalue("control_plane")
    trust = ssl.create_default_context(cafile=str(plane.directory / "ca.crt"))
    return Api(plane.server, plane.token, trust)


@pytest.fixture
def api(cluster: Api) -> Iterator[Api]:
    """The API with a namespace of the test's own."""
    name = f"test-{uuid.uuid4().hex[:10]}"
    created = cluster.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    assert created.code == 201, created
    yield cluster.within(name)
    cluster.call("DELETE", f"/api/v1/namespaces/{name}")
