"""One suite for the real API server and for the sandbox: what the real one does is what is expected."""

import contextlib
import uuid
from collections.abc import Iterator

import pytest

from tests.conformance.kube_api import Api
from tests.controlplane.server import ControlPlane
from tests.fixtures.sandbox import Endpoint


@pytest.fixture(params=["sandbox", pytest.param("real", marks=pytest.mark.kube)])
def cluster(request: pytest.FixtureRequest) -> Iterator[Api]:
    """The API of a cluster that all tests share."""
    if request.param == "sandbox":
        endpoint: Endpoint = request.getfixturevalue("sandbox")[0]
        server, token, trust = endpoint.server, endpoint.token, endpoint.authority_pem
    else:
        plane: ControlPlane = request.getfixturevalue("control_plane")
        server, token = plane.server, plane.token
        trust = (plane.directory / "ca.crt").read_text()
    with contextlib.closing(Api(server, token, trust)) as api:
        yield api


@pytest.fixture
def api(cluster: Api) -> Iterator[Api]:
    """The API with a namespace of the test's own."""
    name = f"test-{uuid.uuid4().hex[:10]}"
    created = cluster.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    assert created.code == 201, created
    with contextlib.closing(cluster.within(name)) as within:
        yield within
    cluster.call("DELETE", f"/api/v1/namespaces/{name}")
