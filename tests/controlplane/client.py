"""The smallest client of an API server: enough to see that it is ready, and for tests that want the plain answer."""

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

REQUEST_S = 120.0
"""How long the server may take for an answer: a busy machine is no failure."""

WATCH_S = 180
"""A safety net: a test ends its watch when it has seen what it waits for."""

APPLY = "application/apply-patch+yaml"
"""The content type of a server-side apply; JSON is YAML."""


class Client:
    """Calls with a bearer token over verified TLS; blocking, so not for use inside an event loop."""

    def __init__(self, server: str, token: str, authority: Path) -> None:
        self.server = server
        self._token = token
        # No proxy: the environment's proxy must never see a request to loopback.
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(authority))),
        )

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> tuple[int, Any]:
        """The status and the decoded body; a refusal by the server is an answer, not an exception."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Accept": accept, "Content-Type": content_type}
        try:
            with self._open(method, path, data, headers) as answer:
                return answer.status, _decoded(answer.read())
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, _decoded(refusal.read())

    def get(self, path: str) -> Any:
        """What stands at a path that is sure to exist."""
        status, body = self.call("GET", path)
        assert status == 200, f"GET {path}: {status} {body}"
        return body

    def apply(self, path: str, body: object, *, manager: str) -> Any:
        """Server-side apply; returns the object as it is then."""
        status, answer = self.call("PATCH", f"{path}?fieldManager={manager}", body, content_type=APPLY)
        assert status in (200, 201), f"apply {path}: {status} {answer}"
        return answer

    def watch(self, path: str, *, seconds: int = WATCH_S) -> Iterator[tuple[str, Any]]:
        """What is there and what happens to it, as type and object, until the server ends the watch."""
        asked = f"{path}?watch=true&timeoutSeconds={seconds}"
        # Where nothing happens, a watch is silent until the server ends it.
        with self._open("GET", asked, None, {}, silence_s=seconds + REQUEST_S) as lines:
            for line in lines:
                event = json.loads(line)
                yield event["type"], event["object"]

    def _open(
        self, method: str, path: str, data: bytes | None, headers: dict[str, str], *, silence_s: float = REQUEST_S
    ) -> HTTPResponse:
        sent = {"Authorization": f"Bearer {self._token}", **headers}
        request = urllib.request.Request(self.server + path, data, sent, method=method)  # noqa: S310 - always https
        answer: HTTPResponse = self._opener.open(request, timeout=silence_s)
        return answer


def _decoded(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data.decode(errors="replace")
