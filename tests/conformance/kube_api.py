"""A small client of any Kubernetes API, real or not, that hands answers over as they are."""

import contextlib
import http.client
import json
import ssl
import time
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"

REQUEST_S = 60.0
EVENTUALLY_S = 60.0
POLL_S = 0.05
"""How often something that another process does by and by is looked for."""

Json = Any


class Answer(msgspec.Struct, frozen=True):
    """What the server said."""

    code: int
    body: Json

    @property
    def message(self) -> str:
        return str(self.body["message"])


class Api:
    """One cluster's API, with a namespace that belongs to the test."""

    def __init__(self, server: str, token: str, authority_pem: str, *, namespace: str = "") -> None:
        self.server = server
        self.token = token
        self.authority_pem = authority_pem
        self.namespace = namespace
        self._context = ssl.create_default_context(cadata=authority_pem)
        self._context.verify_flags |= ssl.VERIFY_X509_STRICT  # the default from Python 3.13 on
        self._address = urllib.parse.urlsplit(server)
        self._kept = self._connection()

    def close(self) -> None:
        """Close the connection that requests share; a watch has its own."""
        self._kept.close()

    def within(self, namespace: str) -> "Api":
        """The same API, for a test that works in this namespace."""
        return Api(self.server, self.token, self.authority_pem, namespace=namespace)

    def path(self, plural: str, name: str = "", *, group: str = "", subresource: str = "") -> str:
        """The path of a namespaced collection or object of the test."""
        root = f"/apis/{group}/v1" if group else "/api/v1"
        parts = [f"{root}/namespaces/{self.namespace}/{plural}", name, subresource]
        return "/".join(part for part in parts if part)

    def call(self, method: str, path: str, body: Json = None, **headers: str) -> Answer:
        """Send one request; header names are written with underscores."""
        self.send(method, path, body, **headers)
        return self.receive()

    def send(self, method: str, path: str, body: Json = None, **headers: str) -> None:
        """Send a request without waiting for its answer."""
        self._send(self._kept, method, path, body, headers)

    def receive(self) -> Answer:
        """The answer to what was sent."""
        answer = self._kept.getresponse()
        data = answer.read()
        try:
            return Answer(answer.status, json.loads(data))
        except ValueError:  # some answers of the real server are plain text
            return Answer(answer.status, data.decode(errors="replace"))

    def get(self, path: str) -> Json:
        """What stands at a path that is sure to exist."""
        answer = self.call("GET", path)
        assert answer.code == 200, answer
        return answer.body

    def apply(self, path: str, config: Json, manager: str = "one", **query: str) -> Answer:
        """Apply a configuration on the server's side."""
        words = urllib.parse.urlencode({"fieldManager": manager, **query})
        return self.call("PATCH", f"{path}?{words}", config, content_type=APPLY)

    def watch(self, path: str, **query: str) -> Iterator[Json]:
        """The events of a watch, until the server ends it."""
        words = urllib.parse.urlencode({"watch": "1", **query})
        with contextlib.closing(self._connection()) as connection:
            self._send(connection, "GET", f"{path}?{words}", None, {})
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            while line := answer.readline():
                yield json.loads(line)

    def _connection(self) -> http.client.HTTPSConnection:
        host, port = self._address.hostname, self._address.port
        assert host is not None
        return http.client.HTTPSConnection(host, port, timeout=REQUEST_S, context=self._context)

    def _send(
        self, connection: http.client.HTTPSConnection, method: str, path: str, body: Json, headers: dict[str, str]
    ) -> None:
        given = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json", "User-Agent": "suite/1"}
        given |= {name.replace("_", "-").title(): value for name, value in headers.items()}
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection.request(method, self._address.path + path, data, given)


def eventually(look: Callable[[], Json]) -> Json:
    """What a look finds, once it finds something: controllers act when they get to it."""
    deadline = time.monotonic() + EVENTUALLY_S
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(POLL_S)
    raise AssertionError(f"nothing after {EVENTUALLY_S:.0f} s: {look.__doc__ or look}")


def owners(value: Json) -> dict[str, Json]:
    """Who owns what, by manager and operation; a subresource is named after a slash."""
    return {
        "/".join(filter(None, (entry["manager"], entry["operation"], entry.get("subresource")))): entry["fieldsV1"]
        for entry in value["metadata"].get("managedFields", [])
    }


def config_map(name: str = "a", data: dict[str, str] | None = None, **meta: Json) -> Json:
    """A ConfigMap: the simplest thing with fields that can be owned one by one."""
    value = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **meta}}
    return value if data is None else {**value, "data": data}


def pod_template(*containers: Json, **spec: Json) -> Json:
    """A PodTemplate: all the merge rules of a Deployment, and no controller that writes to it."""
    labels = {"app": "web"}
    pod = {"containers": list(containers), **spec} if containers else spec
    template = {"metadata": {"labels": labels}, "spec": pod}
    return {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "web"}, "template": template}


def service(*ports: Json, **spec: Json) -> Json:
    """A Service, whose ports are told apart by number and protocol."""
    given = {"ports": list(ports), **spec} if ports else spec
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": given}
