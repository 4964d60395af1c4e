"""The sandbox as a process: what it writes, whom it lets in, and that its clusters are apart."""

import json
import stat
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.fixtures.sandbox import Endpoint


def ask(endpoint: Endpoint, path: str, *, method: str = "GET", body: object = None, token: str = "") -> tuple[int, Any]:
    """Send one request; return the code and the decoded answer."""
    headers = {
        "Authorization": f"Bearer {token or endpoint.token}",
        "Content-Type": "application/apply-patch+yaml" if method == "PATCH" else "application/json",
    }
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(endpoint.server + path, data=data, headers=headers, method=method)  # noqa: S310
    try:
        with urllib.request.urlopen(request, context=endpoint.ssl_context(), timeout=60) as answer:  # noqa: S310
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_the_kubeconfig_is_for_its_owner_only(sandbox: list[Endpoint]) -> None:
    mode = stat.S_IMODE(Path(sandbox[0].kubeconfig).stat().st_mode)

    assert mode == 0o600


def test_a_wrong_token_is_refused_in_the_servers_words(sandbox: list[Endpoint]) -> None:
    code, answer = ask(sandbox[0], "/api/v1/namespaces", token=sandbox[1].token)

    expected = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    assert code == 401
    assert answer == expected | {"message": "Unauthorized", "reason": "Unauthorized", "code": 401}


def test_what_is_applied_to_one_cluster_is_in_that_cluster_only(sandbox: list[Endpoint]) -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine"}, "data": {"a": "b"}}
    path = "/api/v1/namespaces/default/configmaps/mine"
    created, _ = ask(sandbox[0], f"{path}?fieldManager=flotilla", method="PATCH", body=config)

    assert created == 201
    assert ask(sandbox[0], path)[1]["data"] == {"a": "b"}
    assert ask(sandbox[1], path)[0] == 404


def test_each_cluster_has_its_own_identity(sandbox: list[Endpoint]) -> None:
    uids = {ask(each, "/api/v1/namespaces/kube-system")[1]["metadata"]["uid"] for each in sandbox}

    assert len(uids) == len(sandbox)
